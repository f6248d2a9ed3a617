"""Cross-layer equalization of a calibrated float graph (`channel_scales`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from edgeml_converters.channel_scales import factors
from edgeml_converters.to_tflite import canonical
from edgeml_converters.to_tflite.static import activations, named_operators, ranged
from edgeml_runtime.signature import Array

# The axis of the weights that counts what an operator gives.
_OUTPUT_AXIS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}
_INPUT_AXIS = {"CONV_2D": 3, "FULLY_CONNECTED": 1}
_HOMOGENEOUS = (0, 1)  # ActivationFunctionType NONE and RELU


def equalize(content: bytes, rows: Mapping[str, Array]) -> bytes:
    """The calibrated graph with equalized channels and the ranges that it then has on the rows."""
    model = canonical.parse(content)
    graph = model.subgraphs[0]
    pairs = list(_pairs(model))
    largest = _largest(content, rows, tuple(int(first.outputs[0]) for first, _, _ in pairs))
    changed = False
    for first, second, kind in pairs:
        place = int(first.outputs[0])
        weights = _values(model, second.inputs[1])
        if kind == "DEPTHWISE_CONV_2D":
            of_weights = None
        else:
            of_weights = np.abs(np.moveaxis(weights, _INPUT_AXIS[kind], 0)).reshape(len(largest[place]), -1)
            of_weights = of_weights.max(axis=1)
        found = factors(largest[place], of_weights)
        if found is None:
            continue
        changed = True
        _scale(model, first.inputs[1], _OUTPUT_AXIS[_kind(model, first)], 1 / found)
        if len(first.inputs) > 2 and first.inputs[2] >= 0:
            _scale(model, first.inputs[2], 0, 1 / found)
        _scale(model, second.inputs[1], _INPUT_AXIS.get(kind, 3), found)
    if not changed:
        return content
    made = canonical.pack(model)
    _observe_again(graph, made, rows)
    return canonical.pack(model)


def _pairs(model: canonical.Model) -> Iterator[tuple[Any, Any, str]]:
    """(A, B, kind of B): B alone reads what A gives, both have weights of their own."""
    graph = model.subgraphs[0]
    operators = [operator for _, operator in named_operators(model)]
    read = [int(i) for operator in operators for i in operator.inputs]
    shared = [tensor.buffer for tensor in graph.tensors]
    for first in operators:
        if _kind(model, first) not in _OUTPUT_AXIS or not _own_weights(model, first, read, shared):
            continue
        place = int(first.outputs[0])
        if first.builtinOptions.fusedActivationFunction not in _HOMOGENEOUS:
            continue
        followers = [operator for operator in operators if place in operator.inputs]
        if len(followers) != 1 or place in [int(i) for i in graph.outputs]:
            continue
        (second,) = followers
        kind = _kind(model, second)
        if kind not in _OUTPUT_AXIS or int(second.inputs[0]) != place:
            continue
        channels = int(graph.tensors[place].shape[-1])
        axis = _INPUT_AXIS.get(kind, 3)
        fits = int(graph.tensors[second.inputs[1]].shape[axis]) == channels
        if fits and _own_weights(model, second, read, shared):
            yield first, second, kind


def _kind(model: canonical.Model, operator: Any) -> str:
    return canonical.operator_name(model, operator)


def _own_weights(model: canonical.Model, operator: Any, read: list[int], shared: list[int]) -> bool:
    """Whether an operator's weights and bias are float32 constants that nothing else reads."""
    tensors = model.subgraphs[0].tensors
    held = [int(i) for i in operator.inputs[1:3] if i >= 0]
    return all(
        tensors[i].type == canonical.tensor_type("FLOAT32")
        and model.buffers[tensors[i].buffer].data is not None
        and read.count(i) == 1
        and shared.count(tensors[i].buffer) == 1
        for i in held
    )


def _values(model: canonical.Model, index: int) -> Array:
    tensor = model.subgraphs[0].tensors[index]
    raw = np.asarray(model.buffers[tensor.buffer].data, np.uint8)
    return raw.view(np.float32).reshape([int(size) for size in tensor.shape])


def _scale(model: canonical.Model, index: int, axis: int, by: Array) -> None:
    values = _values(model, index)
    shape = [1] * values.ndim
    shape[axis] = -1
    scaled = np.ascontiguousarray(values * by.reshape(shape), np.float32)
    model.buffers[model.subgraphs[0].tensors[index].buffer].data = scaled.reshape(-1).view(np.uint8)


def _largest(content: bytes, rows: Mapping[str, Array], wanted: tuple[int, ...]) -> dict[int, Array]:
    """The greatest magnitude of each channel of those tensors: float64[channels]."""
    found: dict[int, Array] = {}
    for values in activations(content, rows, wanted):
        for index, array in values.items():
            seen = np.abs(array.reshape(-1, array.shape[-1]).astype(np.float64)).max(axis=0)
            found[index] = np.maximum(found.get(index, 0.0), seen)
    return found


def _observe_again(graph: Any, content: bytes, rows: Mapping[str, Array]) -> None:
    wanted = tuple(ranged(graph))
    lows: dict[int, float] = {}
    highs: dict[int, float] = {}
    for values in activations(content, rows, wanted):
        for index, array in values.items():
            lows[index] = min(lows.get(index, np.inf), float(array.min()))
            highs[index] = max(highs.get(index, -np.inf), float(array.max()))
    for index in lows:
        quantization = graph.tensors[index].quantization
        quantization.min = np.array([lows[index]], np.float32)
        quantization.max = np.array([highs[index]], np.float32)
