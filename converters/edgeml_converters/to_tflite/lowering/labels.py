"""Class labels: TFLite has no strings, so a tensor of strings is the indices into the strings it can hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgeml_converters.to_tflite.lowering.graph import Handler, Node, Value

_MOVING = ("Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
_STRING = 8  # TensorProto.STRING
_KEYS = ("keys_strings", "keys_int64s", "keys_floats", "keys_tensor")
_VALUES = {
    "values_strings": ("default_string", "_Unused"),
    "values_int64s": ("default_int64", -1),
    "values_floats": ("default_float", 0.0),
    "values_tensor": ("default_tensor", None),
}


@dataclass(frozen=True, slots=True)
class StringLabels:
    """A tensor of strings: `index`, an integer tensor of its shape, into `names`."""

    index: Value
    names: tuple[str, ...]


def look_up_strings(table: Any, index: Value) -> StringLabels:
    """Strings of a constant array [k] at those indices."""
    names = (name.decode() if isinstance(name, bytes) else str(name) for name in np.ravel(table))
    return StringLabels(index, tuple(names))


def is_strings(value: Value | None) -> bool:
    """Whether it is a constant array of strings."""
    return isinstance(value, np.ndarray) and value.dtype.kind in "OSU"


def moved(tf: Any, node: Node, handler: Handler, inputs: list[Value]) -> Value | None:
    """The result of an operator that only moves strings about; None where no input holds any."""
    if not any(isinstance(value, StringLabels) for value in inputs) or node.operator in HANDLERS:
        return None
    labels = inputs[0]
    if node.operator not in _MOVING or not isinstance(labels, StringLabels):
        raise ValueError("it reads strings, which TFLite has not")
    if node.operator != "Cast":
        return replace(labels, index=handler(tf, node, [labels.index, *inputs[1:]]))
    if node.attribute("to") == _STRING:
        return labels
    try:
        numbers = np.array([float(name) for name in labels.names])
    except ValueError as error:
        raise ValueError(f"it casts strings to numbers: {error}") from error
    kind = np.float32 if node.attribute("to") == 1 else np.int64
    return tf.gather(tf.constant(numbers.astype(kind)), labels.index)


def _encode(tf: Any, node: Node, inputs: list[Value]) -> Value:
    """ai.onnx.ml LabelEncoder: from keys to values, a default for what is no key."""
    keys, values, default = _table(node)
    if isinstance(inputs[0], StringLabels):
        by_key = dict(zip(keys, values, strict=True))
        table = np.array([by_key.get(name, default) for name in inputs[0].names])
        index = inputs[0].index
    else:
        numbers = np.asarray(keys)
        if numbers.dtype.kind not in "iuf" or np.isnan(numbers.astype(np.float64)).any():
            raise ValueError("its keys are strings or NaN, its input is numbers")
        kind = np.dtype(inputs[0].dtype.as_numpy_dtype)
        same = tf.math.equal(tf.expand_dims(inputs[0], -1), numbers.astype(kind))
        # One more column, which is the greatest where no key matches.
        found = tf.cast(tf.concat([same, tf.ones_like(same[..., :1])], -1), tf.float32)
        index, table = tf.math.argmax(found, axis=-1, output_type=tf.int32), np.array([*values, default])
    if table.dtype.kind in "OSU":
        return look_up_strings(table, index)
    return tf.gather(tf.constant(table.astype(np.float32 if table.dtype.kind == "f" else np.int64)), index)


def _table(node: Node) -> tuple[list[Any], list[Any], Any]:
    classes = node.attribute("classes_strings")
    if classes:  # version 1: strings to their places
        return list(classes), list(range(len(classes))), node.attribute("default_int64", -1)
    keys: list[Any] = next(
        (np.ravel(node.attribute(k)).tolist() for k in _KEYS if node.attribute(k) is not None), []
    )
    for name, (default, fallback) in _VALUES.items():
        values = node.attribute(name)
        if values is not None:
            given = node.attribute(default, fallback)
            return keys, np.ravel(values).tolist(), np.ravel(given).tolist()[0]
    raise ValueError("it has no values")


HANDLERS: dict[str, Handler] = {"ai.onnx.ml:LabelEncoder": _encode}
