"""Rows from files: .npy, .npz, .csv, .parquet; and results back into .npy, .npz, .csv or .json."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgeml_runtime.errors import InputError, MissingDependencyError
from edgeml_runtime.files import check_writable, read_file, write_atomically
from edgeml_runtime.npy import npy_bytes
from edgeml_runtime.signature import Array, Signature, TensorSpec

READABLE = (".npy", ".npz", ".csv", ".parquet")
WRITABLE = (".npy", ".npz", ".csv", ".json")
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")  # what int64 holds
_FIRST_DATE = (1980, 1, 1, 0, 0, 0)  # of the zip format, so that the same result gives the same bytes


def read_arrays(path: Path) -> dict[str, Array]:
    """Named arrays of a file: a .npy as `x`, a .npz as it is, a table as one array [n] a column.

    Raises InputError for a file that cannot be read as what its suffix says.
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
        return _read_csv(path, content)
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
        return {name: table.column(name).to_numpy() for name in table.column_names}
    except (pyarrow.ArrowException, OSError, KeyError) as error:
        raise InputError(f"cannot read {path}: not a parquet table of plain columns ({error})") from error


def _read_csv(path: Path, content: bytes) -> dict[str, Array]:
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
    return {name: _column([row[i] for row in rows]) for i, name in enumerate(header)}


def _number(cell: str) -> float | None:
    """The number in a cell, NaN for an empty one, None for text."""
    if "_" in cell:  # which Python would skip
        return None
    try:
        return float(cell) if cell.strip() else float("nan")
    except ValueError:
        return None


def _column(cells: list[str]) -> Array:
    numbers = [_number(cell) for cell in cells]
    if any(number is None for number in numbers):
        return np.array(cells)
    if cells and all(_INTEGER.fullmatch(cell.strip()) for cell in cells):
        return np.array([int(cell) for cell in cells], np.int64)
    return np.array(numbers, np.float64)


def as_inputs(signature: Signature, arrays: Mapping[str, Array], path: Path) -> Any:
    """The model's input out of a file's arrays: by name, the only array, or columns.

    Columns are taken by name where both model and file name them, and the file's others are left out;
    otherwise all of them in file order.
    """
    names = [spec.name for spec in signature.inputs]
    if len(names) > 1 and all(name in arrays for name in names):
        return {name: arrays[name] for name in names}
    if len(names) == 1:
        spec = signature.inputs[0]
        table = len(spec.shape) == 2 and all(a.ndim == 1 for a in arrays.values())
        if table and spec.columns and list(arrays) != _header(len(arrays)):
            arrays = _named_columns(spec, arrays, path)
        if table and spec.shape[1] in (None, len(arrays)):
            return np.stack([_checked_column(spec, *item, path) for item in arrays.items()], axis=1)
        for name in (spec.name, "x"):
            if name in arrays:
                return arrays[name]
        if len(arrays) == 1 and not table:
            return next(iter(arrays.values()))
        if table:
            raise InputError(
                f"{path}: expected {spec.shape[1]} columns for {spec.describe()}, "
                f"got {len(arrays)}: {', '.join(arrays)}"
            )
    expected = ", ".join(s.describe() for s in signature.inputs)
    got = ", ".join(f"{name}: {a.dtype}{list(a.shape)}" for name, a in arrays.items())
    raise InputError(f"{path}: expected {expected}; got {got}")


def _header(count: int) -> list[str]:
    """What columns without names are called."""
    return [f"column_{i}" for i in range(count)]


def _named_columns(spec: TensorSpec, arrays: Mapping[str, Array], path: Path) -> dict[str, Array]:
    missing = [name for name in spec.columns if name not in arrays]
    if missing:
        raise InputError(f"{path}: columns are missing: {', '.join(missing)}; it has {', '.join(arrays)}")
    return {name: arrays[name] for name in spec.columns}


def _checked_column(spec: TensorSpec, name: str, column: Array, path: Path) -> Array:
    # numpy would stack numbers and text into text.
    text = column.dtype.kind not in "fiub"
    if text != (spec.real_dtype == "str"):
        raise InputError(
            f"{path}: column {name!r} holds {'text' if text else 'numbers'}, expected {spec.describe()}"
        )
    return column


def check_result_path(path: Path) -> None:
    """Refuse a result file that cannot be written, before there is a result; raises InputError."""
    suffix = Path(path).suffix.lower()
    if suffix not in WRITABLE:
        raise InputError(
            f"cannot write {path}: expected {', '.join(WRITABLE)}, got {suffix or 'no suffix'!r}"
        )
    check_writable(path)


def write_result(path: Path, result: Any) -> None:
    """A method's result (array, list or mapping of arrays) to a file of a WRITABLE suffix."""
    check_result_path(path)
    suffix = Path(path).suffix.lower()
    named = result if isinstance(result, Mapping) else None
    if isinstance(result, list):
        named = {f"output_{i}": a for i, a in enumerate(result)}
    if suffix == ".json":
        content = (json.dumps(plain(result)) + "\n").encode()
    elif suffix == ".npz":
        content = _npz_bytes(named or {"output": result})
    elif named is not None:
        raise InputError(f"cannot write {len(named)} outputs to {path}: use .npz or .json")
    else:
        content = npy_bytes(result) if suffix == ".npy" else _csv_bytes(result)
    write_atomically(Path(path), content)


def plain(result: Any) -> Any:
    """A method's result as JSON values; NaN and infinities become null, as JSON has none."""
    if isinstance(result, Mapping):
        return {name: plain(value) for name, value in result.items()}
    if isinstance(result, list):
        return [plain(value) for value in result]
    if result.dtype.kind == "f" and not np.isfinite(result).all():
        values = result.astype(object)
        values[~np.isfinite(result)] = None
        return values.tolist()
    return result.tolist()


def _npz_bytes(arrays: Mapping[str, Array]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _FIRST_DATE), npy_bytes(array))
    return buffer.getvalue()


def _csv_bytes(result: Array) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in result.reshape(len(result), -1).tolist():
        writer.writerow([_cell(value) for value in row])
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    # A label that starts like a formula must not become one in a spreadsheet.
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    return value
