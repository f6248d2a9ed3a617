"""Linear models."""

from __future__ import annotations

from zoo.specimen import Builder, bools, fit, new, scaled, sparse_ints, strings, whole_floats

SPECIMENS: dict[str, Builder] = {
    "logistic-regression-binary": fit(lambda: scaled("linear_model.LogisticRegression"), "breast_cancer"),
    "logistic-regression-digits": fit(lambda: scaled("linear_model.LogisticRegression"), "digits"),
    "logistic-regression-strings": fit(lambda: scaled("linear_model.LogisticRegression"), "wine", strings),
    "logistic-regression-sparse-ints": fit(
        lambda: new("linear_model.LogisticRegression", max_iter=3000), "iris", sparse_ints
    ),
    "logistic-regression-bools": fit(
        lambda: scaled("linear_model.LogisticRegression"), "breast_cancer", bools
    ),
    "decision-tree-float-labels": fit(
        lambda: scaled("tree.DecisionTreeClassifier", max_depth=3, random_state=0), "wine", whole_floats
    ),
    "ridge-classifier": fit(lambda: scaled("linear_model.RidgeClassifier"), "wine", strings),
    "ridge-classifier-binary": fit(lambda: scaled("linear_model.RidgeClassifier"), "breast_cancer"),
    "sgd-log-loss": fit(
        lambda: scaled("linear_model.SGDClassifier", loss="log_loss", random_state=0), "wine"
    ),
    "sgd-modified-huber": fit(
        lambda: scaled("linear_model.SGDClassifier", loss="modified_huber", random_state=0), "iris"
    ),
    "sgd-hinge": fit(lambda: scaled("linear_model.SGDClassifier", random_state=0), "digits"),
    "perceptron": fit(lambda: scaled("linear_model.Perceptron", random_state=0), "wine"),
    "linear-svc": fit(lambda: scaled("svm.LinearSVC"), "digits"),
    "lda": fit(lambda: new("discriminant_analysis.LinearDiscriminantAnalysis"), "wine"),
    "lda-binary": fit(lambda: new("discriminant_analysis.LinearDiscriminantAnalysis"), "breast_cancer"),
    "qda": fit(lambda: new("discriminant_analysis.QuadraticDiscriminantAnalysis"), "wine", strings),
    "linear-regression": fit(lambda: new("linear_model.LinearRegression"), "diabetes"),
    "linear-regression-multi-output": fit(lambda: new("linear_model.LinearRegression"), "linnerud"),
    "ridge": fit(lambda: scaled("linear_model.Ridge"), "diabetes"),
    "lasso": fit(lambda: scaled("linear_model.Lasso"), "diabetes"),
    "elastic-net": fit(lambda: scaled("linear_model.ElasticNet"), "diabetes"),
    "sgd-regressor": fit(lambda: scaled("linear_model.SGDRegressor", random_state=0), "diabetes"),
    "linear-svr": fit(lambda: scaled("svm.LinearSVR", C=10), "diabetes"),
    "poisson-regressor": fit(lambda: scaled("linear_model.PoissonRegressor"), "diabetes"),
}
