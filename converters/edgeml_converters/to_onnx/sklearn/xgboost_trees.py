"""XGBoost's models as one TreeEnsembleRegressor or one product, and what the objective makes of the sum.

Decisions: float32 comparison `x < t`, which is `x <= t'` with t' the float32 before t; missing values (NaN,
and what the wrapper calls missing) go the node's own way; a category goes right when it is listed, left when
it is not, unknown or negative.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.sources.xgboost_model import XGBoostModel, XGBoostTree, booster_model
from edgeml_converters.to_onnx.sklearn.emitter import Classified, Emitter, Multilabel, Rules
from edgeml_converters.to_onnx.sklearn.extra_columns import ExtraColumns, HeldCodes
from edgeml_converters.to_onnx.sklearn.scores import from_decision
from edgeml_converters.to_onnx.sklearn.trees import Tree, ensemble
from edgeml_runtime.signature import Array

_LOGISTIC = ("binary:logistic", "reg:logistic")
_EXPONENTIAL = ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft")
_SOFTMAX = ("multi:softprob", "multi:softmax")


def raw_scores(emitter: Emitter, model: XGBoostModel, x: str, rounds: int | None = None) -> str:
    """The margins: float32[n, width], of the first `rounds` rounds or all."""
    start = _margin(model)
    if model.linear is not None:
        known = emitter.add("Where", emitter.add("IsNaN", x), emitter.constant([0.0]), x)
        return emitter.dense(known, model.linear[:-1], model.linear[-1] + start)
    count = len(model.trees) if rounds is None else model.rounds[min(rounds, len(model.rounds) - 1)]
    extra = ExtraColumns(model.features, "floor")
    parts = zip(model.trees[:count], model.groups, model.weights, strict=False)
    held = extra.held_codes(emitter, x, model.categories)
    trees = [_tree(tree, extra, held, group, weight) for tree, group, weight in parts]
    if not trees:
        return emitter.dense(
            emitter.add("Where", emitter.add("IsNaN", x), emitter.constant([0.0]), x),
            np.zeros((model.features, model.width)),
            start,
        )
    sums = ensemble(emitter, extra.append(emitter, x), trees, above_values=True, targets=model.width)
    return emitter.add("Add", sums, emitter.constant(start))


def _margin(model: XGBoostModel) -> Array:
    """float64[width]: the start of the sum; the model holds what the objective makes of it."""
    # XGBoost's linear booster starts every score with the first of the base scores.
    base = np.broadcast_to(model.base[:1] if model.linear is not None else model.base, (model.width,))
    if model.objective in _LOGISTIC:
        return -np.log(1 / base - 1)
    return np.log(base) if model.objective in _EXPONENTIAL else base


def _tree(tree: XGBoostTree, extra: ExtraColumns, held: HeldCodes, group: int, weight: float) -> Tree:
    feature = tree.feature.copy()
    threshold = np.nextafter(tree.threshold, np.float32(-np.inf)).astype(np.float64)
    for node, codes in tree.categories.items():
        missing = not tree.default_left[node]
        column = int(feature[node])
        feature[node] = extra.members(column, held(column, codes, missing), missing=missing)
        threshold[node] = 0.5
    target = group if tree.value.shape[1] == 1 else 0
    weights = tree.value.astype(np.float64) * weight
    return Tree(feature, threshold, tree.left, tree.right, tree.default_left, weights, target)


def output(emitter: Emitter, model: XGBoostModel, raw: str) -> str:
    """What `Booster.predict` gives for margins, float32[n, width]; softmax as probabilities here."""
    if model.objective in _SOFTMAX:
        return emitter.add("Softmax", raw, axis=1)
    if model.objective in _LOGISTIC:
        return emitter.add("Sigmoid", raw)
    if model.objective in _EXPONENTIAL:
        return emitter.add("Exp", raw)
    if model.objective == "binary:hinge":
        return emitter.add("Cast", emitter.add("Greater", raw, emitter.constant([0.0])), to=1)
    return raw


def parsed(estimator: Any) -> XGBoostModel:
    """The model inside a wrapper."""
    return booster_model(estimator.get_booster(), type(estimator).__name__)


def _wrapped(emitter: Emitter, estimator: Any, x: str) -> tuple[XGBoostModel, str]:
    """The model and its margins, as the wrapper's predict takes them: up to the best round."""
    model = parsed(estimator)
    missing = estimator.missing
    if missing is not None and not np.isnan(missing):
        absent = emitter.add("Equal", x, emitter.constant([missing]))
        x = emitter.declare(emitter.add("Where", absent, emitter.constant([np.nan]), x), model.features)
    rounds = None if model.best is None else model.best + 1
    return model, raw_scores(emitter, model, x, rounds)


def _regress(emitter: Emitter, estimator: Any, x: str) -> str:
    model, raw = _wrapped(emitter, estimator, x)
    return output(emitter, model, raw)


def _classify(emitter: Emitter, estimator: Any, x: str) -> Classified:
    model, raw = _wrapped(emitter, estimator, x)
    classes = np.arange(estimator.n_classes_)
    if model.objective in (*_LOGISTIC, *_SOFTMAX):
        found = from_decision(emitter, raw, classes, "Softmax")
        return Classified(found.label, classes, found.probabilities)
    # Another objective's output stands for the second class as it is.
    second = output(emitter, model, raw)
    both = emitter.concat([emitter.add("Sub", emitter.constant([1.0]), second), second])
    return Classified(emitter.argmax(both), classes, both)


def _multilabel(emitter: Emitter, estimator: Any, x: str) -> Multilabel:
    model, raw = _wrapped(emitter, estimator, x)
    shares = output(emitter, model, raw)
    chosen = emitter.add("Greater", shares, emitter.constant([0.5]))
    return Multilabel(emitter.add("Cast", chosen, to=7), shares)


_REGRESSORS = ("XGBRegressor", "XGBRFRegressor", "XGBRanker")
_CLASSIFIERS = ("XGBClassifier", "XGBRFClassifier")
RULES = Rules(
    regress=dict.fromkeys(_REGRESSORS, _regress),
    classify=dict.fromkeys(_CLASSIFIERS, _classify),
    multilabel=dict.fromkeys(_CLASSIFIERS, _multilabel),
)
