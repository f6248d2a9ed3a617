"""Convolution and pooling over three dimensions in TFLite's kernels for two.

TFLite pools no volumes, and convolves them in float only, one at a time. The depth of a window goes into the
channels:

    x [n, d, h, w, c] --slices side by side--> [n d', h, w, depth c] --CONV_2D--> [n d', h', w', filters]

One convolution then, with integer kernels, XNNPACK's, and dilation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgeml_converters import tensorflow_rules
from edgeml_converters.tensorflow_rewrite import Rule

_NAME = "edgeml_volume"


def _pool(tf: Any, node: Any, inputs: Sequence[Any]) -> Sequence[Any] | None:
    """First over height and width, then over depth: windows are boxes, also where padding cuts them."""
    x = inputs[0]
    _, depth, height, width, channels = x.shape.as_list()
    if node.attr["data_format"].s not in (b"", b"NDHWC") or None in (depth, height, width, channels):
        return None
    pool = tf.nn.max_pool2d if node.op == "MaxPool3D" else tf.nn.avg_pool2d
    _, *window, _ = node.attr["ksize"].list.i
    _, *strides, _ = node.attr["strides"].list.i
    padding = node.attr["padding"].s.decode()
    x = pool(tf.reshape(x, [-1, height, width, channels]), window[1:], strides[1:], padding)
    _, height, width, _ = x.shape.as_list()
    x = tf.reshape(x, [-1, depth, height * width, channels])
    x = pool(x, [window[0], 1], [strides[0], 1], padding)
    return [tf.reshape(x, [-1, x.shape[1], height, width, channels])]


def _convolution(tf: Any, node: Any, inputs: Sequence[Any]) -> Sequence[Any] | None:
    if inputs[0].op.type == "SpaceToBatchND":  # part of a dilated one
        return None
    x, kernel = inputs
    strides, padding = list(node.attr["strides"].list.i)[1:4], node.attr["padding"].s.decode()
    if x.shape[-1] is None or x.shape[-1] == kernel.shape[3]:
        return _convolve(tf, x, kernel, strides, padding, [1, 1, 1])
    groups = x.shape[-1] // kernel.shape[3]
    parts = zip(tf.split(x, groups, axis=-1), tf.split(kernel, groups, axis=-1), strict=True)
    made = [_convolve(tf, part, own, strides, padding, [1, 1, 1]) for part, own in parts]
    if any(part is None for part in made):
        return tensorflow_rules.RULES["Conv3D"](tf, node, inputs)
    return [tf.concat([part[0] for part in made if part is not None], axis=-1)]


def _dilated(tf: Any, _node: Any, inputs: Sequence[Any]) -> Sequence[Any] | None:
    """SpaceToBatch, Conv3D, BatchToSpace: how TensorFlow dilates."""
    made, block, crops = inputs[0].op, tf.get_static_value(inputs[1]), tf.get_static_value(inputs[2])
    if made.type != "Conv3D" or made.inputs[0].op.type != "SpaceToBatchND" or block is None or crops is None:
        return None
    x, _, pads = made.inputs[0].op.inputs
    padded = tf.pad(x, tf.concat([[[0, 0]], pads, [[0, 0]]], axis=0))
    found = _convolve(tf, padded, made.inputs[1], [1, 1, 1], "VALID", block.tolist())
    if found is None:
        return None
    ends = [slice(start, -end or None) for start, end in crops.tolist()]
    return [found[0][:, ends[0], ends[1], ends[2]]]


def _convolve(
    tf: Any, x: Any, kernel: Any, strides: Sequence[int], padding: str, dilation: Sequence[int]
) -> Sequence[Any] | None:
    _, depth, height, width, channels = x.shape.as_list()
    size, *area, _, filters = kernel.shape.as_list()
    if None in (depth, height, width, channels):
        return None
    reach = (size - 1) * dilation[0] + 1
    if padding == "SAME":
        steps = -(-depth // strides[0])
        missing = max(0, (steps - 1) * strides[0] + reach - depth)
        x = tf.pad(x, [[0, 0], [missing // 2, missing - missing // 2], *([[0, 0]] * 3)])
    else:
        steps = (depth - reach) // strides[0] + 1
    last = (steps - 1) * strides[0] + 1
    starts = range(0, size * dilation[0], dilation[0])
    windows = tf.concat([x[:, start : start + last : strides[0]] for start in starts], axis=-1)
    y = tf.nn.conv2d(
        tf.reshape(windows, [-1, height, width, size * channels]),
        tf.reshape(tf.transpose(kernel, [1, 2, 0, 3, 4]), [*area, size * channels, filters]),
        [1, *strides[1:], 1],
        padding,
        dilations=[1, *dilation[1:], 1],
    )
    return [tf.reshape(y, [-1, steps, *y.shape[1:]], name=_NAME)]


def biased(tf: Any, _node: Any, inputs: Sequence[Any]) -> Sequence[Any] | None:
    """A bias is added before the volume is put together, where TFLite's kernel adds it itself."""
    made, bias = inputs[0].op, tf.get_static_value(inputs[1])
    if made.type != "Reshape" or _NAME not in made.name or bias is None or bias.size != inputs[0].shape[-1]:
        return None
    return [tf.reshape(tf.nn.bias_add(made.inputs[0], bias.reshape(-1)), made.inputs[1])]


RULES: Mapping[str, Rule] = {
    "AvgPool3D": _pool,
    "AddV2": biased,
    "BatchToSpaceND": _dilated,
    "BiasAdd": biased,
    "Conv3D": _convolution,
    "MaxPool3D": _pool,
}
