"""Ensembles of arbitrary estimators."""

from __future__ import annotations

from zoo.specimen import Builder, fit, new, pipe, scaled, sparse_ints, strings, two_targets, words

SPECIMENS: dict[str, Builder] = {
    "voting-soft": fit(
        lambda: new(
            "ensemble.VotingClassifier",
            [
                ("tree", new("tree.DecisionTreeClassifier", max_depth=3, random_state=0)),
                ("nb", new("naive_bayes.GaussianNB")),
            ],
            voting="soft",
            weights=[2, 1],
        ),
        "wine",
        strings,
    ),
    "voting-hard": fit(
        lambda: new(
            "ensemble.VotingClassifier",
            [
                ("tree", new("tree.DecisionTreeClassifier", max_depth=3, random_state=0)),
                ("svm", scaled("svm.LinearSVC")),
                ("nb", new("naive_bayes.GaussianNB")),
            ],
        ),
        "wine",
    ),
    "voting-regressor": fit(
        lambda: new(
            "ensemble.VotingRegressor",
            [
                ("ridge", new("linear_model.Ridge")),
                ("tree", new("tree.DecisionTreeRegressor", max_depth=4, random_state=0)),
            ],
        ),
        "diabetes",
    ),
    "stacking": fit(
        lambda: new(
            "ensemble.StackingClassifier",
            [
                ("svm", scaled("svm.LinearSVC")),
                ("nb", new("naive_bayes.GaussianNB")),
            ],
            cv=3,
        ),
        "breast_cancer",
        lambda x, y: (x, words(y)),
    ),
    "stacking-regressor": fit(
        lambda: new(
            "ensemble.StackingRegressor",
            [
                ("ridge", new("linear_model.Ridge")),
                ("tree", new("tree.DecisionTreeRegressor", max_depth=4, random_state=0)),
            ],
            passthrough=True,
            cv=3,
        ),
        "diabetes",
    ),
    "bagging": fit(
        lambda: new(
            "ensemble.BaggingClassifier",
            new("tree.DecisionTreeClassifier", max_depth=4),
            n_estimators=4,
            max_features=0.5,
            random_state=0,
        ),
        "wine",
        strings,
    ),
    "bagging-regressor": fit(
        lambda: new("ensemble.BaggingRegressor", new("linear_model.Ridge"), n_estimators=3, random_state=0),
        "diabetes",
    ),
    "calibrated-sigmoid": fit(
        lambda: new("calibration.CalibratedClassifierCV", scaled("svm.LinearSVC"), cv=2), "wine", strings
    ),
    "calibrated-sigmoid-binary": fit(
        lambda: new("calibration.CalibratedClassifierCV", new("naive_bayes.GaussianNB"), cv=2),
        "breast_cancer",
    ),
    "multi-output-classifier": fit(
        lambda: pipe(
            new("preprocessing.StandardScaler"),
            new("multioutput.MultiOutputClassifier", new("linear_model.LogisticRegression")),
        ),
        "digits",
        two_targets,
    ),
    "multi-output-regressor": fit(
        lambda: new("multioutput.MultiOutputRegressor", new("linear_model.Ridge")), "linnerud"
    ),
    "one-vs-rest": fit(
        lambda: new("multiclass.OneVsRestClassifier", scaled("linear_model.LogisticRegression")),
        "wine",
        strings,
    ),
    "grid-search": fit(
        lambda: new(
            "model_selection.GridSearchCV",
            scaled("linear_model.LogisticRegression"),
            {"logisticregression__C": [0.1, 1.0]},
            cv=2,
        ),
        "wine",
        sparse_ints,
    ),
}
