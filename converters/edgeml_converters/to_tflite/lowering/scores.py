"""From raw scores to what ai.onnx.ml's classifiers and regressors give out.

Specification: ONNX operators of domain ai.onnx.ml, `post_transform`; where that leaves something
open, what ONNX Runtime does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_tflite.lowering.graph import Node, Value
from edgeml_converters.to_tflite.lowering.labels import look_up_strings


def transformed(tf: Any, scores: Value, kind: str) -> Value:
    """Scores float32[batch, n] after `post_transform`."""
    if kind == "NONE":
        return scores
    if kind == "LOGISTIC":
        return tf.math.sigmoid(scores)
    if kind == "SOFTMAX":
        return tf.nn.softmax(scores)
    if kind == "SOFTMAX_ZERO":
        return _softmax_of_others(tf, scores)
    if kind == "PROBIT":
        return _probit(tf, scores)
    raise ValueError(f"post_transform {kind} has no lowering")


def _softmax_of_others(tf: Any, scores: Value) -> Value:
    """Softmax over what is not zero; zeros stay."""
    largest = tf.math.reduce_max(scores, axis=1, keepdims=True)
    counted = tf.math.greater(tf.math.abs(scores), np.float32(1e-7))
    powers = tf.where(counted, tf.math.exp(scores - largest), np.float32(0))
    return powers / tf.math.reduce_sum(powers, axis=1, keepdims=True)


def _probit(tf: Any, scores: Value) -> Value:
    """The normal distribution's inverse, by the approximation that ONNX Runtime takes (Winitzki 2008)."""
    x = 2.0 * scores - 1.0
    log = tf.math.log((1.0 - x) * (1.0 + x))
    half = np.float32(2 / (3.14159 * 0.147)) + 0.5 * log
    size = tf.math.sqrt(tf.math.sqrt(half * half - np.float32(1 / 0.147) * log) - half)
    return tf.math.sign(x) * size * np.float32(np.sqrt(2))


def chosen(tf: Any, node: Node, index: Value) -> Value:
    """The class labels at those indices int64[batch]: int64[batch], or strings as indices."""
    strings = node.attribute("classlabels_strings")
    if strings:
        return look_up_strings(strings, index)
    labels = node.attribute("classlabels_int64s", node.attribute("classlabels_ints")) or []
    if list(labels) == list(range(len(labels))):
        return index
    return tf.gather(np.asarray(labels, np.int64), index)


def class_count(node: Node) -> int:
    """Of a classifier's labels, whatever their type."""
    names = ("classlabels_strings", "classlabels_int64s", "classlabels_ints")
    return max(len(node.attribute(name) or ()) for name in names)
