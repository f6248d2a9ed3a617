"""A pass over float32 ONNX graphs: arithmetic on columns behind a MatMul becomes part of its weights.

    MatMul(x, W) -> Add(b) -> Mul(s) -> Add(t)        =        MatMul(x, W * s) -> Add(b * s + t)

That is what a Dense layer with batch normalization leaves. The right side has fewer operators, and all of it
can be quantized as one fully connected layer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_runtime.signature import Array


def fold_columns(graph: Any) -> None:
    """Fold in place; sums are in float64, rounded to float32 once."""
    from onnx import numpy_helper

    constants = {tensor.name: tensor for tensor in graph.initializer}
    readers: dict[str, list[Any]] = {value.name: [None] for value in graph.output}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    removed: set[str] = set()  # by what they put out
    for matmul in graph.node:
        weights = constants.get(matmul.input[1]) if matmul.op_type == "MatMul" else None
        if weights is None or len(weights.dims) != 2 or len(readers[weights.name]) != 1:
            continue
        factor, offset, chain = _follow(matmul, weights.dims[1], constants, readers)
        if not any(node.op_type in ("Mul", "Div") for node in chain):
            continue
        last = chain[-1].output[0]
        value = numpy_helper.to_array(weights) * factor
        weights.CopyFrom(numpy_helper.from_array(value.astype(np.float32), weights.name))
        bias = np.broadcast_to(offset, (weights.dims[1],)).astype(np.float32)
        kept = chain[-1]
        removed |= {node.output[0] for node in chain[:-1]}
        kept.op_type = "Add"
        kept.input[:] = [matmul.output[0], f"{last}/bias"]
        graph.initializer.append(numpy_helper.from_array(bias, f"{last}/bias"))
    nodes = [node for node in graph.node if node.output[0] not in removed]
    used = {name for node in nodes for name in node.input} | _captured(nodes)
    initializers = [tensor for tensor in graph.initializer if tensor.name in used]
    for field, items in ((graph.node, nodes), (graph.initializer, initializers)):
        copies = [type(item).FromString(item.SerializeToString()) for item in items]
        del field[:]
        field.extend(copies)


def _follow(
    node: Any, columns: int, constants: dict[str, Any], readers: dict[str, list[Any]]
) -> tuple[Array, Array, list[Any]]:
    """factor, offset: float64[columns] or float64[1]; and the operators that they stand for."""
    from onnx import numpy_helper

    factor, offset = np.ones(1), np.zeros(1)
    chain: list[Any] = []
    while True:
        following = readers.get(node.output[0], [])
        node = following[0] if len(following) == 1 else None
        if node is None or node.op_type not in ("Add", "Sub", "Mul", "Div"):
            return factor, offset, chain
        held = [position for position, name in enumerate(node.input) if name in constants]
        if held != [1] and (held != [0] or node.op_type in ("Sub", "Div")):
            return factor, offset, chain
        value = numpy_helper.to_array(constants[node.input[held[0]]]).astype(np.float64)
        if value.size not in (1, columns) or value.ndim > 2 or value.shape[-1:] not in ((), (value.size,)):
            return factor, offset, chain
        value = value.reshape(-1)
        if node.op_type in ("Add", "Sub"):
            offset = offset + (value if node.op_type == "Add" else -value)
        else:
            by = value if node.op_type == "Mul" else 1 / value
            factor, offset = factor * by, offset * by
        chain.append(node)


def _captured(nodes: list[Any]) -> set[str]:
    """Names that loops and branches read from outside."""
    names: set[str] = set()
    pending = [a.g for node in nodes for a in node.attribute if a.HasField("g")]
    while pending:
        graph = pending.pop()
        names |= {value.name for value in graph.output}
        for node in graph.node:
            names |= set(node.input)
            pending += [a.g for a in node.attribute if a.HasField("g")]
    return names
