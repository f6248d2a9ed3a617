"""A method's results into files: .npy, .npz, .csv or .json."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgeml_runtime.errors import InputError
from edgeml_runtime.files import check_writable, write_atomically
from edgeml_runtime.npy import npy_bytes
from edgeml_runtime.signature import Array

WRITABLE = (".npy", ".npz", ".csv", ".json")
_FIRST_DATE = (1980, 1, 1, 0, 0, 0)  # of the zip format, so that the same result gives the same bytes


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
