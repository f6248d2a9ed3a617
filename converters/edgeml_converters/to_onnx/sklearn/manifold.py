"""Isomap and locally linear embedding: new rows are placed by their nearest fitted rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.decomposition import centred_kernel, kernel_components
from edgeml_converters.to_onnx.sklearn.emitter import Emitter, Rules
from edgeml_converters.to_onnx.sklearn.loops import DOUBLE, loop
from edgeml_converters.to_onnx.sklearn.pairwise_kernels import (
    cast,
    manhattan_distances,
    minkowski_distances,
    squared_distances,
)
from edgeml_runtime.signature import Array

_FAR = 1e18  # longer than any path, and finite when squared in float32
_UNROLLED = 16  # equations: more are solved in a loop


def _distances(emitter: Emitter, neighbors: Any, x: str) -> str:
    """float64[n, fitted rows] from x float64[n, features]."""
    if neighbors.effective_metric_ == "precomputed":
        return x
    rows, metric = neighbors._fit_X, neighbors.effective_metric_
    if metric == "manhattan":
        return manhattan_distances(emitter, x, rows, "float64")
    if metric == "minkowski":
        return minkowski_distances(emitter, x, rows, neighbors.effective_metric_params_["p"], "float64")
    return emitter.add("Sqrt", squared_distances(emitter, x, rows, "float64"))


def _nearest(emitter: Emitter, distances: str, count: int) -> tuple[str, str]:
    """The distances [n, count] of the nearest fitted rows, and which they are: int64[n, count]."""
    size = emitter.constant([count], "int64")
    nearest, rows = emitter.add_many("TopK", 2, distances, size, axis=1, largest=0, sorted=1)
    return nearest, rows


def _isomap(emitter: Emitter, model: Any, x: str) -> str:
    """Geodesic distances go through the nearest fitted rows; their kernel is projected."""
    paths = np.asarray(model.dist_matrix_, np.float64)
    distances = _distances(emitter, model.nbrs_, cast(emitter, x, "float64"))
    if model.n_neighbors is not None:
        nearest, rows = _nearest(emitter, distances, model.n_neighbors)
        beyond = emitter.add("Gather", emitter.constant(paths, "float64"), rows, axis=0)
        axis = emitter.constant([2], "int64")
        through = emitter.add("Add", beyond, emitter.add("Unsqueeze", nearest, axis))
        shortest = emitter.add("ReduceMin", through, emitter.constant([1], "int64"), keepdims=0)
    else:
        shortest = _within(emitter, distances, paths, float(model.radius))
    kernel = emitter.add("Mul", shortest, shortest)
    kernel = emitter.add("Mul", kernel, emitter.constant([-0.5], "float64"))
    return centred_kernel(emitter, kernel, model.kernel_pca_._centerer, kernel_components(model.kernel_pca_))


def _within(emitter: Emitter, distances: str, paths: Array, radius: float) -> str:
    """The shortest paths [n, fitted rows] whose first step is no longer than the radius."""
    table, limit = emitter.constant(paths, "float64"), emitter.constant([radius], "float64")
    far = emitter.constant([_FAR], "float64")

    def step(body: Emitter, number: str, state: Sequence[str]) -> tuple[None, list[str]]:
        place = body.add("Reshape", number, body.constant([1], "int64"))
        first = body.add("Gather", distances, place, axis=1)
        path = body.add("Add", first, body.add("Gather", table, place, axis=0))
        path = body.add("Where", body.add("LessOrEqual", first, limit), path, far)
        return None, [body.add("Min", state[0], path)]

    start = emitter.add("Max", distances, far)
    return loop(emitter, len(paths), [start], [DOUBLE], step)[0]


def _locally_linear(emitter: Emitter, model: Any, x: str) -> str:
    """A row is its neighbours' weighted mean, and so is its image."""
    x, count = cast(emitter, x, "float64"), model.n_neighbors
    fitted = np.asarray(model.nbrs_._fit_X, np.float64)
    distances = squared_distances(emitter, x, fitted, "float64")
    _, rows = _nearest(emitter, distances, count)
    neighbors = emitter.add("Gather", emitter.constant(fitted, "float64"), rows, axis=0)
    apart = emitter.add("Sub", neighbors, emitter.add("Unsqueeze", x, emitter.constant([1], "int64")))
    gram = emitter.add("MatMul", apart, emitter.add("Transpose", apart, perm=[0, 2, 1]))
    weights = _weights(emitter, gram, count, float(model.reg))
    images = emitter.add("Gather", emitter.constant(model.embedding_, "float64"), rows, axis=0)
    mean = emitter.add(
        "ReduceSum", emitter.add("Mul", images, weights), emitter.constant([1], "int64"), keepdims=0
    )
    return cast(emitter, mean, "float32")


def _weights(emitter: Emitter, gram: str, count: int, regularization: float) -> str:
    """Weights [n, count, 1] of sum 1: the Gram matrix, with some of its trace added, solved for ones."""
    unit = np.eye(count)
    diagonal = emitter.add("Mul", gram, emitter.constant(unit, "float64"))
    trace = emitter.add("ReduceSum", diagonal, emitter.constant([1, 2], "int64"), keepdims=1)
    positive = emitter.add("Greater", trace, emitter.constant([0.0], "float64"))
    trace = emitter.add("Where", positive, trace, emitter.constant([1.0], "float64"))
    ridge = emitter.add("Mul", trace, emitter.constant(regularization * unit, "float64"))
    solved = _solved_for_ones(emitter, emitter.add("Add", gram, ridge), count)
    total = emitter.add("ReduceSum", solved, emitter.constant([1], "int64"), keepdims=1)
    return emitter.add("Div", solved, total)


def _solved_for_ones(emitter: Emitter, matrix: str, count: int) -> str:
    """The solutions [n, count, 1] for ones of positive definite systems [n, count, count] (Gauss-Jordan)."""
    first = emitter.add("Gather", matrix, emitter.constant([0], "int64"), axis=2)
    none = emitter.add("Mul", first, emitter.constant([0.0], "float64"))
    ones = emitter.add("Add", none, emitter.constant([1.0], "float64"))
    system = emitter.add("Concat", matrix, ones, axis=2)
    units = emitter.constant(np.eye(count)[:, :, None], "float64")

    def eliminated(body: Emitter, place: str, system: str) -> str:
        row, column = body.add("Gather", system, place, axis=1), body.add("Gather", system, place, axis=2)
        row = body.add("Div", row, body.add("Gather", row, place, axis=2))
        # Less the unit, the pivot's own row is divided by the pivot.
        column = body.add("Sub", column, body.add("Gather", units, place, axis=0))
        return body.add("Sub", system, body.add("Mul", column, row))

    def step(body: Emitter, number: str, state: Sequence[str]) -> tuple[None, list[str]]:
        place = body.add("Reshape", number, body.constant([1], "int64"))
        return None, [eliminated(body, place, state[0])]

    if count <= _UNROLLED:
        for place in range(count):
            system = eliminated(emitter, emitter.constant([place], "int64"), system)
    else:
        (system,) = loop(emitter, count, [system], [DOUBLE], step)
    return emitter.add("Gather", system, emitter.constant([count], "int64"), axis=2)


_METRICS = ("euclidean", "manhattan", "minkowski", "precomputed")


def _known_metric(model: Any) -> str | None:
    neighbors = model.nbrs_
    if neighbors.effective_metric_ not in _METRICS:
        return f"metric={neighbors.effective_metric_!r} is not supported; use one of {', '.join(_METRICS)}"
    parameters = neighbors.effective_metric_params_ or {}
    others = sorted(name for name, value in parameters.items() if name != "p" and value is not None)
    return f"metric_params {', '.join(others)} are not supported" if others else None


RULES = Rules(
    transform={"Isomap": _isomap, "LocallyLinearEmbedding": _locally_linear},
    limits={"Isomap": _known_metric},
)
