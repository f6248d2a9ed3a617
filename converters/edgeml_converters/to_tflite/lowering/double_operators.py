"""Operators on numbers of two float32 (`double_arithmetic`): what a graph marks as needing float64's digits.

A mark is the doc_string of a Cast to float64. From there every operator named here keeps the digits, until a
Cast to float32 or an operator that is not named here takes the high parts. Other float64 graphs are lowered
to float32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgeml_converters.double_digits import DOUBLE_DIGITS, LOW
from edgeml_converters.to_tflite.lowering.double_arithmetic import (
    Double,
    add,
    both,
    divide,
    exponential,
    hyperbolic_tangent,
    multiply,
    negative,
    power,
    sine,
    sliced,
    square_root,
    subtract,
    sum_over,
)
from edgeml_converters.to_tflite.lowering.graph import Handler, Node, Value
from edgeml_converters.to_tflite.lowering.shape import axes_of

_FLOAT64 = 11
_AT_ONCE = 4096  # products of a row that are held in memory together
_MOVING = ("Concat", "Gather", "Identity", "Reshape", "Slice", "Transpose", "Unsqueeze")
_BINARY: Mapping[str, Callable[[Double, Double], Double]] = {
    "Add": add,
    "Div": divide,
    "Mul": multiply,
    "Sub": subtract,
}
_UNARY: Mapping[str, Callable[[Any, Double], Double]] = {
    "Exp": exponential,
    "Neg": lambda _tf, x: negative(x),
    "Sin": sine,
    "Sqrt": square_root,
    "Tanh": hyperbolic_tangent,
}


def lowered(
    tf: Any, node: Node, handler: Handler, inputs: list[Value], values: Mapping[str, Value]
) -> Value | None:
    """The result where digits are to be kept; None where no input holds such numbers, nor a mark is set.

    values: all that is known so far by name; a float64 constant has a second part there (`LOW`).
    """
    if node.operator == "Cast" and node.attribute("to") == _FLOAT64:
        if isinstance(inputs[0], Double):
            return inputs[0]
        if node.note == DOUBLE_DIGITS:
            return Double(inputs[0])
    if not any(isinstance(value, Double) for value in inputs):
        return None

    def wide(position: int) -> Double:
        value = inputs[position]
        return value if isinstance(value, Double) else Double(value, values.get(node.inputs[position] + LOW))

    name = node.operator
    if name in _BINARY:
        return _BINARY[name](wide(0), wide(1))
    if name in _UNARY:
        return _UNARY[name](tf, wide(0))
    if name == "Abs":
        x = wide(0)
        sign = tf.math.sign(x.high)
        return both(x, lambda part: part * sign)
    if name == "Round":
        return Double(tf.math.round(wide(0).high))
    if name == "Pow" and isinstance(inputs[1], np.ndarray) and inputs[1].size == 1:
        low = values.get(node.inputs[1] + LOW, np.zeros(1))
        return power(tf, wide(0), float(np.float64(inputs[1].ravel()[0]) + np.ravel(low)[0]))
    if name == "MatMul" and isinstance(inputs[1], np.ndarray):
        return _product(tf, wide(0), wide(1))
    if name == "ReduceSum":
        return _sum(tf, node, inputs, wide(0))
    if name == "Where":
        return _chosen(tf, inputs[0], wide(1), wide(2))
    if name == "Concat":
        return _moved(tf, node, handler, [], [wide(i) for i in range(len(inputs))])
    if name in _MOVING and isinstance(inputs[0], Double):
        return _moved(tf, node, handler, inputs[1:], [wide(0)])
    return handler(tf, node, [value.high if isinstance(value, Double) else value for value in inputs])


def _moved(tf: Any, node: Node, handler: Handler, others: list[Value], parts: list[Double]) -> Double:
    high = handler(tf, node, [*(part.high for part in parts), *others])
    if all(part.low is None for part in parts):
        return Double(high)
    lows = [tf.zeros_like(part.high) if part.low is None else part.low for part in parts]
    return Double(high, handler(tf, node, [*lows, *others]))


def _sum(tf: Any, node: Node, inputs: list[Value], x: Double) -> Double:
    rank = len(x.high.shape)
    axes = [axis % rank for axis in axes_of(node, inputs, 1)]
    if not axes or 0 in axes:
        raise ValueError("ReduceSum over the batch")
    for axis in sorted(axes, reverse=True):
        x = sum_over(tf, x, axis)
    if not node.attribute("keepdims", 1):
        return x
    kept = list(x.high.shape)
    for axis in sorted(axes):
        kept.insert(axis, 1)
    return both(x, lambda part: tf.reshape(part, [-1, *kept[1:]]))


def _product(tf: Any, x: Double, weights: Double) -> Double:
    """The product of x [..., m] with constant weights [m] or [m, k]."""
    if len(weights.high.shape) == 1:
        return sum_over(tf, multiply(x, weights), len(x.high.shape) - 1)
    if len(x.high.shape) != 2:
        raise ValueError("MatMul of more than two axes with the digits of float64")
    rows = both(x, lambda part: tf.expand_dims(part, 1))
    columns = both(weights, lambda part: np.ascontiguousarray(part.T)[None])
    size, count = weights.high.shape
    step = max(1, _AT_ONCE // count)
    total: Double | None = None
    for start in range(0, size, step):
        end = min(start + step, size)
        part = sum_over(tf, multiply(sliced(rows, 2, start, end), sliced(columns, 2, start, end)), 2)
        total = part if total is None else add(total, part)
    return Double(tf.zeros_like(x.high[:, :1])) if total is None else total


def _chosen(tf: Any, condition: Value, x: Double, y: Double) -> Double:
    high = tf.where(condition, x.high, y.high)
    if x.low is None and y.low is None:
        return Double(high)
    lows = (np.float32(0) if part.low is None else part.low for part in (x, y))
    return Double(high, tf.where(condition, *lows))
