"""Operators that work value by value."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_tflite.lowering.graph import Handler, Node, Value

_WHOLE = (1.0, 2.0, 3.0, 4.0)
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
    return tf.convert_to_tensor(inputs[0])  # of Dropout's inputs the first: this is no training


def _negative(_tf: Any, _node: Node, inputs: list[Value]) -> Value:
    # TFLite multiplies in int8; NEG it knows in float only.
    return inputs[0] * np.asarray(-1, np.dtype(inputs[0].dtype.as_numpy_dtype))


def _reciprocal(tf: Any, _node: Node, inputs: list[Value]) -> Value:
    return tf.math.divide(np.float32(1.0), inputs[0])


def _erf(tf: Any, _node: Node, inputs: list[Value]) -> Value:
    """To 1.5e-7 (Abramowitz and Stegun 7.1.26): TFLite has no kernel for it."""
    size = tf.math.abs(inputs[0])
    t = 1.0 / (1.0 + 0.3275911 * size)
    series = t * 1.061405429 - 1.453152027
    for coefficient in (1.421413741, -0.284496736, 0.254829592):
        series = series * t + coefficient
    return tf.math.sign(inputs[0]) * (1.0 - series * t * tf.math.exp(-size * size))


def _power(tf: Any, _node: Node, inputs: list[Value]) -> Value:
    """Small whole powers as products: POW is slower, and TensorFlow's converter mistakes the first."""
    base, exponent = inputs
    if not isinstance(exponent, np.ndarray) or exponent.size != 1 or float(exponent.ravel()[0]) not in _WHOLE:
        return tf.math.pow(base, exponent)
    result = base
    for _ in range(int(exponent.ravel()[0]) - 1):
        result = result * base
    return tf.convert_to_tensor(result)


def _exp(tf: Any, node: Node, inputs: list[Value]) -> Value:
    x = inputs[0]
    result = tf.math.exp(x)
    # XNNPACK's gives 0 for NaN.
    return tf.where(tf.math.not_equal(x, x), x, result) if node.takes_nan else result


def _not(tf: Any, node: Node, inputs: list[Value]) -> Value:
    if not node.takes_nan:
        return tf.math.logical_not(inputs[0])
    # TensorFlow's converter makes x >= y of not x < y, and NaN fulfils neither.
    return tf.math.equal(tf.cast(inputs[0], tf.float32), 0.0)


def _atan(tf: Any, _node: Node, inputs: list[Value]) -> Value:
    # TFLite's kernel takes two operands of one shape and has no other.
    return tf.math.atan2(inputs[0], tf.ones_like(inputs[0]))


def _mod(tf: Any, node: Node, inputs: list[Value]) -> Value:
    """What is left of a division: of floats with the dividend's sign (fmod=1), of integers the divisor's."""
    left, right = (tf.convert_to_tensor(value) for value in inputs)
    if not node.attribute("fmod", 0):
        return tf.math.floormod(left, right)
    return tf.math.sign(left) * tf.math.floormod(tf.math.abs(left), tf.math.abs(right))


def _softplus(tf: Any, _node: Node, inputs: list[Value]) -> Value:
    x = inputs[0]
    return tf.math.maximum(x, 0.0) + tf.math.log(1.0 + tf.math.exp(-tf.math.abs(x)))


def _leaky_relu(tf: Any, node: Node, inputs: list[Value]) -> Value:
    return tf.nn.leaky_relu(inputs[0], node.attribute("alpha", 0.01))


def _elu(tf: Any, node: Node, inputs: list[Value]) -> Value:
    if node.attribute("alpha", 1.0) != 1.0:
        raise ValueError("Elu with an alpha other than 1")
    return tf.nn.elu(inputs[0])


def _hard_sigmoid(tf: Any, node: Node, inputs: list[Value]) -> Value:
    line = inputs[0] * np.float32(node.attribute("alpha", 0.2)) + np.float32(node.attribute("beta", 0.5))
    return tf.math.minimum(tf.math.maximum(line, 0.0), 1.0)


def _is_infinite(tf: Any, node: Node, inputs: list[Value]) -> Value:
    if not (node.attribute("detect_negative", 1) and node.attribute("detect_positive", 1)):
        raise ValueError("IsInf of one sign")
    # Not `== inf`: TensorFlow's converter turns a constant inf into the largest float.
    return tf.math.greater(tf.math.abs(inputs[0]), np.finfo(np.float32).max)


HANDLERS: dict[str, Handler] = {
    "Abs": _unary("abs"),
    "Add": _binary("add"),
    "And": _binary("logical_and"),
    "Cast": _cast,
    "Atan": _atan,
    "Ceil": _unary("ceil"),
    "Clip": _clip,
    "Cos": _unary("cos"),
    "Div": _binary("divide"),
    "Dropout": _identity,
    "Elu": _elu,
    "Equal": _binary("equal"),
    "Erf": _erf,
    "Exp": _exp,
    "Floor": _unary("floor"),
    "Greater": _binary("greater"),
    "GreaterOrEqual": _binary("greater_equal"),
    "HardSigmoid": _hard_sigmoid,
    "Identity": _identity,
    "IsInf": _is_infinite,
    "IsNaN": _is_nan,
    "LeakyRelu": _leaky_relu,
    "Less": _binary("less"),
    "LessOrEqual": _binary("less_equal"),
    "Log": _unary("log"),
    "Max": _variadic("maximum"),
    "Min": _variadic("minimum"),
    "Mod": _mod,
    "Mul": _binary("multiply"),
    "Neg": _negative,
    "Not": _not,
    "Or": _binary("logical_or"),
    "Pow": _power,
    "Reciprocal": _reciprocal,
    "Relu": _relu,
    "Round": _unary("round"),
    "Sigmoid": _unary("sigmoid"),
    "Sign": _unary("sign"),
    "Sin": _unary("sin"),
    "Softplus": _softplus,
    "Sqrt": _unary("sqrt"),
    "Sub": _binary("subtract"),
    "Sum": _variadic("add"),
    "Tanh": _unary("tanh"),
    "Where": _where,
    "Xor": _binary("not_equal"),
}
