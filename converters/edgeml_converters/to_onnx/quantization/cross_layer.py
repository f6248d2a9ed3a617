"""Cross-layer equalization of a simplified float graph (`channel_scales`).

Between the two weighted operators may stand what passes a positive factor of a channel through: Relu and
pooling. Clip (Relu6) does not, nor do the other activations. BatchNormalization is gone by now (`absorb`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeml_converters.channel_scales import factors
from edgeml_converters.onnx_graph import attribute, constants, output_names, readers
from edgeml_converters.to_onnx.quantization.calibration import exposed
from edgeml_runtime.signature import Array

_HOMOGENEOUS = frozenset({"Relu", "MaxPool", "AveragePool", "GlobalAveragePool"})


@dataclass(frozen=True, slots=True)
class Pair:
    """`second` alone reads what `first` gives. widest: the tensor between them with the largest values.

    channels: that go from one to the other. multiples: outputs of `second` for each of them where it is
    depthwise, else None.
    """

    first: Any
    second: Any
    widest: str
    channels: int
    multiples: int | None


def pairs(model: Any, planned: frozenset[str]) -> Iterator[Pair]:
    """Pairs of planned operators with weights of their own."""
    graph = model.graph
    known, read, outputs = constants(graph), readers(graph), output_names(graph)

    def own_weights(node: Any) -> bool:
        held = [name for name in node.input[1:3] if name]
        return all(
            name in known and known[name].dtype == np.float32 and len(read[name]) == 1 for name in held
        ) and len(set(held)) == len(held)

    for first in graph.node:
        if first.op_type not in ("Conv", "Gemm") or first.output[0] not in planned or not own_weights(first):
            continue
        name = widest = first.output[0]
        follower = _only_reader(name, read, outputs)
        while follower is not None and follower.op_type in _HOMOGENEOUS and len(follower.output) == 1:
            name = follower.output[0]
            widest = name if follower.op_type == "Relu" else widest
            follower = _only_reader(name, read, outputs)
        if follower is None or follower.op_type not in ("Conv", "Gemm") or follower.input[0] != name:
            continue
        if follower.output[0] not in planned or not own_weights(follower):
            continue
        found = _pair(first, follower, widest, known)
        if found is not None:
            yield found


def equalized(model: Any, planned: frozenset[str], rows: Mapping[str, Array]) -> Any:
    """A copy with equalized channels; the model itself where all channels are alike."""
    made = type(model).FromString(model.SerializeToString())
    found = list(pairs(made, planned))
    largest = _largest(model, [pair.widest for pair in found], rows)
    known = constants(made.graph)
    changed: dict[str, Array] = {}

    def scale(name: str, axis: int, by: Array) -> None:
        values = changed.get(name, known[name])
        shape = [1] * values.ndim
        shape[axis] = -1
        changed[name] = (values * by.reshape(shape)).astype(np.float32)

    for pair in found:
        weights = changed.get(pair.second.input[1], known[pair.second.input[1]])
        of_weights = None
        if pair.multiples is None:
            by_input = np.moveaxis(weights, _input_axis(pair.second), 0).reshape(pair.channels, -1)
            of_weights = np.abs(by_input).max(axis=1)
        by = factors(largest[pair.widest], of_weights)
        if by is None:
            continue
        scale(pair.first.input[1], _output_axis(pair.first), 1 / by)
        if len(pair.first.input) > 2 and pair.first.input[2]:
            scale(pair.first.input[2], 0, 1 / by)
        if pair.multiples is None:
            scale(pair.second.input[1], _input_axis(pair.second), by)
        else:
            scale(pair.second.input[1], 0, np.repeat(by, pair.multiples))
    if not changed:
        return model
    _replace(made.graph, changed)
    return made


def _only_reader(name: str, read: Mapping[str, list[Any]], outputs: set[str]) -> Any | None:
    found = read.get(name, [])
    return found[0] if len(found) == 1 and name not in outputs else None


def _pair(first: Any, second: Any, widest: str, known: Mapping[str, Array]) -> Pair | None:
    weights = known[second.input[1]]
    channels = known[first.input[1]].shape[_output_axis(first)]
    if first.op_type == "Gemm" and second.op_type == "Conv":
        return None
    group = attribute(second, "group", 1) if second.op_type == "Conv" else 1
    if group == 1:
        fits = weights.shape[_input_axis(second)] == channels
        return Pair(first, second, widest, channels, None) if fits else None
    if group != channels or weights.shape[1] != 1 or weights.shape[0] % channels:
        return None  # groups of several channels share the scales of their outputs
    return Pair(first, second, widest, channels, weights.shape[0] // channels)


def _output_axis(node: Any) -> int:
    return 0 if node.op_type == "Conv" else 1


def _input_axis(node: Any) -> int:
    return 1 if node.op_type == "Conv" else 0


def _largest(model: Any, tensors: list[str], rows: Mapping[str, Array]) -> dict[str, Array]:
    """The greatest magnitude of each channel, axis 1, over all rows: float64[channels]."""
    found: dict[str, Array] = {}
    for values in exposed(model, tensors, rows):
        for name, array in values.items():
            seen = np.abs(np.moveaxis(array, 1, 0).reshape(array.shape[1], -1)).max(axis=1)
            found[name] = np.maximum(found.get(name, 0.0), seen.astype(np.float64))
    return found


def _replace(graph: Any, changed: Mapping[str, Array]) -> None:
    """Give initializers other values; constants that are nodes become initializers."""
    from onnx import numpy_helper

    nodes = [node for node in graph.node if not (node.op_type == "Constant" and node.output[0] in changed)]
    if len(nodes) != len(graph.node):
        kept = [type(node).FromString(node.SerializeToString()) for node in nodes]
        del graph.node[:]
        graph.node.extend(kept)
    held = [tensor for tensor in graph.initializer if tensor.name not in changed]
    kept = [type(tensor).FromString(tensor.SerializeToString()) for tensor in held]
    del graph.initializer[:]
    graph.initializer.extend([*kept, *(numpy_helper.from_array(v, name) for name, v in changed.items())])
