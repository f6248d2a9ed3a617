"""scikit-learn's pairwise kernels and distances between rows and fitted rows.

Distances are sums of differences as they stand: expanded into products they would cancel, and what follows
(kernel machines with large coefficients, nearest neighbours) makes such errors larger. Only as many features
at once as `_CHUNK` are broadcast, so that nothing of size n * rows * features exists.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from edgeml_converters.to_onnx.sklearn.emitter import Emitter

Precision = Literal["float32", "float64"]
_ONNX_TYPES = {"float32": 1, "float64": 11}
_CHUNK = 16
METRICS = (
    "additive_chi2", "chi2", "cosine", "laplacian", "linear", "poly", "polynomial", "rbf", "sigmoid",
)  # fmt: skip


def pairwise_kernel(
    emitter: Emitter,
    x: str,
    rows: Any,
    metric: str,
    *,
    gamma: float | None = None,
    degree: float = 3,
    coef0: float = 1,
    precision: Precision = "float32",
) -> str:
    """K(x, rows) as `sklearn.metrics.pairwise.pairwise_kernels`: [n, rows] in that precision.

    x: float32[n, features] or, for float64, also float64[n, features]. rows: float64[rows, features]. gamma
    None is scikit-learn's default for the metric; parameters that the metric has not are ignored.
    """
    rows = np.asarray(rows, np.float64)
    if precision == "float64":
        x = cast(emitter, x, precision)
    if gamma is None:
        gamma = 1.0 if metric == "chi2" else 1.0 / rows.shape[1]
    if metric in ("linear", "cosine"):
        if metric == "cosine":
            x, rows = _unit(emitter, x, precision), _unit_rows(rows)
        return product(emitter, x, rows.T, precision)
    if metric in ("poly", "polynomial", "sigmoid"):
        inner = product(emitter, x, gamma * rows.T, precision)
        # A value for each row: one for all, TensorFlow's converter moves wrongly into a product that follows.
        inner = emitter.add("Add", inner, emitter.constant(np.full(len(rows), float(coef0)), precision))
        if metric == "sigmoid":
            return emitter.add("Tanh", inner)
        return emitter.add("Pow", inner, emitter.constant([float(degree)], precision))
    if metric == "additive_chi2":
        return emitter.add("Neg", _chi2_distances(emitter, x, rows, precision))
    distances = {"rbf": squared_distances, "laplacian": manhattan_distances, "chi2": _chi2_distances}
    apart = distances[metric](emitter, x, rows, precision)
    return emitter.add("Exp", emitter.add("Mul", apart, emitter.constant([-float(gamma)], precision)))


def cast(emitter: Emitter, x: str, precision: Precision) -> str:
    """The tensor x in that precision."""
    return emitter.add("Cast", x, to=_ONNX_TYPES[precision])


def product(emitter: Emitter, x: str, weights: Any, precision: Precision = "float32") -> str:
    """The product x @ weights, weights [features, k]: [n, k]."""
    return emitter.add("MatMul", x, emitter.constant(weights, precision, shared=False))


def squared_distances(emitter: Emitter, x: str, rows: Any, precision: Precision = "float32") -> str:
    """Squared Euclidean distances of x [n, features] from rows [rows, features]: [n, rows]."""
    return _summed(emitter, x, rows, precision, lambda left, apart, _: emitter.add("Mul", apart, apart))


def manhattan_distances(emitter: Emitter, x: str, rows: Any, precision: Precision = "float32") -> str:
    """Sums of absolute differences of x [n, features] from rows [rows, features]: [n, rows]."""
    return _summed(emitter, x, rows, precision, lambda left, apart, _: emitter.add("Abs", apart))


def minkowski_distances(
    emitter: Emitter, x: str, rows: Any, p: float, precision: Precision = "float32"
) -> str:
    """The p-th roots of summed p-th powers of differences, p > 0: [n, rows]."""
    power, root = (emitter.constant([value], precision) for value in (p, 1.0 / p))

    def term(left: str, apart: str, right: str) -> str:
        return emitter.add("Pow", emitter.add("Abs", apart), power)

    return emitter.add("Pow", _summed(emitter, x, rows, precision, term), root)


def _chi2_distances(emitter: Emitter, x: str, rows: Any, precision: Precision) -> str:
    """Sums of (x - r)^2 / (x + r), nothing where x + r is 0."""

    def term(left: str, apart: str, right: str) -> str:
        both = emitter.add("Add", left, right)
        empty = emitter.add("Equal", both, emitter.constant([0.0], precision))
        divisor = emitter.add("Where", empty, emitter.constant([1.0], precision), both)
        # Divided first: a small difference squared is lost below float32.
        share = emitter.add("Mul", emitter.add("Div", apart, divisor), apart)
        return emitter.add("Where", empty, emitter.constant([0.0], precision), share)

    return _summed(emitter, x, rows, precision, term)


def _summed(
    emitter: Emitter, x: str, rows: Any, precision: Precision, term: Callable[[str, str, str], str]
) -> str:
    """The sum over features of term(x, x - row, row), each a tensor [n, rows, some features]: [n, rows]."""
    rows = np.asarray(rows, np.float64)
    middle, last = emitter.constant([1], "int64"), emitter.constant([2], "int64")
    total = ""
    for start in range(0, rows.shape[1], _CHUNK):
        some = np.arange(start, min(start + _CHUNK, rows.shape[1]))
        part = x if len(some) == rows.shape[1] else emitter.columns(x, some)
        left = emitter.add("Unsqueeze", part, middle)
        right = emitter.constant(rows[None, :, some], precision)
        terms = term(left, emitter.add("Sub", left, right), right)
        summed = emitter.add("ReduceSum", terms, last, keepdims=0)
        total = emitter.add("Add", total, summed) if total else summed
    return total


def _unit(emitter: Emitter, x: str, precision: Precision) -> str:
    """Rows of length 1; rows of zeros stay."""
    size = emitter.add("Sqrt", emitter.sum(emitter.add("Mul", x, x)))
    zero = emitter.add("Equal", size, emitter.constant([0.0], precision))
    divisor = emitter.add("Where", zero, emitter.constant([1.0], precision), size)
    return emitter.add("Div", x, divisor)


def _unit_rows(rows: Any) -> Any:
    size = np.sqrt((rows**2).sum(axis=1, keepdims=True))
    return rows / np.where(size == 0, 1.0, size)
