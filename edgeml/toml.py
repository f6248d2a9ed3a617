"""Plain values to TOML text, as far as device files need it (the standard library only reads TOML)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def dumps(document: Mapping[str, Any]) -> str:
    """TOML of strings, numbers, booleans, lists and tables; `tomllib.loads` gives `document` back.

    A list of tables must hold tables only, and no value may be None: TOML has no null.
    """
    return "\n".join(_table("", document)).lstrip("\n") + "\n"


def _table(prefix: str, table: Mapping[str, Any]) -> Iterator[str]:
    nested = {key: value for key, value in table.items() if _is_nested(value)}
    for key, value in table.items():
        if key not in nested:
            yield f"{_key(key)} = {_value(value)}"
    for key, value in nested.items():
        path = f"{prefix}.{_key(key)}" if prefix else _key(key)
        many = isinstance(value, list)
        for item in value if many else [value]:
            yield f"\n[[{path}]]" if many else f"\n[{path}]"
            yield from _table(path, item)


def _is_nested(value: Any) -> bool:
    first = value[0] if isinstance(value, list) and value else value
    return isinstance(first, Mapping)


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _value(key)


def _value(value: Any) -> str:
    # JSON's strings, finite numbers, booleans and lists are TOML's too; only DEL has to be escaped.
    return json.dumps(value, ensure_ascii=False, allow_nan=False).replace("\x7f", "\\u007f")
