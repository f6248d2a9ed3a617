"""Standardize raw columns before static quantization, where a linear layer reads the model's input directly.

Columns like 0.1 and 1000 beside each other leave nothing of the first in one scale. So x becomes
(x - middle) / half, by the calibration data's range of each column, and the weights take the inverse in:

    x @ W + b = ((x - middle) / half) @ (half * W) + (middle @ W + b)

The arithmetic in front then moves into the input's affine (`input_affine`) and costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from edgeml_converters.column_scales import centre_and_half, need_own_scales
from edgeml_converters.to_tflite.lowering.graph import ML, Graph, Node
from edgeml_runtime.signature import Array

_LINEAR = (f"{ML}:LinearClassifier", f"{ML}:LinearRegressor")


def standardize_columns(graph: Graph, inputs: Mapping[str, Array]) -> Graph:
    """The same function with that arithmetic in it where it is needed; `inputs`: real rows by name."""
    for name, rows in inputs.items():
        graph = _standardize(graph, name, np.asarray(rows, np.float64))
    return graph


def _standardize(graph: Graph, name: str, rows: Array) -> Graph:
    readers = [node for node in graph.nodes if name in node.inputs]
    layers = {node.outputs[0]: layer for node in readers if (layer := _layer(graph, node, name)) is not None}
    if not layers or len(layers) < len(readers) or name in graph.outputs or rows.ndim != 2:
        return graph
    weights = np.concatenate([matrix for matrix, _ in layers.values()], axis=1)
    low, high = rows.min(axis=0), rows.max(axis=0)
    if len(weights) != len(low) or not need_own_scales(low, high, weights):
        return graph
    middle, half = centre_and_half(low, high)
    constants = {f"{name}/middle": middle.astype(np.float32), f"{name}/half": half.astype(np.float32)}
    nodes = [
        Node("Sub", {}, (name, f"{name}/middle"), (f"{name}/centred",), takes_nan=False),
        Node("Div", {}, (f"{name}/centred", f"{name}/half"), (f"{name}/standardized",), takes_nan=False),
    ]
    for node in graph.nodes:
        key = node.outputs[0]
        if key not in layers:
            nodes.append(node)
            continue
        matrix, bias = layers[key]
        scaled = (half[:, None] * matrix).astype(np.float32)
        shifted = (middle @ matrix + bias).astype(np.float32)
        if node.operator in _LINEAR:
            attributes = {**node.attributes, "coefficients": scaled.T.ravel(), "intercepts": shifted}
            nodes.append(replace(node, attributes=attributes, inputs=(f"{name}/standardized",)))
        else:
            constants |= {f"{key}/weights": scaled, f"{key}/bias": shifted}
            read = (f"{name}/standardized", f"{key}/weights", f"{key}/bias")
            nodes.append(replace(node, operator="Gemm", attributes={}, inputs=read))
    return Graph(tuple(nodes), {**graph.constants, **constants}, graph.outputs)


def _layer(graph: Graph, node: Node, name: str) -> tuple[Array, Array] | None:
    """Weights float64[columns, k] and bias float64[k] of a linear layer that takes `name` as its rows."""
    if node.inputs[0] != name or name in node.inputs[1:]:
        return None
    if node.operator in _LINEAR:
        targets = max(1, len(node.attribute("intercepts", ())))
        matrix = np.asarray(node.attribute("coefficients"), np.float64).reshape(targets, -1).T
        return matrix, np.asarray(node.attribute("intercepts", [0.0]), np.float64)
    if node.operator not in ("Gemm", "MatMul") or node.attribute("transA", 0):
        return None
    known: list[Any] = [graph.constant(other) for other in node.inputs[1:] if other]
    if any(value is None for value in known) or known[0].ndim != 2:
        return None
    matrix = known[0].T if node.attribute("transB", 0) else known[0]
    bias = known[1] if len(known) > 1 else np.zeros(1)
    if bias.size not in (1, matrix.shape[1]):
        return None
    alpha, beta = node.attribute("alpha", 1.0), node.attribute("beta", 1.0)
    return alpha * matrix.astype(np.float64), beta * bias.reshape(-1).astype(np.float64)
