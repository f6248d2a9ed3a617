"""ai.onnx.ml's tree ensembles as gathers over all trees at once, level by level, for any batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_tflite.lowering.forest import Forest, build_forest
from edgeml_converters.to_tflite.lowering.graph import Handler, Node, Value
from edgeml_converters.to_tflite.lowering.scores import classified, transformed
from edgeml_runtime.signature import Array


def _smallest(values: Array) -> Array:
    """The values in the smallest integer type that TFLite's GATHER reads and CAST widens."""
    for dtype in (np.uint8, np.int16, np.int32):
        limits = np.iinfo(dtype)
        if limits.min <= values.min(initial=0) and values.max(initial=0) <= limits.max:
            return values.astype(dtype)
    raise ValueError("tree ensemble with more than 2**31 nodes")


def _look_up(tf: Any, table: Array, at: Value) -> Value:
    """table[at] as int32."""
    found = tf.gather(tf.constant(_smallest(table)), at)
    return tf.cast(found, tf.int32)


def _sums(tf: Any, x: Value, forest: Forest, *, takes_nan: bool) -> Value:
    """The ensemble's sums float32[batch, k] for x float32[batch, features]."""
    takes_nan = takes_nan and bool(forest.nan_right.any())
    at: Value = forest.roots
    for level in range(forest.depth):
        if level == 0:  # every row stands at the roots: their tables are constants
            value = tf.gather(x, forest.feature[at].astype(np.int32), axis=1)
            threshold, stepped = forest.threshold[at], (at + forest.step[at]).astype(np.int32)
        else:
            value = tf.gather(x, _look_up(tf, forest.feature, at), axis=1, batch_dims=1)
            threshold = tf.gather(forest.threshold, at)
            stepped = at + _look_up(tf, forest.step, at)
        right = tf.math.greater(value, threshold)
        if takes_nan:
            nan_right = forest.nan_right[at] if level == 0 else tf.gather(forest.nan_right, at)
            missing = tf.math.not_equal(value, value)
            right = tf.math.logical_or(right, tf.math.logical_and(missing, nan_right))
        at = stepped + tf.cast(right, tf.int32)
    if forest.depth == 0:
        leaves = forest.weights[forest.leaf_row[forest.roots]].sum(axis=0, dtype=np.float32)
        return tf.zeros_like(x[:, :1]) + leaves
    rows = _look_up(tf, forest.leaf_row, at)
    if forest.targets is None:
        return tf.math.reduce_sum(tf.gather(forest.weights, rows), axis=1)
    scores = tf.gather(forest.weights[:, 0], rows)
    members = np.eye(int(forest.targets.max()) + 1, dtype=np.float32)[forest.targets]
    return tf.linalg.matmul(scores, members)


def _regressor(tf: Any, node: Node, inputs: list[Value]) -> Value:
    x = tf.cast(inputs[0], tf.float32)
    targets = node.attribute("n_targets", 1)
    forest = build_forest(node.attributes, "target", targets, int(x.shape[1]))
    sums = _widened(tf, _sums(tf, x, forest, takes_nan=node.takes_nan), targets)
    aggregate = node.attribute("aggregate_function", "SUM")
    if aggregate == "AVERAGE":
        sums = sums * np.float32(1.0 / len(forest.roots))
    elif aggregate != "SUM":
        raise ValueError(f"aggregate_function {aggregate} has no lowering")
    return transformed(tf, _based(node, sums), node.attribute("post_transform", "NONE"))


def _classifier(tf: Any, node: Node, inputs: list[Value]) -> tuple[Value, Value]:
    x = tf.cast(inputs[0], tf.float32)
    labels = node.attribute("classlabels_int64s", node.attribute("classlabels_strings", []))
    ids = node.attribute("class_ids")
    one_score = len(labels) == 2 and len(set(ids)) == 1
    attributes = {**node.attributes, "class_ids": [0] * len(ids)} if one_score else node.attributes
    targets = 1 if one_score else len(labels)
    forest = build_forest(attributes, "class", targets, int(x.shape[1]))
    sums = _widened(tf, _sums(tf, x, forest, takes_nan=node.takes_nan), targets)
    positive = min(node.attribute("class_weights"), default=0.0) >= 0
    return classified(tf, node, _based(node, sums), probabilities=positive)


def _widened(tf: Any, sums: Value, targets: int) -> Value:
    """Zeros for targets after the last that any tree adds to."""
    lacking = targets - int(sums.shape[1])
    return sums if lacking == 0 else tf.pad(sums, [[0, 0], [0, lacking]])


def _based(node: Node, sums: Value) -> Value:
    base = node.attribute("base_values")
    return sums if not base else sums + np.asarray(base, np.float32)


HANDLERS: dict[str, Handler] = {
    "ai.onnx.ml:TreeEnsembleClassifier": _classifier,
    "ai.onnx.ml:TreeEnsembleRegressor": _regressor,
}
