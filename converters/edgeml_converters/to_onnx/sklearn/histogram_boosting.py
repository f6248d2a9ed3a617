"""Histogram gradient boosting: missing values, categorical splits and every loss.

skl2onnx fails on HistGradientBoosting* (a bool where an int is due) and knows no categories. Here a split by
category becomes a comparison too: for each set of categories that go the other way than missing and unknown
values, one more column of the input is 1 where the feature is in that set, and the tree asks for <= 0.5.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.emitter import Classified, Emitter, Rules
from edgeml_converters.to_onnx.sklearn.encoders import one_hot
from edgeml_converters.to_onnx.sklearn.scores import from_decision
from edgeml_converters.to_onnx.sklearn.trees import Tree, check, ensemble
from edgeml_runtime.errors import UnsupportedModelError
from edgeml_runtime.signature import Array

Sets = dict[tuple[int, tuple[int, ...]], int]  # (feature, codes of categories) -> column of the input


def _raw(emitter: Emitter, model: Any, x: str) -> str:
    """The raw prediction: float32[n, 1 or classes]."""
    width = model.n_trees_per_iteration_
    features = _original_features(model)
    categories = _categories(emitter, model, x)
    sets: Sets = {}
    trees = []
    for i, stage in enumerate(model._predictors):
        for k, predictor in enumerate(stage):
            what = f"{type(model).__name__}, iteration {i}, tree {k}"
            trees.append(_tree(predictor, features, categories, sets, k, width, what))
            check(trees[-1], model.n_features_in_ + len(sets), what)
    if sets:
        x = emitter.concat([x, _memberships(emitter, x, categories, sets)])
    start = np.ravel(model._baseline_prediction)
    return emitter.add("Add", ensemble(emitter, x, trees, single=False), emitter.constant(start))


def _original_features(model: Any) -> Array:
    """int64[features]: the input column of each feature that the trees know; categories come first there."""
    categorical = model.is_categorical_
    if categorical is None:
        return np.arange(model.n_features_in_)
    return np.concatenate([np.flatnonzero(categorical), np.flatnonzero(~categorical)])


def _categories(emitter: Emitter, model: Any, x: str) -> dict[int, Array]:
    """By input column: what x holds, float64[k], for the values that the model's encoder codes 0 .. k - 1."""
    if model.is_categorical_ is None:
        return {}
    encoder = model._preprocessor.named_transformers_["encoder"]
    columns = np.flatnonzero(model.is_categorical_)
    return {
        int(column): emitter.codes(x, int(column), values)
        for column, values in zip(columns, encoder.categories_, strict=True)
    }


def _tree(
    predictor: Any,
    features: Array,
    categories: dict[int, Array],
    sets: Sets,
    target: int,
    width: int,
    what: str,
) -> Tree:
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(bool)
    known = nodes["feature_idx"].astype(np.int64)
    if (known[~leaf] < 0).any() or (known[~leaf] >= len(features)).any():
        raise UnsupportedModelError(f"{what}: a node reads a feature outside of the model's {len(features)}")
    feature = features[np.where(leaf, 0, known)]
    threshold = nodes["num_threshold"].astype(np.float64)
    left = np.where(leaf, -1, nodes["left"].astype(np.int64))
    right = np.where(leaf, -1, nodes["right"].astype(np.int64))
    missing_left = nodes["missing_go_to_left"].astype(bool)
    for node in np.flatnonzero(nodes["is_categorical"].astype(bool) & ~leaf):
        column = int(feature[node])
        if column not in categories:
            raise UnsupportedModelError(f"{what}: a split by category reads a feature that has none")
        go_left = _bits(predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]])
        codes = np.flatnonzero(~np.isnan(categories[column]))
        # The way of missing and unknown values is the way of all that is not in the set.
        inside = tuple(int(c) for c in codes if go_left[c] != missing_left[node])
        place = len(features) + len(sets)
        feature[node] = sets.setdefault((column, inside), place)
        threshold[node] = 0.5
        if not missing_left[node]:
            left[node], right[node] = right[node], left[node]
        missing_left[node] = True
    weights = np.zeros((len(nodes), width))
    weights[:, target] = nodes["value"]
    return Tree(feature, threshold, left, right, missing_left, weights)


def _bits(words: Array) -> Array:
    """bool[256]: the bits of uint32[8], lowest first."""
    return np.unpackbits(np.asarray(words, "<u4").view(np.uint8), bitorder="little").astype(bool)


def _memberships(emitter: Emitter, x: str, categories: dict[int, Array], sets: Sets) -> str:
    """float32[n, sets]: 1 where the row's category is in the set."""
    columns = list(categories)
    finite = [values[~np.isnan(values)] for values in categories.values()]
    starts = dict(zip(columns, np.cumsum([0, *(len(v) for v in finite)]), strict=False))
    hot = one_hot(emitter, emitter.columns(x, columns), finite)
    table = np.zeros((sum(len(v) for v in finite), len(sets)))
    for j, (column, inside) in enumerate(sets):
        table[[starts[column] + code for code in inside], j] = 1
    return emitter.dense(hot, table, 0.0)


def _regress(emitter: Emitter, model: Any, x: str) -> str:
    raw = _raw(emitter, model, x)
    return emitter.add("Exp", raw) if type(model._loss.link).__name__ == "LogLink" else raw


def _classify(emitter: Emitter, model: Any, x: str) -> Classified:
    return from_decision(emitter, _raw(emitter, model, x), model.classes_, "Softmax")


RULES = Rules(
    regress={"HistGradientBoostingRegressor": _regress},
    classify={"HistGradientBoostingClassifier": _classify},
)
