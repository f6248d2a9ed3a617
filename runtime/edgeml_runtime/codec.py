"""Frozen dataclasses to and from plain JSON values, strictly.

One reading of a dataclass' annotations serves the manifest, measurements and device profiles: a field that
is missing, unknown, of the wrong type or not finite is refused with its path (`files[2].sha256`).
Understood: dataclasses, unions of dataclasses told apart by their field `kind`, `str int float bool`,
`Literal`, `X | None`, `tuple[T, ...]`, `tuple[A, B]`, `Mapping[str, T]`.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union

T = TypeVar("T")
_LARGEST_INT = (1 << 64) - 1


class CodecError(ValueError):
    """A value that does not have the shape its dataclass asks for; the message starts with the path."""


@functools.cache
def _hints(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def encode(value: Any) -> Any:
    """The plain JSON value of a dataclass (tuples become lists; None fields are kept)."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [encode(item) for item in value]
    return value


def is_text(value: str) -> bool:
    """Whether UTF-8 can hold it: no lone surrogates."""
    return value.isascii() or not any("\ud800" <= c <= "\udfff" for c in value)


def decode(cls: type[T], value: Any, where: str = "") -> T:
    """The `cls` that `value` describes; raises CodecError with the path of what is wrong."""
    if not isinstance(value, dict):
        raise CodecError(f"{where or 'document'}: expected a table, got {_kind(value)}")
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    prefix = f"{where}." if where else ""
    unknown = sorted(set(value) - set(fields))
    if unknown:
        raise CodecError(f"{prefix}{unknown[0][:40]}: unknown field; known: {', '.join(fields)}")
    hints = _hints(typing.cast(Any, cls))
    arguments = {}
    for name, field in fields.items():
        if name in value:
            arguments[name] = _decode(hints[name], value[name], f"{prefix}{name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise CodecError(f"{prefix}{name}: missing")
    try:
        return cls(**arguments)
    except ValueError as error:
        raise CodecError(f"{where or 'document'}: {error}") from error


def _decode(hint: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Union or origin is getattr(types, "UnionType", Union):
        return _decode_union(arguments, value, where)
    if origin is Literal:
        if any(value == a and type(value) is type(a) for a in arguments):
            return value
        raise CodecError(f"{where}: expected one of {', '.join(map(str, arguments))}, got {value!r}")
    if origin is tuple:
        if not isinstance(value, list):
            raise CodecError(f"{where}: expected a list, got {_kind(value)}")
        return _decode_tuple(arguments, value, where)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            raise CodecError(f"{where}: expected a table, got {_kind(value)}")
        return {
            _decode_scalar(str, key, where): _decode(arguments[1], item, f"{where}.{key[:40]}")
            for key, item in value.items()
        }
    if dataclasses.is_dataclass(hint):
        return decode(hint, value, where)  # type: ignore[arg-type]
    return _decode_scalar(hint, value, where)


def _decode_tuple(arguments: tuple[Any, ...], value: list[Any], where: str) -> tuple[Any, ...]:
    if arguments[-1] is Ellipsis:
        return tuple(_decode(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if len(value) != len(arguments):
        raise CodecError(f"{where}: expected {len(arguments)} items, got {len(value)}")
    pairs = zip(arguments, value, strict=True)
    return tuple(_decode(hint, item, f"{where}[{i}]") for i, (hint, item) in enumerate(pairs))


def _decode_union(arguments: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in arguments:
        return None
    options = [a for a in arguments if a is not type(None)]
    if len(options) > 1 and all(map(dataclasses.is_dataclass, options)):
        return _decode_kind(options, value, where)
    for option in options[:-1]:
        # Scalars only: `bool | int | float | str` picks the exact type, never a coercion.
        if type(value) is option:
            return _decode_scalar(option, value, where)
    return _decode(options[-1], value, where)


def _decode_kind(options: list[Any], value: Any, where: str) -> Any:
    """One of several dataclasses, by the name in its field `kind`."""
    if not isinstance(value, dict):
        raise CodecError(f"{where}: expected a table, got {_kind(value)}")
    kinds = {typing.get_args(_hints(option)["kind"])[0]: option for option in options}
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in kinds:
        raise CodecError(f"{where}.kind: expected one of {', '.join(kinds)}, got {_kind(kind)}")
    return decode(kinds[kind], value, where)


def _decode_scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is float and type(value) is int and abs(value) <= _LARGEST_INT:
        return float(value)
    if type(value) is not hint:
        raise CodecError(f"{where}: expected {hint.__name__}, got {_kind(value)}")
    if hint is float and not math.isfinite(value):
        raise CodecError(f"{where}: expected a finite number, got {value}")
    if hint is int and abs(value) > _LARGEST_INT:
        raise CodecError(f"{where}: expected an integer of at most 64 bits")
    if hint is str and not is_text(value):
        raise CodecError(f"{where}: expected text, got a lone surrogate in {value[:40]!a}")
    return value


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"{type(value).__name__} {str(value)[:40]!a}"
