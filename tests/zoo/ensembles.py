"""Ensembles of arbitrary estimators: voting, stacking, bagging, AdaBoost."""

from __future__ import annotations

from typing import Any

from zoo.specimen import (
    Builder,
    bools,
    fit,
    fitted_before,
    new,
    scaled,
    strings,
    three_labels,
    whole_floats,
    words,
)


def _tree(depth: int = 3) -> Any:
    return new("tree.DecisionTreeClassifier", max_depth=depth, random_state=0)


def _regression_tree(depth: int = 4) -> Any:
    return new("tree.DecisionTreeRegressor", max_depth=depth, random_state=0)


def _bayes() -> Any:
    return new("naive_bayes.GaussianNB")


def _logistic() -> Any:
    return scaled("linear_model.LogisticRegression")


def _linear_svm() -> Any:
    return scaled("svm.LinearSVC")


def _neighbors() -> Any:
    return new("neighbors.KNeighborsClassifier", 5)


def _voting(*members: Any, **options: Any) -> Any:
    return new("ensemble.VotingClassifier", [(f"m{i}", m) for i, m in enumerate(members)], **options)


def _stacking(*members: Any, **options: Any) -> Any:
    named = [(f"m{i}", m) for i, m in enumerate(members)]
    return new("ensemble.StackingClassifier", named, **{"cv": 2, **options})


def _stacking_regressor(*members: Any, **options: Any) -> Any:
    named = [(f"m{i}", m) for i, m in enumerate(members)]
    return new("ensemble.StackingRegressor", named, **{"cv": 2, **options})


def _bagging(member: Any, **options: Any) -> Any:
    return new("ensemble.BaggingClassifier", member, **{"n_estimators": 4, "random_state": 0, **options})


def _ada(member: Any, **options: Any) -> Any:
    return new("ensemble.AdaBoostClassifier", member, **{"n_estimators": 5, "random_state": 0, **options})


def _ada_regressor(member: Any, **options: Any) -> Any:
    return new("ensemble.AdaBoostRegressor", member, **{"n_estimators": 5, "random_state": 0, **options})


SPECIMENS: dict[str, Builder] = {
    "voting-soft": fit(lambda: _voting(_tree(), _bayes(), voting="soft", weights=[2, 1]), "wine", strings),
    "voting-soft-binary": fit(lambda: _voting(_tree(), _bayes(), voting="soft"), "breast_cancer", bools),
    "voting-soft-rows-first": fit(
        lambda: _voting(_tree(), _bayes(), voting="soft", flatten_transform=False), "wine"
    ),
    "voting-hard": fit(lambda: _voting(_tree(), _linear_svm(), _bayes()), "wine"),
    "voting-hard-weights": fit(
        lambda: _voting(_tree(), _linear_svm(), "drop", _bayes(), weights=[1, 2, 5, 1]), "wine", strings
    ),
    "voting-regressor": fit(
        lambda: new(
            "ensemble.VotingRegressor",
            [("ridge", new("linear_model.Ridge")), ("out", "drop"), ("tree", _regression_tree())],
            weights=[0.3, 2, 1],
        ),
        "diabetes",
    ),
    "stacking": fit(lambda: _stacking(_linear_svm(), _bayes()), "breast_cancer", lambda x, y: (x, words(y))),
    "stacking-probabilities": fit(
        lambda: _stacking(
            _tree(), _bayes(), "drop", stack_method="predict_proba", passthrough=True, final_estimator=_tree()
        ),
        "wine",
        strings,
    ),
    "stacking-decisions": fit(
        lambda: _stacking(
            _linear_svm(),
            _logistic(),
            stack_method="decision_function",
            final_estimator=new("linear_model.RidgeClassifier"),
        ),
        "wine",
        whole_floats,
    ),
    "stacking-labels": fit(
        lambda: _stacking(
            _linear_svm(),
            _tree(),
            new("linear_model.Ridge"),
            stack_method="predict",
            final_estimator=_bayes(),
        ),
        "breast_cancer",
    ),
    "stacking-labels-binary-scores": fit(
        lambda: _stacking(_tree(), _bayes(), final_estimator=scaled("svm.LinearSVC")), "breast_cancer", bools
    ),
    "stacking-prefit": fitted_before(
        lambda: [("tree", _tree()), ("bayes", _bayes())],
        lambda members: new("ensemble.StackingClassifier", members, cv="prefit"),
        "iris",
    ),
    "stacking-indicator": fit(
        lambda: _stacking(
            new("tree.DecisionTreeClassifier", max_depth=4, random_state=0),
            scaled(
                "neural_network.MLPClassifier",
                hidden_layer_sizes=(4,),
                solver="lbfgs",
                max_iter=5000,
                tol=0.1,
                random_state=0,
            ),
            final_estimator=new(
                "ensemble.RandomForestClassifier", n_estimators=3, max_depth=3, random_state=0
            ),
        ),
        "wine",
        three_labels,
    ),
    "stacking-indicator-labels": fit(
        lambda: _stacking(
            scaled("linear_model.RidgeClassifier"),
            _tree(4),
            stack_method="predict",
            passthrough=True,
            final_estimator=new("linear_model.RidgeClassifier"),
        ),
        "wine",
        three_labels,
    ),
    "stacking-regressor": fit(
        lambda: _stacking_regressor(new("linear_model.Ridge"), _regression_tree(), passthrough=True),
        "diabetes",
    ),
    "stacking-regressor-tree": fit(
        lambda: _stacking_regressor(
            new("linear_model.Ridge"), "drop", _regression_tree(), final_estimator=_regression_tree()
        ),
        "diabetes",
    ),
    "bagging": fit(lambda: _bagging(_tree(4), max_features=0.5), "wine", strings),
    "bagging-bootstrapped-columns": fit(
        lambda: _bagging(_tree(4), max_features=0.8, bootstrap_features=True, max_samples=0.6),
        "wine",
        lambda x, y: (x, y == 0),
    ),
    "bagging-bayes": fit(lambda: _bagging(_bayes(), max_features=0.5), "wine", strings),
    "bagging-scores": fit(lambda: _bagging(_logistic(), max_features=0.5), "wine"),
    "bagging-scores-binary": fit(
        lambda: _bagging(_linear_svm(), bootstrap=False, max_samples=0.7), "breast_cancer"
    ),
    "bagging-neighbors": fit(lambda: _bagging(_neighbors(), max_samples=20, n_estimators=3), "wine", strings),
    "bagging-votes": fit(
        lambda: _bagging(scaled("linear_model.Perceptron", random_state=0)), "wine", strings
    ),
    "bagging-rare-classes": fit(lambda: _bagging(_tree(4), max_samples=6, n_estimators=6), "digits"),
    "bagging-regressor": fit(
        lambda: new("ensemble.BaggingRegressor", new("linear_model.Ridge"), n_estimators=3, random_state=0),
        "diabetes",
    ),
    "bagging-regressor-trees": fit(
        lambda: new(
            "ensemble.BaggingRegressor",
            _regression_tree(),
            n_estimators=3,
            max_features=0.5,
            bootstrap_features=True,
            random_state=0,
        ),
        "diabetes",
    ),
    "ada-boost-strings": fit(lambda: _ada(None), "wine", strings),
    "ada-boost-slow": fit(lambda: _ada(_tree(2), learning_rate=0.5), "breast_cancer"),
    "ada-boost-scores": fit(lambda: _ada(new("linear_model.LogisticRegression", max_iter=3000)), "iris"),
    "ada-boost-scores-binary": fit(lambda: _ada(_bayes()), "breast_cancer", bools),
    "ada-boost-regressor-few": fit(lambda: _ada_regressor(_regression_tree()), "diabetes"),
    "ada-boost-regressor-square": fit(
        lambda: _ada_regressor(new("linear_model.Ridge"), loss="square"), "diabetes"
    ),
    "ada-boost-regressor-exponential": fit(
        lambda: _ada_regressor(_regression_tree(2), loss="exponential", learning_rate=0.3, n_estimators=20),
        "diabetes",
    ),
}
