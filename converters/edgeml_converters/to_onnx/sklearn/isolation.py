"""Isolation forests and leaf embeddings: what a forest says by the leaves that rows end in."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.emitter import Detected, Emitter, Rules
from edgeml_converters.to_onnx.sklearn.outliers import beyond_percentile
from edgeml_converters.to_onnx.sklearn.trees import Tree, ensemble, from_cython
from edgeml_runtime.errors import UnsupportedModelError
from edgeml_runtime.signature import Array


def _score(emitter: Emitter, model: Any, x: str) -> str:
    """Minus 2 ** -(path length / what is usual): float32[n, 1]."""
    lengths = ensemble(emitter, x, [_isolation_tree(model, i) for i in range(len(model.estimators_))])
    usual = len(model.estimators_) * _usual_length(int(model._max_samples))
    # A single training row has no path: scikit-learn's score of every row is then minus one half.
    factor, offset = (-np.log(2) / usual, 0.0) if usual > 0 else (0.0, -np.log(2))
    exponent = emitter.add("Mul", lengths, emitter.constant([factor]))
    return emitter.add("Neg", emitter.add("Exp", emitter.add("Add", exponent, emitter.constant([offset]))))


def _isolation_tree(model: Any, index: int) -> Tree:
    """A tree over the model's own columns; leaves hold their depth and the usual path length below."""
    what = f"{type(model).__name__}, tree {index}"
    chosen = np.asarray(model.estimators_features_[index], np.int64)
    if chosen.size == 0 or chosen.min() < 0 or chosen.max() >= model.n_features_in_:
        raise UnsupportedModelError(f"{what}: reads a column outside of the model's {model.n_features_in_}")
    cython = model.estimators_[index].tree_
    lengths = model._decision_path_lengths[index] + model._average_path_length_per_tree[index] - 1.0
    if len(lengths) != cython.node_count:
        raise UnsupportedModelError(f"{what}: has {cython.node_count} nodes and {len(lengths)} path lengths")
    tree = from_cython(cython, np.reshape(lengths, (-1, 1)), len(chosen), what)
    inner = tree.left != -1
    feature = np.where(inner, chosen[np.where(inner, tree.feature, 0)], 0)
    return Tree(feature, tree.threshold, tree.left, tree.right, tree.missing_left, tree.weights)


def _usual_length(samples: int) -> float:
    """The average path length of an unsuccessful search in a binary tree of that many samples."""
    if samples <= 2:
        return float(max(samples - 1, 0))
    return float(2 * (np.log(samples - 1.0) + np.euler_gamma) - 2 * (samples - 1.0) / samples)


def _detect(emitter: Emitter, model: Any, x: str) -> Detected:
    return beyond_percentile(emitter, _score(emitter, model, x), model.offset_)


def _embedding(emitter: Emitter, model: Any, x: str) -> str:
    """The indicator of each tree's leaf: float32[n, all leaves].

    One ensemble gives each tree's leaf as its rank; the indicator is made from that. Leaves as targets of
    their own would be a table of nodes times leaves.
    """
    known = [np.asarray(nodes, np.int64) for nodes in model.one_hot_encoder_.categories_]
    trees = [
        _leaf_ranks(member.tree_, nodes, model.n_features_in_, i, type(model).__name__)
        for i, (member, nodes) in enumerate(zip(model.estimators_, known, strict=True))
    ]
    ranks = ensemble(emitter, x, trees, targets=len(trees))
    spread = emitter.columns(ranks, np.repeat(np.arange(len(trees)), [len(nodes) for nodes in known]))
    wanted = emitter.constant(np.concatenate([np.arange(len(nodes)) for nodes in known])[None])
    return emitter.add("Cast", emitter.add("Equal", spread, wanted), to=1)


def _leaf_ranks(cython: Any, known: Array, features: int, index: int, name: str) -> Tree:
    what = f"{name}, tree {index}"
    leaves = np.flatnonzero(np.asarray(cython.children_left) == -1)
    if not np.array_equal(leaves, known):
        raise UnsupportedModelError(f"{what}: its encoder knows other leaves than the tree has")
    ranks = np.zeros((cython.node_count, 1))
    ranks[leaves, 0] = np.arange(len(leaves))
    tree = from_cython(cython, ranks, features, what)
    return Tree(tree.feature, tree.threshold, tree.left, tree.right, tree.missing_left, tree.weights, index)


RULES = Rules(
    transform={"RandomTreesEmbedding": _embedding},
    detect={"IsolationForest": _detect},
    score={"IsolationForest": _score},
)
