"""int8-static, first half: which operators compute in integers, and which tensors are stored so.

Everything from the first to the last weighted operator that has an integer kernel is quantized. Before the
first, data has the user's units (columns of different scale), after the last it is on its way to float32
outputs: what computes there stays in float.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeml_converters.onnx_graph import (
    attribute,
    constants,
    output_names,
    producers,
    readers,
)
from edgeml_converters.to_onnx.quantization.coverage import PRODUCTS, is_table
from edgeml_runtime.signature import Array

# What onnxruntime's CPU kernels compute on int8 between DequantizeLinear and QuantizeLinear, as its optimized
# graphs show. Those that only move data, and MaxPool, need one scale for input and output.
MOVES = frozenset(
    {"Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Slice", "Gather", "Split", "Tile",
     "DepthToSpace"}
)  # fmt: skip
POOLS = frozenset({"MaxPool", "AveragePool", "GlobalAveragePool"})
CLIPS = frozenset({"Relu", "Clip"})
ARITHMETIC = frozenset({"Add", "Mul", "Concat", "LeakyRelu", "Sigmoid", "Softmax"})
SAME_SCALE = MOVES | {"MaxPool"}
INTEGER_KERNELS = MOVES | POOLS | CLIPS | ARITHMETIC | frozenset(PRODUCTS)
# Those that only pay between weighted operators: after the last, float keeps what 256 steps would lose.
_INSIDE_ONLY = MOVES | {"Mul", "Sigmoid", "Softmax"}


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes int8; nodes are named by their first output.

    `nodes` compute in integers; `tables`: Gathers with an int8 table; `weights_only`: only their weights are
    int8; `stored`: tensors held as int8; `shared`: a stored tensor and the one whose scale it takes;
    `clipped`: Relu and Clip, which storing their result as int8 replaces.
    """

    nodes: frozenset[str]
    tables: frozenset[str]
    weights_only: frozenset[str]
    stored: tuple[str, ...]
    shared: dict[str, str]
    clipped: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Seen:
    graph: Any
    known: dict[str, Array]
    read: dict[str, list[Any]]
    made: dict[str, Any]
    outputs: set[str]


def plan(model: Any, in_float: frozenset[str] = frozenset()) -> Plan:
    """Plan a simplified graph; `in_float`: outputs[0] of nodes that are left as they are."""
    graph = model.graph
    seen = _Seen(graph, constants(graph), readers(graph), producers(graph), output_names(graph))
    chosen = _without_tail(seen, _forward(seen, in_float))
    chosen = _with_moves_ahead(seen, chosen, in_float)
    clipped = {n.output[0] for n in graph.node if n.output[0] in chosen and _saturates(seen, n, chosen)}
    stored, shared = _tensors(seen, chosen, clipped)
    rest = [n for n in graph.node if n.output[0] not in in_float]
    tables = {n.output[0] for n in rest if _is_constant_table(seen, n)}
    transposed = {n.output[0] for n in rest if n.op_type == "ConvTranspose" and _is_weights(seen, n.input[1])}
    return Plan(
        frozenset(chosen), frozenset(tables), frozenset(transposed), stored, shared, frozenset(clipped)
    )


def _is_weights(seen: _Seen, name: str) -> bool:
    return name in seen.known and seen.known[name].dtype == np.float32


def _is_constant_table(seen: _Seen, node: Any) -> bool:
    return (
        is_table(node)
        and _is_weights(seen, node.input[0])
        and seen.known[node.input[0]].ndim >= 2
        and node.input[1] not in seen.known
    )


def activations(node: Any, known: dict[str, Array]) -> list[str]:
    """Inputs that hold activations; shapes, indices, limits and weights are constants."""
    count = 1 if node.op_type in SAME_SCALE | CLIPS else len(node.input)
    return [name for name in node.input[:count] if name and name not in known]


def _weighted(seen: _Seen, node: Any, integers: set[str]) -> bool:
    if node.op_type not in PRODUCTS or node.domain not in ("", "ai.onnx"):
        return False
    if not _is_weights(seen, node.input[1]):
        return node.op_type == "MatMul" and all(name in integers for name in node.input)
    bias_is_fit = len(node.input) < 3 or not node.input[2] or _is_vector(seen, node.input[2])
    plain_gemm = node.op_type != "Gemm" or not node.attribute  # which simplification leaves behind
    return bias_is_fit and plain_gemm and node.input[0] not in seen.known


def _is_vector(seen: _Seen, name: str) -> bool:
    return _is_weights(seen, name) and seen.known[name].ndim == 1


def _forward(seen: _Seen, in_float: frozenset[str]) -> set[str]:
    chosen: set[str] = set()
    integers: set[str] = set()
    for node in seen.graph.node:
        if node.output[0] in in_float:
            continue
        inputs = activations(node, seen.known)
        fits = (
            node.op_type in INTEGER_KERNELS - set(PRODUCTS)
            and node.domain in ("", "ai.onnx")
            and bool(inputs)
            and all(name in integers for name in inputs)
            and _constants_fit(seen, node)
            # Relu is one with any QuantizeLinear after it; a Clip only with that of the operator before it.
            and (node.op_type != "Clip" or _saturates(seen, node, chosen))
        )
        if fits or _weighted(seen, node, integers):
            chosen.add(node.output[0])
            integers |= {name for name in node.output if name}
    return chosen


def _constants_fit(seen: _Seen, node: Any) -> bool:
    if node.op_type in ("Add", "Mul", "Concat"):
        return all(seen.known[name].dtype == np.float32 for name in node.input if name in seen.known)
    if node.op_type == "MaxPool":
        return len(node.output) == 1
    return True


def clip_limits(node: Any, known: dict[str, Array]) -> tuple[float | None, float | None]:
    """Limits of a Clip or Relu, infinite where it has none; None where they are computed."""
    if node.op_type == "Relu":
        return 0.0, np.inf
    limits: list[float | None] = []
    for place, missing in ((1, -np.inf), (2, np.inf)):
        name = node.input[place] if len(node.input) > place else ""
        if not name:
            limits.append(missing)
        else:
            limits.append(float(known[name].reshape(-1)[0]) if name in known else None)
    return limits[0], limits[1]


def _without_tail(seen: _Seen, chosen: set[str]) -> set[str]:
    """Leave what follows the last weighted operator in float, but for what integers do as well."""
    ahead: set[str] = set()  # tensors with a weighted operator downstream
    kept = set(chosen)
    for node in reversed(seen.graph.node):
        leads_on = any(name in ahead for name in node.output)
        if node.output[0] in chosen and node.op_type in PRODUCTS:
            leads_on = True
        elif node.output[0] in chosen and not leads_on:
            read_by_integers = any(r.output[0] in kept for r in seen.read.get(node.output[0], ()))
            if node.op_type in _INSIDE_ONLY and not read_by_integers:
                kept.discard(node.output[0])
        if leads_on:
            ahead |= set(node.input)
    # Whatever read a tensor that is float now must follow.
    stored = {name for node in seen.graph.node if node.output[0] in kept for name in node.output}
    for node in seen.graph.node:
        inputs = activations(node, seen.known)
        weighted = node.op_type in PRODUCTS and _is_weights(seen, node.input[1])
        if node.output[0] in kept and not weighted and not all(name in stored for name in inputs):
            kept.discard(node.output[0])
            stored -= set(node.output)
    return kept


def _with_moves_ahead(seen: _Seen, chosen: set[str], in_float: frozenset[str]) -> set[str]:
    """Data that is only moved on its way to the first weighted operator is moved as int8."""
    kept = set(chosen)
    for node in reversed(seen.graph.node):
        if node.op_type not in MOVES or node.output[0] in kept | in_float | seen.outputs:
            continue
        inputs = activations(node, seen.known)
        followers = [r for name in node.output for r in seen.read.get(name, ())]
        if followers and len(inputs) == 1 and all(r.output[0] in kept for r in followers):
            kept.add(node.output[0])
    return kept


def _saturates(seen: _Seen, node: Any, chosen: set[str]) -> bool:
    """Whether storing this Relu's or Clip's result as int8 does what the operator does."""
    if node.op_type not in CLIPS:
        return False
    low, high = clip_limits(node, seen.known)
    source = seen.made.get(node.input[0])
    return (
        source is not None
        and source.output[0] in chosen
        and source.op_type in (*PRODUCTS, "Add", "Mul", "AveragePool", "GlobalAveragePool")
        and len(seen.read[node.input[0]]) == 1
        and node.input[0] not in seen.outputs
        and low is not None
        and high is not None
        and low <= 0 <= high
    )


def _tensors(seen: _Seen, chosen: set[str], clipped: set[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    stored: dict[str, None] = {}
    shared: dict[str, str] = {}
    for node in seen.graph.node:
        if node.output[0] not in chosen or node.output[0] in clipped:
            continue
        for name in activations(node, seen.known):
            stored.setdefault(name)
        followers = [r for name in node.output for r in seen.read.get(name, ())]
        takes_float = node.op_type in ("Gemm", "MatMul")  # whose kernels give float32 as well
        if takes_float and not any(r.output[0] in chosen for r in followers):
            continue
        for name in node.output:
            target = name
            if len(followers) == 1 and followers[0].output[0] in clipped:
                target = followers[0].output[0]
            stored.setdefault(target)
            if node.op_type in SAME_SCALE:
                shared[target] = node.input[0]
    return tuple(stored), shared


def weighted_nodes(model: Any, planned: Plan) -> frozenset[str]:
    """outputs[0] of the planned nodes that multiply by constant weights."""
    known = constants(model.graph)
    return frozenset(
        node.output[0]
        for node in model.graph.node
        if node.output[0] in planned.nodes and node.op_type in PRODUCTS and node.input[1] in known
    )


def axis_of_channels(node: Any) -> int | None:
    """The axis of the weights that counts output channels; None where scales cannot follow it."""
    if node.op_type == "Conv":
        return 0
    if node.op_type == "ConvTranspose":
        return 1 if attribute(node, "group", 1) == 1 else None
    return 1
