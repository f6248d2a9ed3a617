"""int8-dynamic: int8 weights, and inputs of matrix products and convolutions quantized at each call.

The range of an input is that of the whole batch, as DynamicQuantizeLinear defines it: a row's result depends
a little on the rows beside it. Matrix products take int8 weights; onnxruntime's ConvInteger takes uint8 only,
so a kernel is stored shifted by 128. Scales are those of the output channels in both. A reduced range
concerns matrix products alone: only u8 x s8 products saturate (`qdq`), u8 x u8 are added in 32 bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.onnx_graph import FLOAT, Rewriter, constants
from edgeml_converters.to_onnx.quantization.plan import axis_of_channels
from edgeml_converters.to_onnx.quantization.qdq import (
    FULL,
    REDUCED,
    look_up,
    narrow_weights,
    quantized_weights,
)
from edgeml_runtime.signature import Array

_SHIFT = 128


def insert(
    model: Any,
    targets: frozenset[str],
    tables: frozenset[str],
    weights_only: frozenset[str],
    *,
    reduced_range: bool,
) -> None:
    """Rewrite a simplified graph in place; the sets hold outputs[0] of nodes."""
    graph = model.graph
    known = constants(graph)
    out = Rewriter(graph)
    inputs: dict[str, tuple[str, str, str]] = {}
    for node in graph.node:
        key = node.output[0]
        if key in tables:
            look_up(out, node, known[node.input[0]])
        elif key in weights_only:
            narrow_weights(out, node, known[node.input[1]])
        elif key in targets:
            if node.input[0] not in inputs:
                inputs[node.input[0]] = _quantized_input(out, node.input[0])
            _product(out, node, inputs[node.input[0]], known, REDUCED if reduced_range else FULL)
        else:
            out.nodes.append(node)
    out.finish(graph)


def _quantized_input(out: Rewriter, name: str) -> tuple[str, str, str]:
    from onnx import helper

    fresh = out.names.fresh
    made = (fresh(f"{name}_uint8"), fresh(f"{name}_scale"), fresh(f"{name}_zero_point"))
    out.nodes.append(helper.make_node("DynamicQuantizeLinear", [name], list(made)))
    return made


def _product(
    out: Rewriter, node: Any, x: tuple[str, str, str], known: dict[str, Array], largest: int
) -> None:
    weights, is_conv = known[node.input[1]], node.op_type == "Conv"
    axis = axis_of_channels(node) if is_conv or weights.ndim == 2 else None
    stored, scales = quantized_weights(weights, axis, limit=FULL if is_conv else largest)
    if is_conv:
        stored = (stored.astype(np.int16) + _SHIFT).astype(np.uint8)
        scales = scales.reshape(-1, *[1] * (weights.ndim - 2))
    key, fresh = node.output[0], out.names.fresh
    operator = "ConvInteger" if is_conv else "MatMulInteger"
    operands = [x[0], out.constant(f"{key}_weights", stored), x[2]]
    if is_conv:  # a product's zero point is 0 where none is given
        operands.append(out.constant(f"{key}_zero", np.asarray(_SHIFT, np.uint8)))
    total = out.add(operator, operands, fresh(f"{key}_int32"))
    if is_conv:
        out.nodes[-1].attribute.extend(node.attribute)
    step = out.add("Mul", [x[1], out.constant(f"{key}_scales", scales)], fresh(f"{key}_step"))
    wide = out.add("Cast", [total], fresh(f"{key}_wide"), to=FLOAT)
    has_bias = len(node.input) > 2 and node.input[2]
    real = out.add("Mul", [wide, step], fresh(f"{key}_product") if has_bias else key)
    if has_bias:
        bias = known[node.input[2]]
        if is_conv:
            bias = bias.reshape(-1, *[1] * (weights.ndim - 2))
        out.add("Add", [real, out.constant(f"{key}_bias", bias)], key)
