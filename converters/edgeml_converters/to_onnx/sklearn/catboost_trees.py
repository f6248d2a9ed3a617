"""CatBoost's models: symmetric trees as lookups, others as one TreeEnsembleRegressor.

A symmetric tree asks the same question in all nodes of a level, so the answers are the bits of its leaf's
number: all trees' answers are made at once, and a leaf is one entry of a table. That takes a twentieth of the
bytes of the same trees written out node by node. Decisions: float32 comparison `x > border`; a missing value
is below every border, or above where the feature's nan_mode is Max.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.sources.catboost_model import (
    CatBoostModel,
    NestedTree,
    SymmetricTree,
    model_json,
    read_model,
)
from edgeml_converters.to_onnx.sklearn.emitter import Classified, Emitter, Multilabel, Rules
from edgeml_converters.to_onnx.sklearn.scores import from_decision
from edgeml_converters.to_onnx.sklearn.trees import Tree, ensemble, unscaled

_EXPONENTIAL = ("Poisson", "Tweedie")
_LARGEST = np.finfo(np.float32).max


def raw_scores(emitter: Emitter, model: CatBoostModel, x: str) -> str:
    """The raw formula values: float32[n, width]."""
    symmetric = [tree for tree in model.trees if isinstance(tree, SymmetricTree)]
    nested = [tree for tree in model.trees if isinstance(tree, NestedTree)]
    if nested:
        trees = [_tree(tree, model) for tree in nested]
        return emitter.add("Add", ensemble(emitter, x, trees), emitter.constant(model.bias))
    return emitter.add("Add", _looked_up(emitter, symmetric, model, x), emitter.constant(model.bias))


def _tree(tree: NestedTree, model: CatBoostModel) -> Tree:
    missing_left = ~model.missing_high[tree.feature]
    return Tree(tree.feature, tree.border, tree.left, tree.right, missing_left, tree.values)


def _looked_up(emitter: Emitter, trees: list[SymmetricTree], model: CatBoostModel, x: str) -> str:
    """The sum of the values of each tree's leaf: float32[n, width]."""
    depth = max(1, *(len(tree.feature) for tree in trees)) if trees else 1
    count = max(1, len(trees))
    feature = np.zeros((count, depth), np.int64)
    border = np.full((count, depth), float(_LARGEST))
    table = np.zeros((count, 1 << depth, model.width))
    for i, tree in enumerate(trees):
        levels = len(tree.feature)
        feature[i, :levels], border[i, :levels] = tree.feature, tree.border
        # Questions that a shallow tree does not ask lead to the same leaf either way.
        table[i] = np.tile(tree.values, (1 << (depth - levels), 1))
    high = model.missing_high[feature.ravel()]
    x, columns, limits = unscaled(emitter, x, feature.ravel(), border.ravel(), single=True)
    value = emitter.add("Gather", x, emitter.constant(columns, "int64"), axis=1)
    if high.any():
        filled = emitter.constant(np.where(high, _LARGEST, -_LARGEST)[None])
        value = emitter.add("Where", emitter.add("IsNaN", value), filled, value)
    above = emitter.add("Greater", value, emitter.constant(limits[None]))
    bits = np.tile(1 << np.arange(depth), count)
    zero = emitter.constant([0], "int32")
    worth = emitter.add("Where", above, emitter.constant(bits[None], "int32"), zero)
    worth = emitter.add("Reshape", worth, emitter.constant([-1, count, depth], "int64"))
    leaf = emitter.add("ReduceSum", worth, emitter.constant([2], "int64"), keepdims=0)
    place = emitter.add("Add", leaf, emitter.constant((np.arange(count) << depth)[None], "int32"))
    values = emitter.add("Gather", emitter.constant(table.reshape(-1, model.width)), place, axis=0)
    return emitter.add("ReduceSum", values, emitter.constant([1], "int64"), keepdims=0)


def parsed(estimator: Any) -> CatBoostModel:
    """The model inside a CatBoost object."""
    return read_model(model_json(estimator), type(estimator).__name__)


def _raw(emitter: Emitter, estimator: Any, x: str) -> str:
    return raw_scores(emitter, parsed(estimator), x)


def _regress(emitter: Emitter, estimator: Any, x: str) -> str:
    model = parsed(estimator)
    raw = raw_scores(emitter, model, x)
    if model.loss in _EXPONENTIAL:
        return emitter.add("Exp", raw)
    if model.loss == "RMSEWithUncertainty":
        mean, spread = emitter.columns(raw, [0]), emitter.columns(raw, [1])
        return emitter.concat([mean, emitter.add("Exp", emitter.add("Add", spread, spread))])
    return raw


def _classify(emitter: Emitter, estimator: Any, x: str) -> Classified:
    model, classes = parsed(estimator), np.asarray(estimator.classes_)
    raw = raw_scores(emitter, model, x)
    link = "Sigmoid" if model.loss == "MultiClassOneVsAll" else "Softmax"
    found = from_decision(emitter, raw, classes, link)  # type: ignore[arg-type]
    if len(classes) > 2 or model.threshold == 0.5:
        return Classified(found.label, classes, found.probabilities)
    odds = np.log(model.threshold / (1 - model.threshold))
    second = emitter.add("Greater", raw, emitter.constant([odds]))
    return Classified(emitter.flat(emitter.add("Cast", second, to=7)), classes, found.probabilities)


def _multilabel(emitter: Emitter, estimator: Any, x: str) -> Multilabel:
    raw = _raw(emitter, estimator, x)
    chosen = emitter.add("Greater", raw, emitter.constant([0.0]))
    return Multilabel(emitter.add("Cast", chosen, to=7), emitter.add("Sigmoid", raw))


RULES = Rules(
    regress={"CatBoostRegressor": _regress, "CatBoostRanker": _raw, "CatBoost": _raw},
    classify={"CatBoostClassifier": _classify},
    multilabel={"CatBoostClassifier": _multilabel},
)
