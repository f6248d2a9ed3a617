"""Bias correction: each channel's mean error on the calibration rows goes back into the channel's bias.

Layers are mended in the order of computation, each with those before it mended (Nagel et al. 2019,
"Data-free quantization through weight equalization and bias correction").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgeml_converters.observation import MAX_CORRECTION_ROWS
from edgeml_converters.onnx_graph import Names, constants
from edgeml_converters.to_onnx.quantization.calibration import exposed
from edgeml_converters.to_onnx.quantization.plan import Plan
from edgeml_runtime.signature import Array


def correct_biases(
    model: Any, planned: Plan, quantize: Callable[[Any], Any], rows: Mapping[str, Array]
) -> Any:
    """A copy of the simplified float graph, whose biases make up for what `quantize` does to it.

    quantize: a float graph to its quantized one, in which stored tensors keep their names.
    """
    rows = {name: array[:MAX_CORRECTION_ROWS] for name, array in rows.items()}
    mended = type(model).FromString(model.SerializeToString())
    places = _places(mended, planned)
    wanted = _means(model, list(places.values()), rows)
    for key, tensor in places.items():
        got = _means(quantize(mended), [tensor], rows)
        _shift(mended, key, wanted[tensor] - got[tensor])
    return mended


def _places(model: Any, planned: Plan) -> dict[str, str]:
    """By outputs[0] of operators that take a bias: the tensor, clipped already, to compare."""
    known = constants(model.graph)
    found = {
        node.output[0]: node.output[0]
        for node in model.graph.node
        if node.output[0] in planned.nodes and node.op_type in ("Conv", "Gemm") and node.input[1] in known
    }
    for node in model.graph.node:
        if node.output[0] in planned.clipped and node.input[0] in found:
            found[node.input[0]] = node.output[0]
    return found


def _means(model: Any, tensors: list[str], rows: Mapping[str, Array]) -> dict[str, Array]:
    """By tensor the mean of each channel, axis 1, over all rows: float64[channels]."""
    sums: dict[str, Array] = {}
    counts: dict[str, int] = {}
    for values in exposed(model, tensors, rows):
        for name, array in values.items():
            by_channel = np.moveaxis(array, 1, 0).reshape(array.shape[1], -1)
            sums[name] = sums.get(name, 0.0) + by_channel.sum(axis=1, dtype=np.float64)
            counts[name] = counts.get(name, 0) + by_channel.shape[1]
    return {name: total / counts[name] for name, total in sums.items()}


def _shift(model: Any, key: str, error: Array) -> None:
    """Add an error to the bias of the operator that writes `key`; one without a bias gets one."""
    from onnx import numpy_helper

    graph = model.graph
    node = next(node for node in graph.node if node.output[0] == key)
    held = constants(graph)[node.input[2]] if len(node.input) > 2 and node.input[2] else 0.0
    name = Names(graph).fresh(f"{key}_corrected")
    graph.initializer.append(numpy_helper.from_array((held + error).astype(np.float32), name))
    node.input[:] = [*node.input[:2], name]
