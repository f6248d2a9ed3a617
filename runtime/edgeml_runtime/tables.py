"""Rows from files: .npy, .npz, .csv, .json, .parquet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeml_runtime.encodings import Categories, HashedRecords, HashedWords, Records, Words
from edgeml_runtime.encodings.cells import numbers
from edgeml_runtime.errors import InputError, MissingDependencyError, SignatureError
from edgeml_runtime.files import read_file
from edgeml_runtime.json_rows import object_array, read_json
from edgeml_runtime.signature import Array, Signature, TensorSpec

READABLE = (".npy", ".npz", ".csv", ".json", ".parquet")
_TRUTHS = {"true": True, "false": False}
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")  # what int64 holds


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a model wants of a file: which columns are text though they look like numbers, whole records.

    `documents`: every column but the `target` is text; the only input may have any name in a file.
    """

    text: frozenset[str] = frozenset()
    documents: bool = False
    records: bool = False
    target: str | None = None

    def is_text(self, name: str) -> bool:
        """Whether that column is read as text."""
        return name in self.text or (self.documents and name != self.target)


def wanted_by(signature: Signature, target: str | None = None) -> Wanted:
    """Columns whose categories or words are text, and the target where the labels are."""
    text = set()
    records = False
    for spec in signature.inputs:
        encoding = spec.encoding
        texts = isinstance(encoding, Categories) and any(isinstance(v, str) for v in encoding.values)
        if texts or isinstance(encoding, (Words, HashedWords)):
            text.add(spec.source_name)
        records |= isinstance(encoding, Records) or (
            isinstance(encoding, HashedRecords) and encoding.input_type == "dict"
        )
    documents = bool(text) and not signature.columns and len(signature.sources) == 1
    if target is not None and any(t.dtype == "str" for m in signature.methods for t in m.labels):
        text.add(target)
    return Wanted(frozenset(text), documents, records, target)


def read_arrays(path: Path, wanted: Wanted = Wanted()) -> dict[str, Array]:
    """Named arrays of a file: a .npy as `x`, a .npz as it is, a table as one array [n] a column.

    A .json holds a list of rows (`x`), an object of columns, or records (a list of objects): one array a
    key, or, where whole records are wanted, all of them as `x` and their target beside them. What is missing
    is NaN among numbers, None among anything else. Raises InputError for a file that cannot be read as what
    its suffix says.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in READABLE:
        raise InputError(
            f"cannot read {path} as data: expected {', '.join(READABLE)}, got {suffix or 'no suffix'!r}"
        )
    if suffix == ".parquet":
        return _read_parquet(path)
    content = read_file(path, "data file")
    if suffix == ".csv":
        return _read_csv(path, content, wanted)
    if suffix == ".json":
        return read_json(path, content, wanted.target, records=wanted.records)
    return _read_numpy(path, content)


def _read_numpy(path: Path, content: bytes) -> dict[str, Array]:
    suffix = path.suffix.lower()
    try:
        loaded = np.load(io.BytesIO(content), allow_pickle=False)
        arrays = {"x": loaded} if suffix == ".npy" else dict(loaded)
    except (ValueError, OSError, EOFError, KeyError) as error:
        raise InputError(f"cannot read {path}: not a plain {suffix} file ({error})") from error
    except Exception as error:  # zipfile's and zlib's own
        raise InputError(f"cannot read {path}: damaged {suffix} file ({error})") from error
    if not all(isinstance(a, np.ndarray) for a in arrays.values()):
        raise InputError(f"cannot read {path}: it holds no arrays")
    return arrays


def _read_parquet(path: Path) -> dict[str, Array]:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise MissingDependencyError(f"reading {path} needs pyarrow: pip install pyarrow") from error
    content = read_file(path, "data file")
    try:
        table = pyarrow.parquet.read_table(io.BytesIO(content))
        return {name: _plain_column(table.column(name)).to_numpy() for name in table.column_names}
    except (pyarrow.ArrowException, OSError, KeyError) as error:
        raise InputError(f"cannot read {path}: not a parquet table of plain columns ({error})") from error


def _plain_column(column: Any) -> Any:
    """A pyarrow column; to_numpy would make the last category of what is missing among them."""
    kind = column.type
    return column.cast(kind.value_type) if hasattr(kind, "index_type") else column


def _read_csv(path: Path, content: bytes, wanted: Wanted) -> dict[str, Array]:
    try:
        rows = [row for row in csv.reader(io.StringIO(content.decode("utf-8-sig"))) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read {path}: not a CSV file in UTF-8 ({error})") from error
    if not rows:
        raise InputError(f"cannot read {path}: it has no rows")
    header = _header(len(rows[0]))
    if any(_number(cell) is None for cell in rows[0]):
        header, rows = [cell.strip() for cell in rows[0]], rows[1:]
    if len(set(header)) != len(header):
        raise InputError(f"cannot read {path}: column names repeat: {', '.join(header)}")
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise InputError(f"cannot read {path}: row {number} has {len(row)} cells, expected {len(header)}")
    columns = {name: [row[i] for row in rows] for i, name in enumerate(header)}
    return {name: _text(cells) if wanted.is_text(name) else _column(cells) for name, cells in columns.items()}


def _number(cell: str) -> float | None:
    """The number in a cell, NaN for an empty one, None for text."""
    if "_" in cell:  # which Python would skip
        return None
    try:
        return float(cell) if cell.strip() else float("nan")
    except ValueError:
        return None


def _text(cells: list[str]) -> Array:
    return object_array([cell if cell.strip() else None for cell in cells])


def _column(cells: list[str]) -> Array:
    numbers = [_number(cell) for cell in cells]
    if any(number is None for number in numbers):
        truths = [_TRUTHS.get(cell.strip().lower()) for cell in cells]
        if all(truth is not None or not cell.strip() for cell, truth in zip(cells, truths, strict=True)):
            return np.array(truths) if None not in truths else object_array(truths)
        return np.array(cells)
    if cells and all(_INTEGER.fullmatch(cell.strip()) for cell in cells):
        return np.array([int(cell) for cell in cells], np.int64)
    return np.array(numbers, np.float64)


def as_inputs(signature: Signature, arrays: Mapping[str, Array], path: Path) -> Any:
    """The model's input out of a file's arrays: by name, the only array, or columns.

    Columns are taken by name where both model and file name them, and the file's others are left out;
    otherwise all of them in file order.
    """
    if signature.columns:
        return _table(signature, arrays, path)
    names = list(signature.sources)
    if len(names) > 1 and all(name in arrays for name in names):
        return {name: arrays[name] for name in names}
    if len(names) == 1:
        spec = signature.inputs[0]
        table = spec.encoding is None and len(spec.shape) == 2 and all(a.ndim == 1 for a in arrays.values())
        if table and spec.columns and list(arrays) != _header(len(arrays)):
            arrays = _named_columns(spec.columns, arrays, path)
        if table and spec.shape[1] in (None, len(arrays)):
            return np.stack([_checked_column(spec, *item, path) for item in arrays.items()], axis=1)
        for name in (names[0], "x"):
            if name in arrays:
                return arrays[name]
        if len(arrays) == 1 and not table:
            return next(iter(arrays.values()))
        if table:
            raise InputError(
                f"{path}: expected {spec.shape[1]} columns for {spec.describe()}, "
                f"got {len(arrays)}: {', '.join(arrays)}"
            )
    expected = ", ".join(s.source_name if s.encoding is not None else s.describe() for s in signature.inputs)
    got = ", ".join(f"{name}: {a.dtype}{list(a.shape)}" for name, a in arrays.items())
    raise InputError(f"{path}: expected {expected}; got {got}")


def _table(signature: Signature, arrays: Mapping[str, Array], path: Path) -> Any:
    """The columns that the model uses; an array or a file without names has all of them in their order."""
    if list(arrays) == ["x"] and arrays["x"].ndim == 2:
        return arrays["x"]
    if list(arrays) == _header(len(signature.columns)):
        return dict(zip(signature.columns, arrays.values(), strict=True))
    return dict(_named_columns(signature.sources, arrays, path))


def _header(count: int) -> list[str]:
    """What columns without names are called."""
    return [f"column_{i}" for i in range(count)]


def _named_columns(names: Sequence[str], arrays: Mapping[str, Array], path: Path) -> dict[str, Array]:
    missing = [name for name in names if name not in arrays]
    if missing:
        raise InputError(f"{path}: columns are missing: {', '.join(missing)}; it has {', '.join(arrays)}")
    return {name: arrays[name] for name in names}


def _checked_column(spec: TensorSpec, name: str, column: Array, path: Path) -> Array:
    # numpy would stack numbers and text into text.
    text = column.dtype.kind not in "fiub" and any(isinstance(v, str) for v in column.tolist())
    if text != (spec.real_dtype == "str"):
        raise InputError(
            f"{path}: column {name!r} holds {'text' if text else 'numbers'}, expected {spec.describe()}"
        )
    try:
        return column if text else numbers(column, f"{path}: column {name!r}", allow_missing=True)
    except SignatureError as error:
        raise InputError(str(error)) from error
