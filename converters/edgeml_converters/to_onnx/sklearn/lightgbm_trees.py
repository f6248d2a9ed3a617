"""LightGBM's models as one TreeEnsembleRegressor and what its objective makes of the sum.

Decisions as in LightGBM's tree.h: float64 comparison `x <= t`; NaN goes the node's own way where the feature
had missing values in training, is 0 otherwise; with zero_as_missing 0 is missing too; a category goes left
when it is listed, right when it is not, unknown, negative or NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeml_converters.sources.lightgbm_model import (
    MISSING_NAN,
    MISSING_ZERO,
    LightGBMModel,
    LightGBMTree,
    LinearLeaf,
    read_model,
)
from edgeml_converters.to_onnx.sklearn.emitter import Classified, Emitter, Rules
from edgeml_converters.to_onnx.sklearn.extra_columns import ExtraColumns, HeldCodes
from edgeml_converters.to_onnx.sklearn.scores import Link, from_decision
from edgeml_converters.to_onnx.sklearn.trees import Tree, ensemble

_EXPONENTIAL = ("poisson", "gamma", "tweedie")
_LOGISTIC = ("binary", "multiclassova", "cross_entropy", "xentropy")
_LINKS: dict[str, Link] = {"multiclass": "Softmax", **dict.fromkeys(_LOGISTIC, "Sigmoid")}


def raw_scores(emitter: Emitter, model: LightGBMModel, x: str) -> str:
    """The sums before the objective: float32[n, width]."""
    extra = ExtraColumns(model.features, "truncate")
    linear = any(tree.linear for tree in model.trees)
    block = model.features + 1 if linear else 1
    held = extra.held_codes(emitter, x, model.categories)
    trees = [
        _tree(tree, extra, held, (i % model.width) * block, block, 1 / _rounds(model))
        for i, tree in enumerate(model.trees)
    ]
    sums = ensemble(emitter, extra.append(emitter, x), trees, single=False, targets=model.width * block)
    return _products(emitter, sums, x, model) if linear else sums


def _rounds(model: LightGBMModel) -> int:
    """What the sum is divided by: random forests give means."""
    return max(1, len(model.trees) // model.width) if model.average else 1


def _tree(
    tree: LightGBMTree, extra: ExtraColumns, held: HeldCodes, target: int, block: int, factor: float
) -> Tree:
    feature, threshold = tree.feature.copy(), tree.threshold.copy()
    left, right = tree.left.copy(), tree.right.copy()
    # Where the feature had none in training, a missing value is 0.
    missing_left = np.where(tree.missing == MISSING_NAN, tree.default_left, threshold >= 0)
    for node in np.flatnonzero((tree.missing == MISSING_ZERO) & (left != -1)).tolist():
        if node not in tree.categories:
            feature[node] = extra.without_zero(int(feature[node]))
            missing_left[node] = tree.default_left[node]
    for node, codes in tree.categories.items():
        column = int(feature[node])
        feature[node] = extra.members(column, held(column, codes, False), missing=False)
        threshold[node], missing_left[node] = 0.5, True
        left[node], right[node] = right[node], left[node]
    weights = np.zeros((len(left), block))
    weights[:, 0] = tree.value * factor
    made = Tree(feature, threshold, left, right, missing_left, weights, target)
    return _with_linear_leaves(made, tree.linear, factor) if tree.linear else made


def _with_linear_leaves(tree: Tree, linear: Mapping[int, LinearLeaf], factor: float) -> Tree:
    """Under each linear leaf a node for each of its features: missing values go to the plain value.

    A leaf's weights are its constant and, from the second on, the coefficient of each feature.
    """
    feature, left, right = tree.feature.tolist(), tree.left.tolist(), tree.right.tolist()
    threshold, missing_left = tree.threshold.tolist(), tree.missing_left.tolist()
    weights = [*tree.weights]
    for leaf, model in linear.items():
        node = leaf
        for column in model.features.tolist():
            known, missing = len(left), len(left) + 1
            feature[node], threshold[node], missing_left[node] = column, np.inf, False
            left[node], right[node] = known, missing
            feature += [0, 0]
            threshold += [0.0, 0.0]
            missing_left += [False, False]
            left += [-1, -1]
            right += [-1, -1]
            weights += [weights[leaf].copy(), weights[leaf].copy()]
            node = known
        weights[node] = np.zeros(tree.weights.shape[1])
        weights[node][0] = model.constant * factor
        np.add.at(weights[node], model.features + 1, model.coefficients * factor)
    return Tree(
        np.array(feature),
        np.array(threshold),
        np.array(left),
        np.array(right),
        np.array(missing_left),
        np.stack(weights),
        tree.target,
    )


def _products(emitter: Emitter, sums: str, x: str, model: LightGBMModel) -> str:
    """Constants plus coefficients times features; a missing feature has no coefficient left."""
    known = emitter.add("Where", emitter.add("IsNaN", x), emitter.constant([0.0]), x)
    parts = []
    for target in range(model.width):
        start = target * (model.features + 1)
        constant = emitter.columns(sums, [start])
        factors = emitter.columns(sums, np.arange(start + 1, start + 1 + model.features))
        parts.append(emitter.add("Add", constant, emitter.sum(emitter.add("Mul", factors, known))))
    return emitter.concat(parts)


def _objective(model: LightGBMModel) -> tuple[str, float]:
    """Its name and the factor `sigmoid` of its scores."""
    options = dict(option.split(":", 1) for option in model.objective[1:] if ":" in option)
    return (model.objective or ("",))[0], float(options.get("sigmoid", 1))


def output(emitter: Emitter, model: LightGBMModel, raw: str) -> str:
    """What `Booster.predict` gives: float32[n, width]."""
    name, sigmoid = _objective(model)
    if name == "multiclass":
        return emitter.add("Softmax", raw, axis=1)
    if name in _LOGISTIC:
        return emitter.add("Sigmoid", _scaled(emitter, raw, sigmoid))
    if name in _EXPONENTIAL:
        return emitter.add("Exp", raw)
    if name in ("cross_entropy_lambda", "xentlambda"):
        return emitter.add("Softplus", raw)
    if "sqrt" in model.objective:
        return emitter.add("Mul", raw, emitter.add("Abs", raw))
    return raw


def _scaled(emitter: Emitter, raw: str, sigmoid: float) -> str:
    return raw if sigmoid == 1 else emitter.add("Mul", raw, emitter.constant([sigmoid]))


def parsed(estimator: Any) -> LightGBMModel:
    """The model inside a wrapper, up to its best iteration, as its predict takes it."""
    return read_model(estimator.booster_.model_to_string(), type(estimator).__name__)


def _regress(emitter: Emitter, estimator: Any, x: str) -> str:
    model = parsed(estimator)
    return output(emitter, model, raw_scores(emitter, model, x))


def _classify(emitter: Emitter, estimator: Any, x: str) -> Classified:
    model, classes = parsed(estimator), estimator.classes_
    raw = raw_scores(emitter, model, x)
    name, sigmoid = _objective(model)
    if name in _LINKS:
        found = from_decision(emitter, _scaled(emitter, raw, sigmoid), classes, _LINKS[name])
        return Classified(found.label, classes, found.probabilities, _decision(emitter, model, raw))
    # Another objective's output stands for the second class as it is.
    second = output(emitter, model, raw)
    both = emitter.concat([emitter.add("Sub", emitter.constant([1.0]), second), second])
    return Classified(emitter.argmax(both), classes, both, _decision(emitter, model, raw))


def _decision(emitter: Emitter, model: LightGBMModel, raw: str) -> str:
    """decision_function gives sums, of random forests too."""
    rounds = _rounds(model)
    return raw if rounds == 1 else emitter.add("Mul", raw, emitter.constant([rounds]))


def _limit(estimator: Any) -> str | None:
    if callable(estimator.objective_) and hasattr(estimator, "classes_"):
        return (
            "its objective is a function, so LightGBM's predict gives scores instead of labels; "
            "compile its booster_"
        )
    return None


RULES = Rules(
    regress={"LGBMRegressor": _regress, "LGBMRanker": _regress},
    classify={"LGBMClassifier": _classify},
    limits={"LGBMClassifier": _limit},
)
