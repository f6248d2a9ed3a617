"""Operators that work value by value."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_tflite.lowering.graph import Handler, Node, Value

_TYPES = {1: "float32", 6: "int32", 7: "int64", 9: "bool", 11: "float32", 3: "int8", 2: "uint8"}


def _unary(name: str) -> Handler:
    def handler(tf: Any, _node: Node, inputs: list[Value]) -> Value:
        return getattr(tf.math, name)(inputs[0])

    return handler


def _binary(name: str) -> Handler:
    def handler(tf: Any, _node: Node, inputs: list[Value]) -> Value:
        left, right = inputs
        return getattr(tf.math, name)(left, right)

    return handler


def _variadic(name: str) -> Handler:
    def handler(tf: Any, _node: Node, inputs: list[Value]) -> Value:
        result = inputs[0]
        for value in inputs[1:]:
            result = getattr(tf.math, name)(result, value)
        return result

    return handler


def _relu(tf: Any, _node: Node, inputs: list[Value]) -> Value:
    return tf.nn.relu(inputs[0])


def _clip(tf: Any, node: Node, inputs: list[Value]) -> Value:
    bounds = [*inputs[1:], None, None][:2]
    low = bounds[0] if bounds[0] is not None else node.attribute("min")
    high = bounds[1] if bounds[1] is not None else node.attribute("max")
    result = inputs[0]
    if low is not None:
        result = tf.math.maximum(result, low)
    return result if high is None else tf.math.minimum(result, high)


def _cast(tf: Any, node: Node, inputs: list[Value]) -> Value:
    wanted = _TYPES.get(node.attribute("to"))
    if wanted is None:
        raise ValueError(f"a cast to ONNX type {node.attribute('to')} has no TFLite kernel")
    return tf.cast(inputs[0], wanted)


def _where(tf: Any, _node: Node, inputs: list[Value]) -> Value:
    condition, chosen, other = inputs
    return tf.where(condition, chosen, other)


def _is_nan(tf: Any, _node: Node, inputs: list[Value]) -> Value:
    return tf.math.not_equal(inputs[0], inputs[0])


def _identity(tf: Any, _node: Node, inputs: list[Value]) -> Value:
    return tf.convert_to_tensor(inputs[0])


def _negative(_tf: Any, _node: Node, inputs: list[Value]) -> Value:
    # TFLite multiplies in int8; NEG it knows in float only.
    return inputs[0] * np.asarray(-1, np.dtype(inputs[0].dtype.as_numpy_dtype))


def _reciprocal(tf: Any, _node: Node, inputs: list[Value]) -> Value:
    return tf.math.divide(np.float32(1.0), inputs[0])


HANDLERS: dict[str, Handler] = {
    "Abs": _unary("abs"),
    "Add": _binary("add"),
    "And": _binary("logical_and"),
    "Cast": _cast,
    "Ceil": _unary("ceil"),
    "Clip": _clip,
    "Div": _binary("divide"),
    "Equal": _binary("equal"),
    "Exp": _unary("exp"),
    "Floor": _unary("floor"),
    "Greater": _binary("greater"),
    "GreaterOrEqual": _binary("greater_equal"),
    "Identity": _identity,
    "IsNaN": _is_nan,
    "Less": _binary("less"),
    "LessOrEqual": _binary("less_equal"),
    "Log": _unary("log"),
    "Max": _variadic("maximum"),
    "Min": _variadic("minimum"),
    "Mul": _binary("multiply"),
    "Neg": _negative,
    "Not": _unary("logical_not"),
    "Or": _binary("logical_or"),
    "Pow": _binary("pow"),
    "Reciprocal": _reciprocal,
    "Relu": _relu,
    "Round": _unary("round"),
    "Sigmoid": _unary("sigmoid"),
    "Sign": _unary("sign"),
    "Sqrt": _unary("sqrt"),
    "Sub": _binary("subtract"),
    "Sum": _variadic("add"),
    "Tanh": _unary("tanh"),
    "Where": _where,
}
