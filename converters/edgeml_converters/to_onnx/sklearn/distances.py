"""Distances of rows from fitted rows, by all of scikit-learn's metrics.

They are float64, so that neighbours are told apart as scikit-learn does, and sums of differences as they
stand: expanded into products they would cancel. Up to `_SEQUENTIAL` features are summed one after the other,
as scikit-learn's trees do; more by `_CHUNK` at once, so that nothing of size n * rows * features exists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.decimals import double, in_decimals
from edgeml_converters.to_onnx.sklearn.emitter import Emitter
from edgeml_runtime.signature import Array

_FLOAT, _DOUBLE = 1, 11  # onnx.TensorProto's
_SEQUENTIAL = 15  # the most features for which scikit-learn chooses a tree
_CHUNK = 16
_ALIASES = {
    "cityblock": "manhattan",
    "infinity": "chebyshev",
    "l1": "manhattan",
    "l2": "euclidean",
    "matching": "hamming",
    "p": "minkowski",
    "sokalmichener": "rogerstanimoto",
}
_OF_COUNTS = ("dice", "jaccard", "rogerstanimoto", "russellrao", "sokalsneath", "yule")
_PARAMETERS = {"mahalanobis": ("V", "VI"), "minkowski": ("p", "w"), "seuclidean": ("V",)}
_SUMMED = ("canberra", "chebyshev", "euclidean", "hamming", "manhattan", "minkowski", "sqeuclidean")
_OTHERS = ("braycurtis", "correlation", "cosine", "haversine", "mahalanobis", "nan_euclidean", "seuclidean")
METRICS = frozenset((*_SUMMED, *_OF_COUNTS, *_OTHERS))
_SQUARED = ("euclidean", "mahalanobis", "nan_euclidean", "seuclidean")

# (emitter, x, row): float64 tensors that broadcast to [n, rows, some features] -> the term of each feature
_Term = Callable[[Emitter, str, str], str]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric by scikit-learn's own name, never an alias, with its parameters."""

    name: str
    parameters: Mapping[str, Any]


def metric_of(model: Any) -> Metric:
    """The metric of an estimator of neighbours or of a density."""
    name = getattr(model, "effective_metric_", model.metric)
    parameters = getattr(model, "effective_metric_params_", model.metric_params) or {}
    return Metric(_ALIASES.get(name, name), {k: v for k, v in parameters.items() if v is not None})


def fitted_rows(model: Any) -> Array:
    """The rows that an estimator of neighbours looks up: float64[rows, features]."""
    rows = model._fit_X
    dense: Array = np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows, np.float64)
    return dense


def unknown_metric(model: Any) -> str | None:
    """The reason why an estimator's metric cannot be converted."""
    name = getattr(model, "effective_metric_", model.metric)
    if callable(name):
        known = getattr(name, "__name__", type(name).__name__)
        return f"metric {known} is a function, and what it computes is not known; use one of scikit-learn's"
    if not isinstance(name, str):
        return f"metric {type(name).__name__} is an object with parameters of its own; give its name"
    if name == "precomputed":
        return "metric 'precomputed' takes distances instead of rows; use one of scikit-learn's metrics"
    metric = metric_of(model)
    if metric.name not in METRICS:
        return f"metric {name!r} is not known; use one of {', '.join(sorted(METRICS))}"
    others = sorted(set(metric.parameters) - set(_PARAMETERS.get(metric.name, ())))
    return f"metric {name!r} with metric_params {', '.join(others)} is not supported" if others else None


def distances(emitter: Emitter, x: str, fitted: Any, metric: Metric) -> str:
    """float64[n, rows] of x float32[n, features] from fitted rows [rows, features]."""
    return from_reduced(emitter, reduced_distances(emitter, x, fitted, metric), metric)


def reduced_distances(emitter: Emitter, x: str, fitted: Any, metric: Metric) -> str:
    """What scikit-learn compares, float64[n, rows]: distances without the last root or arcsine."""
    return between(emitter, *in_decimals(emitter, x, np.asarray(fitted, np.float64)), metric)


def between(emitter: Emitter, query: str, rows: Array, metric: Metric) -> str:
    """Reduced distances float64[n, rows] of a float64 query from rows as they are."""
    if metric.name in _SUMMED or metric.name == "seuclidean":
        return _summed_metric(emitter, query, rows, metric)
    if metric.name in _OF_COUNTS:
        return _of_counts(emitter, query, rows, metric.name)
    others: dict[str, Callable[[Emitter, str, Array], str]] = {
        "braycurtis": _bray_curtis,
        "cosine": _cosine,
        "correlation": _correlation,
        "haversine": _haversine,
        "mahalanobis": lambda emitter, x, rows: _mahalanobis(emitter, x, rows, metric.parameters),
        "nan_euclidean": _nan_euclidean,
    }
    return others[metric.name](emitter, query, rows)


def from_reduced(emitter: Emitter, reduced: str, metric: Metric) -> str:
    """The distances float64[n, k] that reduced ones stand for."""
    if metric.name in _SQUARED:
        return emitter.add("Sqrt", reduced)
    if metric.name == "minkowski" and not np.isinf(power_of(metric)):
        return emitter.add("Pow", reduced, double(emitter, [1.0 / power_of(metric)]))
    if metric.name == "haversine":
        return emitter.add("Mul", _angle(emitter, reduced), double(emitter, [2.0]))
    return reduced


def to_reduced(distance: float, metric: Metric) -> float:
    """A distance, such as a radius, as it compares with reduced ones."""
    if metric.name in _SQUARED:
        return distance**2
    if metric.name == "minkowski" and not np.isinf(power_of(metric)):
        return float(distance ** power_of(metric))
    return float(np.sin(min(distance, np.pi) / 2) ** 2) if metric.name == "haversine" else distance


def power_of(metric: Metric) -> float:
    """The p of the Minkowski distance that a metric is."""
    powers = {"chebyshev": np.inf, "euclidean": 2.0, "manhattan": 1.0}
    return float(metric.parameters.get("p", powers.get(metric.name, 2.0)))


def _summed(
    emitter: Emitter, x: str, rows: Array, term: _Term, weights: Array | None = None, *, largest: bool = False
) -> str:
    """The sum over features (or the largest) of term(x, rows): float64[n, rows].

    weights: of the terms, [features] or [rows, features].
    """
    features, total = rows.shape[1], ""
    weights = None if weights is None else np.atleast_2d(weights)
    step = 1 if features <= _SEQUENTIAL else _CHUNK
    for start in range(0, features, step):
        chosen = np.arange(start, min(start + step, features))
        part = x if features == 1 else emitter.columns(x, chosen)
        if step > 1:
            part = emitter.add("Unsqueeze", part, emitter.constant([1], "int64"))
        terms = term(emitter, part, _beside(emitter, rows[:, chosen], step))
        if weights is not None:
            terms = emitter.add("Mul", terms, _beside(emitter, weights[:, chosen], step))
        if step > 1:
            axis = emitter.constant([2], "int64")
            terms = emitter.add("ReduceMax" if largest else "ReduceSum", terms, axis, keepdims=0)
        total = emitter.add("Max" if largest else "Add", total, terms) if total else terms
    return total


def _beside(emitter: Emitter, table: Array, step: int) -> str:
    """A table [rows, some features] as it broadcasts with a part of x: [1, rows] or [1, rows, features]."""
    return double(emitter, table.T if step == 1 else table[None])


def _squared(emitter: Emitter, x: str, row: str) -> str:
    apart = emitter.add("Sub", x, row)
    return emitter.add("Mul", apart, apart)


def _absolute(emitter: Emitter, x: str, row: str) -> str:
    return emitter.add("Abs", emitter.add("Sub", x, row))


def _unequal(emitter: Emitter, x: str, row: str) -> str:
    return emitter.add("Cast", emitter.add("Not", emitter.add("Equal", x, row)), to=_DOUBLE)


def _canberra(emitter: Emitter, x: str, row: str) -> str:
    both = emitter.add("Add", emitter.add("Abs", x), emitter.add("Abs", row))
    return quotient(emitter, _absolute(emitter, x, row), both)


def quotient(emitter: Emitter, numerator: str, denominator: str) -> str:
    """Numerator / denominator, float64, and 0 where the denominator is."""
    nothing = emitter.add("Equal", denominator, double(emitter, [0.0]))
    divided = emitter.add(
        "Div", numerator, emitter.add("Where", nothing, double(emitter, [1.0]), denominator)
    )
    return emitter.add("Where", nothing, double(emitter, [0.0]), divided)


def _summed_metric(emitter: Emitter, x: str, rows: Array, metric: Metric) -> str:
    name, weights = metric.name, metric.parameters.get("w")
    weights = None if weights is None else np.asarray(weights, np.float64)
    if name == "chebyshev":
        return _summed(emitter, x, rows, _absolute, largest=True)
    if name in ("manhattan", "canberra"):
        return _summed(emitter, x, rows, _absolute if name == "manhattan" else _canberra)
    if name == "hamming":
        return emitter.add("Div", _summed(emitter, x, rows, _unequal), double(emitter, [rows.shape[1]]))
    if name == "minkowski":
        return _minkowski(emitter, x, rows, power_of(metric), weights)
    if name == "seuclidean":
        weights = 1.0 / np.asarray(metric.parameters["V"], np.float64)
    return _summed(emitter, x, rows, _squared, weights)


def _minkowski(emitter: Emitter, x: str, rows: Array, p: float, weights: Array | None) -> str:
    if np.isinf(p):
        return _summed(emitter, x, rows, _absolute, weights, largest=True)

    def term(emitter: Emitter, x: str, row: str) -> str:
        return emitter.add("Pow", _absolute(emitter, x, row), double(emitter, [p]))

    return _summed(emitter, x, rows, term, weights)


def _bray_curtis(emitter: Emitter, x: str, rows: Array) -> str:
    sizes = emitter.sum(emitter.add("Abs", x))
    both = emitter.add("Add", sizes, double(emitter, np.abs(rows).sum(axis=1)))
    return quotient(emitter, _summed(emitter, x, rows, _absolute), both)


def _cosine(emitter: Emitter, x: str, rows: Array) -> str:
    """1 - cos as half the squared distance of the unit vectors: near 0 the difference would cancel."""
    norms = np.sqrt((rows**2).sum(axis=1, keepdims=True))
    units = rows / np.where(norms == 0, 1.0, norms)
    size = emitter.add("Sqrt", emitter.sum(emitter.add("Mul", x, x)))
    # A row of zeros has no direction; its cosine with all is 0.
    nothing = emitter.add("Equal", size, double(emitter, [0.0]))
    divisor = emitter.add("Where", nothing, double(emitter, [1.0]), size)
    squares = _summed(emitter, emitter.add("Div", x, divisor), units, _squared)
    squares = emitter.add("Add", squares, emitter.add("Cast", nothing, to=_DOUBLE))
    squares = emitter.add("Add", squares, double(emitter, (norms[:, 0] == 0).astype(float)))
    return emitter.add("Mul", squares, double(emitter, [0.5]))


def _correlation(emitter: Emitter, x: str, rows: Array) -> str:
    mean = emitter.add("ReduceMean", x, emitter.constant([1], "int64"), keepdims=1)
    return _cosine(emitter, emitter.add("Sub", x, mean), rows - rows.mean(axis=1, keepdims=True))


def _mahalanobis(emitter: Emitter, x: str, rows: Array, parameters: Mapping[str, Any]) -> str:
    inverse = parameters.get("VI")
    inverse = np.linalg.inv(np.asarray(parameters["V"], np.float64)) if inverse is None else inverse
    inverse = np.asarray(inverse, np.float64)
    values, vectors = np.linalg.eigh((inverse + inverse.T) / 2)
    centre = rows.mean(axis=0)
    turned = emitter.add("MatMul", emitter.add("Sub", x, double(emitter, centre)), double(emitter, vectors))
    return _summed(emitter, turned, (rows - centre) @ vectors, _squared, values)


def _haversine(emitter: Emitter, x: str, rows: Array) -> str:
    """The angle between points of latitude and longitude in radians."""
    half = double(emitter, [0.5])

    def squared_sine(column: int) -> str:
        part = emitter.add("Sub", emitter.columns(x, [column]), double(emitter, rows[None, :, column]))
        sine = emitter.add("Sin", emitter.add("Mul", part, half))
        return emitter.add("Mul", sine, sine)

    cosines = emitter.add(
        "Mul", emitter.add("Cos", emitter.columns(x, [0])), double(emitter, np.cos(rows[:, 0]))
    )
    return emitter.add("Add", squared_sine(0), emitter.add("Mul", cosines, squared_sine(1)))


def _angle(emitter: Emitter, squared: str) -> str:
    """The arcsine of the square root of values in [0, 1], float64."""
    rest = emitter.add("Max", emitter.add("Sub", double(emitter, [1.0]), squared), double(emitter, [0.0]))
    small, large = (emitter.add(end, squared, rest) for end in ("Min", "Max"))
    sine, tangent = emitter.add("Sqrt", small), emitter.add("Sqrt", emitter.add("Div", small, large))
    # ONNX Runtime has the arctangent of float32 only: one step of Newton's method gives it float64's digits.
    first = emitter.add("Atan", emitter.add("Cast", tangent, to=_FLOAT))
    angle = emitter.add("Cast", first, to=_DOUBLE)
    missed = emitter.add("Sub", sine, emitter.add("Sin", angle))
    angle = emitter.add("Add", angle, emitter.add("Div", missed, emitter.add("Cos", angle)))
    # Past an eighth of a turn by the complement, whose sine is the accurate one.
    flat = emitter.add("Sub", double(emitter, [np.pi / 2]), angle)
    return emitter.add("Where", emitter.add("Greater", squared, rest), flat, angle)


def _of_counts(emitter: Emitter, x: str, rows: Array, name: str) -> str:
    """Metrics of booleans (not 0 is true) from how many features are true in both, in one, in none."""
    one, zero = double(emitter, [1.0]), double(emitter, [0.0])
    truth, known = emitter.add("Where", emitter.add("Equal", x, zero), zero, one), (rows != 0).astype(float)
    both = emitter.add("MatMul", truth, double(emitter, known.T))
    mine = emitter.add("Sub", emitter.sum(truth), both)
    theirs = emitter.add("Sub", double(emitter, known.sum(axis=1)), both)
    either = emitter.add("Add", mine, theirs)
    features = double(emitter, [rows.shape[1]])
    if name == "russellrao":
        return emitter.add("Div", emitter.add("Sub", features, both), features)
    if name == "rogerstanimoto":
        twice = emitter.add("Add", either, either)
        return emitter.add("Div", twice, emitter.add("Add", features, either))
    if name == "jaccard":
        return quotient(emitter, either, emitter.add("Add", both, either))
    if name == "yule":
        neither = emitter.add("Sub", features, emitter.add("Add", both, either))
        odds = emitter.add("Mul", mine, theirs)
        total = emitter.add("Add", emitter.add("Mul", both, neither), odds)
        return quotient(emitter, emitter.add("Add", odds, odds), total)
    share = double(emitter, [2.0 if name == "dice" else 0.5])
    # Without any true feature 0 / 0, as in scikit-learn.
    return emitter.add("Div", either, emitter.add("Add", emitter.add("Mul", both, share), either))


def _nan_euclidean(emitter: Emitter, x: str, rows: Array) -> str:
    """Over the features that both have, scaled up to all of them; NaN where they share none."""
    present = emitter.add("Cast", emitter.add("Not", emitter.add("IsNaN", x)), to=_DOUBLE)
    known = (~np.isnan(rows)).astype(float)
    shared = emitter.add("MatMul", present, double(emitter, known.T))
    squares = _summed(emitter, x, np.nan_to_num(rows), _squared_or_none, known)
    whole = emitter.add("Mul", squares, double(emitter, [rows.shape[1]]))
    return emitter.add("Div", whole, shared)  # 0 / 0 where they share none


def _squared_or_none(emitter: Emitter, x: str, row: str) -> str:
    squares = _squared(emitter, x, row)
    return emitter.add("Where", emitter.add("IsNaN", squares), double(emitter, [0.0]), squares)
