"""What static quantization would spoil or leave in float, in forms that it does not; for its schemes only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgeml_converters import tensorflow_rules
from edgeml_converters.tensorflow_rewrite import Rule
from edgeml_converters.to_tflite.tensorflow_rules import bounded_root

# Masked scores are set this far below the smallest: a weight of e^-20 is 2e-9.
_BELOW = 20.0
_HUGE = 1e4


def _masked_softmax(tf: Any, node: Any, inputs: Sequence[Any]) -> Sequence[Any] | None:
    """Scores masked with -1e9 or -3e38, which as one end of a range leaves one step for all others."""
    found = _mask(tf, inputs[0].op)
    if found is None:
        return None
    masked, scores = found
    least = tf.reduce_min(scores, axis=-1, keepdims=True) - _BELOW
    return [tf.nn.softmax(tf.where(masked, least, scores))]


def _mask(tf: Any, made: Any) -> tuple[Any, Any] | None:
    """(what is masked, the scores) of where(kept, scores, -huge) and where(masked, scores - huge, scores)."""
    if made.type != "SelectV2":
        return None
    condition, first, second = made.inputs
    if _is_huge(tf, second, -1):
        return tf.logical_not(condition), first
    if first.op.type == "Sub" and first.op.inputs[0] is second and _is_huge(tf, first.op.inputs[1], 1):
        return condition, second
    return None


def _is_huge(tf: Any, tensor: Any, sign: int) -> bool:
    value = tf.get_static_value(tensor)
    return value is not None and value.size == 1 and sign * float(value) >= _HUGE


def _one_hot(tf: Any, node: Any, inputs: Sequence[Any]) -> Sequence[Any] | None:
    indices, *settings = inputs
    depth, on, off = (tf.get_static_value(value) for value in settings)
    plain = on == 1 and off == 0 and node.attr["axis"].i == -1 and settings[1].dtype == tf.float32
    return [tensorflow_rules.one_hot(tf, indices, int(depth))] if plain and depth is not None else None


def _extreme(tf: Any, node: Any, inputs: Sequence[Any]) -> Sequence[Any] | None:
    """The larger, or smaller, of two activations: integer kernels have one scale for both, and cut one."""
    first, second = inputs
    fixed = any(tf.get_static_value(value) is not None for value in inputs)
    if fixed or first.dtype != tf.float32 or first.shape.as_list() != second.shape.as_list():
        return None
    if node.op == "Maximum":
        return [first + tf.nn.relu(second - first)]
    return [first - tf.nn.relu(first - second)]


RULES: Mapping[str, Rule] = {
    "Maximum": _extreme,
    "Minimum": lambda tf, node, inputs: bounded_root(tf, node, inputs) or _extreme(tf, node, inputs),
    "OneHot": _one_hot,
    "Softmax": _masked_softmax,
}
