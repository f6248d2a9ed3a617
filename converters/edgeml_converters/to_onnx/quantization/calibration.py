"""Ranges of activations on real data, a few rows at a time: only a few numbers a tensor are ever kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from edgeml_converters.observation import BINS, MEMORY_CAP_BYTES, Range, batch_rows, bins_of
from edgeml_converters.onnx_graph import FLOAT, Names, finish, types
from edgeml_converters.onnx_session import for_engine, open_session
from edgeml_converters.registry import Calibration
from edgeml_runtime.errors import CalibrationError, SignatureError
from edgeml_runtime.inputs import check_feeds
from edgeml_runtime.signature import Array, Signature


def checked_rows(signature: Signature, calibration: Calibration | None) -> dict[str, Array]:
    """Rows by input name, fit for calibration; raises CalibrationError naming the tensor and what to do."""
    if not calibration:
        raise CalibrationError("int8-static needs rows of real data to calibrate on; pass data")
    try:
        arrays = check_feeds(signature.inputs, calibration)
    except SignatureError as error:
        raise CalibrationError(
            f"calibration data does not fit: {error}. Pass rows as the model takes them"
        ) from error
    rows = dict(zip((spec.name for spec in signature.inputs), arrays, strict=True))
    for spec in signature.inputs:
        seen = rows[spec.name]
        if seen.dtype.kind == "f" and seen.size > 1:
            finite = seen[np.isfinite(seen)]
            if finite.size == 0 or finite.min() == finite.max():
                value = "not a number" if finite.size == 0 else f"{finite.flat[0]:g}"
                raise CalibrationError(
                    f"calibration data: {spec.describe()} is {value} everywhere; pass rows that vary"
                )
    return rows


def ranges(model: Any, tensors: list[str], rows: Mapping[str, Array]) -> dict[str, Range]:
    """The range of each of those float32 tensors over all rows."""
    observed, names = _observed(model, tensors)
    lows, highs = np.full(len(tensors), np.inf), np.full(len(tensors), -np.inf)
    for results in _stream(observed, names, rows, activation_bytes(model, rows)):
        values = np.array(results, np.float64).reshape(2, -1)
        lows, highs = np.minimum(lows, values[0]), np.maximum(highs, values[1])
    found = {n: Range(float(a), float(b)) for n, a, b in zip(tensors, lows, highs, strict=True)}
    for name, seen in found.items():
        _check_finite(name, seen.low, seen.high)
    return found


def counts(model: Any, seen: Mapping[str, Range], rows: Mapping[str, Array]) -> dict[str, Array]:
    """How often each tensor's values fall into each bin of its range: int64[observation.BINS]."""
    found = {name: np.zeros(BINS, np.int64) for name in seen}
    for values in exposed(model, tuple(seen), rows):
        for name, array in values.items():
            found[name] += bins_of(array, seen[name])
    return found


def column_ranges(
    model: Any, tensors: list[str], rows: Mapping[str, Array]
) -> dict[str, tuple[Array, Array]]:
    """Smallest and largest value of each column of float32[n, columns] tensors over all rows."""
    found: dict[str, tuple[Array, Array]] = {}
    for results in exposed(model, tensors, rows):
        for name, values in results.items():
            low, high = values.min(axis=0), values.max(axis=0)
            if name in found:
                low, high = np.minimum(low, found[name][0]), np.maximum(high, found[name][1])
            found[name] = (low, high)
    for name, (low, high) in found.items():
        _check_finite(name, float(low.min()), float(high.max()))
    return found


def exposed(model: Any, tensors: Sequence[str], rows: Mapping[str, Array]) -> Iterator[dict[str, Array]]:
    """The values of those float32 tensors, a few rows at a time; only what they need is computed."""
    from onnx import TensorProto, helper

    shown = type(model).FromString(model.SerializeToString())
    del shown.graph.output[:]
    shown.graph.output.extend(helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in tensors)
    finish(shown.graph, list(shown.graph.node), tuple(shown.graph.initializer))
    for results in _stream(shown, list(tensors), rows, activation_bytes(model, rows)):
        yield dict(zip(tensors, results, strict=True))


def activation_bytes(model: Any, rows: Mapping[str, Array]) -> int | None:
    """Of all float32 tensors that one of those rows makes, twice: the engine has its workspaces beside them.

    None where not all shapes are known.
    """
    sized = type(model).FromString(model.SerializeToString())
    for value in sized.graph.input:
        if value.name in rows:
            dims = value.type.tensor_type.shape.dim
            for dim, size in zip(dims, (1, *rows[value.name].shape[1:]), strict=False):
                dim.dim_value = size
    seen = types(sized)
    total = 0
    for name in (name for node in sized.graph.node for name in node.output if name):
        number, shape = seen.get(name, (FLOAT, None))
        if number != FLOAT:
            continue
        sizes = [size for size in (shape or (None, None))[1:] if size]
        if shape is None or len(sizes) < len(shape) - 1:
            return None
        total += 2 * 4 * int(np.prod(sizes, dtype=np.int64))
    return total


def _stream(
    model: Any, outputs: list[str], rows: Mapping[str, Array], bytes_a_row: int | None
) -> Iterator[list[Array]]:
    """The outputs for as many rows at a time as the memory cap allows; one where not known how many do."""
    if not outputs:
        return
    size = 1 if bytes_a_row is None else batch_rows(bytes_a_row)
    if size == 0:
        raise CalibrationError(
            f"the activations of one row take {bytes_a_row:,} bytes, calibration holds at most "
            f"{MEMORY_CAP_BYTES:,}; take a scheme without ranges, or a smaller input"
        )
    session = open_session(model.SerializeToString(), "calibration", threads=0, frugal=True)
    total = max(len(array) for array in rows.values())
    for start in range(0, total, size):
        feeds = {name: for_engine(array[start : start + size]) for name, array in rows.items()}
        try:
            yield session.run(outputs, feeds)
        except Exception as error:
            raise CalibrationError(
                f"the float model fails on calibration rows {start} to {start + size - 1}: {error}"
            ) from error


def _check_finite(name: str, low: float, high: float) -> None:
    if not (np.isfinite(low) and np.isfinite(high)):
        raise CalibrationError(
            f"calibration data drives tensor {name!r} to {low:g} .. {high:g}; remove rows with missing or "
            "extreme values"
        )


def _observed(model: Any, tensors: list[str]) -> tuple[Any, list[str]]:
    """The model with the minimum and the maximum of each tensor as outputs: first all minima."""
    from onnx import TensorProto, helper

    copy = type(model).FromString(model.SerializeToString())
    fresh = Names(copy.graph).fresh
    names = []
    for op, suffix in (("ReduceMin", "low"), ("ReduceMax", "high")):
        for tensor in tensors:
            name = fresh(f"{tensor}_{suffix}")
            copy.graph.node.append(helper.make_node(op, [tensor], [name], keepdims=0))
            copy.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, []))
            names.append(name)
    return copy, names
