"""Nearest neighbours: every estimator, metric and option."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from zoo.specimen import (
    Builder,
    Specimen,
    fit,
    load,
    missing,
    new,
    scaled,
    strings,
    three_labels,
    two_targets,
)

Array = np.ndarray[Any, Any]


def _classifier(**options: Any) -> Any:
    return lambda: new("neighbors.KNeighborsClassifier", **options)


def _regressor(**options: Any) -> Any:
    return lambda: new("neighbors.KNeighborsRegressor", **options)


def _split(
    make: Callable[[], Any], data: str, change: Callable[[Array, Array], Any] | None = None
) -> Builder:
    """Fitted on two thirds of the rows, so that the others are new to it."""

    @functools.cache
    def build() -> Specimen:
        x, y = load(data)
        if change is not None:
            x, y = change(x, y)
        known = np.arange(len(x)) % 3 > 0
        return Specimen(make().fit(x[known], y[known]), x, y)

    return build


def _truths(x: Array, y: Array) -> tuple[Array, Array]:
    """Whether some values are above the median: so few columns that a tree is chosen for them."""
    return (x[:, :12] > np.median(x[:, :12], axis=0)).astype(np.float64), y


def _few_counts(x: Array, y: Array) -> tuple[Array, Array]:
    """Small integers, with many rows at the same distances; targets that tell the rows apart."""
    return x[:, 18:26] // 4, np.arange(len(x)) ** 1.5


def _on_a_globe(x: Array, y: Array) -> tuple[Array, Array]:
    spread = (x - x.min(axis=0)) / np.ptp(x, axis=0)
    return (spread[:, :2] - 0.5) * [np.pi, 2 * np.pi], y


def _three_columns(x: Array, y: Array) -> tuple[Array, Array]:
    return x[:, :3], y  # of four scikit-learn's norm of the cosine kernel is NaN


def _metric(metric: str, **options: Any) -> Builder:
    return _split(_regressor(metric=metric, weights="distance", **options), "diabetes")


def _inverse_covariance(data: str) -> Array:
    inverse: Array = np.linalg.inv(np.cov(load(data)[0].T))
    return inverse


def _longer_words(x: Array, y: Array) -> tuple[Array, Array]:
    return x, np.array(["Barolo wine", "Grignolino", "Barbera"])[
        y
    ]  # scikit-learn wants the longest among them


def _with_an_empty_column(x: Array, y: Array) -> tuple[Array, Array]:
    x = missing(x, y)[0]
    x[:, 4] = np.nan
    return x, y


def _half_labelled(path: str, **options: Any) -> Builder:
    """Every other label is unknown, which is -1."""

    @functools.cache
    def build() -> Specimen:
        x, y = load("wine")
        known = np.where(np.arange(len(x)) % 2, y, -1)
        return Specimen(scaled(path, **options).fit(x, known), x, y)

    return build


SPECIMENS: dict[str, Builder] = {
    "k-neighbors": fit(lambda: scaled("neighbors.KNeighborsClassifier", n_neighbors=3), "digits"),
    "k-neighbors-strings": fit(
        lambda: scaled("neighbors.KNeighborsClassifier", n_neighbors=4), "wine", strings
    ),
    "k-neighbors-regressor": fit(lambda: scaled("neighbors.KNeighborsRegressor", n_neighbors=5), "diabetes"),
    "k-neighbors-distance": _split(_classifier(weights="distance"), "wine"),
    "k-neighbors-two-targets": _split(_classifier(n_neighbors=4), "wine", two_targets),
    "k-neighbors-labels": _split(_classifier(weights="distance", p=1), "wine", three_labels),
    "k-neighbors-brute": _split(_classifier(algorithm="brute", p=3), "wine"),
    "k-neighbors-ball-tree": _split(_classifier(algorithm="ball_tree", leaf_size=5, n_neighbors=1), "wine"),
    "k-neighbors-regressor-fitted": fit(_regressor(weights="distance"), "diabetes"),
    "k-neighbors-regressor-targets": _split(
        _regressor(), "wine", lambda x, y: (x, np.stack([x[:, 0], y], 1))
    ),
    "k-neighbors-manhattan": _metric("manhattan"),
    "k-neighbors-chebyshev": _metric("chebyshev"),
    "k-neighbors-sqeuclidean": _metric("sqeuclidean"),
    "k-neighbors-minkowski": _metric("minkowski", p=1.5),
    "k-neighbors-minkowski-weights": _metric("minkowski", p=3, metric_params={"w": np.arange(1.0, 11.0)}),
    "k-neighbors-cosine": _metric("cosine"),
    "k-neighbors-correlation": _metric("correlation"),
    "k-neighbors-canberra": _metric("canberra"),
    "k-neighbors-bray-curtis": _metric("braycurtis"),
    "k-neighbors-seuclidean": _metric("seuclidean", metric_params={"V": np.linspace(1e-3, 3e-3, 10)}),
    "k-neighbors-mahalanobis": _metric("mahalanobis", metric_params={"VI": _inverse_covariance("diabetes")}),
    "k-neighbors-nan-euclidean": _split(_regressor(metric="nan_euclidean"), "breast_cancer", missing),
    "k-neighbors-haversine": _split(
        _regressor(metric="haversine", weights="distance"), "breast_cancer", _on_a_globe
    ),
    "k-neighbors-hamming": _split(_regressor(metric="hamming"), "digits", _few_counts),
    **{
        f"k-neighbors-{metric}": _split(_regressor(metric=metric, n_neighbors=9), "wine", _truths)
        for metric in ("dice", "jaccard", "rogerstanimoto", "russellrao", "sokalsneath")
    },
    "k-neighbors-yule": _split(
        _regressor(metric="yule", n_neighbors=118, weights="distance"), "wine", _truths
    ),
    "k-neighbors-tied": _split(_classifier(), "iris", two_targets),
    "k-neighbors-tied-brute": _split(_regressor(algorithm="brute", n_neighbors=7), "digits", _few_counts),
    "k-neighbors-tied-leaves": _split(
        _regressor(leaf_size=4, metric="manhattan", n_neighbors=4), "digits", _few_counts
    ),
    "radius-neighbors": _split(
        lambda: scaled("neighbors.RadiusNeighborsClassifier", radius=2.2, outlier_label=1), "wine"
    ),
    "radius-neighbors-distance": _split(
        lambda: scaled(
            "neighbors.RadiusNeighborsClassifier",
            radius=2.5,
            weights="distance",
            outlier_label="most_frequent",
        ),
        "wine",
        strings,
    ),
    "radius-neighbors-two-targets": _split(
        lambda: scaled("neighbors.RadiusNeighborsClassifier", radius=2.2, outlier_label=[0, 1], p=1),
        "iris",
        two_targets,
    ),
    "radius-neighbors-outsiders": _split(
        lambda: scaled("neighbors.RadiusNeighborsClassifier", radius=2.2, outlier_label="unknown"),
        "wine",
        _longer_words,
    ),
    "radius-neighbors-outsiders-targets": _split(
        lambda: scaled("neighbors.RadiusNeighborsClassifier", radius=0.6, outlier_label=[1, -7]),
        "iris",
        two_targets,
    ),
    "radius-neighbors-integers": _split(
        lambda: new("neighbors.RadiusNeighborsRegressor", radius=3), "digits", _few_counts
    ),
    "radius-neighbors-integer-targets": _split(
        lambda: new("neighbors.RadiusNeighborsRegressor", radius=1),
        "digits",
        lambda x, y: (x[:, 18:26] // 3, y),
    ),
    "radius-neighbors-regressor": _split(
        lambda: new("neighbors.RadiusNeighborsRegressor", radius=0.12), "diabetes"
    ),
    "radius-neighbors-regressor-distance": _split(
        lambda: new("neighbors.RadiusNeighborsRegressor", radius=0.15, weights="distance"), "diabetes"
    ),
    "k-neighbors-transformer": _split(lambda: new("neighbors.KNeighborsTransformer"), "diabetes"),
    "k-neighbors-transformer-connectivity": _split(
        lambda: scaled("neighbors.KNeighborsTransformer", mode="connectivity", n_neighbors=3), "wine"
    ),
    "radius-neighbors-transformer": _split(
        lambda: new("neighbors.RadiusNeighborsTransformer", radius=0.12), "diabetes"
    ),
    "radius-neighbors-transformer-connectivity": _split(
        lambda: new("neighbors.RadiusNeighborsTransformer", radius=0.12, mode="connectivity"), "diabetes"
    ),
    "neighborhood-components": _split(
        lambda: scaled(
            "neighbors.NeighborhoodComponentsAnalysis", n_components=2, max_iter=20, random_state=0
        ),
        "wine",
    ),
    "local-outlier-factor": _split(lambda: scaled("neighbors.LocalOutlierFactor", novelty=True), "wine"),
    "local-outlier-factor-manhattan": _split(
        lambda: new("neighbors.LocalOutlierFactor", 7, novelty=True, metric="manhattan", contamination=0.1),
        "diabetes",
    ),
    "nearest-centroid": fit(lambda: new("neighbors.NearestCentroid"), "wine", strings),
    "nearest-centroid-binary": fit(lambda: scaled("neighbors.NearestCentroid"), "breast_cancer"),
    "nearest-centroid-shrunk": fit(lambda: new("neighbors.NearestCentroid", shrink_threshold=0.4), "iris"),
    "nearest-centroid-manhattan": fit(lambda: new("neighbors.NearestCentroid", metric="manhattan"), "wine"),
    "nearest-centroid-manhattan-priors": fit(
        lambda: scaled("neighbors.NearestCentroid", metric="manhattan", priors=[0.2, 0.5, 0.3]), "wine"
    ),
    "nearest-centroid-empirical": fit(
        lambda: scaled("neighbors.NearestCentroid", priors="empirical"), "breast_cancer"
    ),
    **{
        f"kernel-density-{kernel}": _split(
            lambda kernel=kernel: scaled("neighbors.KernelDensity", kernel=kernel, bandwidth=1.5),
            "iris",
            _three_columns,
        )
        for kernel in ("gaussian", "tophat", "epanechnikov", "exponential", "linear", "cosine")
    },
    "kernel-density-scott": _split(
        lambda: scaled("neighbors.KernelDensity", bandwidth="scott", metric="manhattan"), "iris"
    ),
    "kernel-density-ball-tree": _split(
        lambda: new("neighbors.KernelDensity", bandwidth=0.1, metric="canberra", kernel="exponential"), "wine"
    ),
    "k-neighbors-imputer": _split(lambda: new("impute.KNNImputer", n_neighbors=3), "wine", missing),
    "k-neighbors-imputer-distance": _split(
        lambda: new("impute.KNNImputer", weights="distance", add_indicator=True), "breast_cancer", missing
    ),
    "k-neighbors-imputer-empty": fit(
        lambda: new("impute.KNNImputer", add_indicator=True, keep_empty_features=True),
        "wine",
        _with_an_empty_column,
    ),
    "k-neighbors-imputer-dropped": fit(lambda: new("impute.KNNImputer"), "wine", _with_an_empty_column),
    "k-neighbors-imputer-minus-one": fit(
        lambda: new("impute.KNNImputer", missing_values=-1, weights="distance"),
        "diabetes",
        lambda x, y: (np.nan_to_num(missing(x, y)[0], nan=-1.0), y),
    ),
    "label-propagation": _half_labelled("semi_supervised.LabelPropagation", gamma=2.0, tol=0.1),
    "label-propagation-neighbors": _half_labelled("semi_supervised.LabelPropagation", kernel="knn"),
    "label-spreading": _half_labelled("semi_supervised.LabelSpreading", gamma=0.5, alpha=0.4),
    "label-spreading-neighbors": _half_labelled(
        "semi_supervised.LabelSpreading", kernel="knn", n_neighbors=5
    ),
}
