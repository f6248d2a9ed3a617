"""Operators that reduce an axis or order its values."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_tflite.lowering.graph import Handler, Node, Value
from edgeml_converters.to_tflite.lowering.shape import axes_of, constant_of


def _reduction(name: str, *, before: str | None = None, after: str | None = None) -> Handler:
    def handler(tf: Any, node: Node, inputs: list[Value]) -> Value:
        values = inputs[0] if before is None else getattr(tf.math, before)(inputs[0])
        axes = axes_of(node, inputs, 1)
        if not axes and not node.attribute("noop_with_empty_axes", 0):
            raise ValueError(f"{node.operator} over every axis, the batch included")
        result = getattr(tf.math, name)(values, axis=axes, keepdims=bool(node.attribute("keepdims", 1)))
        return result if after is None else getattr(tf.math, after)(result)

    return handler


def _arg(name: str) -> Handler:
    def handler(tf: Any, node: Node, inputs: list[Value]) -> Value:
        if node.attribute("select_last_index", 0):
            raise ValueError(f"{node.operator} that takes the last of equal values")
        axis = node.attribute("axis", 0)
        result = getattr(tf.math, name)(inputs[0], axis=axis, output_type=tf.int64)
        return tf.expand_dims(result, axis) if node.attribute("keepdims", 1) else result

    return handler


def _top_k(tf: Any, node: Node, inputs: list[Value]) -> tuple[Value, Value]:
    axis, rank = node.attribute("axis", -1), len(inputs[0].shape)
    if axis not in (-1, rank - 1):
        raise ValueError("TopK along an axis other than the last")
    (count,) = constant_of(inputs[1], "k")
    if node.attribute("largest", 1):
        values, indices = tf.math.top_k(inputs[0], count)
    else:
        values, indices = tf.math.top_k(-inputs[0], count)
        values = -values
    return values, tf.cast(indices, tf.int64)


def _softmax(tf: Any, node: Node, inputs: list[Value]) -> Value:
    rank = len(inputs[0].shape)
    if node.attribute("axis", -1) not in (-1, rank - 1):
        raise ValueError("Softmax along an axis other than the last")
    return tf.nn.softmax(inputs[0])


def _log_softmax(tf: Any, node: Node, inputs: list[Value]) -> Value:
    if node.attribute("axis", -1) not in (-1, len(inputs[0].shape) - 1):
        raise ValueError("LogSoftmax along an axis other than the last")
    return tf.nn.log_softmax(inputs[0])


def _log_sum_exp(tf: Any, node: Node, inputs: list[Value]) -> Value:
    axes = axes_of(node, inputs, 1)
    largest = tf.math.reduce_max(inputs[0], axis=axes, keepdims=True)
    summed = tf.math.reduce_sum(tf.math.exp(inputs[0] - largest), axis=axes, keepdims=True)
    result = tf.math.log(summed) + largest
    return result if node.attribute("keepdims", 1) else tf.squeeze(result, axis=axes)


def _cum_sum(tf: Any, node: Node, inputs: list[Value]) -> Value:
    (axis,) = constant_of(inputs[1], "axis")
    exclusive, reverse = bool(node.attribute("exclusive", 0)), bool(node.attribute("reverse", 0))
    return tf.math.cumsum(inputs[0], axis, exclusive=exclusive, reverse=reverse)


def _normalizer(tf: Any, node: Node, inputs: list[Value]) -> Value:
    """ai.onnx.ml Normalizer: each row over its norm; rows of zeros stay."""
    x = inputs[0]
    kind = node.attribute("norm", "MAX")
    if kind == "L2":
        norm = tf.math.sqrt(tf.math.reduce_sum(x * x, axis=1, keepdims=True))
    elif kind == "L1":
        norm = tf.math.reduce_sum(tf.math.abs(x), axis=1, keepdims=True)
    else:
        norm = tf.math.reduce_max(x, axis=1, keepdims=True)
    return tf.math.divide(x, tf.where(tf.math.equal(norm, 0.0), np.float32(1.0), norm))


HANDLERS: dict[str, Handler] = {
    "ArgMax": _arg("argmax"),
    "ArgMin": _arg("argmin"),
    "CumSum": _cum_sum,
    "LogSoftmax": _log_softmax,
    "ReduceL1": _reduction("reduce_sum", before="abs"),
    "ReduceL2": _reduction("reduce_sum", before="square", after="sqrt"),
    "ReduceLogSumExp": _log_sum_exp,
    "ReduceMax": _reduction("reduce_max"),
    "ReduceMean": _reduction("reduce_mean"),
    "ReduceMin": _reduction("reduce_min"),
    "ReduceProd": _reduction("reduce_prod"),
    "ReduceSum": _reduction("reduce_sum"),
    "ReduceSumSquare": _reduction("reduce_sum", before="square"),
    "Softmax": _softmax,
    "TopK": _top_k,
    "ai.onnx.ml:Normalizer": _normalizer,
}
