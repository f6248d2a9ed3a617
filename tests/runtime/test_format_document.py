"""docs/bundle-format.md says what the reader does."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from edgeml_runtime import archive, golden_rows, manifest, signature, strict_json
from edgeml_runtime.affine import Affine
from edgeml_runtime.encodings import (
    Analyzer,
    Categories,
    HashedRecords,
    HashedWords,
    Records,
    Sets,
    Words,
    text,
)
from edgeml_runtime.manifest import Manifest
from edgeml_runtime.tuning import MAX_THREADS, DeviceClass, SessionOptions, Tuning

TEXT = (Path(__file__).parents[2] / "docs" / "bundle-format.md").read_text(encoding="utf-8")
TYPES = (
    Manifest, manifest.FileEntry, manifest.FloatOperator, manifest.GoldenTensor, manifest.Tolerance,
    manifest.Fixture, manifest.Verdict, manifest.Budget, manifest.Provenance, signature.Signature,
    signature.TensorSpec, signature.ClassLabels, signature.Method, Affine, Analyzer, Categories, Words,
    HashedWords, Records, HashedRecords, Sets, Tuning, DeviceClass, SessionOptions,
)  # fmt: skip


@pytest.mark.parametrize("record", TYPES, ids=lambda record: record.__name__)
def test_every_field_is_described(record: type):
    start = 0 if record is Manifest else TEXT.index(f"**{record.__name__}**")
    end = re.compile(r"\n\*\*|\n## \d|\Z").search(TEXT, start + 1)
    assert end is not None
    section = TEXT[start : end.start()] if record is not Manifest else TEXT
    missing = [f.name for f in dataclasses.fields(record) if f"`{f.name}`" not in section]
    assert missing == []


@pytest.mark.parametrize(
    "limit",
    [
        f"{archive.MAX_BUNDLE_BYTES:,} bytes",
        f"at most {archive.MAX_ENTRIES} entries",
        archive.ENTRY_NAME.pattern,
        f"{manifest.MAX_MANIFEST_BYTES:,} bytes",
        f"nesting of {strict_json.MAX_DEPTH}",
        f"{strict_json.MAX_STRING:,} characters",
        f"{strict_json.MAX_ITEMS:,} items",
        f"at most {golden_rows.MAX_BYTES:,} bytes and {golden_rows.MAX_DOCUMENT:,} characters a string",
        f"at most {text.MAX_PATTERN:,} characters",
        f"largest <= {text.MAX_NGRAM:,}",
        f"1 to {text.MAX_FEATURES:,}",
        f"at most {signature.MAX_RANK} sizes, 1 to {signature.MAX_AXIS:,}",
        f"# The bundle format, version {manifest.NEWEST_FORMAT}",
        f"\n| {manifest.NEWEST_FORMAT} | ",
        f"`threads` (integer, 1 to {MAX_THREADS})",
        " ".join(signature.TENSOR_DTYPES),
        "manifest.sig",
    ],
)
def test_every_limit_is_the_readers(limit: str):
    assert limit in TEXT
