"""Rows for inputs that the runtime encodes, drawn from the tables that it encodes them by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeml_runtime.encodings import Categories, Encoding, HashedRecords, HashedWords, Records, Sets, Words

_DRAWN = 12  # words of a document, features of a record, at most
_UNKNOWN_WORDS = tuple(first + second + "a" for first in "bdklmnrst" for second in "aeiou")


def draw_rows(encoding: Encoding, count: int, rng: np.random.Generator) -> list[Any]:
    """`count` rows that the encoding knows; where it hashes, rows of made-up words."""
    if isinstance(encoding, Categories):
        return [encoding.values[i] for i in rng.integers(0, len(encoding.values), count)]
    if isinstance(encoding, Words):
        return [" ".join(_some(encoding.vocabulary, rng)) for _ in range(count)]
    if isinstance(encoding, HashedWords):
        return [" ".join(_some(_UNKNOWN_WORDS, rng)) for _ in range(count)]
    if isinstance(encoding, Sets):
        return [_some(encoding.values, rng) for _ in range(count)]
    names = encoding.feature_names if isinstance(encoding, Records) else _UNKNOWN_WORDS
    records = [dict.fromkeys(_some(names, rng), 1.0) for _ in range(count)]
    if isinstance(encoding, HashedRecords) and encoding.input_type != "dict":
        return [list(r.items()) if encoding.input_type == "pair" else list(r) for r in records]
    return records


def _some(values: Sequence[Any], rng: np.random.Generator) -> list[Any]:
    return [values[i] for i in rng.integers(0, len(values), rng.integers(1, _DRAWN + 1))]
