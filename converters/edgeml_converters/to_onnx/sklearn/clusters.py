"""Clusters with centres: the nearest one, and the distances of all. Features merged into clusters."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.emitter import Emitter, Rules
from edgeml_converters.to_onnx.sklearn.pairwise_kernels import squared_distances
from edgeml_runtime.signature import Array

_CENTRES = {"Birch": "subcluster_centers_"}  # by class, where they are not cluster_centers_


def _centres(model: Any) -> Array:
    centres: Array = np.asarray(getattr(model, _CENTRES.get(type(model).__name__, "cluster_centers_")))
    return centres


def _nearest(emitter: Emitter, x: str, centres: Array) -> str:
    """int64[n]: the nearest centre, the first of equals."""
    return emitter.argmax(emitter.add("Neg", squared_distances(emitter, x, centres)))


def _cluster(emitter: Emitter, model: Any, x: str) -> str:
    centres = _centres(model)
    if not len(centres):  # affinity propagation that did not converge
        nothing = emitter.argmax(x)
        nothing = emitter.add("Mul", nothing, emitter.constant([0], "int64"))
        return emitter.add("Sub", nothing, emitter.constant([1], "int64"))
    return _nearest(emitter, x, centres)


def _distances(emitter: Emitter, model: Any, x: str) -> str:
    return emitter.add("Sqrt", squared_distances(emitter, x, _centres(model)))


def _birch(emitter: Emitter, model: Any, x: str) -> str:
    nearest = _nearest(emitter, x, _centres(model))
    return emitter.add("Gather", emitter.constant(model.subcluster_labels_, "int64"), nearest, axis=0)


def _bisected(emitter: Emitter, model: Any, x: str) -> str:
    """The leaf that is reached from the root by going to the nearer of two centres each time.

    All comparisons are made at once; a leaf is reached if all on its path go its way.
    """
    mean = getattr(model, "_X_mean", 0.0)
    centres: list[tuple[Array, Array]] = []
    # The path to a node: by comparison, 1 where it goes right and -1 where left.
    pending: list[tuple[Any, dict[int, float]]] = [(model._bisecting_tree, {})]
    found: dict[int, dict[int, float]] = {}
    while pending:
        node, path = pending.pop()
        if node.left is None:
            found[int(node.label)] = path
            continue
        place = len(centres)
        centres.append((node.left.center + mean, node.right.center + mean))
        pending += [(node.left, {**path, place: -1.0}), (node.right, {**path, place: 1.0})]
    signs = [found[label] for label in sorted(found)]
    if not centres:
        return emitter.add("Mul", emitter.argmax(x), emitter.constant([0], "int64"))
    left, right = (squared_distances(emitter, x, [pair[side] for pair in centres]) for side in (0, 1))
    goes_right = emitter.add("Cast", emitter.add("Less", right, left), to=1)
    ways = np.zeros((len(centres), len(signs)))
    for column, path in enumerate(signs):
        for place, sign in path.items():
            ways[place, column] = sign
    # Of a path's steps the share that is gone: 0 for the leaf that is reached, less for all others.
    missed = -np.maximum(ways, 0.0).sum(axis=0)
    leaf = emitter.argmax(emitter.dense(goes_right, ways, missed))
    return emitter.add("Gather", emitter.constant(sorted(found), "int64"), leaf, axis=0)


_REDUCTIONS = {"max": "ReduceMax", "min": "ReduceMin", "prod": "ReduceProd"}


_POOLINGS = ("max", "mean", "median", "min", "prod", "ptp", "std", "sum", "var")


def _pooling(model: Any) -> str | None:
    """The numpy function that merges a cluster's features, by name; None for others."""
    function = model.pooling_func
    for name in _POOLINGS:
        # There is no NaN in what is merged.
        aliases = (name, f"nan{name}", f"a{name}", "average" if name == "mean" else name)
        if any(function is getattr(np, alias, None) for alias in aliases):
            return name
    return None


def _agglomerate(emitter: Emitter, model: Any, x: str) -> str:
    """float32[n, clusters]: the features of each cluster merged into one."""
    kind, labels = _pooling(model), np.asarray(model.labels_)
    clusters = np.unique(labels)
    if kind in ("mean", "sum"):
        weights = (labels[:, None] == clusters).astype(np.float64)
        return emitter.dense(x, weights / weights.sum(axis=0) if kind == "mean" else weights, 0.0)
    members = [emitter.columns(x, np.flatnonzero(labels == cluster)) for cluster in clusters]
    sizes = [int((labels == cluster).sum()) for cluster in clusters]
    merged = [_merged(emitter, kind, part, size) for part, size in zip(members, sizes, strict=True)]
    return emitter.concat(merged)


def _merged(emitter: Emitter, kind: str | None, part: str, size: int) -> str:
    """One column float32[n, 1] from `size` of them."""
    axis = emitter.constant([1], "int64")
    if kind in _REDUCTIONS:
        return emitter.add(_REDUCTIONS[kind], part, axis, keepdims=1)
    if kind == "ptp":
        highest, lowest = (emitter.add(f"Reduce{end}", part, axis, keepdims=1) for end in ("Max", "Min"))
        return emitter.add("Sub", highest, lowest)
    if kind == "median":
        count = emitter.constant([size // 2 + 1], "int64")
        largest, _ = emitter.add_many("TopK", 2, part, count, axis=1, largest=1, sorted=1)
        middle = [size // 2] if size % 2 else [size // 2 - 1, size // 2]
        return emitter.add("ReduceMean", emitter.columns(largest, middle), axis, keepdims=1)
    apart = emitter.add("Sub", part, emitter.add("ReduceMean", part, axis, keepdims=1))
    variance = emitter.add("ReduceMean", emitter.add("Mul", apart, apart), axis, keepdims=1)
    return variance if kind == "var" else emitter.add("Sqrt", variance)


def _spread(emitter: Emitter, model: Any, x: str) -> str:
    """Each feature gets its cluster's value back."""
    return emitter.columns(x, np.unique(model.labels_, return_inverse=True)[1])


def _known_pooling(model: Any) -> str | None:
    if _pooling(model) is not None:
        return None
    name = getattr(model.pooling_func, "__name__", type(model.pooling_func).__name__)
    return (
        f"pooling_func {name} is not translated; use one of numpy's max, mean, median, min, prod, ptp, "
        + ("std, sum, var")
    )


_K_MEANS = ("KMeans", "MiniBatchKMeans")
RULES = Rules(
    transform={
        **dict.fromkeys((*_K_MEANS, "Birch", "BisectingKMeans"), _distances),
        "FeatureAgglomeration": _agglomerate,
    },
    inverse={"FeatureAgglomeration": _spread},
    cluster={
        **dict.fromkeys((*_K_MEANS, "AffinityPropagation", "MeanShift"), _cluster),
        "Birch": _birch,
        "BisectingKMeans": _bisected,
    },
    limits={"FeatureAgglomeration": _known_pooling},
)
