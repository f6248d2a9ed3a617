"""The trees inside the boosting libraries' estimators, checked, as plain arrays of nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from edgeml_converters.sources import catboost_model, lightgbm_model, xgboost_model
from edgeml_runtime.errors import UnsupportedModelError
from edgeml_runtime.signature import Array

Nodes = tuple[Array, Array, Array, Array]  # feature, threshold, left, right (-1 for leaves)


def trees_of(estimator: Any) -> Iterator[Nodes]:
    """Each tree of a LightGBM, XGBoost or CatBoost estimator, or of a Booster; nothing for other estimators.

    A split by category has the last of its categories as threshold. Raises UnsupportedModelError for arrays
    that are no trees, and for features that are no numbers.
    """
    names = {f"{cls.__module__.partition('.')[0]}.{cls.__name__}" for cls in type(estimator).__mro__}
    what = type(estimator).__name__
    if names & {"lightgbm.LGBMModel", "lightgbm.Booster"}:
        booster = estimator if "lightgbm.Booster" in names else estimator.booster_
        for tree in lightgbm_model.read_model(booster.model_to_string(), what).trees:
            # 1e-35 to both sides of zero is zero to LightGBM; its thresholds beside zero lie there.
            threshold = np.where(np.abs(tree.threshold) < 1.1e-35, 0.0, tree.threshold)
            yield tree.feature, _shown(threshold, tree.categories), tree.left, tree.right
    elif names & {"xgboost.XGBModel", "xgboost.Booster"}:
        booster = estimator if "xgboost.Booster" in names else estimator.get_booster()
        for found in xgboost_model.booster_model(booster, what).trees:
            threshold = _shown(found.threshold.astype(np.float64), found.categories)
            yield found.feature, threshold, found.left, found.right
    elif "catboost.CatBoost" in names:
        model = catboost_model.read_model(catboost_model.model_json(estimator), what)
        if model.unreadable is not None:
            raise UnsupportedModelError(f"{what}: {model.unreadable}")
        for member in model.trees:
            if isinstance(member, catboost_model.NestedTree):
                yield member.feature, member.border, member.left, member.right
            else:
                yield _written_out(member)


def _shown(threshold: Array, categories: Mapping[int, Array]) -> Array:
    shown = threshold.copy()
    for node, codes in categories.items():
        # Not 0, whose neighbours some engines flush to it: a category starts there.
        shown[node] = max(codes, default=0) or 0.5
    return shown


def _written_out(tree: catboost_model.SymmetricTree) -> Nodes:
    """A symmetric tree node by node, level after level; the last level's question is the root's."""
    depth = len(tree.feature)
    level = np.concatenate([np.full(1 << k, depth - 1 - k) for k in range(depth)] or [np.zeros(0, np.int64)])
    inner, leaves = len(level), 1 << depth
    left = np.full(inner + leaves, -1)
    left[:inner] = 2 * np.arange(inner) + 1
    right = np.where(left == -1, -1, left + 1)
    feature, border = np.zeros(inner + leaves, np.int64), np.zeros(inner + leaves)
    feature[:inner], border[:inner] = tree.feature[level], tree.border[level]
    return feature, border, left, right
