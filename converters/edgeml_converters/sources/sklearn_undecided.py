"""Rows whose answer hangs on less than float32 tells: ties among fitted rows, edges of a radius.

Which of several rows at the same distance are the nearest, scikit-learn leaves to the last bits of its sums,
to its trees and, in numpy's partition, to the processor. Such rows say nothing about a converted model:
another build of scikit-learn itself answers otherwise. So it does for a density far from all fitted rows,
where scikit-learn's trees are left with what their sums have lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgeml_converters.model import TrainedModel
from edgeml_converters.sources.sklearn_rows import framework_rows, quiet_names
from edgeml_converters.sources.sklearn_structure import children, estimators
from edgeml_runtime.signature import Array

# Of a distance as float32 sums it, and of the values whose differences it is made of.
_OF_DISTANCE, _OF_VALUES = 1e-6, 2.0**-22
_DENSITY = 1e-6  # of the largest logarithm
_IN_UNITS = ("chebyshev", "euclidean", "l1", "l2", "manhattan", "cityblock", "infinity", "minkowski", "p")


def undecided(model: TrainedModel, x: Any) -> Array | None:
    """bool[n]: rows of x that no comparison can count; None where the model has no step that leaves any."""
    if not any(type(estimator).__name__ in _CHECKS for _, estimator in estimators(model.model)):
        return None
    with quiet_names(), np.errstate(all="ignore"):
        rows = framework_rows(model, x)
        return _visit(model.model, rows, np.zeros(len(rows), bool))


def _visit(estimator: Any, rows: Any, found: Array) -> Array:
    kind = type(estimator).__name__
    if kind == "Pipeline":
        for _, step in estimator.steps:
            if isinstance(step, str) or step is None:
                continue
            found = _visit(step, rows, found)
            if step is not estimator.steps[-1][1]:
                rows = step.transform(rows)
        return found
    if kind == "ColumnTransformer":
        for name, child, _ in estimator.transformers_:
            chosen = np.asarray(estimator._transformer_to_input_indices[name])
            if not isinstance(child, str) and chosen.size:
                found = _visit(child, _columns(rows, chosen), found)
        return found
    if kind in _CHECKS:
        return found | _CHECKS[kind](estimator, rows)
    subsets = getattr(estimator, "estimators_features_", None)
    for i, (_, child) in enumerate(children(estimator)):
        if subsets is not None and i < len(subsets):
            found = _visit(child, _columns(rows, np.asarray(subsets[i])), found)
        elif getattr(child, "n_features_in_", None) == np.shape(rows)[1]:
            found = _visit(child, rows, found)
    return found


def _columns(rows: Any, chosen: Array) -> Any:
    return rows.iloc[:, chosen] if hasattr(rows, "iloc") else rows[:, chosen]


def _slack(fitted: Any, metric: Any) -> float:
    """What a distance changes by where float32 rounds the values, or the shares that it is made of."""
    dense = fitted.toarray() if hasattr(fitted, "toarray") else fitted
    values = np.abs(np.asarray(dense, np.float64))
    values = values[np.isfinite(values)]
    return _OF_VALUES * float(values.max(initial=1e-30) if metric in _IN_UNITS else 1.0)


def _tied(near: Array, count: int, slack: float, *, weighted: bool) -> Array:
    """bool[n] of sorted distances [n, count + 1 or fewer]: no clear last neighbour.

    weighted: nor where one over a distance is taken of what rounding left of zero.
    """
    found = np.zeros(len(near), bool)
    if near.shape[1] > count:
        last, beyond = near[:, count - 1], near[:, count]
        found |= np.isfinite(last) & (beyond - last <= slack + _OF_DISTANCE * last)
    if weighted and count > 1 and near.shape[1] > 1:
        found |= ((near[:, 0] > 0) & (near[:, 0] <= slack)) | (near[:, 1] <= slack)
    return found


def _nearest(model: Any, rows: Any, count: int, *, weighted: bool = False) -> Array:
    fitted = model._fit_X
    near = model.kneighbors(rows, min(count + 1, model.n_samples_fit_))[0]
    return _tied(near, count, _slack(fitted, model.effective_metric_), weighted=weighted)


def _neighbors(model: Any, rows: Any) -> Array:
    return _nearest(model, rows, model.n_neighbors, weighted=model.weights == "distance")


def _neighbors_graph(model: Any, rows: Any) -> Array:
    return _nearest(model, rows, model.n_neighbors + (model.mode == "distance"))


def _outlier_factor(model: Any, rows: Any) -> Array:
    return _nearest(model, rows, model.n_neighbors_)


def _propagation(model: Any, rows: Any) -> Array:
    if model.kernel != "knn":
        return np.zeros(len(rows), bool)
    return _nearest(model.nn_fit, rows, model.n_neighbors)


def _radius(model: Any, rows: Any) -> Array:
    slack = _slack(model._fit_X, model.effective_metric_) + _OF_DISTANCE * model.radius

    def count(radius: float) -> Array:
        return np.array([len(row) for row in model.radius_neighbors(rows, radius, return_distance=False)])

    found: Array = count(model.radius + slack) != count(max(model.radius - slack, 0.0))
    if getattr(model, "weights", None) == "distance":
        found |= count(slack) > 1
    return found


def _density(model: Any, rows: Any) -> Array:
    """Where one leaf of all fitted rows, which is the exact sum, has another density than the tree."""
    from sklearn.base import clone

    tree = model.tree_
    fitted = np.asarray(tree.data)
    weights = None if tree.sample_weight is None else np.asarray(tree.sample_weight)
    exact = clone(model).set_params(bandwidth=model.bandwidth_, leaf_size=len(fitted))
    exact.fit(fitted, sample_weight=weights)
    want, have = model.score_samples(rows), exact.score_samples(rows)
    finite = np.isfinite(want) & np.isfinite(have)
    scale = float(np.abs(want[finite]).max(initial=0.0))
    same = (want == have) | (np.isnan(want) & np.isnan(have))
    found: Array = ~same & ~(finite & (np.abs(want - have) <= _DENSITY * scale))
    if model.kernel not in ("gaussian", "exponential"):
        width = float(model.bandwidth_)
        slack = _slack(fitted, model.metric) + _OF_DISTANCE * width
        counts = [tree.query_radius(rows, r, count_only=True) for r in (width - slack, width + slack)]
        found |= counts[0] != counts[1]
    return found


def _imputer(model: Any, rows: Any) -> Array:
    from sklearn.metrics.pairwise import nan_euclidean_distances

    rows, fitted, absent = np.asarray(rows), model._fit_X, model._mask_fit_X
    gap = model.missing_values
    wanting = np.isnan(rows.astype(np.float64)) if gap is np.nan or gap != gap else rows == gap
    found = np.zeros(len(rows), bool)
    if not wanting.any():
        return found
    apart = nan_euclidean_distances(rows, fitted, missing_values=gap)
    apart[np.isnan(apart)] = np.inf
    slack = _slack(np.where(absent, 0.0, fitted), "euclidean")
    for column in range(rows.shape[1]):
        receivers, donors = np.flatnonzero(wanting[:, column]), np.flatnonzero(~absent[:, column])
        if not len(receivers) or not len(donors):
            continue
        near = np.sort(apart[np.ix_(receivers, donors)], axis=1)[:, : model.n_neighbors + 1]
        weighted = model.weights == "distance"
        found[receivers] |= _tied(near, min(model.n_neighbors, len(donors)), slack, weighted=weighted)
    return found


_CHECKS: dict[str, Callable[[Any, Any], Array]] = {
    "KNNImputer": _imputer,
    "KNeighborsClassifier": _neighbors,
    "KNeighborsRegressor": _neighbors,
    "KNeighborsTransformer": _neighbors_graph,
    "KernelDensity": _density,
    "LabelPropagation": _propagation,
    "LabelSpreading": _propagation,
    "LocalOutlierFactor": _outlier_factor,
    "RadiusNeighborsClassifier": _radius,
    "RadiusNeighborsRegressor": _radius,
    "RadiusNeighborsTransformer": _radius,
}
