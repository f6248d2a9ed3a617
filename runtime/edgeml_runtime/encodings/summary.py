"""Encodings for people: one line each, long tables shortened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgeml_runtime.encodings.categories import Categories
from edgeml_runtime.encodings.records import HashedRecords, Records, Sets
from edgeml_runtime.encodings.text import HashedWords, Words

_SHOWN = 5  # entries of a table


def summary(encoding: Categories | Words | HashedWords | Records | HashedRecords | Sets, source: str) -> str:
    """`categories of 'city': 'Oslo', 'Paris'; others are refused`; `source`: `of 'city'`, or ""."""
    of = f" {source}" if source else ""
    if isinstance(encoding, Categories):
        others = "refused" if encoding.unknown == "refuse" else "unknown"
        return f"categories{of}: {_listed(encoding.values)}; others are {others}"
    if isinstance(encoding, Words):
        return f"counts of terms{of}: {_listed(encoding.vocabulary)}"
    if isinstance(encoding, HashedWords):
        return f"counts of hashed terms{of}"
    if isinstance(encoding, Records):
        return f"features of mappings{of}: {_listed(encoding.feature_names)}"
    if isinstance(encoding, HashedRecords):
        rows = {"dict": "mappings", "pair": "names with values", "string": "names"}[encoding.input_type]
        return f"hashed {rows}{of}"
    return f"sets of labels{of}: {_listed(encoding.values)}"


def _listed(values: Sequence[Any]) -> str:
    shown = ", ".join(f"{value!r:.40}" for value in values[:_SHOWN])
    return shown if len(values) <= _SHOWN else f"{shown}, ... ({len(values)})"
