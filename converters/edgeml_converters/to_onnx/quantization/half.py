"""float16: matrices of weights stored in half the bytes, widened when the engine loads the file.

Engines fold the Cast, so inference computes in float32 from weights rounded to float16: no activation can
overflow, every operator is available, and all machines give the same answers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.onnx_graph import FLOAT, finish
from edgeml_converters.to_onnx.quantization.coverage import split_weights
from edgeml_runtime.errors import ConversionError
from edgeml_runtime.manifest import FloatOperator


def halve(model: Any) -> tuple[FloatOperator, ...]:
    """Rewrite the graph in place; returns the operators whose weights float16 cannot hold."""
    from onnx import helper, numpy_helper

    graph = model.graph
    halves, kept = split_weights(graph)
    if not halves:
        raise ConversionError("float16 would not halve any weights of this graph")
    taken = {name for node in graph.node for name in node.output} | {t.name for t in graph.initializer}
    nodes, tensors = [], [t for t in graph.initializer if t.name not in halves]
    for name, half in halves.items():
        held = f"{name}_float16"
        while held in taken:
            held += "_"
        taken.add(held)
        tensors.append(numpy_helper.from_array(np.asarray(half, order="C"), held))
        nodes.append(helper.make_node("Cast", [held], [name], to=FLOAT))
    others = [node for node in graph.node if node.output[0] not in halves]
    finish(graph, [*nodes, *others], tuple(tensors))
    return tuple(
        FloatOperator(node.op_type, 1, f"{name}: {why}")
        for name, why in kept.items()
        for node in graph.node
        if name in node.input
    )
