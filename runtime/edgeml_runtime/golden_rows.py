"""Golden rows as callers give them, in JSON: where the runtime encodes, they show that it does so right here.

A list with an item for each row where the model has one source; a table of name to such a list where it has
several, or columns. What is missing is null; sets become lists.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from numbers import Number
from typing import Any

from edgeml_runtime import strict_json
from edgeml_runtime.encodings.cells import as_array, is_missing
from edgeml_runtime.errors import InputError, ManifestError
from edgeml_runtime.feeds import columns_of
from edgeml_runtime.signature import Signature

MAX_BYTES = 1 << 23
MAX_DOCUMENT = 1 << 20  # characters of a document


def plain_rows(signature: Signature, x: Any) -> Any:
    """`x` as JSON values that `Session.predict` takes as well; raises SignatureError or InputError."""
    given = columns_of(signature, x)
    plain = {name: [plain_value(row) for row in as_array(value, name)] for name, value in given.items()}
    return plain if _by_name(signature) else plain[signature.sources[0]]


def parse_rows(content: bytes, signature: Signature, count: int) -> Any:
    """The `count` rows of those bytes; raises ManifestError for anything `plain_rows` never makes."""
    rows = strict_json.parse(content, "golden rows", max_bytes=MAX_BYTES, max_string=MAX_DOCUMENT)
    if strict_json.dump(rows) != content:
        raise ManifestError("golden rows are not in canonical form")
    by_name = {signature.sources[0]: rows}
    if _by_name(signature):
        by_name = rows if isinstance(rows, dict) else {}
    if by_name.keys() != set(signature.sources):
        raise ManifestError(f"golden rows must be a table of {', '.join(signature.sources)}")
    if not all(isinstance(values, list) and len(values) == count for values in by_name.values()):
        raise ManifestError(f"golden rows must be lists of {count} items")
    return rows


def select_rows(rows: Any, indices: list[int]) -> Any:
    """Those rows, in that order."""
    if isinstance(rows, dict):
        return {name: [values[i] for i in indices] for name, values in rows.items()}
    return [rows[i] for i in indices]


def _by_name(signature: Signature) -> bool:
    return bool(signature.columns) or len(signature.sources) > 1


def plain_value(value: Any) -> Any:
    """A cell or a row as a JSON value; raises InputError for what is neither number, text nor collection."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bytes):  # a hashed name, which is its UTF-8
        return value.decode()
    if is_missing(value):
        return None
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Number):
        return _plain_number(value)
    if isinstance(value, Mapping):
        return {_plain_name(name): plain_value(item) for name, item in value.items()}
    if isinstance(value, (set, frozenset)):
        # Their own order differs from run to run.
        return [plain_value(item) for item in sorted(value, key=repr)]
    if isinstance(value, Iterable):
        return [plain_value(item) for item in value]
    raise InputError(f"data: a row holds {type(value).__name__} {value!r:.40}, which no bundle can show")


def _plain_number(value: Number) -> bool | int | float | None:
    if isinstance(value, (bool, int)):
        return value
    number = float(value)  # type: ignore[arg-type]
    return number if math.isfinite(number) else None


def _plain_name(name: Any) -> str:
    plain = plain_value(name)
    if not isinstance(plain, str):
        raise InputError(f"data: a row has {type(name).__name__} {name!r:.40} for the name of a feature")
    return plain
