"""TensorFlow operators without a TFLite kernel, in operators that have one (`tensorflow_rewrite`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgeml_converters import tensorflow_rules
from edgeml_converters.tensorflow_rewrite import Rule
from edgeml_converters.to_tflite import volumes


def bounded_root(tf: Any, _node: Any, inputs: Sequence[Any]) -> Sequence[Any] | None:
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
    **volumes.RULES,
    "Minimum": bounded_root,
    "StridedSlice": _new_axes,
}
