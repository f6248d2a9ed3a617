"""ai.onnx.ml's tree ensembles as gathers over all trees at once, level by level, for any batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgeml_converters.to_tflite.lowering.forest import Forest, build_forest
from edgeml_converters.to_tflite.lowering.graph import Handler, Node, Value
from edgeml_converters.to_tflite.lowering.scores import chosen, class_count, transformed
from edgeml_converters.to_tflite.lowering.tree_nodes import Derived
from edgeml_runtime.signature import Array

# Measured: a SPLIT costs as much as half of a step of 100 trees.
_WORTH_A_SPLIT = 0.5


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


def _columns(tf: Any, x: Value, derived: Derived) -> Value:
    """The rows x with the derived columns behind; `Derived.append` says what they hold."""
    parts = [x]
    if derived.high.size:
        value = tf.gather(x, derived.high.astype(np.int32), axis=1)
        parts.append(tf.where(tf.math.equal(value, value), value, np.finfo(np.float32).max))
    if derived.missing.size:
        value = tf.gather(x, derived.missing.astype(np.int32), axis=1)
        parts.append(tf.cast(tf.math.not_equal(value, value), tf.float32))
    if derived.equal.size:
        value = tf.gather(x, derived.equal.astype(np.int32), axis=1)
        same = tf.math.equal(value, derived.equal_to)
        if derived.equal_missing.any():
            missing = tf.math.logical_and(tf.math.not_equal(value, value), derived.equal_missing)
            same = tf.math.logical_or(same, missing)
        parts.append(tf.cast(same, tf.float32))
    return parts[0] if len(parts) == 1 else tf.concat(parts, 1)


def _passes(tf: Any, x: Value, forest: Forest) -> Callable[[Value], Value]:
    """From positions [batch, trees], or at the start [trees], to whether their tests pass, int32 0 or 1.

    Measured: GATHER takes nearly all the time of a step, the same for every position that it reads. Where the
    trees have few different tests, these are made once a row: that saves one GATHER a step, and a float32 a
    node in the file. Up to twice as many tests as nodes visited, it costs no more time.
    """
    columns = _columns(tf, x, forest.derived)
    if len(forest.columns) <= 2 * forest.depths.sum():
        value = tf.gather(columns, forest.columns.astype(np.int32), axis=1)
        passed = tf.cast(tf.math.greater(value, forest.thresholds), tf.int32)

        def shared(at: Value) -> Value:
            if isinstance(at, np.ndarray):
                return tf.gather(passed, forest.test[at].astype(np.int32), axis=1)
            return tf.gather(passed, _look_up(tf, forest.test, at), axis=1, batch_dims=1)

        return shared
    column, threshold = forest.columns[forest.test], forest.thresholds[forest.test]

    def own(at: Value) -> Value:
        if isinstance(at, np.ndarray):
            value = tf.gather(columns, column[at].astype(np.int32), axis=1)
            return tf.cast(tf.math.greater(value, threshold[at]), tf.int32)
        value = tf.gather(columns, _look_up(tf, column, at), axis=1, batch_dims=1)
        return tf.cast(tf.math.greater(value, tf.gather(threshold, at)), tf.int32)

    return own


def _leaves(tf: Any, x: Value, forest: Forest) -> Value:
    """The positions int32[batch, trees] of the leaves that rows x end in."""
    passes = _passes(tf, x, forest)
    first = (forest.roots + forest.step[forest.roots]).astype(np.int32)  # every row starts at the roots
    at = first + passes(forest.roots)
    ended: list[Value] = []
    width = len(forest.roots)
    for level in range(1, forest.depth):
        walking = int((forest.depths > level).sum())
        if walking <= _WORTH_A_SPLIT * width:
            at, done = tf.split(at, [walking, width - walking], axis=1)
            ended.insert(0, done)
            width = walking
        at = at + _look_up(tf, forest.step, at) + passes(at)
    return tf.concat([at, *ended], 1) if ended else at


def _sums(tf: Any, x: Value, forest: Forest) -> Value:
    """The ensemble's sums float32[batch, k] for x float32[batch, features]."""
    if forest.depth == 0:
        leaves = forest.weights[forest.leaf_row[forest.roots]]
        if forest.targets is not None:
            leaves = leaves * np.eye(int(forest.targets.max()) + 1, dtype=np.float32)[forest.targets]
        return tf.zeros_like(x[:, :1]) + leaves.sum(axis=0, dtype=np.float32)
    rows = _look_up(tf, forest.leaf_row, _leaves(tf, x, forest))
    if forest.targets is None:
        return tf.math.reduce_sum(tf.gather(forest.weights, rows), axis=1)
    scores = tf.gather(forest.weights[:, 0], rows)
    members = np.eye(int(forest.targets.max()) + 1, dtype=np.float32)[forest.targets]
    return tf.linalg.matmul(scores, members)


def _regressor(tf: Any, node: Node, inputs: list[Value]) -> Value:
    x = tf.cast(inputs[0], tf.float32)
    targets = node.attribute("n_targets", 1)
    forest = build_forest(node.attributes, "target", targets, int(x.shape[1]), takes_nan=node.takes_nan)
    sums = _widened(tf, _sums(tf, x, forest), targets)
    aggregate = node.attribute("aggregate_function", "SUM")
    if aggregate == "AVERAGE":
        sums = sums * np.float32(1.0 / len(forest.roots))
    elif aggregate != "SUM":
        raise ValueError(f"aggregate_function {aggregate} has no lowering")
    return transformed(tf, _based(node, sums), node.attribute("post_transform", "NONE"))


def _classifier(tf: Any, node: Node, inputs: list[Value]) -> tuple[Value, Value]:
    x = tf.cast(inputs[0], tf.float32)
    classes, ids = class_count(node), node.attribute("class_ids")
    post = node.attribute("post_transform", "NONE")
    if classes == 2 and len(set(ids)) == 1:
        return _from_one_score(tf, node, x, post)
    if classes == 2:
        raise ValueError(
            "two classes with weights for each: ONNX Runtime's labels contradict its scores there"
        )
    forest = build_forest(node.attributes, "class", classes, int(x.shape[1]), takes_nan=node.takes_nan)
    scores = _based(node, _widened(tf, _sums(tf, x, forest), classes))
    index = tf.math.argmax(scores, axis=1, output_type=tf.int64)
    return chosen(tf, node, index), transformed(tf, scores, post)


def _from_one_score(tf: Any, node: Node, x: Value, post: str) -> tuple[Value, Value]:
    """Two classes, all weights for one of them: shares (none below 0) or signed scores, as ONNX Runtime."""
    base, weights = node.attribute("base_values") or [], node.attribute("class_weights")
    if len(base) > 1:
        raise ValueError("two base values for one score")
    second = node.attribute("class_ids")[0] == 1
    attributes = {**node.attributes, "class_ids": [0] * len(weights)}
    forest = build_forest(attributes, "class", 1, int(x.shape[1]), takes_nan=node.takes_nan)
    score = _sums(tf, x, forest)
    if base and not second:  # to the first score, which is that of no tree where all add to the second
        score = score + np.float32(base[0])
    shares = min(weights, default=0.0) >= 0
    wins = tf.cast(tf.math.greater(score[:, 0], np.float32(0.5 if shares else 0.0)), tf.int64)
    label = chosen(tf, node, wins)
    if second:  # the scores are those of two classes, the first of which got no weights
        return label, transformed(tf, tf.concat([tf.zeros_like(score), score], 1), post)
    if post not in ("NONE", "LOGISTIC"):
        raise ValueError(f"post_transform {post} of one score has no lowering")
    if shares:
        return label, tf.concat([1.0 - score, score], 1)
    if post == "LOGISTIC":
        return label, tf.math.sigmoid(tf.concat([-score, score], 1))
    return label, tf.concat([-score, score], 1)


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
