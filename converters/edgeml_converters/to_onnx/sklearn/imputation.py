"""Missing values filled in by the mean of the nearest fitted rows that have one."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.decimals import double
from edgeml_converters.to_onnx.sklearn.distances import Metric, distances
from edgeml_converters.to_onnx.sklearn.emitter import Emitter, Rules
from edgeml_converters.to_onnx.sklearn.imputers import missing
from edgeml_converters.to_onnx.sklearn.nearest import smallest
from edgeml_converters.to_onnx.sklearn.neighbors import inverse_distances
from edgeml_runtime.signature import Array

_FLOAT, _DOUBLE = 1, 11  # onnx.TensorProto's
_FAR = 1e30  # of rows that share no feature; beyond all distances, and float32 holds it


def _impute(emitter: Emitter, model: Any, x: str) -> str:
    fitted, absent_before = np.asarray(model._fit_X, np.float64), np.asarray(model._mask_fit_X)
    absent = missing(emitter, x, model.missing_values)
    apart = _distances(emitter, x, absent, np.where(absent_before, np.nan, fitted))
    columns = []
    for column in range(fitted.shape[1]):
        donors = np.flatnonzero(~absent_before[:, column])
        if not len(donors):
            if model.keep_empty_features:
                nothing = emitter.add("Cast", emitter.columns(absent, [column]), to=_FLOAT)
                columns.append(emitter.add("Mul", nothing, emitter.constant([0.0])))
            continue
        among = (
            apart
            if len(donors) == len(fitted)
            else emitter.add("Gather", apart, emitter.constant(donors, "int64"), axis=1)
        )
        filled = _mean_of_donors(emitter, model, among, fitted[donors, column])
        here = emitter.columns(absent, [column])
        columns.append(emitter.add("Where", here, filled, emitter.columns(x, [column])))
    imputed = emitter.concat(columns)
    if model.indicator_ is None:
        return imputed
    return emitter.concat([imputed, emitter.transform(model.indicator_, x)])


def _distances(emitter: Emitter, x: str, absent: str, fitted: Array) -> str:
    """float64[n, fitted rows], `_FAR` where no feature is shared."""
    unknown = emitter.add("Where", absent, emitter.constant([np.nan]), x)
    apart = distances(emitter, unknown, fitted, Metric("nan_euclidean", {}))
    return emitter.add("Where", emitter.add("IsNaN", apart), double(emitter, [_FAR]), apart)


def _mean_of_donors(emitter: Emitter, model: Any, apart: str, values: Array) -> str:
    """float32[n, 1]: the mean of the nearest donors' values, of all values where none is near."""
    near, rows = smallest(emitter, apart, min(model.n_neighbors, len(values)))
    known = emitter.add("Less", near, double(emitter, [_FAR]))
    if model.weights == "distance":
        weights = inverse_distances(emitter, near, known)
    else:
        weights = emitter.add("Cast", known, to=_DOUBLE)
    total = emitter.sum(weights)
    alone = emitter.add("Equal", total, double(emitter, [0.0]))
    donated = emitter.add("Gather", double(emitter, values), rows, axis=0)
    sums = emitter.sum(emitter.add("Mul", donated, weights))
    mean = emitter.add("Div", sums, emitter.add("Where", alone, double(emitter, [1.0]), total))
    filled = emitter.add("Where", alone, double(emitter, [values.mean()]), mean)
    return emitter.add("Cast", filled, to=_FLOAT)


def _convertible(model: Any) -> str | None:
    for name in ("metric", "weights"):
        value = getattr(model, name)
        if callable(value):
            known = getattr(value, "__name__", type(value).__name__)
            return f"{name} {known} is a function, and what it computes is not known; use scikit-learn's own"
    return None


RULES = Rules(transform={"KNNImputer": _impute}, limits={"KNNImputer": _convertible})
