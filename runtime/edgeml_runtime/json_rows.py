"""Rows from JSON: a list of rows, an object of columns, or records (a list of objects)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgeml_runtime.errors import InputError
from edgeml_runtime.signature import Array


def read_json(path: Path, content: bytes, target: str | None, *, records: bool) -> dict[str, Array]:
    """Named arrays of a JSON file; raises InputError.

    `records`: keep objects whole, as `x`, but for their `target`, which has an array of its own.
    """
    try:
        value = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"cannot read {path}: not a JSON file in UTF-8 ({error})") from error
    if isinstance(value, dict) and value and all(isinstance(column, list) for column in value.values()):
        return {name: column_array(column) for name, column in value.items()}
    if not isinstance(value, list) or not value:
        raise InputError(f"cannot read {path}: expected a list of rows or an object of columns")
    if not all(isinstance(row, dict) for row in value):
        return {"x": column_array(value)}
    if not records:
        names = dict.fromkeys(name for row in value for name in row)
        return {name: column_array([row.get(name) for row in value]) for name in names}
    arrays = {"x": object_array([{k: v for k, v in row.items() if k != target} for row in value])}
    if target is not None and all(target in row for row in value):
        arrays[target] = column_array([row[target] for row in value])
    return arrays


def column_array(values: Sequence[Any]) -> Array:
    """Numbers, booleans and text as arrays of their own kind, missing numbers as NaN; else object[n]."""
    kinds = {type(value) for value in values}
    if kinds <= {int, float, type(None)} and kinds != {type(None)}:
        filled = [float("nan") if value is None else value for value in values]
        array = np.array(filled)
        return array if array.dtype.kind in "if" else np.array(filled, np.float64)
    if kinds in ({bool}, {str}):
        return np.array(values)
    if kinds == {list}:
        try:
            array = np.array(values)
        except ValueError:  # of different lengths
            return object_array(values)
        return array if array.dtype.kind in "fiub" else object_array(values)
    return object_array(values)


def object_array(values: Sequence[Any]) -> Array:
    """object[n] of the very values, whatever they are."""
    array = np.empty(len(values), object)
    for position, value in enumerate(values):
        array[position] = value
    return array
