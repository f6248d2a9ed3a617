"""The decision trees inside estimators, as arrays; checked before any compiled code walks them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from edgeml_converters.sources import boosted_trees
from edgeml_converters.sources.sklearn_structure import children, estimators
from edgeml_converters.sources.tree_check import check_tree
from edgeml_runtime.signature import Array


def check_trees(model: Any) -> None:
    """Every tree anywhere in a model: a file can hold arrays that no fit gives, and predicting reads them."""
    for path, estimator in estimators(model):
        for i, tree in enumerate(trees_of(estimator)):
            what = f"{path} ({type(estimator).__name__}), tree {i}"
            check_tree(*tree, features=int(estimator.n_features_in_), what=what)


def trees_of(estimator: Any) -> Iterator[tuple[Array, Array, Array, Array]]:
    """Each tree's features, thresholds, left and right children (-1 for leaves), one entry a node."""
    yield from boosted_trees.trees_of(estimator)
    # Forests and boosting hold their trees as parameters; members of other ensembles are steps of their own.
    members: Any = [] if children(estimator) else np.ravel(getattr(estimator, "estimators_", []))
    for member in (estimator, *members):
        tree: Any = getattr(member, "tree_", None)
        if hasattr(tree, "children_left"):
            yield (
                np.asarray(tree.feature),
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
