"""Categories: one value of a table's column becomes its index among the values the model was fitted on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from edgeml_runtime.affine import Array
from edgeml_runtime.encodings.cells import cells, is_missing, is_number, shown
from edgeml_runtime.errors import SignatureError

CategoryValue = bool | int | float | str | None
_LISTED = 10  # known categories in a message


@dataclass(frozen=True, slots=True)
class Categories:
    """A column of categories -> float32[n, 1]: the index of each value in `values`.

    Numbers and booleans compare as Python compares them (True == 1 == 1.0); text is never a number. None has
    an index where it is among `values`. Every other missing value (NaN, NaT, pandas.NA, and None where it has
    no index) becomes NaN. `unknown`: a value that is not there becomes -1, or is refused by name.
    """

    values: tuple[CategoryValue, ...]
    unknown: Literal["code", "refuse"] = "refuse"
    kind: Literal["categories"] = "categories"

    def __post_init__(self) -> None:
        if not self.values or len(set(self.values)) != len(self.values):
            raise ValueError("categories must be different from each other and at least one")
        if not all(math.isfinite(v) for v in self.values if isinstance(v, float)):
            raise ValueError("categories must be finite; NaN needs no entry")

    @property
    def width(self) -> int:
        """Columns of the encoded matrix."""
        return 1


def category_encoder(encoding: Categories, where: str, *, allow_missing: bool) -> Callable[[Any], Array]:
    """A column of n values -> float32[n, 1]; it raises SignatureError naming `where` and the value."""
    codes = {value: float(index) for index, value in enumerate(encoding.values)}
    kinds = {_kind(value) for value in encoding.values if value is not None}

    def encode(column: Any) -> Array:
        values = cells(column, where)
        try:
            coded = np.array([codes.get(value) for value in values], np.float32)  # None gives NaN
        except TypeError as error:  # what cannot be a key
            raise SignatureError(f"{where}: expected {_expected(kinds)}: {error}") from error
        for row in np.flatnonzero(np.isnan(coded)).tolist():
            coded[row] = uncoded(values[row], row)
        return coded.reshape(-1, 1)

    def uncoded(value: Any, row: int) -> float:
        if is_missing(value):
            if allow_missing:
                return math.nan
            raise SignatureError(f"{where}: the value in row {row} is missing; this model takes none there")
        if _kind(value) not in (kinds or {"text", "numbers"}):
            raise SignatureError(f"{where}: expected {_expected(kinds)}, got {shown(value)} in row {row}")
        if encoding.unknown == "code":
            return -1.0
        known = ", ".join(f"{v!r:.40}" for v in encoding.values[:_LISTED])
        more = ", ..." if len(encoding.values) > _LISTED else ""
        raise SignatureError(
            f"{where}: {value!r:.40} in row {row} is not one of its categories: {known}{more}"
        )

    return encode


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "text"
    return "numbers" if is_number(value) else "neither"


def _expected(kinds: set[str]) -> str:
    return " or ".join(sorted(kinds)) or "text or numbers"
