"""Records and sets: mappings of features, and collections of labels, become rows of numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from edgeml_runtime.encodings.text import check_feature_count

Name = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Records:
    """Mappings -> float32[n, len(feature_names)] (DictVectorizer).

    A number goes to the column of its name; text to 1 in the column `name + separator + text`, as does every
    text of an iterable. Names that are not there are left out.
    """

    feature_names: tuple[str, ...]
    separator: str = "="
    kind: Literal["records"] = "records"

    def __post_init__(self) -> None:
        _check_different("feature names", self.feature_names)

    @property
    def width(self) -> int:
        """Columns of the encoded matrix."""
        return len(self.feature_names)


@dataclass(frozen=True, slots=True)
class HashedRecords:
    """Rows of features -> float32[n, n_features], each at its name's hash (FeatureHasher).

    `input_type`: what a row is, as in FeatureHasher: a mapping, pairs of name and value, or names alone.
    """

    n_features: int
    input_type: Literal["dict", "pair", "string"] = "dict"
    alternate_sign: bool = True
    kind: Literal["hashed-records"] = "hashed-records"

    def __post_init__(self) -> None:
        check_feature_count(self.n_features)

    @property
    def width(self) -> int:
        """Columns of the encoded matrix."""
        return self.n_features


@dataclass(frozen=True, slots=True)
class Sets:
    """Collections of labels -> float32[n, len(values)]: 1 for each label that is in it (MultiLabelBinarizer).

    Labels that are not among `values` are left out.
    """

    values: tuple[Name, ...]
    kind: Literal["sets"] = "sets"

    def __post_init__(self) -> None:
        _check_different("labels", self.values)

    @property
    def width(self) -> int:
        """Columns of the encoded matrix."""
        return len(self.values)


def _check_different(what: str, values: tuple[Name, ...]) -> None:
    if not values or len(set(values)) != len(values):
        raise ValueError(f"{what} must be different from each other and at least one")
    if not all(math.isfinite(v) for v in values if isinstance(v, float)):
        raise ValueError(f"{what} must be finite")
