"""Arithmetic with zeros, left out: the first step of a recurrent layer has a state of nothing else.

Beside a mask, a product that is always zero gets a scale under int8 that XNNPACK refuses to add.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgeml_converters.tensorflow_rewrite import Rule
from edgeml_converters.to_tflite import volumes


def _is_zero(tf: Any, tensor: Any) -> bool:
    """Of tensors with a free batch axis, which no constant has."""
    if tensor.op.type == "Fill":
        value = tf.get_static_value(tensor.op.inputs[1])
        return value is not None and float(value) == 0 and tensor.dtype == tf.float32
    return False


def _fits(tensor: Any, other: Any) -> bool:
    """Whether both have the same shape, of which the batch alone may be unknown."""
    shape = tensor.shape.as_list()
    return bool(shape == other.shape.as_list() and None not in shape[1:])


def _product(tf: Any, node: Any, inputs: Sequence[Any]) -> Sequence[Any] | None:
    x, weights = inputs
    if not _is_zero(tf, x) or node.attr["transpose_a"].b or node.attr["transpose_b"].b:
        return None
    return [tf.fill([tf.shape(x)[0], weights.shape[1]], 0.0)]


def _scaled(tf: Any, _node: Any, inputs: Sequence[Any]) -> Sequence[Any] | None:
    for tensor, other in (inputs, inputs[::-1]):
        if _is_zero(tf, tensor) and _fits(tensor, other):
            return [tensor]
    return None


def _added(tf: Any, inputs: Sequence[Any]) -> Sequence[Any] | None:
    """A sum with zeros: the other; of a bias a single row, which is as good as one for each of the batch."""
    for tensor, other in (inputs, inputs[::-1]):
        if not _is_zero(tf, tensor):
            continue
        if _fits(tensor, other):
            return [other]
        if other.shape.is_fully_defined() and other.shape.as_list() == tensor.shape.as_list()[1:]:
            return [tf.expand_dims(other, 0)]
    return None


def _sum(tf: Any, node: Any, inputs: Sequence[Any]) -> Sequence[Any] | None:
    return _added(tf, inputs) or volumes.biased(tf, node, inputs)


RULES: Mapping[str, Rule] = {"AddV2": _sum, "BiasAdd": _sum, "MatMul": _product, "Mul": _scaled}
