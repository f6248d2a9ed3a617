"""What callers pass as one column, as Python values: lists, arrays and series alike, by duck typing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from edgeml_runtime.affine import Array
from edgeml_runtime.errors import SignatureError


def as_array(value: Any, where: str) -> Any:
    """An array for what can give one of itself, anything else as it is; raises SignatureError."""
    to_numpy = getattr(value, "to_numpy", None)
    if to_numpy is None:
        return value
    try:
        return to_numpy()
    except Exception as error:  # whatever a foreign type raises
        raise SignatureError(f"{where}: cannot make an array of {shown(value)}: {error}") from error


def cells(value: Any, where: str) -> list[Any]:
    """The values of a column [n] or [n, 1]; raises SignatureError naming `where`."""
    value = as_array(value, where)
    if isinstance(value, np.ndarray):
        return _array_cells(value, where)
    if not isinstance(value, (list, tuple)):
        raise SignatureError(f"{where}: expected a list or an array, got {shown(value)}")
    items = list(value)
    if items and all(isinstance(item, (list, tuple, np.ndarray)) and len(item) == 1 for item in items):
        return [item[0] for item in items]
    return items


def _array_cells(array: Array, where: str) -> list[Any]:
    if array.ndim == 0 or array.size != len(array):
        raise SignatureError(f"{where}: expected one value a row, got shape {list(array.shape)}")
    # numpy makes integers of dates.
    if array.dtype.kind not in "fiubUOT":
        raise SignatureError(f"{where}: expected text, numbers or booleans, got {array.dtype.name}")
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        raise SignatureError(f"{where}: got an array with masked values; fill them first")
    values: list[Any] = array.ravel().tolist()
    return values


def numbers(value: Any, where: str, *, allow_missing: bool) -> Array:
    """[n] of real numbers, integers or booleans out of a column [n] or [n, 1]; what is missing becomes NaN.

    Raises SignatureError naming `where` and the first value that is no number, or missing unless allowed.
    """
    value = as_array(value, where)
    if type(value) is np.ndarray and value.dtype.kind in "fiub" and value.ndim and value.size == len(value):
        column: Array = value.reshape(-1)
    else:
        column = _number_array(cells(value, where), where)
    if not allow_missing and column.dtype.kind == "f":
        missing = np.flatnonzero(np.isnan(column))
        if missing.size:
            raise SignatureError(
                f"{where}: the value in row {missing[0]} is missing; this model takes none there"
            )
    return column


def _number_array(values: list[Any], where: str) -> Array:
    for row, value in enumerate(values):
        if not is_number(value):
            if not is_missing(value):
                raise SignatureError(f"{where}: expected numbers, got {shown(value)} in row {row}")
            values[row] = np.nan
    array = np.array(values)
    if array.dtype.kind in "fiub":
        return array
    try:
        return np.array(values, np.float64)  # of integers that int64 cannot hold
    except OverflowError as error:
        raise SignatureError(f"{where}: a number is too large for float64") from error


def rows(value: Any, where: str) -> list[Any]:
    """The rows of a sequence whose rows are collections themselves; raises SignatureError."""
    value = as_array(value, where)
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise SignatureError(f"{where}: expected a list with an item for each row, got {shown(value)}")
    return list(value)


def is_missing(value: Any) -> bool:
    """None, NaN, NaT and pandas.NA."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):  # pandas.NA is neither equal nor different; an array is no value
        return type(value).__name__ == "NAType"


def is_number(value: Any) -> bool:
    """A number or a boolean, of Python or of numpy; no complex one."""
    return isinstance(value, (bool, int, float, np.floating, np.integer, np.bool_))


def shown(value: Any) -> str:
    """For messages: `str 'Paris'`."""
    return f"{type(value).__name__} {value!r:.60}"


def scatter(count: int, width: int, positions: list[int], values: list[float] | float) -> Array:
    """float32[count, width] of zeros, with each of `values` added at its flat position."""
    matrix = np.zeros((count, width), np.float32)
    if positions:
        with np.errstate(over="ignore"):  # to infinity, which is refused where the model does not take it
            np.add.at(matrix.reshape(-1), np.array(positions, np.int64), np.array(values, np.float32))
    return matrix
