"""From raw scores to what ai.onnx.ml's classifiers and regressors give out.

Specification: ONNX operators of domain ai.onnx.ml, `post_transform`; for two classes from one score ONNX
Runtime's reading of it: the second class wins above 0.5 where scores are shares, above 0 otherwise.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_tflite.lowering.graph import Node, Value


def transformed(tf: Any, scores: Value, kind: str) -> Value:
    """Scores float32[batch, n] after `post_transform`."""
    if kind == "NONE":
        return scores
    if kind == "LOGISTIC":
        return tf.math.sigmoid(scores)
    if kind == "SOFTMAX":
        return tf.nn.softmax(scores)
    raise ValueError(f"post_transform {kind} has no lowering")


def classified(tf: Any, node: Node, scores: Value, *, probabilities: bool) -> tuple[Value, Value]:
    """Label int64[batch] and scores float32[batch, classes] of a classifier.

    probabilities: the raw scores are shares (a forest's votes), so one score s of two classes is [1 - s, s].
    """
    labels = node.attribute("classlabels_int64s", node.attribute("classlabels_ints"))
    if not labels:
        raise ValueError("string class labels; TFLite has none")
    kind = node.attribute("post_transform", "NONE")
    if scores.shape[1] == 1 and len(labels) == 2:
        second = tf.cast(scores[:, 0] > np.float32(0.5 if probabilities else 0.0), tf.int64)
        first = 1.0 - scores if probabilities else -scores
        values = transformed(tf, tf.concat([first, scores], 1), "LOGISTIC" if kind == "LOGISTIC" else "NONE")
        if kind not in ("NONE", "LOGISTIC"):
            raise ValueError(f"post_transform {kind} of one score has no lowering")
    else:
        second = tf.math.argmax(scores, axis=1, output_type=tf.int64)
        values = transformed(tf, scores, kind)
    if list(labels) == list(range(len(labels))):
        return second, values
    return tf.gather(np.asarray(labels, np.int64), second), values
