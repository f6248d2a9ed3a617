"""Mappings of features and collections of labels into rows of numbers, as scikit-learn does it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from numbers import Number
from typing import Any

import numpy as np

from edgeml_runtime.affine import Array
from edgeml_runtime.encodings.cells import rows, scatter, shown
from edgeml_runtime.encodings.murmurhash import column_and_sign
from edgeml_runtime.encodings.records import HashedRecords, Records, Sets
from edgeml_runtime.errors import SignatureError


def record_encoder(encoding: Records, where: str) -> Callable[[Any], Array]:
    """Mappings [n] -> float32[n, len(feature_names)]; it raises SignatureError naming `where`."""
    column_of = {name: column for column, name in enumerate(encoding.feature_names)}.get

    def features(record: Any) -> Iterable[tuple[Any, float]]:
        if not isinstance(record, Mapping):
            raise TypeError(f"expected a mapping, got {shown(record)}")
        for name, value in record.items():
            if isinstance(value, str):
                yield f"{name}{encoding.separator}{value}", 1.0
            elif value is None or isinstance(value, Number):
                yield name, np.nan if value is None else float(value)  # type: ignore[arg-type]
            elif isinstance(value, Iterable) and not isinstance(value, Mapping):
                for item in value:
                    if not isinstance(item, str):
                        raise TypeError(f"feature {name!r:.40} holds {shown(item)} among text")
                    yield f"{name}{encoding.separator}{item}", 1.0
            else:
                raise TypeError(
                    f"feature {name!r:.40} is {shown(value)}, not a number, text or a list of text"
                )

    def encode(given: Any) -> Array:
        records = rows(given, where)
        positions: list[int] = []
        values: list[float] = []
        for row, record in enumerate(records):
            for name, value in _checked(features, record, row, where):
                column = column_of(name)
                if column is not None:
                    positions.append(row * encoding.width + column)
                    values.append(value)
        return scatter(len(records), encoding.width, positions, values)

    return encode


def hashed_record_encoder(encoding: HashedRecords, where: str) -> Callable[[Any], Array]:
    """Rows of features [n] -> float32[n, n_features]; it raises SignatureError naming `where`."""
    pairs = _PAIRS[encoding.input_type]
    width = encoding.n_features

    def features(row: Any) -> Iterable[tuple[int, float]]:
        for name, given in pairs(row):
            value = 1.0 if isinstance(given, str) else float(given)
            key = f"{name}={given}" if isinstance(given, str) else name
            if value == 0:
                continue
            if not isinstance(key, (str, bytes)):
                raise TypeError(f"expected names of features, got {shown(key)}")
            column, sign = column_and_sign(key, width)
            yield column, value * sign if encoding.alternate_sign else value

    def encode(given: Any) -> Array:
        samples = rows(given, where)
        positions: list[int] = []
        values: list[float] = []
        for row, sample in enumerate(samples):
            for column, value in _checked(features, sample, row, where):
                positions.append(row * width + column)
                values.append(value)
        return scatter(len(samples), width, positions, values)

    return encode


def set_encoder(encoding: Sets, where: str) -> Callable[[Any], Array]:
    """Collections of labels [n] -> float32[n, len(values)] of 0 and 1; it raises SignatureError."""
    column_of = {label: column for column, label in enumerate(encoding.values)}.get

    def encode(given: Any) -> Array:
        collections = rows(given, where)
        matrix = np.zeros((len(collections), encoding.width), np.float32)
        for row, labels in enumerate(collections):
            columns = _checked(lambda found: map(column_of, found), labels, row, where)
            matrix[row, [column for column in columns if column is not None]] = 1.0
        return matrix

    return encode


def _checked(features: Callable[[Any], Iterable[Any]], row: Any, number: int, where: str) -> list[Any]:
    try:
        return list(features(row))
    except (TypeError, ValueError, OverflowError) as error:  # UnicodeEncodeError is a ValueError
        raise SignatureError(f"{where}: row {number}: {error}") from error


def _mapping_pairs(row: Any) -> Iterable[tuple[Any, Any]]:
    if not isinstance(row, Mapping):
        raise TypeError(f"expected a mapping, got {shown(row)}")
    return row.items()


def _given_pairs(row: Any) -> Iterable[tuple[Any, Any]]:
    for pair in row:
        if isinstance(pair, (str, bytes)) or len(pair) != 2:
            raise TypeError(f"expected pairs of name and value, got {shown(pair)}")
        yield pair[0], pair[1]


def _name_pairs(row: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(row, (str, bytes)):
        raise TypeError(f"expected a list of names, got {shown(row)}")
    return ((name, 1) for name in row)


_PAIRS: dict[str, Callable[[Any], Iterable[tuple[Any, Any]]]] = {
    "dict": _mapping_pairs,
    "pair": _given_pairs,
    "string": _name_pairs,
}
