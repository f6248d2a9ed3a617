"""ai.onnx.ml's support vector machines.

Specification: ONNX operators SVMClassifier and SVMRegressor; what it leaves open, as ONNX Runtime does it,
which is libsvm's way: votes of all pairs of classes, probabilities by pairwise coupling (Wu, Lin, Weng 2004,
algorithm 2, stopped at an error of 0.005 / classes or after 100 rounds).
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from edgeml_converters.to_tflite.lowering.graph import Handler, Node, Value
from edgeml_converters.to_tflite.lowering.labels import look_up_strings
from edgeml_converters.to_tflite.lowering.scores import transformed
from edgeml_runtime.signature import Array

_ROUNDS = 100
# Of the exponent of an RBF kernel; kernels sum up to decisions that have to agree to 1e-4.
_EXPONENT_ERROR = 2e-5


def _numbers(node: Node, name: str) -> Array:
    return np.asarray(node.attribute(name, []), np.float64)


def _kernel(tf: Any, node: Node, x: Value, vectors: Array) -> Value:
    """K(x, vectors): float32[batch, vectors] for x float32[batch, features], vectors [vectors, features]."""
    kind = node.attribute("kernel_type", "LINEAR")
    gamma, offset, degree = [*_numbers(node, "kernel_params"), 0.0, 0.0, 0.0][:3]
    if kind == "RBF":
        return tf.math.exp(_exponents(tf, x, vectors, gamma))
    if kind == "LINEAR":
        return tf.linalg.matmul(x, vectors.T.astype(np.float32))
    inner = tf.linalg.matmul(x, (gamma * vectors.T).astype(np.float32)) + np.float32(offset)
    if kind == "POLY":
        # Repeated products: POW of a negative value is NaN where TFLite takes logarithms.
        if degree != int(degree) or degree < 1:
            return tf.math.pow(inner, np.float32(degree))
        product = inner
        for _ in range(int(degree) - 1):
            product = product * inner
        return product
    if kind == "SIGMOID":
        return tf.math.tanh(inner)
    raise ValueError(f"kernel_type {kind} has no lowering")


def _exponents(tf: Any, x: Value, vectors: Array, gamma: float) -> Value:
    """-gamma * |x - v|^2: expanded, one product; by differences where too much would cancel in it."""
    mean = vectors.mean(axis=0)
    centred = vectors - mean
    sizes = np.square(centred).sum(axis=1)
    if 4 * gamma * sizes.max() * np.finfo(np.float32).eps <= _EXPONENT_ERROR:
        x = x - mean.astype(np.float32)
        cross = tf.linalg.matmul(x, (2 * gamma * centred.T).astype(np.float32))
        own = tf.math.reduce_sum(x * x, axis=1, keepdims=True) * np.float32(gamma)
        return tf.math.minimum(cross - (gamma * sizes).astype(np.float32) - own, np.float32(0))
    difference = tf.expand_dims(x, 1) - vectors.astype(np.float32)[None]
    return tf.math.reduce_sum(difference * difference, axis=2) * np.float32(-gamma)


def _regressor(tf: Any, node: Node, inputs: list[Value]) -> Value:
    x = tf.cast(inputs[0], tf.float32)
    coefficients, count = _numbers(node, "coefficients"), node.attribute("n_supports", 0)
    rho = np.float32(_numbers(node, "rho")[0])
    if count > 0:
        kernel = _kernel(tf, node, x, _numbers(node, "support_vectors").reshape(count, -1))
    else:
        kernel = x
    values = tf.linalg.matmul(kernel, coefficients.reshape(-1, 1).astype(np.float32)) + rho
    if not node.attribute("one_class", 0):
        return values
    return tf.where(tf.math.greater(values, 0.0), np.float32(1), np.float32(-1))


def _classifier(tf: Any, node: Node, inputs: list[Value]) -> tuple[Value, Value]:
    x = tf.cast(inputs[0], tf.float32)
    strings, numbers = node.attribute("classlabels_strings"), node.attribute("classlabels_ints")
    classes = len(strings or numbers or ())
    if classes < 2:
        raise ValueError(f"{classes} classes")
    sizes = [int(size) for size in node.attribute("vectors_per_class", [])]
    index, scores = _one_vs_one(tf, node, x, sizes) if sum(sizes) > 0 else _linear(tf, node, x, classes)
    if strings:
        return look_up_strings(strings, index), scores
    return tf.gather(np.asarray(numbers, np.int64), index), scores


def _linear(tf: Any, node: Node, x: Value, classes: int) -> tuple[Value, Value]:
    """Liblinear's form: a row of coefficients a class."""
    coefficients = _numbers(node, "coefficients")
    rows = coefficients.reshape(classes, -1).T.astype(np.float32)
    scores = tf.linalg.matmul(x, rows) + np.float32(_numbers(node, "rho")[0])
    index = tf.math.argmax(scores, axis=1, output_type=tf.int64)
    if classes == 2:
        largest = tf.math.reduce_max(scores, axis=1)
        positive = bool((coefficients >= 0).all())
        second = tf.math.greater_equal(largest, 0.5) if positive else tf.math.greater(largest, 0.0)
        index = tf.math.maximum(index, tf.cast(second, tf.int64))
    return index, transformed(tf, scores, node.attribute("post_transform", "NONE"))


def _one_vs_one(tf: Any, node: Node, x: Value, sizes: list[int]) -> tuple[Value, Value]:
    classes, post = len(sizes), node.attribute("post_transform", "NONE")
    pairs = list(combinations(range(classes), 2))
    vectors = _numbers(node, "support_vectors").reshape(sum(sizes), -1)
    dual = _numbers(node, "coefficients").reshape(classes - 1, sum(sizes))
    starts = np.cumsum([0, *sizes])
    table = np.zeros((sum(sizes), len(pairs)))
    for column, (i, j) in enumerate(pairs):
        table[starts[i] : starts[i + 1], column] = dual[j - 1, starts[i] : starts[i + 1]]
        table[starts[j] : starts[j + 1], column] = dual[i, starts[j] : starts[j + 1]]
    rho = _numbers(node, "rho")[: len(pairs)].astype(np.float32)
    duels = tf.linalg.matmul(_kernel(tf, node, x, vectors), table.astype(np.float32)) + rho
    first = np.eye(classes, dtype=np.float32)[[i for i, _ in pairs]]
    second = np.eye(classes, dtype=np.float32)[[j for _, j in pairs]]
    won = tf.cast(tf.math.greater(duels, 0.0), tf.float32)
    votes = tf.linalg.matmul(won, first - second) + second.sum(axis=0)
    index = tf.math.argmax(votes, axis=1, output_type=tf.int64)
    if node.attribute("prob_a"):
        scores = _coupled(tf, _pair_shares(tf, node, duels, pairs, classes), classes)
    elif classes == 2:
        if post != "NONE":
            raise ValueError(f"post_transform {post} of one score has no lowering")
        return index, tf.concat([-duels, duels], 1)
    else:
        scores = duels
    return index, transformed(tf, scores, post)


def _pair_shares(
    tf: Any, node: Node, duels: Value, pairs: list[tuple[int, int]], classes: int
) -> list[list[Value]]:
    """r[i][j]: float32[batch, 1], the probability of class i among i and j."""
    a, b = (_numbers(node, name)[: len(pairs)].astype(np.float32) for name in ("prob_a", "prob_b"))
    shares = tf.math.sigmoid(-(duels * a + b))
    shares = tf.math.minimum(tf.math.maximum(shares, np.float32(1e-7)), np.float32(1 - 1e-7))
    r: list[list[Value]] = [[None] * classes for _ in range(classes)]
    for column, (i, j) in enumerate(pairs):
        r[i][j] = shares[:, column : column + 1]
        r[j][i] = 1.0 - r[i][j]
    return r


def _coupled(tf: Any, r: list[list[Value]], classes: int) -> Value:
    """Class probabilities float32[batch, classes]; a row stops changing when its own error is small."""
    rows = []
    for i in range(classes):
        others = [r[j][i] for j in range(classes) if j != i]
        own = tf.math.add_n([share * share for share in others])
        rows.append(tf.concat([own if j == i else -r[j][i] * r[i][j] for j in range(classes)], 1))
    unit = np.eye(classes, dtype=np.float32)
    enough = np.float32(0.005 / classes)

    def products(p: Value) -> Value:
        return tf.concat([tf.math.reduce_sum(row * p, axis=1, keepdims=True) for row in rows], 1)

    def open_rows(p: Value) -> Value:
        qp = products(p)
        error = tf.math.abs(qp - tf.math.reduce_sum(p * qp, axis=1, keepdims=True))
        return tf.math.greater_equal(tf.math.reduce_max(error, axis=1, keepdims=True), enough)

    def improved(p: Value) -> Value:
        qp = products(p)
        pqp = tf.math.reduce_sum(p * qp, axis=1, keepdims=True)
        for i, row in enumerate(rows):
            own = row[:, i : i + 1]
            step = (pqp - qp[:, i : i + 1]) / own
            scale = 1.0 / (1.0 + step)
            pqp = (pqp + step * (step * own + 2.0 * qp[:, i : i + 1])) * scale * scale
            qp = (qp + step * row) * scale
            p = (p + step * unit[i]) * scale
        return p

    def go_on(left: Value, p: Value) -> Value:
        unfinished = tf.math.reduce_any(open_rows(p))
        return tf.math.logical_and(tf.math.greater(left, 0), unfinished)

    def once(left: Value, p: Value) -> tuple[Value, Value]:
        return left - 1, tf.where(open_rows(p), improved(p), p)

    start = tf.zeros_like(rows[0]) + np.float32(1 / classes)
    _, p = tf.while_loop(go_on, once, [tf.constant(_ROUNDS), start])
    return p


HANDLERS: dict[str, Handler] = {
    "ai.onnx.ml:SVMClassifier": _classifier,
    "ai.onnx.ml:SVMRegressor": _regressor,
}
