"""Estimators around one other: calibration, thresholds, searches, frozen ones, selection, self-training."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.specimen import (
    Array,
    Builder,
    bools,
    fit,
    fitted_before,
    new,
    pipe,
    scaled,
    sparse_ints,
    strings,
    three_labels,
    two_targets,
    words,
)


def _calibrated(member: Any, **options: Any) -> Any:
    return new("calibration.CalibratedClassifierCV", member, **{"cv": 2, **options})


def _fixed(member: Any, **options: Any) -> Any:
    return new("model_selection.FixedThresholdClassifier", member, **options)


def _tuned(member: Any, **options: Any) -> Any:
    return new("model_selection.TunedThresholdClassifierCV", member, **{"cv": 2, "thresholds": 20, **options})


def _f1_of(label: str) -> Any:
    from sklearn.metrics import f1_score, make_scorer

    return make_scorer(f1_score, pos_label=label)


def _search(member: Any, grid: Any, **options: Any) -> Any:
    return new("model_selection.GridSearchCV", member, grid, **{"cv": 2, **options})


def _halving(kind: str, *args: Any, **options: Any) -> Any:
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401

    return new(f"model_selection.{kind}", *args, **{"cv": 2, "random_state": 0, **options})


def _randomized(member: Any, grid: Any) -> Any:
    return new("model_selection.RandomizedSearchCV", member, grid, n_iter=2, cv=2, random_state=0)


def _halving_grid(member: Any, grid: Any) -> Any:
    return _halving("HalvingGridSearchCV", member, grid)


def _halving_random(member: Any, grid: Any) -> Any:
    return _halving("HalvingRandomSearchCV", member, grid, n_candidates=2, min_resources=80)


def _self_training(member: Any, **options: Any) -> Any:
    return new("semi_supervised.SelfTrainingClassifier", member, **options)


def _tree() -> Any:
    return new("tree.DecisionTreeClassifier", max_depth=3, random_state=0)


def _bayes() -> Any:
    return new("naive_bayes.GaussianNB")


def _logistic() -> Any:
    return scaled("linear_model.LogisticRegression")


def _linear_svm() -> Any:
    return scaled("svm.LinearSVC")


def _frozen(named: Any) -> Any:
    return new("frozen.FrozenEstimator", named[0][1])


def _binary_words(x: Array, y: Array) -> tuple[Array, Array]:
    return x, words(y)


def _half_unlabelled(x: Array, y: Array) -> tuple[Array, Array]:
    known = np.random.default_rng(2).random(len(y)) < 0.4
    return x, np.where(known, y, -1)


def _two_labels(x: Array, y: Array) -> tuple[Array, Array]:
    return x, np.where(y == 0, 3, 8)


_SCALER = "preprocessing.StandardScaler"

SPECIMENS: dict[str, Builder] = {
    "calibrated-sigmoid": fit(lambda: _calibrated(_linear_svm()), "wine", strings),
    "calibrated-sigmoid-binary": fit(lambda: _calibrated(_bayes()), "breast_cancer"),
    "calibrated-sigmoid-trees": fit(lambda: _calibrated(_tree(), ensemble=False), "iris", strings),
    "calibrated-isotonic": fit(lambda: _calibrated(_tree(), method="isotonic"), "wine", strings),
    "calibrated-isotonic-binary": fit(
        lambda: _calibrated(_tree(), method="isotonic", ensemble=False), "breast_cancer", bools
    ),
    "calibrated-isotonic-scores": fit(lambda: _calibrated(_linear_svm(), method="isotonic"), "iris"),
    "calibrated-temperature": fit(lambda: _calibrated(_logistic(), method="temperature"), "wine", strings),
    "calibrated-temperature-shares": fit(lambda: _calibrated(_bayes(), method="temperature"), "iris"),
    "calibrated-temperature-binary": fit(
        lambda: _calibrated(_linear_svm(), method="temperature", ensemble=False), "breast_cancer", bools
    ),
    "calibrated-temperature-binary-shares": fit(
        lambda: _calibrated(_tree(), method="temperature"), "breast_cancer"
    ),
    "calibrated-frozen": fitted_before(
        lambda: [("svm", _linear_svm())], lambda parts: _calibrated(_frozen(parts)), "wine", strings
    ),
    "fixed-threshold": fit(lambda: _fixed(_logistic(), threshold=0.8), "breast_cancer", _binary_words),
    "fixed-threshold-first-class": fit(
        lambda: _fixed(_logistic(), threshold=0.3, pos_label="ankle"), "breast_cancer", _binary_words
    ),
    "fixed-threshold-decision": fit(
        lambda: _fixed(_logistic(), threshold=1.5, response_method="decision_function"), "breast_cancer"
    ),
    "fixed-threshold-decision-first-class": fit(
        lambda: _fixed(_linear_svm(), threshold=-0.5, pos_label=3), "breast_cancer", _two_labels
    ),
    "fixed-threshold-auto": fit(lambda: pipe(new(_SCALER), _fixed(_bayes())), "breast_cancer", bools),
    "fixed-threshold-fitted-before": fitted_before(
        lambda: [("tree", _tree())], lambda parts: _fixed(_frozen(parts), threshold=0.9), "breast_cancer"
    ),
    "tuned-threshold": fit(lambda: _tuned(_logistic()), "breast_cancer", _binary_words),
    "tuned-threshold-f1": fit(lambda: pipe(new(_SCALER), _tuned(_tree(), scoring="f1")), "breast_cancer"),
    "tuned-threshold-first-class": fit(
        lambda: _tuned(_logistic(), scoring=_f1_of("ankle")), "breast_cancer", _binary_words
    ),
    "tuned-threshold-decision": fit(
        lambda: _tuned(_linear_svm(), response_method="decision_function", cv=0.5, random_state=0),
        "breast_cancer",
        bools,
    ),
    "grid-search": fit(
        lambda: _search(_logistic(), {"logisticregression__C": [0.1, 1.0]}), "wine", sparse_ints
    ),
    "grid-search-regressor": fit(
        lambda: _search(new("linear_model.Ridge"), {"alpha": [0.1, 1.0]}), "diabetes"
    ),
    "grid-search-transform": fit(
        lambda: _search(new("decomposition.PCA", random_state=0), {"n_components": [2, 3]}), "wine"
    ),
    "grid-search-cluster": fit(
        lambda: _search(new("cluster.KMeans", n_init=1, random_state=0), {"n_clusters": [2, 3]}), "iris"
    ),
    "grid-search-mixture": fit(
        lambda: _search(new("mixture.GaussianMixture", random_state=0), {"n_components": [1, 2]}), "iris"
    ),
    "grid-search-outliers": fit(
        lambda: _search(
            new("ensemble.IsolationForest", n_estimators=5, random_state=0),
            {"max_samples": [32, 64]},
            scoring=_inliers,
        ),
        "wine",
    ),
    "grid-search-several-targets": fit(
        lambda: _search(_tree(), {"max_depth": [3, 5]}, scoring=_first_target), "digits", two_targets
    ),
    "grid-search-indicator": fit(
        lambda: _search(new("multiclass.OneVsRestClassifier", _logistic()), {"verbose": [0]}),
        "wine",
        three_labels,
    ),
    "randomized-search": fit(lambda: _randomized(_tree(), {"max_depth": [2, 3]}), "wine", strings),
    "halving-grid-search": fit(
        lambda: _halving("HalvingGridSearchCV", _tree(), {"max_depth": [2, 3]}), "wine"
    ),
    "halving-random-search": fit(
        lambda: _halving_random(new("linear_model.Ridge"), {"alpha": [0.1, 1.0]}), "diabetes"
    ),
    **{
        f"{name}-{what}": fit(
            lambda search=search, member=member, grid=grid: search(member(), grid), data, change
        )
        for name, search in (
            ("randomized-search", _randomized),
            ("halving-grid-search", _halving_grid),
            ("halving-random-search", _halving_random),
        )
        for what, member, grid, data, change in (
            ("scores", _logistic, {"logisticregression__C": [0.1, 1.0]}, "wine", strings),
            ("pca", lambda: new("decomposition.PCA", random_state=0), {"n_components": [2, 3]}, "wine", None),
        )
    },
    "self-training": fit(lambda: _self_training(_bayes()), "iris", _half_unlabelled),
    "self-training-best": fit(
        lambda: _self_training(_logistic(), criterion="k_best", k_best=15, max_iter=3),
        "wine",
        _half_unlabelled,
    ),
    "frozen-classifier": fitted_before(
        lambda: [("logistic", _logistic())], lambda parts: pipe(_frozen(parts)), "wine", strings
    ),
    "frozen-scaler": fitted_before(
        lambda: [("scaler", new(_SCALER))], lambda parts: pipe(_frozen(parts), _bayes()), "wine"
    ),
    "frozen-transform": fitted_before(
        lambda: [("pca", new("decomposition.PCA", 2, random_state=0))], _frozen, "iris"
    ),
    "frozen-regressor": fitted_before(lambda: [("ridge", new("linear_model.Ridge"))], _frozen, "diabetes"),
    "frozen-clusters": fitted_before(
        lambda: [("k-means", new("cluster.KMeans", 3, n_init=1, random_state=0))], _frozen, "iris"
    ),
    "rfe": fit(
        lambda: new(
            "feature_selection.RFE",
            new("linear_model.LogisticRegression", max_iter=3000),
            n_features_to_select=2,
        ),
        "iris",
        strings,
    ),
    "rfe-regressor": fit(
        lambda: new("feature_selection.RFE", new("linear_model.Ridge"), n_features_to_select=4), "diabetes"
    ),
    "rfe-tree": fit(
        lambda: pipe(new(_SCALER), new("feature_selection.RFE", _tree(), n_features_to_select=5)), "wine"
    ),
    "rfecv": fit(
        lambda: new("feature_selection.RFECV", new("svm.LinearSVC"), step=2, cv=2, min_features_to_select=2),
        "iris",
        strings,
    ),
    "rfecv-probabilities": fit(
        lambda: new("feature_selection.RFECV", new("linear_model.LogisticRegression", max_iter=3000), cv=2),
        "iris",
    ),
    "rfecv-regressor": fit(
        lambda: new("feature_selection.RFECV", new("linear_model.Lasso", alpha=0.1), cv=2), "diabetes"
    ),
    "pipeline-passthrough": fit(
        lambda: pipe("passthrough", new(_SCALER), pipe("passthrough", _bayes())), "wine", strings
    ),
    "pipeline-passthrough-last": fit(lambda: pipe(new(_SCALER), "passthrough"), "wine"),
    "pipeline-of-searches": fit(
        lambda: _search(
            pipe(
                new(_SCALER),
                new("feature_selection.SelectKBest", k=3),
                _search(_tree(), {"max_depth": [2, 3]}),
            ),
            {"selectkbest__k": [2, 4]},
        ),
        "wine",
        strings,
    ),
}


def _inliers(model: Any, x: Array, y: Any = None) -> float:
    return float(np.mean(model.predict(x) == 1))


def _first_target(model: Any, x: Array, y: Array) -> float:
    return float(np.mean(model.predict(x)[:, 0] == y[:, 0]))
