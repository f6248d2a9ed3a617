"""Nearest centres and nearest neighbours by Euclidean distance."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.emitter import Classified, Emitter, Rules
from edgeml_runtime.signature import Array


def _squared_distances(emitter: Emitter, model: Any, x: str) -> str:
    """float32[n, clusters]. Differences as they stand: expanded, small distances would cancel."""
    rows = emitter.add("Unsqueeze", x, emitter.constant([1], "int64"))
    apart = emitter.add("Sub", rows, emitter.constant(np.asarray(model.cluster_centers_)[None]))
    axis = emitter.constant([2], "int64")
    return emitter.add("ReduceSum", emitter.add("Mul", apart, apart), axis, keepdims=0)


def _cluster(emitter: Emitter, model: Any, x: str) -> str:
    return emitter.argmax(emitter.add("Neg", _squared_distances(emitter, model, x)))


def _distances(emitter: Emitter, model: Any, x: str) -> str:
    return emitter.add("Sqrt", _squared_distances(emitter, model, x))


def _mean_of_nearest(emitter: Emitter, model: Any, x: str, values: Array) -> str:
    """The mean of values [fitted rows, k] over the nearest fitted rows: float32[n, k]."""
    fitted = np.asarray(model._fit_X, np.float64)
    mean = fitted.mean(axis=0)
    fitted = fitted - mean
    # |x - f|^2 without |x|^2, which all rows f share; negative, so that the nearest are the largest.
    x = emitter.add("Sub", x, emitter.constant(mean))
    nearness = emitter.dense(x, 2 * fitted.T, -(fitted**2).sum(axis=1))
    count = emitter.constant([model.n_neighbors], "int64")
    _, rows = emitter.add_many("TopK", 2, nearness, count, axis=1, largest=1, sorted=1)
    chosen = emitter.add("Gather", emitter.constant(values), rows, axis=0)
    total = emitter.add("ReduceSum", chosen, emitter.constant([1], "int64"), keepdims=0)
    return emitter.add("Mul", total, emitter.constant([1 / model.n_neighbors]))


def _classify_neighbors(emitter: Emitter, model: Any, x: str) -> Classified:
    votes = np.eye(len(model.classes_))[np.ravel(model._y)]
    shares = _mean_of_nearest(emitter, model, x, votes)
    return Classified(emitter.argmax(shares), model.classes_, shares)


def _classify_neighbors_many(emitter: Emitter, model: Any, x: str) -> tuple[Classified, ...]:
    counts = [len(classes) for classes in model.classes_]
    votes = [np.eye(count)[model._y[:, k]] for k, count in enumerate(counts)]
    shares = _mean_of_nearest(emitter, model, x, np.concatenate(votes, axis=1))
    found = []
    for classes, start in zip(model.classes_, np.cumsum([0, *counts]), strict=False):
        part = emitter.columns(shares, np.arange(start, start + len(classes)))
        found.append(Classified(emitter.argmax(part), classes, part))
    return tuple(found)


def _regress_neighbors(emitter: Emitter, model: Any, x: str) -> str:
    targets = np.asarray(model._y, np.float64)
    return _mean_of_nearest(emitter, model, x, targets.reshape(len(targets), -1))


def _neighbors(model: Any) -> str | None:
    if model.weights not in ("uniform", None):
        return f"weights={model.weights!r} is not supported; use uniform"
    if model.effective_metric_ != "euclidean":
        return f"metric {model.effective_metric_!r} is not supported; use euclidean"
    return None


RULES = Rules(
    transform=dict.fromkeys(("KMeans", "MiniBatchKMeans"), _distances),
    regress={"KNeighborsRegressor": _regress_neighbors},
    classify={"KNeighborsClassifier": _classify_neighbors},
    classify_many={"KNeighborsClassifier": _classify_neighbors_many},
    cluster=dict.fromkeys(("KMeans", "MiniBatchKMeans"), _cluster),
    limits={"KNeighborsClassifier": _neighbors, "KNeighborsRegressor": _neighbors},
)
