"""Decimals among float32: the numbers that scikit-learn gets for them.

An input is a float32, and the row that scikit-learn gets mostly a decimal: 5.1 is not its float32. Where a
column's fitted values are decimals, so are taken the row's: rows at the same distance in decimals stay so,
and fitted rows are found at distance 0. Fitted values that are no decimals are rounded to float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.emitter import Emitter
from edgeml_runtime.signature import Array

_FLOAT, _DOUBLE = 1, 11  # onnx.TensorProto's
_DIGITS = 6  # decimals that float32 may hold


def double(emitter: Emitter, values: Any) -> str:
    """A float64 constant, stored as float32 where that holds it."""
    wide = np.asarray(values, np.float64)
    with np.errstate(over="ignore"):
        exact = (wide.astype(np.float32) == wide).all()
    if not exact:
        return emitter.constant(wide, "float64")
    return emitter.add("Cast", emitter.constant(wide), to=_DOUBLE)


def in_decimals(emitter: Emitter, x: str, fitted: Array) -> tuple[str, Array]:
    """X as float64, and the fitted rows: columns of decimals as these decimals, others as float32.

    digits: whether an engine without float64 has to keep its digits all the same.
    """
    scales = _decimal_scales(fitted)
    query = emitter.add("Cast", x, to=_DOUBLE)
    if (scales == 1.0).all():
        return query, fitted.astype(np.float32).astype(np.float64)
    factor = double(emitter, scales)
    decimal = emitter.add("Div", emitter.add("Round", emitter.add("Mul", query, factor)), factor)
    same = emitter.add("Equal", emitter.add("Cast", decimal, to=_FLOAT), x)
    rounded = fitted.astype(np.float32).astype(np.float64)
    return emitter.add("Where", same, decimal, query), np.where(scales > 1.0, fitted, rounded)


def _decimal_scales(fitted: Array) -> Array:
    """float64[features]: the power of ten that makes a column's fitted values integers, 1 for others."""
    scales = np.ones(fitted.shape[1])
    for column in range(fitted.shape[1]):
        values = fitted[:, column]
        values = values[np.isfinite(values)]
        largest = float(np.abs(values).max(initial=0.0))
        for digits in range(_DIGITS + 1):
            scale = 10.0**digits
            # Beyond 2^23 float32 has not a number for each decimal.
            if largest * scale >= 2.0**23:
                break
            if (np.rint(values * scale) / scale == values).all():
                scales[column] = scale
                break
    return scales
