"""Matrix products, and ai.onnx.ml's linear models and scaler."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_tflite.lowering.graph import Handler, Node, Value
from edgeml_converters.to_tflite.lowering.scores import chosen, class_count, transformed


def _gemm(tf: Any, node: Node, inputs: list[Value]) -> Value:
    left, right, *rest = inputs
    alpha, beta = node.attribute("alpha", 1.0), node.attribute("beta", 1.0)
    if alpha != 1.0:
        right = right * np.float32(alpha)
    product = tf.linalg.matmul(
        left,
        right,
        transpose_a=bool(node.attribute("transA", 0)),
        transpose_b=bool(node.attribute("transB", 0)),
    )
    if not rest or rest[0] is None:
        return product
    return product + (rest[0] if beta == 1.0 else rest[0] * np.float32(beta))


def _matmul(tf: Any, _node: Node, inputs: list[Value]) -> Value:
    left, right = inputs
    if len(right.shape) == 1:
        return tf.squeeze(tf.linalg.matmul(left, right[:, None]), axis=[-1])
    return tf.linalg.matmul(left, right)


def _scaler(tf: Any, node: Node, inputs: list[Value]) -> Value:
    offset = np.asarray(node.attribute("offset", [0.0]), np.float32)
    scale = np.asarray(node.attribute("scale", [1.0]), np.float32)
    centred = tf.cast(inputs[0], tf.float32)
    if offset.any():
        centred = centred - offset
    return centred if (scale == 1.0).all() else centred * scale


def _decision(tf: Any, node: Node, x: Value, targets: int) -> Value:
    coefficients = np.asarray(node.attribute("coefficients"), np.float32).reshape(targets, -1)
    intercepts = np.asarray(node.attribute("intercepts", [0.0] * targets), np.float32)
    return tf.linalg.matmul(tf.cast(x, tf.float32), coefficients.T) + intercepts


def _linear_regressor(tf: Any, node: Node, inputs: list[Value]) -> Value:
    decision = _decision(tf, node, inputs[0], node.attribute("targets", 1))
    return transformed(tf, decision, node.attribute("post_transform", "NONE"))


def _linear_classifier(tf: Any, node: Node, inputs: list[Value]) -> tuple[Value, Value]:
    targets = len(node.attribute("coefficients")) // int(inputs[0].shape[1])
    scores = _decision(tf, node, inputs[0], targets)
    post = node.attribute("post_transform", "NONE")
    if targets > 1:
        index = tf.math.argmax(scores, axis=1, output_type=tf.int64)
        return chosen(tf, node, index), transformed(tf, scores, post)
    if class_count(node) != 2:
        raise ValueError("one score, but not two classes")
    index = tf.cast(tf.math.greater(scores[:, 0], 0.0), tf.int64)
    if post == "LOGISTIC":
        pair = tf.math.sigmoid(tf.concat([-scores, scores], 1))
    elif post == "NONE":
        pair = tf.concat([1.0 - scores, scores], 1)
    else:
        raise ValueError(f"post_transform {post} of one score has no lowering")
    return chosen(tf, node, index), pair


HANDLERS: dict[str, Handler] = {
    "Gemm": _gemm,
    "MatMul": _matmul,
    "ai.onnx.ml:LinearClassifier": _linear_classifier,
    "ai.onnx.ml:LinearRegressor": _linear_regressor,
    "ai.onnx.ml:Scaler": _scaler,
}
