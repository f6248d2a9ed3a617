"""The decision trees inside estimators, as arrays; checked before any compiled code walks them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from edgeml_converters.sources import boosted_trees
from edgeml_converters.sources.sklearn_structure import children, estimators, has_init
from edgeml_converters.sources.tree_check import check_tree
from edgeml_runtime.errors import UnsupportedModelError
from edgeml_runtime.signature import Array


def check_trees(model: Any) -> None:
    """Every tree anywhere in a model: a file can hold arrays that no fit gives, and predicting reads them."""
    for path, estimator in estimators(model):
        for i, tree in enumerate(trees_of(estimator)):
            what = f"{path} ({type(estimator).__name__}), tree {i}"
            check_tree(*tree, features=int(estimator.n_features_in_), what=what)
        for attribute in ("_decision_path_lengths", "_average_path_length_per_tree"):  # of isolation forests
            lengths = getattr(estimator, attribute, None)
            if lengths is None:
                continue
            if [len(part) for part in lengths] != [m.tree_.node_count for m in estimator.estimators_]:
                raise UnsupportedModelError(
                    f"{path} ({type(estimator).__name__}): {attribute} has not one value for each node"
                )


def trees_of(estimator: Any) -> Iterator[tuple[Array, Array, Array, Array]]:
    """Each tree's features, thresholds, left and right children (-1 for leaves), one entry a node."""
    yield from boosted_trees.trees_of(estimator)
    # Forests and boosting hold their trees as parameters; members of other ensembles are steps of their own.
    own = has_init(estimator) or not children(estimator)
    members: Any = np.ravel(getattr(estimator, "estimators_", [])) if own else []
    subsets = getattr(estimator, "estimators_features_", [None] * len(members))
    for member, columns in zip((estimator, *members), (None, *subsets), strict=False):
        tree: Any = getattr(member, "tree_", None)
        if hasattr(tree, "children_left"):
            yield (
                _columns_read(np.asarray(tree.feature), columns),
                np.asarray(tree.threshold),
                np.asarray(tree.children_left),
                np.asarray(tree.children_right),
            )
    for predictor in (p for stage in getattr(estimator, "_predictors", ()) for p in stage):
        nodes = predictor.nodes
        leaf = nodes["is_leaf"].astype(bool)
        yield (
            nodes["feature_idx"].astype(np.int64),
            nodes["num_threshold"].astype(np.float64),
            np.where(leaf, -1, nodes["left"].astype(np.int64)),
            np.where(leaf, -1, nodes["right"].astype(np.int64)),
        )


def _columns_read(feature: Array, columns: Any) -> Array:
    """The model's columns that a member's nodes read, -2 for none; members may see some of them only."""
    if columns is None:
        return feature
    chosen = np.asarray(columns)
    known = (feature >= 0) & (feature < len(chosen))
    return np.where(known, chosen[np.where(known, feature, 0)], -2)
