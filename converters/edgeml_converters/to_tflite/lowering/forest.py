"""Tables of a tree ensemble for a walk of all trees at once, built and checked in numpy.

The nodes of all trees lie in one table, each tree breadth-first, so that a node's children are neighbours:
right = left + 1. A leaf is its own child and sends every value left (threshold NaN), so a walk of a fixed
number of steps ends at the leaf whatever its depth. Leaves with equal weights share a row, nodes with the
same column and threshold share a test. One step, for every row and tree:

    at = at + step[at] + (x[column] > threshold of test[at])     step = left child - own position, 0 at leaves
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeml_converters.to_tflite.lowering.tree_nodes import Derived, Nodes, read_nodes, unique_rows
from edgeml_runtime.errors import UnsupportedOperatorError
from edgeml_runtime.signature import Array


@dataclass(frozen=True, slots=True)
class Forest:
    """A walk's tables; positions are int64, to be narrowed by whoever stores them.

    roots, depths: [trees], the deepest first, depth in steps to the deepest leaf. test, step: [nodes].
    columns: [tests] of the input's columns and the derived ones behind them; thresholds: float32[tests].
    leaf_row: [nodes], the row of `weights` at leaves; weights: float32[rows, k]. targets: None where every
    tree adds to all k targets, else [trees], the one target each adds to (k = 1).
    """

    roots: Array
    depths: Array
    test: Array
    step: Array
    columns: Array
    thresholds: Array
    derived: Derived
    leaf_row: Array
    weights: Array
    targets: Array | None

    @property
    def depth(self) -> int:
        """Steps to the deepest leaf of all trees."""
        return int(self.depths[0])


def build_forest(
    attributes: Mapping[str, Any], prefix: str, targets: int, features: int, *, takes_nan: bool
) -> Forest:
    """The tables of a TreeEnsembleRegressor's (prefix "target") or -Classifier's ("class") attributes.

    Raises UnsupportedOperatorError for modes without a walk and for arrays that are no trees.
    """
    nodes = read_nodes(attributes, features, takes_nan=takes_nan)
    order, depths = _breadth_first(nodes)
    position = np.empty(len(order), np.int64)
    position[order] = np.arange(len(order))
    deepest_first = np.argsort(-depths, kind="stable")
    roots = nodes.roots[deepest_first]
    weights = _leaf_weights(attributes, prefix, nodes, targets)
    single = _single_targets(weights, nodes, nodes.tree[roots])
    rows = weights if single is None else weights.sum(axis=1, keepdims=True)
    shared, row = np.unique(rows[nodes.leaf].astype(np.float32), axis=0, return_inverse=True)
    leaf_row = np.zeros(len(order), np.int64)
    leaf_row[nodes.leaf] = row.ravel()
    (columns, thresholds), test = unique_rows(nodes.column, nodes.threshold)
    return Forest(
        roots=position[roots],
        depths=depths[deepest_first],
        test=test[order],
        step=np.where(nodes.leaf[order], 0, position[nodes.left[order]] - np.arange(len(order))),
        columns=columns,
        thresholds=thresholds,
        derived=nodes.derived,
        leaf_row=leaf_row[order],
        weights=shared,
        targets=single,
    )


def walk(forest: Forest, x: Array) -> Array:
    """The ensemble's sums float64[n, k] in plain numpy: what the emitted operators compute, step by step."""
    columns = forest.derived.append(x)
    at = np.broadcast_to(forest.roots, (len(x), len(forest.roots)))
    for _ in range(forest.depth):
        test = forest.test[at]
        value = np.take_along_axis(columns, forest.columns[test], axis=1)
        at = at + forest.step[at] + (value > forest.thresholds[test])
    leaves = forest.weights[forest.leaf_row[at]].astype(np.float64)
    if forest.targets is None:
        return np.asarray(leaves.sum(axis=1))
    return np.asarray(leaves[:, :, 0] @ np.eye(int(forest.targets.max()) + 1)[forest.targets])


def _breadth_first(nodes: Nodes) -> tuple[Array, Array]:
    """Indices of all nodes, tree by tree, level by level, siblings side by side; each tree's depth."""
    order: list[Array] = []
    depths = np.zeros(len(nodes.roots), np.int64)
    for tree, root in enumerate(nodes.roots):
        level = np.array([root])
        seen = 0
        while True:
            order.append(level)
            seen += len(level)
            inner = level[~nodes.leaf[level]]
            if not len(inner):
                break
            level = np.stack([nodes.left[inner], nodes.right[inner]], axis=1).ravel()
            depths[tree] += 1
            if seen > len(nodes.leaf):
                raise UnsupportedOperatorError("tree ensemble is damaged: its nodes form a cycle")
    flat = np.concatenate(order) if order else np.zeros(0, np.int64)
    if len(flat) != len(nodes.leaf) or len(np.unique(flat)) != len(flat):
        raise UnsupportedOperatorError("tree ensemble is damaged: its nodes form no trees")
    return flat, depths


def _leaf_weights(attributes: Mapping[str, Any], prefix: str, nodes: Nodes, targets: int) -> Array:
    """float64[nodes, targets], zero where a leaf names no weight."""
    tree = np.asarray(attributes[f"{prefix}_treeids"], np.int64)
    number = np.asarray(attributes[f"{prefix}_nodeids"], np.int64)
    target = np.asarray(attributes[f"{prefix}_ids"], np.int64)
    values = np.asarray(attributes[f"{prefix}_weights"], np.float64)
    if not len(tree) == len(number) == len(target) == len(values):
        raise UnsupportedOperatorError("tree ensemble is damaged: its arrays of weights differ in length")
    if len(target) and (target.min() < 0 or target.max() >= targets):
        raise UnsupportedOperatorError("tree ensemble is damaged: a leaf adds to a target that is not there")
    try:
        rows = [nodes.index[key] for key in zip(tree.tolist(), number.tolist(), strict=True)]
    except KeyError as error:
        raise UnsupportedOperatorError(
            f"tree ensemble is damaged: weights of a node {error} that is not there"
        ) from error
    weights = np.zeros((len(nodes.leaf), targets))
    np.add.at(weights, (np.asarray(rows, np.int64), target), values)
    return weights


def _single_targets(weights: Array, nodes: Nodes, tree_of_root: Array) -> Array | None:
    """The one target each tree adds to, where there are several and no tree adds to two."""
    if weights.shape[1] == 1:
        return None
    trees, tree = np.unique(nodes.tree, return_inverse=True)
    used = np.zeros((len(trees), weights.shape[1]), bool)
    np.logical_or.at(used, tree, weights != 0)
    if (used.sum(axis=1) > 1).any():
        return None
    return np.asarray(used.argmax(axis=1)[np.searchsorted(trees, tree_of_root)])
