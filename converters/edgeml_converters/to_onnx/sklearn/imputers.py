"""Missing values: filled in by a constant of each column, or shown."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.sources.sklearn_reading import is_nan
from edgeml_converters.to_onnx.sklearn.emitter import Emitter, Rules

_FLOAT = 1  # onnx.TensorProto.FLOAT


def missing(emitter: Emitter, x: str, missing_values: Any, width: int = 1) -> str:
    """bool[n, k]: which entries of x stand for a missing value; `width` is k where x holds codes.

    pandas.NA means NaN and None; where a column holds numbers, None is NaN.
    """
    if type(missing_values).__name__ == "NAType":
        both = (missing(emitter, x, value, width) for value in (np.nan, None))
        return emitter.add("Or", *both)
    if is_nan(missing_values):
        return emitter.add("IsNaN", x)
    held = np.concatenate([emitter.codes(x, column, [missing_values]) for column in range(width)])
    same = emitter.add("Equal", x, emitter.constant(np.nan_to_num(held)[None]))
    if not np.isnan(held).any():
        return same
    wanted, others = (emitter.constant(mask[None], "bool") for mask in (np.isnan(held), ~np.isnan(held)))
    absent = emitter.add("And", wanted, emitter.add("IsNaN", x))
    return emitter.add("Or", absent, emitter.add("And", others, same))


def _simple_imputer(emitter: Emitter, model: Any, x: str) -> str:
    fill = model.statistics_.tolist()
    empty = np.array([is_nan(value) for value in fill])
    kept = np.arange(len(fill)) if model.keep_empty_features else np.flatnonzero(~empty)
    y = x if len(kept) == len(fill) else emitter.columns(x, kept)
    tables = [emitter.tables[x][column] for column in kept] if x in emitter.tables else [None] * len(kept)
    # What is filled in need not be a value that the column itself has.
    tables = [t if t is None or fill[c] in t else (*t, fill[c]) for t, c in zip(tables, kept, strict=True)]
    held = [
        float(fill[column]) if table is None else float(table.index(fill[column]))
        for table, column in zip(tables, kept, strict=True)
    ]
    absent = missing(emitter, y, model.missing_values, len(kept))
    filled = emitter.add("Where", absent, emitter.constant(np.array(held)[None]), y)
    emitter.declare(filled, len(kept))
    if any(tables):
        emitter.tables[filled] = tuple(tables)
    if model.indicator_ is None:
        return filled
    return emitter.concat([filled, _missing_indicator(emitter, model.indicator_, x)])


def _missing_indicator(emitter: Emitter, model: Any, x: str) -> str:
    count = len(model.features_)
    shown = missing(emitter, emitter.columns(x, model.features_), model.missing_values, count)
    return emitter.declare(emitter.add("Cast", shown, to=_FLOAT), count)


RULES = Rules(transform={"MissingIndicator": _missing_indicator, "SimpleImputer": _simple_imputer})
