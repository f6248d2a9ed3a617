"""ONNX's Loop as TensorFlow's while_loop, which TFLite runs as WHILE."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_tflite.lowering.graph import Handler, Node, Value, evaluate


def _loop(tf: Any, node: Node, inputs: list[Value]) -> tuple[Value, ...]:
    """Up to `inputs[0]` times while the body's condition holds; carried tensors keep rank and dtype."""
    body = node.attribute("body")
    carried = len(body.inputs) - 2
    if len(body.outputs) != carried + 1:
        raise ValueError("a Loop that collects a value of every iteration")
    limit, proceed, *state = inputs[: carried + 2]
    outside = dict(zip(node.inputs[carried + 2 :], inputs[carried + 2 :], strict=True))
    if limit is None:
        limit = np.int64(np.iinfo(np.int64).max)
    limit = tf.reshape(tf.cast(limit, tf.int64), [])
    proceed = tf.constant(True) if proceed is None else tf.reshape(proceed, [])
    state = [tf.convert_to_tensor(value) for value in state]
    # The batch is free, and every iteration may find it so.
    shapes = [
        tf.TensorShape([None, *value.shape[1:]]) if value.shape.rank else value.shape for value in state
    ]

    def again(count: Value, proceed: Value, *_state: Value) -> Value:
        return tf.math.logical_and(count < limit, proceed)

    def once(count: Value, proceed: Value, *state: Value) -> tuple[Value, ...]:
        feeds = dict(zip(body.inputs, (count, proceed, *state), strict=True))
        found = evaluate(tf, body, {**outside, **feeds})
        proceed, *carried_on = (tf.convert_to_tensor(found[name]) for name in body.outputs)
        for value, shape in zip(carried_on, shapes, strict=True):
            value.set_shape(shape)
        return count + 1, tf.reshape(proceed, []), *carried_on

    start = (tf.constant(0, tf.int64), proceed, *state)
    free = (tf.TensorShape([]), tf.TensorShape([]), *shapes)
    return tuple(tf.while_loop(again, once, start, shape_invariants=free)[2:])


HANDLERS: dict[str, Handler] = {"Loop": _loop}
