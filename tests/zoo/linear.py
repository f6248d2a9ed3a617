"""Linear models and discriminant analysis: every estimator, solver, loss, link and kind of target."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.specimen import (
    Array,
    Builder,
    bools,
    fit,
    new,
    quietly,
    scaled,
    sparse_ints,
    strings,
    three_labels,
    whole_floats,
)


def _logistic(**options: Any) -> Any:
    return scaled("linear_model.LogisticRegression", **options)


def _sgd(**options: Any) -> Any:
    return scaled("linear_model.SGDClassifier", random_state=0, **options)


def _lda(**options: Any) -> Any:
    return new("discriminant_analysis.LinearDiscriminantAnalysis", **options)


def _qda(**options: Any) -> Any:
    return new("discriminant_analysis.QuadraticDiscriminantAnalysis", **options)


def _sparse(classifier: Any) -> Any:
    """Fits, then turns the coefficients into a sparse matrix."""

    class Sparse:
        def fit(self, x: Array, y: Array) -> Any:
            return classifier.fit(x, y).sparsify()

    return Sparse()


def _small_positive(x: Array, y: Array) -> tuple[Array, Array]:
    return x, y / 100


def _one_column(x: Array, y: Array) -> tuple[Array, Array]:
    return x, y[:, None]


def _first_zero(x: Array, y: Array) -> tuple[Array, Array]:
    return x, np.where(y < 90, 0.0, y)


def _one_class(x: Array, y: Array) -> tuple[Array, Array]:
    return x, np.full(len(x), 7)


_PLAIN = (
    "ARDRegression", "BayesianRidge", "ElasticNetCV", "Lars", "LarsCV", "LassoCV", "LassoLars",
    "LassoLarsCV", "LassoLarsIC", "OrthogonalMatchingPursuit", "OrthogonalMatchingPursuitCV", "RidgeCV",
)  # fmt: skip
_SEVERAL = (
    "Lars", "MultiTaskElasticNet", "MultiTaskElasticNetCV", "MultiTaskLasso", "MultiTaskLassoCV",
    "OrthogonalMatchingPursuit", "Ridge", "RidgeCV",
)  # fmt: skip
_LARGE_C = {"C": 50.0, "solver": "saga", "tol": 1e-2}

SPECIMENS: dict[str, Builder] = {
    "logistic-regression-binary": fit(_logistic, "breast_cancer"),
    "logistic-regression-digits": fit(_logistic, "digits"),
    "logistic-regression-strings": fit(_logistic, "wine", strings),
    "logistic-regression-sparse-ints": fit(
        lambda: new("linear_model.LogisticRegression", max_iter=3000), "iris", sparse_ints
    ),
    "logistic-regression-bools": fit(_logistic, "breast_cancer", bools),
    "logistic-regression-liblinear": fit(lambda: _logistic(solver="liblinear"), "breast_cancer"),
    "logistic-regression-newton": fit(
        lambda: _logistic(solver="newton-cholesky", class_weight="balanced"), "wine", strings
    ),
    "logistic-regression-newton-cg": fit(lambda: _logistic(solver="newton-cg", fit_intercept=False), "iris"),
    "logistic-regression-sag": fit(lambda: _logistic(solver="sag", tol=1e-2, random_state=0), "iris"),
    "logistic-regression-l1": fit(
        lambda: _logistic(l1_ratio=1.0, random_state=0, **_LARGE_C), "wine", whole_floats
    ),
    "logistic-regression-elastic": fit(
        lambda: _logistic(l1_ratio=0.5, random_state=0, **_LARGE_C), "breast_cancer"
    ),
    "logistic-regression-unpenalized": fit(lambda: _logistic(C=np.inf, max_iter=1000, tol=1e-2), "iris"),
    "logistic-regression-cv": quietly(
        fit(lambda: scaled("linear_model.LogisticRegressionCV", Cs=2, cv=2, max_iter=1000), "wine", strings)
    ),
    "logistic-regression-sparse": fit(
        lambda: _sparse(new("linear_model.LogisticRegression", max_iter=3000)), "iris", strings
    ),
    "decision-tree-float-labels": fit(
        lambda: scaled("tree.DecisionTreeClassifier", max_depth=3, random_state=0), "wine", whole_floats
    ),
    "ridge-classifier": fit(lambda: scaled("linear_model.RidgeClassifier"), "wine", strings),
    "ridge-classifier-binary": fit(lambda: scaled("linear_model.RidgeClassifier"), "breast_cancer"),
    "ridge-classifier-indicator": fit(lambda: scaled("linear_model.RidgeClassifier"), "wine", three_labels),
    "ridge-classifier-one-class": fit(lambda: scaled("linear_model.RidgeClassifier"), "iris", _one_class),
    "ridge-classifier-cv": fit(lambda: scaled("linear_model.RidgeClassifierCV"), "wine", strings),
    "ridge-classifier-cv-indicator": fit(
        lambda: scaled("linear_model.RidgeClassifierCV", alphas=[1.0, 10.0]), "wine", three_labels
    ),
    "sgd-log-loss": fit(lambda: _sgd(loss="log_loss"), "wine"),
    "sgd-log-loss-binary": fit(lambda: _sgd(loss="log_loss", penalty="l1"), "breast_cancer", bools),
    "sgd-log-loss-unscaled": fit(
        lambda: new("linear_model.SGDClassifier", loss="log_loss", random_state=0), "wine", strings
    ),
    "sgd-modified-huber": fit(lambda: _sgd(loss="modified_huber"), "iris"),
    "sgd-modified-huber-binary": fit(lambda: _sgd(loss="modified_huber"), "breast_cancer"),
    "sgd-modified-huber-unscaled": fit(
        lambda: new("linear_model.SGDClassifier", loss="modified_huber", random_state=0), "wine", strings
    ),
    "sgd-hinge": fit(_sgd, "digits"),
    **{
        f"sgd-{loss.replace('_', '-')}": fit(
            lambda loss=loss: _sgd(loss=loss, penalty="elasticnet", average=True, tol=None, max_iter=20),
            "wine",
        )
        for loss in ("squared_hinge", "perceptron", "huber", "epsilon_insensitive")
    },
    "sgd-squared-error": fit(lambda: _sgd(loss="squared_error", eta0=1e-4, learning_rate="adaptive"), "wine"),
    "perceptron": fit(lambda: scaled("linear_model.Perceptron", random_state=0), "wine"),
    "perceptron-binary": fit(
        lambda: scaled("linear_model.Perceptron", penalty="l2", random_state=0), "breast_cancer", bools
    ),
    "passive-aggressive": quietly(
        fit(lambda: scaled("linear_model.PassiveAggressiveClassifier", random_state=0), "wine", strings)
    ),
    "passive-aggressive-binary": quietly(
        fit(
            lambda: scaled("linear_model.PassiveAggressiveClassifier", loss="squared_hinge", random_state=0),
            "breast_cancer",
        )
    ),
    "passive-aggressive-regressor": quietly(
        fit(lambda: scaled("linear_model.PassiveAggressiveRegressor", random_state=0), "diabetes")
    ),
    "linear-svc": fit(lambda: scaled("svm.LinearSVC"), "digits"),
    "lda": fit(_lda, "wine"),
    "lda-binary": fit(_lda, "breast_cancer"),
    "lda-least-squares": fit(lambda: _lda(solver="lsqr", shrinkage="auto"), "wine", strings),
    "lda-eigen": fit(lambda: _lda(solver="eigen", shrinkage=0.1, n_components=1), "iris"),
    "lda-priors": fit(lambda: _lda(priors=[0.2, 0.3, 0.5]), "iris", strings),
    "qda": fit(_qda, "wine", strings),
    "qda-binary": fit(lambda: _qda(reg_param=0.1), "breast_cancer", bools),
    "qda-eigen": fit(lambda: _qda(solver="eigen", shrinkage="auto", priors=[0.2, 0.3, 0.5]), "iris"),
    "qda-eigen-binary": fit(lambda: _qda(solver="eigen", shrinkage=0.2), "breast_cancer"),
    "linear-regression": fit(lambda: new("linear_model.LinearRegression"), "diabetes"),
    "linear-regression-positive": fit(
        lambda: new("linear_model.LinearRegression", positive=True, fit_intercept=False), "diabetes"
    ),
    "linear-regression-one-column": fit(
        lambda: new("linear_model.LinearRegression"), "diabetes", _one_column
    ),
    "linear-regression-multi-output": fit(lambda: new("linear_model.LinearRegression"), "linnerud"),
    "ridge": fit(lambda: scaled("linear_model.Ridge"), "diabetes"),
    "ridge-positive": fit(lambda: scaled("linear_model.Ridge", positive=True), "diabetes"),
    "lasso": fit(lambda: scaled("linear_model.Lasso"), "diabetes"),
    "elastic-net": fit(lambda: scaled("linear_model.ElasticNet"), "diabetes"),
    **{
        f"{name.lower()}-plain": fit(lambda name=name: new(f"linear_model.{name}"), "diabetes")
        for name in _PLAIN
    },
    **{
        f"{name.lower()}-several": fit(lambda name=name: scaled(f"linear_model.{name}"), "linnerud")
        for name in _SEVERAL
    },
    "huber": fit(lambda: scaled("linear_model.HuberRegressor", epsilon=1.1, max_iter=500), "diabetes"),
    "theil-sen": fit(
        lambda: new("linear_model.TheilSenRegressor", max_subpopulation=50, random_state=0), "diabetes"
    ),
    "ransac": fit(lambda: scaled("linear_model.RANSACRegressor", random_state=0), "diabetes"),
    "ransac-tree": fit(
        lambda: new(
            "linear_model.RANSACRegressor",
            new("tree.DecisionTreeRegressor", max_depth=3, random_state=0),
            min_samples=50,
            max_trials=5,
            random_state=0,
        ),
        "diabetes",
    ),
    "ransac-several": fit(
        lambda: new("linear_model.RANSACRegressor", min_samples=10, max_trials=5, random_state=0), "linnerud"
    ),
    "quantile-regressor": fit(lambda: scaled("linear_model.QuantileRegressor", quantile=0.7), "diabetes"),
    "sgd-regressor": fit(lambda: scaled("linear_model.SGDRegressor", random_state=0), "diabetes"),
    **{
        f"sgd-regressor-{loss.replace('_', '-')}": fit(
            lambda loss=loss: scaled("linear_model.SGDRegressor", loss=loss, average=5, random_state=0),
            "diabetes",
            _small_positive,
        )
        for loss in ("huber", "epsilon_insensitive", "squared_epsilon_insensitive")
    },
    "linear-svr": fit(lambda: scaled("svm.LinearSVR", C=10), "diabetes"),
    "poisson-regressor": fit(lambda: scaled("linear_model.PoissonRegressor"), "diabetes"),
    "gamma-regressor": fit(
        lambda: scaled("linear_model.GammaRegressor", solver="newton-cholesky"), "diabetes"
    ),
    "tweedie-normal": fit(lambda: scaled("linear_model.TweedieRegressor"), "diabetes"),
    "tweedie-compound": fit(
        lambda: scaled("linear_model.TweedieRegressor", power=1.5, alpha=0.1), "diabetes", _first_zero
    ),
    "tweedie-log": fit(lambda: scaled("linear_model.TweedieRegressor", power=0, link="log"), "diabetes"),
    "tweedie-identity": fit(
        lambda: scaled("linear_model.TweedieRegressor", power=1, link="identity", solver="lbfgs"),
        "diabetes",
        _small_positive,
    ),
}
