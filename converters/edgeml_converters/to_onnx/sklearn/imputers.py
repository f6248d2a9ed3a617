"""Missing values: filled in by a constant of each column, or shown."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.emitter import Emitter, Rules

_FLOAT = 1  # onnx.TensorProto.FLOAT


def missing(emitter: Emitter, x: str, missing_values: Any) -> str:
    """bool[n, k]: which entries of x stand for a missing value."""
    if isinstance(missing_values, float) and np.isnan(missing_values):
        return emitter.add("IsNaN", x)
    width = len(emitter.origins.get(x, ())) or 1
    held = np.concatenate([emitter.codes(x, column, [missing_values]) for column in range(width)])
    # -2 is no code, for a column whose table lacks the value; scikit-learn tells None from NaN.
    return emitter.add("Equal", x, emitter.constant(np.nan_to_num(held, nan=-2.0)[None]))


def _simple_imputer(emitter: Emitter, model: Any, x: str) -> str:
    fill = [np.nan if value is None else value for value in model.statistics_.tolist()]
    empty = np.array([isinstance(value, float) and np.isnan(value) for value in fill])
    kept = np.arange(len(fill)) if model.keep_empty_features else np.flatnonzero(~empty)
    y = x if len(kept) == len(fill) else emitter.columns(x, kept)
    held = np.concatenate([emitter.codes(x, column, [fill[column]]) for column in kept.tolist()])
    absent = missing(emitter, y, model.missing_values)
    filled = emitter.add("Where", absent, emitter.constant(np.nan_to_num(held)[None]), y)
    emitter.declare(filled, len(kept))
    if x in emitter.tables:
        emitter.tables[filled] = tuple(emitter.tables[x][column] for column in kept)
    if model.indicator_ is None:
        return filled
    return emitter.concat([filled, _missing_indicator(emitter, model.indicator_, x)])


def _missing_indicator(emitter: Emitter, model: Any, x: str) -> str:
    shown = missing(emitter, emitter.columns(x, model.features_), model.missing_values)
    return emitter.declare(emitter.add("Cast", shown, to=_FLOAT), len(model.features_))


RULES = Rules(transform={"MissingIndicator": _missing_indicator, "SimpleImputer": _simple_imputer})
