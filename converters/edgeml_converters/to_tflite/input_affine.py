"""Arithmetic at the entrance of a graph, moved into the quantization of its inputs.

A model of table rows often begins with a standardization, (x - mean) / deviation, column by column.
Quantized with one scale for the whole tensor, a column around 0.01 beside one around 1000 loses every digit
before it is standardized. So the graph starts behind that arithmetic, and the affine of the input becomes one
for each column: with z = factor * x + offset and z = (q - zero_point) * scale,

    x = (q - (zero_point + offset / scale)) * (scale / factor)

The caller's values are quantized as finely as the standardized ones, and the operators are gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgeml_converters.tensorflow_graph import ConstantGraph
from edgeml_converters.tensorflow_import import import_tensorflow
from edgeml_runtime.signature import Affine, Array, TensorSpec

_SUMS, _PRODUCTS = ("Add", "AddV2", "BiasAdd", "Sub"), ("Mul", "RealDiv")


@dataclass(frozen=True, slots=True)
class Lifted:
    """factor, offset: float64[columns] or float64[1]; what the graph now takes is factor * x + offset."""

    factor: Array
    offset: Array

    def apply(self, real: Array) -> Array:
        """The values that the graph takes, float32."""
        return np.asarray(real * self.factor + self.offset, np.float32)

    def compose(self, spec: TensorSpec) -> TensorSpec:
        """`spec`, whose affine is that of the graph's values, for the caller's values."""
        if spec.affine is None:
            return spec
        (scale,), (zero_point,) = spec.affine.scale, spec.affine.zero_point
        scales = scale / self.factor
        zero_points = zero_point + self.offset / scale
        return replace(spec, affine=Affine(tuple(map(float, scales)), tuple(map(float, zero_points))))


def lift_inputs(frozen: ConstantGraph) -> dict[str, Lifted]:
    """Cut the leading arithmetic off the graph, in place; by input name what was cut."""
    lifted = {}
    for spec, tensor in zip(frozen.signature.inputs, frozen.inputs, strict=True):
        columns = spec.shape[-1]
        if spec.dtype == "float32" and len(spec.shape) > 1 and columns is not None:
            found = _lift(frozen, _node(tensor), columns)
            if found is not None:
                lifted[spec.name] = found
    return lifted


def _lift(frozen: ConstantGraph, source: str, columns: int) -> Lifted | None:
    graph, outputs = frozen.graph, {_node(tensor) for tensor in frozen.outputs}
    factor, offset = np.ones(1), np.zeros(1)
    end = source
    while True:
        consumers = [node for node in graph.node if any(_reads(name, end) for name in node.input)]
        if len(consumers) != 1 or consumers[0].name in outputs:
            break
        step = _step(graph, consumers[0], end, columns)
        if step is None:
            break
        by, plus = step
        factor, offset, end = factor * by, offset * by + plus, consumers[0].name
    if end == source or not (factor > 0).all() or not np.isfinite(factor).all():
        return None
    for node in graph.node:
        for position, name in enumerate(node.input):
            if _reads(name, end):
                node.input[position] = source
    return Lifted(*np.broadcast_arrays(factor, offset))


def _step(graph: Any, node: Any, end: str, columns: int) -> tuple[Array, Array] | None:
    """(factor, offset) of one operator on `end`; None where it does not scale or shift columns."""
    if node.op == "Identity":
        return np.ones(1), np.zeros(1)
    if node.op not in (*_SUMS, *_PRODUCTS) or len(node.input) != 2:
        return None
    first = _node(node.input[0]) == end
    if not first and node.op in ("Sub", "RealDiv"):
        return None
    value = _constant(graph, node.input[1 if first else 0])
    if value is None or value.size not in (1, columns) or value.shape[-1:] not in ((), (value.size,)):
        return None
    value = value.reshape(-1).astype(np.float64)
    if node.op in _SUMS:
        return np.ones(1), -value if node.op == "Sub" else value
    if (value == 0).any():
        return None
    return (1 / value if node.op == "RealDiv" else value), np.zeros(1)


def _reads(tensor: str, name: str) -> bool:
    """Whether an operator's input is a value of the node of that name (`^name` only orders the two)."""
    return not tensor.startswith("^") and _node(tensor) == name


def _node(tensor: str) -> str:
    return tensor.lstrip("^").partition(":")[0]


def _constant(graph: Any, tensor: str) -> Array | None:
    """The value of a tensor that depends on constants only."""
    tf = import_tensorflow()
    nodes = {node.name: node for node in graph.node}
    pending, seen = [_node(tensor)], set()
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        if nodes[name].op == "Placeholder":
            return None
        seen.add(name)
        pending += [_node(source) for source in nodes[name].input]
    part = type(graph)(versions=graph.versions)
    part.node.extend(node for node in graph.node if node.name in seen)
    wanted = tensor if ":" in tensor else f"{tensor}:0"

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def evaluate() -> Any:
        return tf.graph_util.import_graph_def(part, return_elements=[wanted], name="")[0]

    return np.asarray(evaluate().numpy())


def calibration_of(lifted: Mapping[str, Lifted], calibration: Mapping[str, Array]) -> dict[str, Array]:
    """Calibration rows as the cut graph takes them."""
    return {
        name: lifted[name].apply(value) if name in lifted else value for name, value in calibration.items()
    }
