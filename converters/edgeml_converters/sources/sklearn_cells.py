"""Rows of a table on the edges of its categories: each known cell, one that nobody knows, a missing one."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.model import TrainedModel, take_rows
from edgeml_runtime.encodings import Categories
from edgeml_runtime.signature import TensorSpec

_UNKNOWN_TEXT = "no such category"


def cell_rows(model: TrainedModel, base: Any) -> Any | None:
    """Base rows, each with one cell replaced by another that the model takes; None where there is none.

    base and the result: a frame of the model's columns, or an array object[n, columns].
    """
    places = {name: place for place, name in enumerate(model.signature.columns)}
    edges = [(places[spec.source_name], cell) for spec in model.signature.inputs for cell in _cells(spec)]
    if not edges:
        return None
    made = take_rows(base, np.arange(len(edges)) % len(base))
    if not hasattr(made, "iloc"):
        for row, (place, cell) in enumerate(edges):
            made[row, place] = cell
        return made
    made = made.reset_index(drop=True)
    for place in dict.fromkeys(place for place, _ in edges):
        cells = made.iloc[:, place].astype(object)
        for row, (changed, cell) in enumerate(edges):
            if changed == place:
                cells.iloc[row] = cell
        made.isetitem(place, cells)
    return made


def _cells(spec: TensorSpec) -> list[Any]:
    encoding = spec.encoding
    if not isinstance(encoding, Categories):
        return []
    unknown = [_unknown(encoding)] if encoding.unknown == "code" else []
    return [*encoding.values, *unknown, *([np.nan] if spec.allow_nan else [])]


def _unknown(encoding: Categories) -> Any:
    numbers = [value for value in encoding.values if value is not None and not isinstance(value, str)]
    texts = {value for value in encoding.values if isinstance(value, str)}
    if numbers and not texts:
        return max(numbers) + 1
    text = _UNKNOWN_TEXT
    while text in texts:
        text += "!"
    return text
