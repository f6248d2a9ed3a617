"""What artifacts cannot take (text, categories, mappings, sets) becomes numbers by tables in the manifest.

Artifacts of every format have numeric inputs only, so the same call works for all of them. Each encoding is
a record; `width` is the number of columns that it makes.
"""

from __future__ import annotations

from edgeml_runtime.encodings.categories import Categories
from edgeml_runtime.encodings.records import HashedRecords, Records, Sets
from edgeml_runtime.encodings.text import Analyzer, HashedWords, Words

__all__ = [
    "Analyzer", "Categories", "Encoding", "HashedRecords", "HashedWords", "Records", "Sets", "Words",
]  # fmt: skip

Encoding = Categories | Words | HashedWords | Records | HashedRecords | Sets
