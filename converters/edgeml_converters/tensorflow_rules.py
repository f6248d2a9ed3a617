"""Rules for both targets (`tensorflow_rewrite`): operators that neither has, or that neither gets right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgeml_converters.tensorflow_rewrite import Rule
from edgeml_runtime.signature import Array


def _count(tf: Any, node: Any, inputs: Sequence[Any]) -> Sequence[Any] | None:
    """DenseBincount: each value one-hot, summed; values out of range count nowhere in both."""
    values, _, weights = inputs
    size = _upper_bound(tf, inputs[1])
    if size is None or values.shape.rank != 2:
        return None
    dtype = weights.dtype
    hot = one_hot(tf, values, size)
    if node.attr["binary_output"].b:
        return [tf.cast(tf.reduce_max(hot, axis=1), dtype)]
    if weights.shape.num_elements() != 0:
        hot = hot * tf.cast(weights, tf.float32)[:, :, tf.newaxis]
    return [tf.cast(tf.reduce_sum(hot, axis=1), dtype)]


def one_hot(tf: Any, indices: Any, depth: int) -> Any:
    """float32[..., depth]: rows of a unit matrix, zeros for indices out of range.

    TFLite's int8 ONE_HOT puts out 0.5 for 0: its quantizer gives the two values scales of their own.
    """
    indices = tf.cast(indices, tf.int32)
    inside = tf.logical_and(indices >= 0, indices < depth)
    return tf.gather(np.eye(depth + 1, depth, dtype=np.float32), tf.where(inside, indices, depth))


def _upper_bound(tf: Any, size: Any) -> int | None:
    """A constant, or min(a, max(b, anything)) with constants a <= b: so Keras says how many bins it wants."""
    known = tf.get_static_value(size)
    if known is not None:
        return int(known)
    if size.op.type != "Minimum" or size.op.inputs[1].op.type != "Maximum":
        return None
    most, least = (tf.get_static_value(op.inputs[0]) for op in (size.op, size.op.inputs[1].op))
    return int(most) if most is not None and least is not None and most <= least else None


def _resize(tf: Any, node: Any, inputs: Sequence[Any]) -> Sequence[Any] | None:
    """Resizing is linear in the pixels and each axis apart: two matrix products."""
    images, size = inputs[0], tf.get_static_value(inputs[1])
    _, height, width, channels = images.shape.as_list()
    settings = [_evaluate(tf, value) for value in inputs[2:]]
    if size is None or None in (height, width, channels) or any(value is None for value in settings):
        return None
    rows, columns = (
        _axis(tf, node, axis, length, int(size[axis]), settings)
        for axis, length in enumerate((height, width))
    )
    tall, wide = len(rows), len(columns)
    x = tf.transpose(tf.cast(images, tf.float32), [0, 3, 1, 2])
    x = tf.matmul(tf.reshape(x, [-1, width]), columns.T)
    x = tf.transpose(tf.reshape(x, [-1, channels, height, wide]), [0, 1, 3, 2])
    x = tf.matmul(tf.reshape(x, [-1, height]), rows.T)
    return [tf.transpose(tf.reshape(x, [-1, channels, wide, tall]), [0, 3, 2, 1])]


def _evaluate(tf: Any, tensor: Any) -> Any:
    """The value of a constant, of sizes that are known, and of quotients of both; None for anything else."""
    known = tf.get_static_value(tensor)
    if known is not None:
        return known
    if tensor.op.type == "Cast":
        value = _evaluate(tf, tensor.op.inputs[0])
        return None if value is None else value.astype(tensor.dtype.as_numpy_dtype)
    if tensor.op.type == "RealDiv":
        above, below = (_evaluate(tf, value) for value in tensor.op.inputs)
        return None if above is None or below is None else above / below
    if tensor.op.type == "StridedSlice" and tensor.op.inputs[0].op.type == "Shape":
        shape = tensor.op.inputs[0].op.inputs[0].shape.as_list()
        start, stop, step = (tf.get_static_value(value) for value in tensor.op.inputs[1:])
        if tensor.shape.rank == 1 and None not in (start, stop, step):
            sizes = shape[int(start[0]) : int(stop[0]) : int(step[0])]
            return None if None in sizes else np.array(sizes)
    return None


def _axis(tf: Any, node: Any, axis: int, length: int, size: int, settings: Sequence[Any]) -> Array:
    """float32[size, length]: what the operator itself makes of images with a single bright row."""
    with tf.init_scope():
        bright = np.eye(length, dtype=np.float32).reshape(length, length, 1, 1)
        if node.op == "ResizeBicubic":
            made = tf.raw_ops.ResizeBicubic(
                images=bright,
                size=[size, 1],
                align_corners=node.attr["align_corners"].b,
                half_pixel_centers=node.attr["half_pixel_centers"].b,
            )
        else:
            scale, shift = (float(setting[axis]) for setting in settings)
            made = tf.raw_ops.ScaleAndTranslate(
                images=bright,
                size=[size, 1],
                scale=[scale, 1.0],
                translation=[shift, 0.0],
                kernel_type=node.attr["kernel_type"].s.decode(),
                antialias=node.attr["antialias"].b,
            )
        matrix: Array = made.numpy()[:, :, 0, 0].T
    return matrix


def _grouped_conv3d(tf: Any, node: Any, inputs: Sequence[Any]) -> Sequence[Any] | None:
    """One convolution for each group: TFLite has no groups in 3D, tf2onnx loses them."""
    x, kernel = inputs
    channels, taken = x.shape[-1], kernel.shape[3]
    if channels is None or channels == taken:
        return None
    groups = channels // taken
    parts = zip(tf.split(x, groups, axis=-1), tf.split(kernel, groups, axis=-1), strict=True)
    strides, padding = list(node.attr["strides"].list.i), node.attr["padding"].s.decode()
    return [tf.concat([tf.nn.conv3d(part, own, strides, padding) for part, own in parts], axis=-1)]


def _sign_bit(tf: Any, _node: Any, inputs: Sequence[Any]) -> Sequence[Any] | None:
    """The bit of a float that Keras' argmax tells -0 from 0 by, out of comparisons."""
    made, mask = inputs[0].op, tf.get_static_value(inputs[1])
    lowest = np.iinfo(np.int32).min
    if made.type != "Bitcast" or made.inputs[0].dtype != tf.float32 or mask is None or int(mask) != lowest:
        return None
    x = made.inputs[0]
    return [tf.where(tf.logical_or(x < 0.0, 1.0 / x < 0.0), lowest, 0)]


RULES: Mapping[str, Rule] = {
    "BitwiseAnd": _sign_bit,
    "Conv3D": _grouped_conv3d,
    "DenseBincount": _count,
    "ResizeBicubic": _resize,
    "ScaleAndTranslate": _resize,
}
