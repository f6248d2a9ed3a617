"""AdaBoost over any estimator: weighted votes of classifiers, the weighted median of regressors."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.emitter import Classified, Emitter, Rules
from edgeml_converters.to_onnx.sklearn.members import add_up, places
from edgeml_converters.to_onnx.sklearn.roles import predicting_members
from edgeml_converters.to_onnx.sklearn.trees import ensemble, from_cython


def _classify(emitter: Emitter, model: Any, x: str) -> Classified:
    """SAMME: each member gives its weight to the class it predicts and takes a share from the others."""
    count = len(model.classes_)
    if count == 1:
        scores = emitter.add("Mul", emitter.columns(x, [0]), emitter.constant([0.0]))
        sure = emitter.add("Softmax", scores, axis=1)
        return Classified(emitter.argmax(scores), model.classes_, sure, scores)
    size = len(model.estimators_)
    weights = model.estimator_weights_[:size] / model.estimator_weights_.sum()
    gain = np.eye(count) - (1 - np.eye(count)) / (count - 1)
    if all(type(m).__name__ in ("DecisionTreeClassifier", "ExtraTreeClassifier") for m in model.estimators_):
        trees = []
        for i, (member, weight) in enumerate(zip(model.estimators_, weights, strict=True)):
            chosen = member.tree_.value[:, 0, :].argmax(axis=1)
            at = places(Classified("", member.classes_), model.classes_, model)
            leaves = weight * gain[at[chosen]]
            what = f"{type(model).__name__}, tree {i}"
            trees.append(from_cython(member.tree_, leaves, model.n_features_in_, what))
        scores = ensemble(emitter, x, trees)
    else:
        parts = []
        for member, weight in zip(model.estimators_, weights, strict=True):
            found = emitter.classify(member, x)
            table = emitter.constant(weight * gain[places(found, model.classes_, model)])
            parts.append(emitter.add("Gather", table, found.label, axis=0))
        scores = add_up(emitter, parts)
    if count == 2:
        # Both columns of the two are d / 2 and -d / 2 of the decision d, as scikit-learn halves it again.
        decision = emitter.dense(scores, [[-1.0], [1.0]], 0.0)
        probabilities = emitter.add("Softmax", scores, axis=1)
        return Classified(emitter.argmax(scores), model.classes_, probabilities, decision)
    scaled = emitter.add("Mul", scores, emitter.constant([1 / (count - 1)]))
    return Classified(emitter.argmax(scores), model.classes_, emitter.add("Softmax", scaled, axis=1), scores)


def _regress(emitter: Emitter, model: Any, x: str) -> str:
    """The weighted median: the least prediction with half of the weight at or below it."""
    members = model.estimators_
    weights = model.estimator_weights_[: len(members)]
    if all(type(m).__name__ in ("DecisionTreeRegressor", "ExtraTreeRegressor") for m in members):
        trees = []
        for i, member in enumerate(members):
            leaves = member.tree_.value[:, 0, :] * np.eye(len(members))[i]
            what = f"{type(model).__name__}, tree {i}"
            trees.append(from_cython(member.tree_, leaves, model.n_features_in_, what))
        values = ensemble(emitter, x, trees)
    else:
        values = emitter.concat([emitter.regress(member, x) for member in members])
    own = emitter.add("Unsqueeze", values, emitter.constant([2], "int64"))
    other = emitter.add("Unsqueeze", values, emitter.constant([1], "int64"))
    below = emitter.add("Cast", emitter.add("LessOrEqual", other, own), to=1)
    share = emitter.add("Mul", below, emitter.constant((weights / weights.sum())[None, None]))
    reached = emitter.add("ReduceSum", share, emitter.constant([2], "int64"), keepdims=0)
    half = emitter.constant([0.5 - 1e-6])  # room for the sum's rounding
    enough = emitter.add("GreaterOrEqual", reached, half)
    ceiling = emitter.constant([np.finfo(np.float32).max])
    kept = emitter.add("Where", enough, values, ceiling)
    return emitter.add("ReduceMin", kept, emitter.constant([1], "int64"), keepdims=1)


RULES = Rules(
    regress={"AdaBoostRegressor": _regress},
    classify={"AdaBoostClassifier": _classify},
    calls=dict.fromkeys(("AdaBoostClassifier", "AdaBoostRegressor"), predicting_members),
)
