"""Convolutions, pooling and batch normalization of one or two dimensions.

ONNX keeps channels second, TFLite last: each operator stands between two transposes, which TensorFlow's
converter cancels where operators follow each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_tflite.lowering.graph import Handler, Node, Value


def _channels_last(tf: Any, x: Value) -> Value:
    """[batch, channels, (height,) width] as [batch, height or 1, width, channels]."""
    if len(x.shape) == 3:
        x = tf.expand_dims(x, 2)
    if len(x.shape) != 4:
        raise ValueError(f"{len(x.shape) - 2} dimensions; one or two have a lowering")
    return tf.transpose(x, [0, 2, 3, 1])


def _channels_second(tf: Any, y: Value, rank: int) -> Value:
    y = tf.transpose(y, [0, 3, 1, 2])
    return tf.squeeze(y, axis=[2]) if rank == 3 else y


def _pair(node: Node, name: str, default: int = 1) -> list[int]:
    """An attribute for height and width; one dimension is a width."""
    values = [int(v) for v in node.attribute(name) or []]
    return [default, *values] if len(values) == 1 else values or [default, default]


def _padding(node: Node, kernel: list[int]) -> tuple[str, list[list[int]]]:
    """TensorFlow's padding, and what has to be padded before it: [[top, bottom], [left, right]]."""
    automatic = node.attribute("auto_pad", "NOTSET")
    if automatic == "SAME_UPPER":
        return "SAME", []
    if automatic == "SAME_LOWER":
        raise ValueError("auto_pad SAME_LOWER has no lowering")
    pads = [int(p) for p in node.attribute("pads") or []]
    if automatic == "VALID" or not any(pads):
        return "VALID", []
    if len(pads) == 2:
        pads = [0, pads[0], 0, pads[1]]
    pairs = [[pads[0], pads[2]], [pads[1], pads[3]]]
    reach = [(k - 1) * d for k, d in zip(kernel, _pair(node, "dilations"), strict=True)]
    if _pair(node, "strides") == [1, 1] and pairs == [[r // 2, r - r // 2] for r in reach]:
        return "SAME", []
    return "VALID", pairs


def _padded(tf: Any, x: Value, pairs: list[list[int]], value: float) -> Value:
    return tf.pad(x, [[0, 0], *pairs, [0, 0]], constant_values=np.float32(value)) if pairs else x


def _conv(tf: Any, node: Node, inputs: list[Value]) -> Value:
    x, weights, *bias = inputs
    if not isinstance(weights, np.ndarray):
        raise ValueError("weights must be constants")
    rank = len(x.shape)
    if rank == 3:
        weights = weights[:, :, None, :]
    padding, pairs = _padding(node, list(weights.shape[2:]))
    image = _padded(tf, _channels_last(tf, x), pairs, 0.0)
    filters = np.transpose(weights, (2, 3, 1, 0))  # [height, width, channels a group, filters]
    strides, dilations = _pair(node, "strides"), _pair(node, "dilations")
    groups, channels = node.attribute("group", 1), int(image.shape[3])
    if groups == channels > 1 and strides[0] == strides[1]:
        multiplier = filters.shape[3] // groups
        depthwise = filters[:, :, 0].reshape(*filters.shape[:2], groups, multiplier)
        y = tf.nn.depthwise_conv2d(image, depthwise, [1, *strides, 1], padding, dilations=dilations)
    else:
        y = tf.nn.conv2d(image, filters, strides, padding, dilations=dilations)
    if bias and bias[0] is not None:
        y = tf.nn.bias_add(y, bias[0])
    return _channels_second(tf, y, rank)


def _max_pool(tf: Any, node: Node, inputs: list[Value]) -> Value:
    return _pool(tf, node, inputs[0], tf.nn.max_pool2d, -np.inf)


def _average_pool(tf: Any, node: Node, inputs: list[Value]) -> Value:
    padding, pairs = _padding(node, _pair(node, "kernel_shape"))
    counted = bool(node.attribute("count_include_pad", 0))
    # TensorFlow divides by the cells that are there.
    if (padding == "SAME") if counted else bool(pairs):
        raise ValueError("this padding of AveragePool has no lowering")
    return _pool(tf, node, inputs[0], tf.nn.avg_pool2d, 0.0)


def _pool(tf: Any, node: Node, x: Value, pool: Any, outside: float) -> Value:
    if node.attribute("ceil_mode", 0) or len(node.outputs) > 1 or _pair(node, "dilations") != [1, 1]:
        raise ValueError("ceil_mode, dilations or a second output have no lowering")
    kernel = _pair(node, "kernel_shape")
    padding, pairs = _padding(node, kernel)
    image = _padded(tf, _channels_last(tf, x), pairs, outside)
    return _channels_second(tf, pool(image, kernel, _pair(node, "strides"), padding), len(x.shape))


def _global_average_pool(tf: Any, _node: Node, inputs: list[Value]) -> Value:
    return tf.math.reduce_mean(inputs[0], axis=list(range(2, len(inputs[0].shape))), keepdims=True)


def _global_max_pool(tf: Any, _node: Node, inputs: list[Value]) -> Value:
    return tf.math.reduce_max(inputs[0], axis=list(range(2, len(inputs[0].shape))), keepdims=True)


def _batch_normalization(tf: Any, node: Node, inputs: list[Value]) -> Value:
    x, scale, bias, mean, variance = inputs
    factor = scale / np.sqrt(variance + np.float32(node.attribute("epsilon", 1e-5)))
    shape = (-1, *(1,) * (len(x.shape) - 2))
    return x * factor.reshape(shape) + (bias - mean * factor).reshape(shape)


HANDLERS: dict[str, Handler] = {
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_normalization,
    "Conv": _conv,
    "GlobalAveragePool": _global_average_pool,
    "GlobalMaxPool": _global_max_pool,
    "MaxPool": _max_pool,
}
