"""JSON with exactly one spelling, bounded before anything else looks at it."""

from __future__ import annotations

import json
import math
from typing import Any

from edgeml_runtime.codec import CodecError
from edgeml_runtime.errors import ManifestError

MAX_DEPTH = 12  # of nested lists and tables
MAX_STRING = 4096  # characters
MAX_ITEMS = 1 << 19  # of one list or table
_MAX_DIGITS = 20


def dump(value: Any) -> bytes:
    """The canonical bytes, ASCII, keys sorted; raises CodecError for what JSON cannot hold."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")
    except (TypeError, ValueError) as error:
        raise CodecError(f"cannot be written: {error}") from error


def parse(content: bytes, what: str, *, max_bytes: int, max_string: int = MAX_STRING) -> Any:
    """The JSON value of those bytes; raises ManifestError, which starts with `what`, beyond the limits.

    The spelling is the caller's to check: what `dump` makes of the value has to be `content` again.
    """
    if len(content) > max_bytes:
        raise ManifestError(f"{what} has {len(content)} bytes, at most {max_bytes} are read")
    try:
        value: Any = json.loads(
            content.decode("ascii"),
            parse_constant=_refuse_number,
            parse_int=_parse_int,
            parse_float=_parse_float,
        )
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{what} is not JSON in ASCII: {error}") from error
    _check_limits(value, what, max_string)
    return value


def _refuse_number(text: str) -> float:
    raise ValueError(f"number {text[:40]} is not finite or too long")


def _parse_int(text: str) -> int:
    return int(text) if len(text) <= _MAX_DIGITS else int(_refuse_number(text))


def _parse_float(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse_number(text)


def _check_limits(value: Any, what: str, max_string: int, depth: int = 0) -> None:
    """Bounds whatever JSON may hold, so that nothing behind it needs to think of size."""
    if isinstance(value, str) and len(value) > max_string:
        raise ManifestError(f"{what}: a string has {len(value)} characters, at most {max_string} are read")
    if not isinstance(value, (dict, list)):
        return
    if depth == MAX_DEPTH or len(value) > MAX_ITEMS:
        raise ManifestError(f"{what}: nested deeper than {MAX_DEPTH} or a list longer than {MAX_ITEMS}")
    for item in value:
        _check_limits(item, what, max_string, depth + 1)
    if isinstance(value, dict):
        for item in value.values():
            _check_limits(item, what, max_string, depth + 1)
