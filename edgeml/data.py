"""Data from files, and its split: rows that calibrate never judge."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeml.synthetic import draw_rows
from edgeml_converters.model import Data, TrainedModel, as_feeds
from edgeml_runtime.errors import CalibrationError, InputError, SignatureError
from edgeml_runtime.feeds import Intake, tensors_of
from edgeml_runtime.golden_rows import plain_value
from edgeml_runtime.signature import Array, Signature
from edgeml_runtime.strict_json import dump
from edgeml_runtime.tables import as_inputs, read_arrays, wanted_by

CALIBRATION_ROWS = 200  # ranges settle well before; more only costs time
CALIBRATION_SHARE = 1 / 3
MIN_CALIBRATION_ROWS = 8  # the range of fewer says nothing of the next row
CALIBRATION_BYTES = 1 << 28  # of encoded rows: documents have as many columns as there are words
SYNTHETIC_ROWS = 64


@dataclass(frozen=True, slots=True)
class Split:
    """Disjoint rows: `calibration` sets ranges, `judging` measures; `synthetic`: drawn, not the user's."""

    calibration: Data
    judging: Data
    synthetic: bool = False


def read_data(path: str | Path, model: TrainedModel, target: str | None = None) -> Data:
    """Rows of a .npz (x and y), .npy, .csv, .json or .parquet; `target` names the column or array of labels.

    Without `target`, an array called `y` is it. Raises InputError naming columns expected and got.
    """
    path = Path(path)
    arrays = read_arrays(path, wanted_by(model.signature, target or "y"))
    name = target if target is not None else ("y" if "y" in arrays and len(arrays) > 1 else None)
    if name is not None and name not in arrays:
        raise InputError(f"{path} has no {name!r} to use as target; it has {', '.join(arrays)}")
    y = arrays.pop(name) if name is not None else None
    return Data(as_inputs(model.signature, arrays, path), y)


def check_data(model: TrainedModel, data: Data) -> None:
    """Refuse data that the model's signature does not take, before anything is built."""
    try:
        for _ in Intake(model.signature).batches(data.x):
            pass
    except SignatureError as error:
        raise InputError(f"data does not fit {model.name}: {error}") from error


def split(data: Data, seed: int) -> Split:
    """A seeded random split; raises InputError for too few rows."""
    if len(data) < 4:
        raise InputError(
            f"data has {len(data)} rows; at least 4 are needed to calibrate and judge on separate ones"
        )
    order = np.random.default_rng(seed).permutation(len(data))
    count = min(CALIBRATION_ROWS, max(1, int(len(data) * CALIBRATION_SHARE)))
    return Split(data.take(np.sort(order[:count])), data.take(np.sort(order[count:])))


def synthetic(model: TrainedModel, seed: int) -> Split:
    """Rows for a model without data: standard normal, or zeros and ones for integer inputs.

    Where the runtime encodes, rows are drawn from the tables: known categories, words, features and labels.
    """
    rng = np.random.default_rng(seed)
    feeds: dict[str, Any] = {}
    for spec in model.signature.inputs:
        shape = (SYNTHETIC_ROWS, *(8 if d is None else d for d in spec.shape[1:]))
        kind = np.dtype(spec.real_dtype if spec.real_dtype != "str" else "U").kind
        if kind == "U":
            raise InputError(f"{model.name} takes strings ({spec.describe()}): pass data to compile it")
        if spec.encoding is not None:
            feeds[spec.source_name] = draw_rows(spec.encoding, SYNTHETIC_ROWS, rng)
            continue
        drawn = rng.standard_normal(shape) if kind == "f" else rng.integers(0, 2, shape)
        feeds[spec.source_name] = drawn.astype(spec.real_dtype)
    by_name = len(feeds) > 1 or model.signature.columns
    data = Data(feeds if by_name else next(iter(feeds.values())))
    return Split(data, data, synthetic=True)


def check_enough_to_calibrate(data: Data) -> None:
    """Raises CalibrationError for too few rows."""
    if len(data) < MIN_CALIBRATION_ROWS:
        needed = round(MIN_CALIBRATION_ROWS / CALIBRATION_SHARE)
        raise CalibrationError(
            f"{len(data)} rows to take ranges from, at least {MIN_CALIBRATION_ROWS} are needed: pass data of "
            f"{needed} rows or more, of which a third calibrates, or take a scheme without ranges"
        )


def calibration_feeds(model: TrainedModel, data: Data) -> dict[str, Array]:
    """Real rows by input name, for calibrators; CalibrationError where they hold NaN or never vary."""
    if model.signature.encodes:
        return _encoded_feeds(model.signature, data)
    feeds = {name: np.asarray(value) for name, value in as_feeds(model, data.x).items()}
    for spec in model.signature.inputs:
        with np.errstate(over="ignore"):  # to infinity, which is refused below
            rows = feeds[spec.name].astype(spec.real_dtype)
        feeds[spec.name] = rows
        if spec.real_dtype != "float32":
            continue
        if np.isinf(rows).any() or (np.isnan(rows).any() and not spec.allow_nan):
            raise CalibrationError(
                f"calibration data: {spec.describe()} holds NaN or infinity; remove those rows"
            )
        present = rows[~np.isnan(rows)]
        if present.size == 0 or present.min() == present.max():
            value = present[0] if present.size else "NaN"
            raise CalibrationError(
                f"calibration data: {spec.describe()} is {value} everywhere; ranges need varied rows"
            )
    return feeds


def _encoded_feeds(signature: Signature, data: Data) -> dict[str, Array]:
    """Encoded rows by input name, as many as fit in CALIBRATION_BYTES.

    A column of a table may well be constant in them; that all of them are is refused.
    """
    width = sum(spec.encoding.width for spec in signature.inputs if spec.encoding is not None)
    count = min(len(data), max(1, CALIBRATION_BYTES // (4 * max(width, 1))))
    try:
        feeds = tensors_of(signature, data.take(np.arange(count)).x)
    except SignatureError as error:
        raise CalibrationError(f"calibration data: {error}") from error
    if any(np.isinf(rows).any() for rows in feeds.values()):
        raise CalibrationError("calibration data holds infinity; remove those rows")
    if all(np.nanmin(rows) == np.nanmax(rows) for rows in feeds.values() if not np.isnan(rows).all()):
        raise CalibrationError("calibration data: every input is constant; ranges need varied rows")
    return feeds


def digest(data: Data) -> str:
    """sha256 over names, dtypes, shapes and bytes of every array."""
    total = hashlib.sha256()
    x = data.x if isinstance(data.x, Mapping) else {"x": data.x}
    for name, value in (*sorted(x.items()), ("y", data.y)):
        array = _hashable(value)
        total.update(f"{name}:{array.dtype.str}:{array.shape};".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


def _hashable(value: Any) -> Array:
    """Numbers and text as they are; rows of anything else as their JSON text, the same in every process."""
    try:
        array = np.asarray(value)
    except ValueError:  # collections of different sizes
        return _json_bytes(value)
    if array.ndim == 0 or array.dtype.kind not in "OU":
        return array.astype(np.str_) if array.dtype.kind == "O" else array  # no labels at all
    # numpy would make text of numbers that stand beside text.
    rows = value if isinstance(value, (list, tuple)) else array
    items = value if isinstance(value, (list, tuple)) else array.ravel().tolist()
    return array.astype(np.str_) if all(isinstance(i, str) for i in items) else _json_bytes(rows)


def _json_bytes(rows: Any) -> Array:
    return np.frombuffer(dump(plain_value(rows)), np.uint8)
