"""Tables of a tree ensemble for a walk of all trees at once, built and checked in numpy.

The nodes of all trees lie in one table, each tree breadth-first, so that a node's children are neighbours:
right = left + 1. A leaf is its own child and sends every value left (threshold +inf), so a walk of a fixed
number of steps ends at the leaf whatever its depth. Leaves with equal weights share a row. One step, for
every row and tree:

    at = at + step[at] + (x[feature[at]] > threshold[at])        step = left child - own position, 0 at leaves
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeml_runtime.errors import UnsupportedOperatorError
from edgeml_runtime.signature import Array

_FLIPPED = {"BRANCH_GT": "BRANCH_LEQ", "BRANCH_GTE": "BRANCH_LT"}  # the same test with its children exchanged


@dataclass(frozen=True, slots=True)
class Forest:
    """A walk's tables; positions are int64, to be narrowed by whoever stores them.

    roots: [trees]; feature, step: [nodes]; threshold: float32[nodes]; nan_right: bool[nodes], NaN goes right;
    leaf_row: [nodes], the row of `weights` at leaves; weights: float32[rows, k]; depth: steps to the deepest
    leaf. targets: None where every tree adds to all k targets, else [trees], the one target each adds to (k
    = 1).
    """

    roots: Array
    feature: Array
    threshold: Array
    step: Array
    nan_right: Array
    leaf_row: Array
    weights: Array
    depth: int
    targets: Array | None


def build_forest(attributes: Mapping[str, Any], prefix: str, targets: int, features: int) -> Forest:
    """The tables of a TreeEnsembleRegressor's (prefix "target") or -Classifier's ("class") attributes.

    Raises UnsupportedOperatorError for modes without a walk and for arrays that are no trees.
    """
    nodes = _Nodes.read(attributes, features)
    order, depth = _breadth_first(nodes)
    position = np.empty(len(order), np.int64)
    position[order] = np.arange(len(order))
    leaf = nodes.leaf[order]
    weights = _leaf_weights(attributes, prefix, nodes, targets)
    tree_of_root = nodes.tree[nodes.roots]
    single = _single_targets(weights, nodes, tree_of_root)
    rows = weights if single is None else weights.sum(axis=1, keepdims=True)
    shared, row = np.unique(rows[nodes.leaf], axis=0, return_inverse=True)
    leaf_row = np.zeros(len(order), np.int64)
    leaf_row[nodes.leaf] = row.ravel()
    return Forest(
        roots=position[nodes.roots],
        feature=np.where(leaf, 0, nodes.feature[order]),
        threshold=np.where(leaf, np.float32(np.inf), nodes.threshold[order]).astype(np.float32),
        step=np.where(leaf, 0, position[nodes.left[order]] - np.arange(len(order))),
        nan_right=~leaf & nodes.nan_right[order],
        leaf_row=leaf_row[order],
        weights=shared.astype(np.float32),
        depth=depth,
        targets=single,
    )


def walk(forest: Forest, x: Array) -> Array:
    """The ensemble's sums float64[n, k] in plain numpy: what the emitted operators compute, step by step."""
    at = np.broadcast_to(forest.roots, (len(x), len(forest.roots)))
    for _ in range(forest.depth):
        value = np.take_along_axis(x, forest.feature[at], axis=1)
        right = (value > forest.threshold[at]) | (np.isnan(value) & forest.nan_right[at])
        at = at + forest.step[at] + right
    leaves = forest.weights[forest.leaf_row[at]].astype(np.float64)
    if forest.targets is None:
        return np.asarray(leaves.sum(axis=1))
    return np.asarray(leaves[:, :, 0] @ np.eye(int(forest.targets.max()) + 1)[forest.targets])


@dataclass(frozen=True, slots=True)
class _Nodes:
    """Nodes in the file's order; every test is `x <= threshold` to the left, children are node indices."""

    tree: Array
    leaf: Array
    feature: Array
    threshold: Array
    left: Array
    right: Array
    nan_right: Array
    roots: Array

    @staticmethod
    def read(attributes: Mapping[str, Any], features: int) -> _Nodes:
        tree = np.asarray(attributes["nodes_treeids"], np.int64)
        number = np.asarray(attributes["nodes_nodeids"], np.int64)
        modes = np.asarray(attributes["nodes_modes"])
        count = len(tree)
        index = {key: i for i, key in enumerate(zip(tree.tolist(), number.tolist(), strict=True))}
        leaf = modes == "LEAF"
        unknown = set(modes.tolist()) - {"LEAF", "BRANCH_LEQ", "BRANCH_LT", *_FLIPPED}
        if unknown:
            raise UnsupportedOperatorError(f"TFLite: tree nodes of mode {', '.join(sorted(unknown))}")
        children = []
        for name in ("nodes_truenodeids", "nodes_falsenodeids"):
            ids = np.asarray(attributes[name], np.int64).tolist()
            children.append(
                np.array(
                    [
                        i if leaf[i] else index.get((t, c), -1)
                        for i, (t, c) in enumerate(zip(tree.tolist(), ids, strict=True))
                    ]
                )
            )
        true, false = children
        feature = np.asarray(attributes["nodes_featureids"], np.int64)
        bad = (true < 0) | (false < 0) | (~leaf & ((feature < 0) | (feature >= features)))
        if len(index) != count or bad.any():
            raise UnsupportedOperatorError(
                "tree ensemble is damaged: a node names a child or a feature that is not there"
            )
        threshold = np.asarray(attributes["nodes_values"], np.float32)
        flipped = np.isin(modes, list(_FLIPPED))
        strict = np.isin(modes, ["BRANCH_LT", "BRANCH_GTE"])
        threshold = np.where(strict, np.nextafter(threshold, np.float32(-np.inf)), threshold)
        tracks_true = np.asarray(attributes.get("nodes_missing_value_tracks_true") or np.zeros(count), bool)
        is_child = np.zeros(count, bool)
        is_child[true[~leaf]] = is_child[false[~leaf]] = True
        return _Nodes(
            tree=tree,
            leaf=leaf,
            feature=feature,
            threshold=threshold.astype(np.float32),
            left=np.where(flipped, false, true),
            right=np.where(flipped, true, false),
            nan_right=np.where(flipped, tracks_true, ~tracks_true),
            roots=np.flatnonzero(~is_child),
        )


def _breadth_first(nodes: _Nodes) -> tuple[Array, int]:
    """Indices of all nodes, tree by tree, level by level, siblings side by side; the greatest depth."""
    order: list[Array] = []
    depth = 0
    for root in nodes.roots:
        level, steps = np.array([root]), 0
        seen = 0
        while True:
            order.append(level)
            seen += len(level)
            inner = level[~nodes.leaf[level]]
            if not len(inner):
                break
            level, steps = np.stack([nodes.left[inner], nodes.right[inner]], axis=1).ravel(), steps + 1
            if seen > len(nodes.leaf):
                raise UnsupportedOperatorError("tree ensemble is damaged: its nodes form a cycle")
        depth = max(depth, steps)
    flat = np.concatenate(order) if order else np.zeros(0, np.int64)
    if len(flat) != len(nodes.leaf) or len(np.unique(flat)) != len(flat):
        raise UnsupportedOperatorError("tree ensemble is damaged: its nodes form no trees")
    return flat, depth


def _leaf_weights(attributes: Mapping[str, Any], prefix: str, nodes: _Nodes, targets: int) -> Array:
    """float64[nodes, targets], zero where a leaf names no weight."""
    tree = np.asarray(attributes[f"{prefix}_treeids"], np.int64)
    number = np.asarray(attributes[f"{prefix}_nodeids"], np.int64)
    target = np.asarray(attributes[f"{prefix}_ids"], np.int64)
    if len(target) and (target.min() < 0 or target.max() >= targets):
        raise UnsupportedOperatorError("tree ensemble is damaged: a leaf adds to a target that is not there")
    keys = zip(nodes.tree.tolist(), attributes["nodes_nodeids"], strict=True)
    index = {key: i for i, key in enumerate(keys)}
    try:
        rows = [index[key] for key in zip(tree.tolist(), number.tolist(), strict=True)]
    except KeyError as error:
        raise UnsupportedOperatorError(
            f"tree ensemble is damaged: weights of a node {error} that is not there"
        ) from error
    weights = np.zeros((len(nodes.leaf), targets))
    np.add.at(
        weights, (np.asarray(rows, np.int64), target), np.asarray(attributes[f"{prefix}_weights"], np.float64)
    )
    return weights


def _single_targets(weights: Array, nodes: _Nodes, tree_of_root: Array) -> Array | None:
    """The one target each tree adds to, where there are several and no tree adds to two."""
    if weights.shape[1] == 1:
        return None
    _, tree = np.unique(nodes.tree, return_inverse=True)
    used = np.zeros((int(tree.max()) + 1, weights.shape[1]), bool)
    np.logical_or.at(used, tree, weights != 0)
    if (used.sum(axis=1) > 1).any():
        return None
    by_tree = dict(zip(np.unique(nodes.tree).tolist(), used.argmax(axis=1).tolist(), strict=True))
    return np.array([by_tree[t] for t in tree_of_root.tolist()])
