"""Which operators of a quantized graph compute in float, and why: read from the graph alone."""

from __future__ import annotations

from collections import Counter
from typing import Any

from edgeml_converters.onnx_graph import FLOAT, constants, kind, producers, readers, types
from edgeml_converters.to_onnx.quantization.plan import INTEGER_KERNELS
from edgeml_runtime.manifest import FloatOperator

_EDGES = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear")
_BEFORE = "stands before the first quantized operator, on data in the user's units"
_AFTER = "stands after the last quantized operator, on the way to float32 outputs"
_NO_KERNEL = "onnxruntime has no int8 kernel for it"
_WEIGHTS_ONLY = "onnxruntime has no int8 kernel for it; its weights are int8"
_DYNAMIC = "int8-dynamic computes matrix products and convolutions in int8, everything else in float"
_EDGE = "converts values between integers and floats"
_BETWEEN = "its inputs or its output are not int8"


def operators_left_in_float(model: Any) -> tuple[FloatOperator, ...]:
    """Operators of a QDQ or dynamically quantized ModelProto that compute in float, counted by reason."""
    graph = model.graph
    made, known = producers(graph), constants(graph)
    left, integers = _divided(model)
    dynamic = any(node.op_type == "DynamicQuantizeLinear" for node in graph.node)
    upstream = _reached(graph.node, integers, forward=True)
    downstream = _reached(list(reversed(graph.node)), integers, forward=False)
    counts: Counter[tuple[str, str]] = Counter()
    for node in left:
        weights = made.get(node.input[1]) if len(node.input) > 1 else None
        if weights is not None and weights.op_type == "DequantizeLinear" and weights.input[0] in known:
            reason = _WEIGHTS_ONLY
        elif dynamic:
            reason = _DYNAMIC
        elif node.output[0] not in upstream:
            reason = _BEFORE
        elif node.output[0] not in downstream:
            reason = _AFTER
        else:
            reason = _BETWEEN if node.op_type in INTEGER_KERNELS else _NO_KERNEL
        counts[kind(node), reason] += 1
    return tuple(FloatOperator(op, count, reason) for (op, reason), count in sorted(counts.items()))


def conversions(model: Any) -> tuple[FloatOperator, ...]:
    """QuantizeLinear and DequantizeLinear of a QDQ ModelProto beside operators that compute in float."""
    made, read, known = producers(model.graph), readers(model.graph), constants(model.graph)
    floats = {node.output[0] for node in _divided(model)[0]}
    counts: Counter[str] = Counter()
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            beside = [made.get(node.input[0])]
        elif node.op_type == "DequantizeLinear" and node.input[0] not in known:
            beside = read.get(node.output[0], [])
        else:
            continue
        counts[node.op_type] += any(other is not None and other.output[0] in floats for other in beside)
    return tuple(FloatOperator(op, count, _EDGE) for op, count in sorted((+counts).items()))


def _divided(model: Any) -> tuple[list[Any], set[str]]:
    """Nodes that compute in float, and outputs[0] of those that do not."""
    graph = model.graph
    made, read, known = producers(graph), readers(graph), constants(graph)
    seen = types(model)
    plumbing = _rescaling(graph, read, known)
    left = []
    integers = set()
    for node in graph.node:
        if node.op_type in _EDGES or _is_integer_operator(node) or node.output[0] in plumbing:
            integers.add(node.output[0])
        elif not _touches_float(node, seen):
            continue
        elif _between_edges(node, made, read, known, seen):
            integers.add(node.output[0])
        elif node.op_type != "Identity":
            left.append(node)
    return left, integers


def _is_integer_operator(node: Any) -> bool:
    return node.op_type.startswith("QLinear") or node.op_type in ("MatMulInteger", "ConvInteger")


def _touches_float(node: Any, seen: dict[str, Any]) -> bool:
    return any(seen.get(name, (FLOAT, None))[0] == FLOAT for name in (*node.input, *node.output) if name)


def _between_edges(
    node: Any, made: dict[str, Any], read: dict[str, list[Any]], known: dict[str, Any], seen: dict[str, Any]
) -> bool:
    """Whether engines fuse this node with the pairs around it."""
    if node.op_type not in INTEGER_KERNELS:
        return False
    floats = [n for n in node.input if n and seen.get(n, (FLOAT, None))[0] == FLOAT]
    limits = node.op_type == "Clip"
    for name in floats:
        source = made.get(name)
        if (source is None or source.op_type != "DequantizeLinear") and not (limits and name in known):
            return False
    followers = [r for name in node.output for r in read.get(name, ())]
    stored = bool(followers) and all(r.op_type == "QuantizeLinear" for r in followers)
    return stored or node.op_type in ("Gemm", "MatMul")


def _rescaling(graph: Any, read: dict[str, list[Any]], known: dict[str, Any]) -> set[str]:
    """Nodes that turn the int32 sums of integer operators into real values: scales, Cast, Mul, bias."""
    found: set[str] = set()
    sums: set[str] = set()
    steps: set[str] = set()
    reals: set[str] = set()
    for node in graph.node:
        name = node.output[0]
        if node.op_type == "DynamicQuantizeLinear":
            steps.add(node.output[1])
        elif node.op_type in ("MatMulInteger", "ConvInteger"):
            sums.add(name)
        elif node.op_type == "Cast" and node.input[0] in sums:
            sums.add(name)
            found.add(name)
        elif node.op_type == "Mul" and any(i in steps for i in node.input):
            is_step = any(i in known for i in node.input)
            (steps if is_step else reals).add(name)
            found.add(name)
        elif node.op_type == "Add" and any(i in reals for i in node.input):
            only = next(i for i in node.input if i in reals)
            if any(i in known for i in node.input) and len(read[only]) == 1:
                found.add(name)
    return found


def _reached(nodes: list[Any], sources: set[str], *, forward: bool) -> set[str]:
    """outputs[0] of nodes with a source upstream (nodes in order) or downstream (nodes reversed)."""
    touched: set[str] = set()
    found: set[str] = set()
    for node in nodes:
        ins, outs = (node.input, node.output) if forward else (node.output, node.input)
        if any(name in touched for name in ins):
            found.add(node.output[0])
            touched |= set(outs)
        if node.output[0] in sources and not (forward and node.op_type == "DequantizeLinear"):
            touched |= set(outs)
    return found
