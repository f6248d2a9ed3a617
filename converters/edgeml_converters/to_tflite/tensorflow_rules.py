"""TensorFlow operators without a TFLite kernel, in operators that have one (`tensorflow_rewrite`)."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgeml_converters import tensorflow_rules
from edgeml_converters.tensorflow_rewrite import Rule


def _sizes(tf: Any, x: Any) -> list[Any]:
    """The shape, numbers where they are known; one unknown size is left to Reshape as -1."""
    known = x.shape.as_list()
    if known.count(None) <= 1:
        return [-1 if size is None else size for size in known]
    shape = tf.shape(x)
    return [shape[axis] if size is None else size for axis, size in enumerate(known)]


def _product(sizes: Sequence[Any]) -> Any:
    """Of sizes of which at most one is unknown (-1); tensors multiply as they are."""
    return functools.reduce(lambda a, b: -1 if -1 in (_number(a), _number(b)) else a * b, sizes, 1)


def _number(size: Any) -> int | None:
    return size if isinstance(size, int) else None


def _pool3d(tf: Any, node: Any, inputs: Sequence[Any]) -> Sequence[Any] | None:
    """First over height and width, then over depth: windows are boxes, also where padding cuts them."""
    if node.attr["data_format"].s not in (b"", b"NDHWC"):
        return None
    pool = tf.nn.max_pool2d if node.op == "MaxPool3D" else tf.nn.avg_pool2d
    _, *window, _ = node.attr["ksize"].list.i
    _, *strides, _ = node.attr["strides"].list.i
    padding = node.attr["padding"].s.decode()
    x = inputs[0]
    batch, depth, height, width, channels = _sizes(tf, x)
    x = tf.reshape(x, [_product([batch, depth]), height, width, channels])
    x = pool(x, window[1:], strides[1:], padding)
    _, height, width, _ = _sizes(tf, x)
    x = tf.reshape(x, [batch, depth, _product([height, width]), channels])
    x = pool(x, [window[0], 1], [strides[0], 1], padding)
    depth = _sizes(tf, x)[1]
    return [tf.reshape(x, [batch, depth, height, width, channels])]


def _dilated_conv3d(tf: Any, node: Any, inputs: Sequence[Any]) -> Sequence[Any] | None:
    """SpaceToBatch, Conv3D, BatchToSpace are a dilated convolution: one with zeros between its weights."""
    made, block, crops = inputs[0].op, tf.get_static_value(inputs[1]), tf.get_static_value(inputs[2])
    if made.type != "Conv3D" or made.inputs[0].op.type != "SpaceToBatchND" or block is None or crops is None:
        return None
    x, _, pads = made.inputs[0].op.inputs
    kernel = tf.get_static_value(made.inputs[1])
    if kernel is None or len(block) != 3:
        return None
    size = (np.array(kernel.shape[:3]) - 1) * block + 1
    spread = np.zeros((*size, *kernel.shape[3:]), kernel.dtype)
    spread[:: block[0], :: block[1], :: block[2]] = kernel
    padded = tf.pad(x, tf.concat([[[0, 0]], pads, [[0, 0]]], axis=0))
    y = tf.nn.conv3d(padded, spread, [1] * 5, "VALID")
    ends = [(start, -end or None) for start, end in crops.tolist()]
    return [y[:, slice(*ends[0]), slice(*ends[1]), slice(*ends[2])]]


def _bounded_root(tf: Any, _node: Any, inputs: Sequence[Any]) -> Sequence[Any] | None:
    """min(1 / sqrt(x), limit) with the limit below the root: XNNPACK's 1 / sqrt(0) is not a number."""
    root, limit = inputs[0].op, tf.get_static_value(inputs[1])
    if root.type != "Rsqrt" or limit is None or limit.size != 1 or not 0 < float(limit) < 1e18:
        return None
    return [tf.math.rsqrt(tf.maximum(root.inputs[0], np.float32(1 / float(limit) ** 2)))]


def _new_axes(tf: Any, node: Any, inputs: Sequence[Any]) -> Sequence[Any] | None:
    """A slice that only adds axes: TFLite's kernel adds none where sizes are unknown."""
    added, places = node.attr["new_axis_mask"].i, tf.get_static_value(inputs[1])
    if not added or places is None or node.attr["ellipsis_mask"].i or node.attr["shrink_axis_mask"].i:
        return None
    x = inputs[0]
    whole = node.attr["begin_mask"].i & node.attr["end_mask"].i
    if any(not (added | whole) >> axis & 1 for axis in range(len(places))):
        return None
    for axis in range(len(places)):
        if added >> axis & 1:
            x = tf.expand_dims(x, axis)
    return [x]


RULES: Mapping[str, Rule] = {
    **tensorflow_rules.RULES,
    "AvgPool3D": _pool3d,
    "BatchToSpaceND": _dilated_conv3d,
    "MaxPool3D": _pool3d,
    "Minimum": _bounded_root,
    "StridedSlice": _new_axes,
}
