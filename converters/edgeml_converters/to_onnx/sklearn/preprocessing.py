"""Scalers, bins, polynomials and feature selection."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.emitter import ML, Emitter, Rules
from edgeml_converters.to_onnx.sklearn.encoders import one_hot
from edgeml_converters.to_onnx.sklearn.origins import Map
from edgeml_converters.to_onnx.sklearn.piecewise import has_maps, starts
from edgeml_converters.to_onnx.sklearn.terms import Term
from edgeml_converters.to_onnx.sklearn.trees import unscaled

_FLOAT = 1  # onnx.TensorProto.FLOAT
_NO_LENGTH = 10 * float(np.finfo(np.float64).eps)  # rows of less stay as they are, in scikit-learn too
_SHOWS = 1e-6  # of a scaled value, which is about 1


def _scale(emitter: Emitter, x: str, offset: Any, scale: Any, width: int) -> str:
    """(x - offset) * scale as ai.onnx.ml Scaler, which quantizers leave in float and lowerings can fold."""
    offset = np.broadcast_to(np.asarray(0.0 if offset is None else offset, np.float64), width)
    scale = np.broadcast_to(np.asarray(1.0 if scale is None else scale, np.float64), width)
    if not offset.any() and (scale == 1).all():
        return x
    rounded = offset.astype(np.float32)
    y = emitter.add("Scaler", x, domain=ML, offset=rounded.tolist(), scale=scale.astype(np.float32).tolist())
    # Of an offset far beyond the spread, what float32 cuts off shows: x - offset is exact near it.
    rest = (offset - rounded) * scale
    return emitter.add("Sub", y, emitter.constant(rest[None])) if (np.abs(rest) > _SHOWS).any() else y


def _standardize(emitter: Emitter, x: str, offset: Any, scale: Any, width: int) -> str:
    """(x - offset) / scale, either None for none."""
    offset = np.zeros(width) if offset is None else np.asarray(offset, np.float64)
    scale = np.ones(width) if scale is None else np.asarray(scale, np.float64)

    def column(o: float, s: float) -> Map:
        return lambda values: (values - o) / s

    y = _scale(emitter, x, offset, 1 / scale, width)
    return emitter.follow(x, y, [column(o, s) for o, s in zip(offset, scale, strict=True)])


def _standard_scaler(emitter: Emitter, model: Any, x: str) -> str:
    mean = model.mean_ if model.with_mean else None
    scale = model.scale_ if model.with_std else None
    return _standardize(emitter, x, mean, scale, model.n_features_in_)


def _robust_scaler(emitter: Emitter, model: Any, x: str) -> str:
    center = model.center_ if model.with_centering else None
    scale = model.scale_ if model.with_scaling else None
    return _standardize(emitter, x, center, scale, model.n_features_in_)


def _max_abs_scaler(emitter: Emitter, model: Any, x: str) -> str:
    scaled = _standardize(emitter, x, None, model.scale_, model.n_features_in_)
    return _clip(emitter, scaled, -1.0, 1.0) if getattr(model, "clip", False) else scaled


def _min_max_scaler(emitter: Emitter, model: Any, x: str) -> str:
    low, high = model.feature_range
    # min_ is low - data_min_ * scale_, so (x - data_min_) * scale_ + low is the same without cancellation.
    y = _scale(emitter, x, model.data_min_, model.scale_, model.n_features_in_)
    y = emitter.add("Add", y, emitter.constant([float(low)])) if low else y

    def column(s: float, m: float) -> Map:
        return lambda values: values * s + m

    maps = [column(s, m) for s, m in zip(model.scale_, model.min_, strict=True)]
    y = emitter.follow(x, y, maps)
    return _clip(emitter, y, float(low), float(high)) if model.clip else y


def _clip(emitter: Emitter, x: str, low: float, high: float) -> str:
    y = emitter.add("Clip", x, emitter.constant(low), emitter.constant(high))
    width = len(emitter.origins.get(x, ()))
    return emitter.follow(x, y, [lambda values: np.clip(values, low, high)] * width)


def _normalizer(emitter: Emitter, model: Any, x: str) -> str:
    # Of the values over the largest of their row: squares and sums of what float32 holds may be beyond it.
    rows, axis = Term(emitter, x), emitter.constant([1], "int64")
    largest = Term(emitter, emitter.add("ReduceMax", abs(rows).name, axis, keepdims=1))
    shares = rows / largest.equals(0.0).choose(1.0, largest)
    if model.norm == "max":
        size = largest.of([1.0])
    elif model.norm == "l2":
        size = Term(emitter, emitter.sum((shares * shares).name)).sqrt()
    else:
        size = Term(emitter, emitter.sum(abs(shares).name))
    return (largest * size < _NO_LENGTH).choose(rows, shares / (size + largest.equals(0.0).as_float())).name


def _polynomial_features(emitter: Emitter, model: Any, x: str) -> str:
    powers = np.asarray(model.powers_)
    ones = powers.shape[1]  # the index of a column of ones that fills up products of fewer factors
    factors = [np.repeat(np.arange(len(row)), row) for row in powers]
    degree = max(1, *(len(f) for f in factors))
    padded = np.array([[*f, *[ones] * (degree - len(f))] for f in factors], np.int64)
    if (padded == ones).any():
        pads = emitter.constant([0, 0, 0, 1], "int64")
        x = emitter.add("Pad", x, pads, emitter.constant(1.0), mode="constant")
    product = emitter.columns(x, padded[:, 0])
    for column in padded.T[1:]:
        product = emitter.add("Mul", product, emitter.columns(x, column))
    return product


def above(emitter: Emitter, x: str, threshold: float) -> str:
    """float32[n, k]: 1 where x is above the float64 threshold, decided on the columns before scalers."""
    columns = np.arange(len(emitter.origins.get(x, ())))
    limits = np.full(max(1, len(columns)), threshold, np.float64)
    source, columns, rounded = unscaled(emitter, x, columns, limits, single=False)
    y = x if source == x else emitter.columns(source, columns)
    hits = emitter.add("Greater", y, emitter.constant(rounded[None]))
    return emitter.add("Cast", hits, to=_FLOAT)


def _binarizer(emitter: Emitter, model: Any, x: str) -> str:
    return above(emitter, x, model.threshold)


def _k_bins_discretizer(emitter: Emitter, model: Any, x: str) -> str:
    """A bin is the number of inner edges that are not above the value."""
    inner = [np.asarray(edges, np.float64)[1:-1] for edges in model.bin_edges_]
    if not any(len(edges) for edges in inner):  # constant columns only: each is one bin
        bins = emitter.add("Cast", emitter.add("IsNaN", x), to=_FLOAT)
    else:
        columns = np.repeat(np.arange(len(inner)), [len(edges) for edges in inner])
        edges = np.concatenate(inner)
        if model.strategy == "quantile" and not has_maps(emitter, x):
            always = np.ones(len(edges), bool)
            values, begin = emitter.columns(x, columns), starts(edges, ~always, always)
            passed = emitter.add("GreaterOrEqual", values, emitter.constant(begin[None]))
        else:
            # x >= e is x > the largest number below e.
            single = np.dtype(model.dtype or np.float64) == np.float32
            before = np.nextafter(edges, -np.inf)
            source, read, rounded = unscaled(emitter, x, columns, before, single=single)
            values = emitter.columns(source, read)
            passed = emitter.add("Greater", values, emitter.constant(rounded[None]))
        count = np.zeros((len(columns), len(inner)))
        count[np.arange(len(columns)), columns] = 1
        bins = emitter.dense(emitter.add("Cast", passed, to=_FLOAT), count, 0.0)
    emitter.declare(bins, len(inner))
    if model.encode == "ordinal":
        return bins
    return one_hot(emitter, bins, [np.arange(len(edges) + 1) for edges in inner])


def _select(emitter: Emitter, model: Any, x: str) -> str:
    return emitter.columns(x, model.get_support(indices=True))


_SELECTORS = (
    "GenericUnivariateSelect", "RFE", "RFECV", "SelectFdr", "SelectFpr", "SelectFromModel", "SelectFwe",
    "SelectKBest", "SelectPercentile", "SequentialFeatureSelector", "VarianceThreshold",
)  # fmt: skip
RULES = Rules(
    transform=dict.fromkeys(_SELECTORS, _select)
    | {
        "Binarizer": _binarizer,
        "KBinsDiscretizer": _k_bins_discretizer,
        "MaxAbsScaler": _max_abs_scaler,
        "MinMaxScaler": _min_max_scaler,
        "Normalizer": _normalizer,
        "PolynomialFeatures": _polynomial_features,
        "RobustScaler": _robust_scaler,
        "StandardScaler": _standard_scaler,
    },
)
