"""What artifacts cannot take (text, categories, mappings, sets) becomes numbers by tables in the manifest.

Artifacts of every format have numeric inputs only, so the same call works for all of them. Each encoding is
a record; `width` is the number of columns that it makes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgeml_runtime.affine import Array
from edgeml_runtime.encodings.categories import Categories, category_encoder
from edgeml_runtime.encodings.documents import hashed_word_encoder, word_encoder
from edgeml_runtime.encodings.features import hashed_record_encoder, record_encoder, set_encoder
from edgeml_runtime.encodings.records import HashedRecords, Records, Sets
from edgeml_runtime.encodings.text import Analyzer, HashedWords, Words

__all__ = [
    "Analyzer", "Categories", "Encoding", "HashedRecords", "HashedWords", "Records", "Sets", "Words",
    "encoder",
]  # fmt: skip

Encoding = Categories | Words | HashedWords | Records | HashedRecords | Sets


def encoder(encoding: Encoding, where: str, *, allow_missing: bool = False) -> Callable[[Any], Array]:
    """What makes float32[n, width] of n rows, prepared for many calls.

    It raises SignatureError, whose message starts with `where`, for rows that the encoding does not take.
    `allow_missing`: a category may be missing and becomes NaN.
    """
    if isinstance(encoding, Categories):
        return category_encoder(encoding, where, allow_missing=allow_missing)
    if isinstance(encoding, Words):
        return word_encoder(encoding, where)
    if isinstance(encoding, HashedWords):
        return hashed_word_encoder(encoding, where)
    if isinstance(encoding, Records):
        return record_encoder(encoding, where)
    if isinstance(encoding, HashedRecords):
        return hashed_record_encoder(encoding, where)
    return set_encoder(encoding, where)
