"""Operators that move values about."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_tflite.lowering.graph import Handler, Node, Value
from edgeml_converters.to_tflite.lowering.labels import is_strings, look_up_strings


def constant_of(value: Value | None, what: str) -> list[int]:
    """The whole numbers of an input that has to be known; raises ValueError where it is not."""
    if not isinstance(value, np.ndarray):
        raise ValueError(f"{what} must be a constant")
    return [int(v) for v in value.ravel()]


def axes_of(node: Node, inputs: list[Value], position: int) -> list[int]:
    """Axes as an input (since opset 13) or as an attribute (before)."""
    if len(inputs) > position and inputs[position] is not None:
        return constant_of(inputs[position], "axes")
    return list(node.attribute("axes", []))


def _concat(tf: Any, node: Node, inputs: list[Value]) -> Value:
    return tf.concat(inputs, node.attribute("axis"))


def _flatten(tf: Any, node: Node, inputs: list[Value]) -> Value:
    if node.attribute("axis", 1) != 1:
        raise ValueError("Flatten with an axis other than 1")
    return tf.reshape(inputs[0], [-1, int(np.prod(inputs[0].shape[1:]))])


def _expand(tf: Any, _node: Node, inputs: list[Value]) -> Value:
    wanted = constant_of(inputs[1], "shape")
    if inputs[0].dtype.name == "bool":
        raise ValueError("Expand of truth values")
    # A product broadcasts, and leaves the batch axis, 1 in the shape, as it is.
    return inputs[0] * np.ones(wanted, inputs[0].dtype.as_numpy_dtype)


def _tile(tf: Any, _node: Node, inputs: list[Value]) -> Value:
    return tf.tile(inputs[0], constant_of(inputs[1], "repeats"))


def _shape(tf: Any, node: Node, inputs: list[Value]) -> Value:
    sizes = tf.shape(inputs[0], out_type=tf.int64)
    return sizes[slice(node.attribute("start", 0), node.attribute("end"))]


def _constant_of_shape(tf: Any, node: Node, inputs: list[Value]) -> Value:
    value = np.ravel(node.attribute("value", np.zeros(1, np.float32)))[0]
    value = np.float32(value) if value.dtype == np.float64 else value
    return tf.fill(tf.cast(inputs[0], tf.int32), tf.constant(value))


def _gather_elements(tf: Any, node: Node, inputs: list[Value]) -> Value:
    values, indices = inputs
    if node.attribute("axis", 0) not in (1, -1) or len(values.shape) != 2:
        raise ValueError("GatherElements but for columns of rows")
    size = values.shape[1]
    return tf.gather(values, tf.math.floormod(tf.cast(indices, tf.int32), size), axis=1, batch_dims=1)


def _one_hot(tf: Any, node: Node, inputs: list[Value]) -> Value:
    indices, depth, values = inputs
    if node.attribute("axis", -1) != -1 or not isinstance(values, np.ndarray):
        raise ValueError("OneHot with an axis other than the last, or unknown values")
    (size,) = constant_of(depth, "depth")
    off, on = values.tolist()
    found = tf.one_hot(tf.math.floormod(tf.cast(indices, tf.int32), size), size, dtype=tf.float32)
    return tf.cast(found * np.float32(on - off) + np.float32(off), values.dtype)


def _gather(tf: Any, node: Node, inputs: list[Value]) -> Value:
    values, indices = inputs
    if is_strings(values):
        return look_up_strings(values, indices)
    if isinstance(indices, np.ndarray):
        size = values.shape[node.attribute("axis", 0)]
        if size is not None:
            indices = np.where(indices < 0, indices + size, indices)
        indices = indices.astype(np.int32)
    return tf.gather(values, indices, axis=node.attribute("axis", 0))


def _columns(tf: Any, _node: Node, inputs: list[Value]) -> Value:
    """ai.onnx.ml ArrayFeatureExtractor: columns of the last axis."""
    values, indices = inputs
    flat = indices.reshape(-1) if isinstance(indices, np.ndarray) else tf.reshape(indices, [-1])
    if is_strings(values):
        return look_up_strings(values, flat[None])
    return tf.gather(values, flat, axis=-1)


def _pad(tf: Any, node: Node, inputs: list[Value]) -> Value:
    if node.attribute("mode", "constant") != "constant":
        raise ValueError("Pad with a mode other than constant")
    amounts = constant_of(inputs[1], "pads")
    rank = len(amounts) // 2
    value = 0.0 if len(inputs) < 3 or inputs[2] is None else float(np.ravel(inputs[2])[0])
    pairs = [[amounts[axis], amounts[axis + rank]] for axis in range(rank)]
    return tf.pad(inputs[0], pairs, constant_values=value)


def _reshape(tf: Any, node: Node, inputs: list[Value]) -> Value:
    if not isinstance(inputs[1], np.ndarray):
        return tf.reshape(inputs[0], inputs[1])
    wanted = constant_of(inputs[1], "shape")
    if 0 in wanted and not node.attribute("allowzero", 0):
        # 0 copies a size: the batch's becomes the free one, any other is known.
        if -1 in wanted and wanted[0] == 0:
            rest = int(np.prod(list(inputs[0].shape[1:])))
            known = int(np.prod([d for d in wanted[1:] if d != -1]))
            wanted = [-1, *(rest // known if d == -1 else d for d in wanted[1:])]
        wanted = [
            -1 if d == 0 and i == 0 else inputs[0].shape[i] if d == 0 else d for i, d in enumerate(wanted)
        ]
    return tf.reshape(inputs[0], wanted)


def _slice(tf: Any, _node: Node, inputs: list[Value]) -> Value:
    starts, ends = constant_of(inputs[1], "starts"), constant_of(inputs[2], "ends")
    axes = constant_of(inputs[3], "axes") if len(inputs) > 3 else list(range(len(starts)))
    steps = constant_of(inputs[4], "steps") if len(inputs) > 4 else [1] * len(starts)
    index: list[Any] = [slice(None)] * len(inputs[0].shape)
    limit = np.iinfo(np.int32).max
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        index[axis] = slice(start, None if end >= limit or end <= -limit else end, step)
    return inputs[0][tuple(index)]


def _split(tf: Any, node: Node, inputs: list[Value]) -> Value:
    sizes = constant_of(inputs[1], "split") if len(inputs) > 1 else len(node.outputs)
    return tuple(tf.split(inputs[0], sizes, axis=node.attribute("axis", 0)))


def _squeeze(tf: Any, node: Node, inputs: list[Value]) -> Value:
    axes = axes_of(node, inputs, 1)
    if not axes:
        raise ValueError("Squeeze without axes")
    return tf.squeeze(inputs[0], axis=axes)


def _transpose(tf: Any, node: Node, inputs: list[Value]) -> Value:
    return tf.transpose(inputs[0], node.attribute("perm"))


def _unsqueeze(tf: Any, node: Node, inputs: list[Value]) -> Value:
    axes = axes_of(node, inputs, 1)
    rank = len(inputs[0].shape) + len(axes)
    result = inputs[0]
    for axis in sorted(a % rank for a in axes):
        result = tf.expand_dims(result, axis)
    return result


HANDLERS: dict[str, Handler] = {
    "Concat": _concat,
    "ConstantOfShape": _constant_of_shape,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "OneHot": _one_hot,
    "Pad": _pad,
    "Reshape": _reshape,
    "Shape": _shape,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "ai.onnx.ml:ArrayFeatureExtractor": _columns,
}
