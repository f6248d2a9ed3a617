"""Bias correction: each channel's mean error on the calibration rows goes back into the channel's bias.

Rounded weights shift what a channel gives on average, and the shifts of many layers add up. Layers are mended
in the order of computation, each with those before it mended (Nagel et al. 2019, "Data-free quantization
through weight equalization and bias correction").
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeml_converters.observation import MAX_CORRECTION_ROWS
from edgeml_converters.to_tflite import canonical
from edgeml_converters.to_tflite.static import CalibratedGraph, activations
from edgeml_runtime.signature import Array


def correct_bias(calibrated: CalibratedGraph, content: bytes) -> bytes:
    """The quantizer's int8 file with corrected biases."""
    rows = {name: array[:MAX_CORRECTION_ROWS] for name, array in calibrated.rows.items()}
    float_graph = canonical.parse(calibrated.content).subgraphs[0]
    places = {tensor.name: index for index, tensor in enumerate(float_graph.tensors)}
    model = canonical.parse(content)
    graph = model.subgraphs[0]
    mended = [
        op for op in graph.operators if _has_bias(model, op) and graph.tensors[op.outputs[0]].name in places
    ]
    wanted = _means(
        calibrated.content, rows, {places[graph.tensors[op.outputs[0]].name]: None for op in mended}
    )
    for operator in mended:
        index = int(operator.outputs[0])
        quantization = graph.tensors[index].quantization
        scale, zero = float(quantization.scale[0]), int(quantization.zeroPoint[0])
        got = (_means(canonical.pack(model), rows, {index: None})[index] - zero) * scale
        error = wanted[places[graph.tensors[index].name]] - got
        _shift(model, operator, error)
    return canonical.pack(model)


def _has_bias(model: canonical.Model, operator: Any) -> bool:
    tensors = model.subgraphs[0].tensors
    return (
        canonical.operator_name(model, operator) in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
        and len(operator.inputs) > 2
        and operator.inputs[2] >= 0
        and tensors[operator.inputs[2]].type == canonical.tensor_type("INT32")
        and model.buffers[tensors[operator.inputs[2]].buffer].data is not None
    )


def _means(content: bytes, rows: Mapping[str, Array], wanted: Mapping[int, None]) -> dict[int, Array]:
    """By tensor the mean of each channel, the last axis, over all rows: float64[channels]."""
    sums: dict[int, Array] = {}
    counts: dict[int, int] = {}
    for values in activations(content, rows, tuple(wanted)):
        for index, array in values.items():
            flat = array.reshape(-1, array.shape[-1]).astype(np.float64)
            sums[index] = sums.get(index, 0.0) + flat.sum(axis=0)
            counts[index] = counts.get(index, 0) + len(flat)
    return {index: total / counts[index] for index, total in sums.items()}


def _shift(model: canonical.Model, operator: Any, error: Array) -> None:
    """Add an error in real values to an operator's bias, which other operators may share."""
    graph = model.subgraphs[0]
    place = int(operator.inputs[2])
    tensor = graph.tensors[place]
    if sum(place in op.inputs for op in graph.operators) > 1:
        tensor = copy.copy(tensor)
        graph.tensors.append(tensor)
        operator.inputs = [*operator.inputs[:2], len(graph.tensors) - 1, *operator.inputs[3:]]
    buffer = copy.copy(model.buffers[tensor.buffer])
    held = np.asarray(buffer.data, np.uint8).view(np.int32)
    limits = np.iinfo(np.int32)
    moved = np.rint(held + error / np.asarray(tensor.quantization.scale, np.float64))
    buffer.data = np.clip(moved, limits.min, limits.max).astype(np.int32).view(np.uint8)
    tensor.buffer = len(model.buffers)
    model.buffers.append(buffer)
