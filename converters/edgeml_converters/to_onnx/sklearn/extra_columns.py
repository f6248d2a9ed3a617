"""Columns made of a model's input once a row, for tests that are no comparison of a value with a threshold.

Trees of the boosting libraries ask for sets of categories and know zero as missing. Both become comparisons
on columns appended to the input: 1 where the row's category is in a set, the value with NaN for zero. Sets
of one column are columns of one table, read once a row: categories x sets bytes, whatever the trees are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from edgeml_converters.to_onnx.sklearn.emitter import Emitter
from edgeml_runtime.signature import Array

# (column, the model's codes, whether a missing value is one of them) -> the same in the input
HeldCodes = Callable[[int, Array, bool], Array]
_Set = tuple[int, tuple[int, ...], bool]  # column, codes, whether a missing value is in it
Rounding = Literal["truncate", "floor"]  # of a code that is no whole number; floor sends those below 0 out


class ExtraColumns:
    """Hands out places behind an input's own columns, then appends what stands there."""

    def __init__(self, features: int, rounding: Rounding) -> None:
        """`features`: the columns that the input has itself."""
        self._features = features
        self._rounding = rounding
        self._sets: dict[_Set, int] = {}
        self._without_zero: dict[int, int] = {}

    @property
    def width(self) -> int:
        """Own and further columns together."""
        return self._features + len(self._sets) + len(self._without_zero)

    def held_codes(self, emitter: Emitter, x: str, categories: Mapping[int, Sequence[Any]]) -> HeldCodes:
        """How x holds a model's codes: where its columns are a table's, by the values that both stand for."""
        if x not in emitter.tables:
            return lambda column, codes, missing: codes
        places = {column: emitter.codes(x, column, values) for column, values in categories.items()}

        def held(column: int, codes: Array, missing: bool) -> Array:
            if column not in places:
                return codes
            found = places[column][codes[codes < len(places[column])]]
            if missing:  # None may have a code of its own
                found = np.concatenate([found, emitter.codes(x, column, [None])])
            return found[~np.isnan(found)].astype(np.int64)

        return held

    def members(self, column: int, codes: Array, *, missing: bool) -> int:
        """The place of a column that is 1 where that input column's code is listed, or NaN and `missing`.

        Every other code, known or not, gives 0.
        """
        key = (column, tuple(sorted(codes.tolist())), missing)
        return self._sets.setdefault(key, self.width)

    def without_zero(self, column: int) -> int:
        """The place of a column that holds the input column's value, NaN where it is 0 (within 1e-35)."""
        return self._without_zero.setdefault(column, self.width)

    def append(self, emitter: Emitter, x: str) -> str:
        """float32[n, width] of x float32[n, features]."""
        parts: list[tuple[list[int], str]] = []  # places, tensor
        for column in dict.fromkeys(column for column, _, _ in self._sets):
            sets = {key: place for key, place in self._sets.items() if key[0] == column}
            parts.append((list(sets.values()), self._memberships(emitter, x, column, list(sets))))
        if self._without_zero:
            value = emitter.columns(x, list(self._without_zero))
            small = emitter.add("LessOrEqual", emitter.add("Abs", value), emitter.constant([1e-35]))
            unknown = emitter.add("Where", small, emitter.constant([np.nan]), value)
            parts.append((list(self._without_zero.values()), unknown))
        if not parts:
            return x
        places = np.array([place for found, _ in parts for place in found])
        made = emitter.concat([tensor for _, tensor in parts])
        emitter.declare(made, len(places))
        if (np.diff(places) != 1).any():
            made = emitter.columns(made, np.argsort(places))
        return emitter.concat([x, made])

    def _memberships(self, emitter: Emitter, x: str, column: int, sets: list[_Set]) -> str:
        """float32[n, sets]: a row of the table for the row's code."""
        count = max((max(codes, default=-1) for _, codes, _ in sets), default=-1) + 1
        # Rows: below zero, the codes, beyond them, missing.
        table = np.zeros((count + 3, len(sets)), np.uint8)
        for j, (_, codes, missing) in enumerate(sets):
            table[np.asarray(codes, np.int64) + 1, j] = 1
            table[-1, j] = missing
        value = emitter.columns(x, [column])
        absent = emitter.add("IsNaN", value)
        filled = emitter.add("Where", absent, emitter.constant([0.0]), value)
        inside = emitter.add("Clip", filled, emitter.constant(-1.0), emitter.constant(float(count)))
        if self._rounding == "floor":
            inside = emitter.add("Floor", inside)
        row = emitter.add("Add", emitter.add("Cast", inside, to=7), emitter.constant([1], "int64"))
        row = emitter.add("Where", absent, emitter.constant([count + 2], "int64"), row)
        found = emitter.add("Gather", emitter.constant(table, "uint8"), emitter.flat(row), axis=0)
        return emitter.add("Cast", found, to=1)
