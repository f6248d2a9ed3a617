"""Give the columns of a matrix product's input one range, where theirs differ too much for one scale.

A linear model on raw columns multiplies 0.1 by a large weight and 1000 by a small one; one scale for both
would round the first away. So x becomes (x - middle) / half, and the weights take half and middle in:
x @ W + b = ((x - middle) / half) @ (half * W) + (middle @ W + b).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeml_converters.column_scales import centre_and_half, need_own_scales
from edgeml_converters.onnx_graph import Rewriter, constants, producers, readers
from edgeml_converters.to_onnx.quantization.calibration import column_ranges
from edgeml_converters.to_onnx.quantization.plan import Plan
from edgeml_runtime.signature import Array


def equalize(model: Any, plan: Plan, rows: Mapping[str, Array]) -> None:
    """Rewrite the simplified graph in place."""
    graph = model.graph
    known = constants(graph)
    candidates = _candidates(graph, plan)
    seen = column_ranges(model, list(candidates), rows)
    chosen: dict[str, tuple[Array, Array]] = {}
    for name, products in candidates.items():
        low, high = (values.astype(np.float64) for values in seen[name])
        weights = np.concatenate([known[node.input[1]] for node in products], axis=1)
        if need_own_scales(low, high, weights):
            chosen[name] = centre_and_half(low, high)
    if chosen:
        _rewrite(graph, plan, known, chosen)


def _candidates(graph: Any, plan: Plan) -> dict[str, list[Any]]:
    """Tensors that come from float operators, and the quantized Gemms that read them."""
    made, read = producers(graph), readers(graph)
    found = {}
    for name in plan.stored:
        source = made.get(name)
        if source is not None and source.output[0] in plan.nodes:
            continue
        products = [node for node in read.get(name, ()) if node.output[0] in plan.nodes]
        if products and all(node.op_type == "Gemm" for node in products):
            found[name] = products
    return found


def _rewrite(
    graph: Any, plan: Plan, known: Mapping[str, Array], chosen: Mapping[str, tuple[Array, Array]]
) -> None:
    out = Rewriter(graph)
    scaled: dict[str, str] = {}
    for node in graph.node:
        name = node.input[0] if node.input else ""
        if node.output[0] not in plan.nodes or node.op_type != "Gemm" or name not in chosen:
            out.nodes.append(node)
            continue
        middle, half = chosen[name]
        if name not in scaled:
            shift = out.constant(f"{name}_middle", middle.astype(np.float32))
            centred = out.add("Sub", [name, shift], out.names.fresh(f"{name}_centred"))
            step = out.constant(f"{name}_inverse", (1 / half).astype(np.float32))
            scaled[name] = out.add("Mul", [centred, step], out.names.fresh(f"{name}_equalized"))
        weights = known[node.input[1]].astype(np.float64)
        bias = known[node.input[2]] if len(node.input) > 2 else 0.0
        key = node.output[0]
        inputs = [
            scaled[name],
            out.constant(f"{key}_weights", (half[:, None] * weights).astype(np.float32)),
            out.constant(f"{key}_bias", (middle @ weights + bias).astype(np.float32)),
        ]
        out.add("Gemm", inputs, key)
    out.finish(graph)
