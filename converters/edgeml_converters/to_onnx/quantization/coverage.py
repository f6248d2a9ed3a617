"""Which graphs int8 and float16 can be offered for, decided from the graph alone before any conversion."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from edgeml_converters.onnx_graph import attribute, bodies, constants, kind, output_names, reads
from edgeml_runtime.signature import Array

# Operators whose second input is a matrix or a kernel of weights.
PRODUCTS = ("Conv", "Gemm", "MatMul")
# Operators that carry a model's weights where no integer form exists; the first group holds them as
# attributes, which ONNX defines in float32 only.
_ATTRIBUTES = (
    "TreeEnsemble", "TreeEnsembleClassifier", "TreeEnsembleRegressor", "SVMClassifier", "SVMRegressor",
    "LinearClassifier", "LinearRegressor", "TfIdfVectorizer",
)  # fmt: skip
_RECURRENT = ("LSTM", "GRU", "RNN")
_QUANTIZED = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear")
MIN_SHARE = 0.5  # of the bytes of constants that must become int8 to call the file so


def int8_refusal(model: Any) -> str | None:
    """None, or why int8 cannot be honoured in full for this graph."""
    graph = model.graph
    for node in graph.node:
        if node.op_type in _QUANTIZED or node.op_type.startswith("QLinear"):
            return f"{_where(node)} shows that the graph is quantized already"
        if node.op_type in (*_ATTRIBUTES, *_RECURRENT):
            return f"the weights of {_where(node)} have no int8 form in ONNX"
        if bodies(node):
            return f"operators inside the body of {_where(node)} cannot be quantized"
    weights = _constant_like(graph)
    found = [tensor for tensor, _ in weight_operands(graph, weights)]
    if not any(node.op_type in PRODUCTS for _, node in weight_operands(graph, weights)):
        return "the graph has no convolution or matrix product with constant float32 weights"
    quantized = sum(weights[name] for name in dict.fromkeys(found))
    total = sum(value.nbytes for value in constants(graph).values() if value.dtype == np.float32)
    if quantized < MIN_SHARE * total:
        return (
            f"only {quantized} of {total} bytes of its constants are weights of convolutions, matrix "
            "products or tables; the others have no int8 form"
        )
    return None


def weight_operands(graph: Any, known: dict[str, int]) -> Iterator[tuple[str, Any]]:
    """Constant weights and the node that uses them: convolutions, matrix products, tables."""
    for node in graph.node:
        if node.op_type in (*PRODUCTS, "ConvTranspose") and node.input[1] in known:
            if node.op_type == "Gemm" and attribute(node, "transA", 0):
                continue
            yield node.input[1], node
        elif is_table(node) and node.input[0] in known and node.input[1] not in known:
            yield node.input[0], node


def is_table(node: Any) -> bool:
    """A Gather that looks rows up."""
    return bool(node.op_type == "Gather" and attribute(node, "axis", 0) == 0)


def _constant_like(graph: Any) -> dict[str, int]:
    """Bytes of float32 constants of at least two axes, and of what is moved about from them alone."""
    held = constants(graph)
    sizes = {name: v.nbytes for name, v in held.items() if v.dtype == np.float32 and v.ndim >= 2}
    outputs = output_names(graph)
    for node in graph.node:
        if node.op_type in ("Transpose", "Reshape", "Identity", "Cast") and node.output[0] not in outputs:
            moved = node.input[0]
            if moved in sizes and all(name in held or name in sizes for name in node.input):
                sizes[node.output[0]] = sizes[moved]
    return sizes


def _where(node: Any) -> str:
    name = node.name or node.output[0]
    return f"{kind(node)} ({name})"


def float16_refusal(model: Any) -> str | None:
    """None, or why float16 would not halve this graph's weights."""
    graph = model.graph
    for node in graph.node:
        if node.op_type in _QUANTIZED or node.op_type.startswith("QLinear"):
            return f"{_where(node)} shows that the graph is quantized already"
        if node.op_type in _ATTRIBUTES:
            return f"the weights of {_where(node)} are attributes, which ONNX defines in float32 only"
    chosen, kept = split_weights(graph)
    if chosen:
        return None
    if kept:
        return "float16 cannot hold its weights: " + "; ".join(f"{n}: {why}" for n, why in kept.items())
    return f"the graph has no matrix of {MIN_HALVED} or more float32 weights"


MIN_HALVED = 64  # elements: below, the node that widens them costs more than is saved
FLOAT16_MAX = 65504.0
# Rounding to float16 errs by 2^-11 = 4.9e-4 of a value at most, unless the value is below its normal range.
MAX_ROUNDING = 5e-4


def split_weights(graph: Any) -> tuple[dict[str, Array], dict[str, str]]:
    """Constants that float16 holds well (their halves), and those that it does not, with the reason."""
    halves: dict[str, Array] = {}
    kept: dict[str, str] = {}
    used = {name for node in graph.node for name in reads(node)}
    for name, value in constants(graph).items():
        if name not in used or value.dtype != np.float32 or value.ndim < 2 or value.size < MIN_HALVED:
            continue
        largest = float(np.abs(value).max())
        if not largest <= FLOAT16_MAX:
            kept[name] = f"it holds {largest:g}, float16 ends at {FLOAT16_MAX:g}"
            continue
        half = value.astype(np.float16)
        wide = value.astype(np.float64)
        error = float(np.linalg.norm(half - wide))
        if error > MAX_ROUNDING * float(np.linalg.norm(wide)):
            kept[name] = f"its values, {largest:g} at most, are too small for float16"
            continue
        halves[name] = half
    return halves, kept
