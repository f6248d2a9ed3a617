"""Categories: one value of a table's column becomes its index among the values the model was fitted on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

CategoryValue = bool | int | float | str | None


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
