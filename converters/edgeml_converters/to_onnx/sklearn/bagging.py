"""Bagging: members that see some rows and some columns each, averaged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.emitter import Classified, Emitter, Rules
from edgeml_converters.to_onnx.sklearn.members import add_up, given, mean, places, spread, votes
from edgeml_converters.to_onnx.sklearn.roles import predicting_members
from edgeml_converters.to_onnx.sklearn.trees import ensemble, from_cython
from edgeml_runtime.signature import Array

_TREES = ("DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor")


def _inputs(emitter: Emitter, model: Any, x: str) -> list[str]:
    every = np.arange(model.n_features_in_)
    return [
        x if np.array_equal(columns, every) else emitter.columns(x, columns)
        for columns in model.estimators_features_
    ]


def _as_one(emitter: Emitter, model: Any, x: str, leaves: list[Array]) -> str:
    """The sum of members that are trees, one ensemble over all columns; leaves: [nodes, k] of each."""
    trees = []
    for i, (member, columns) in enumerate(zip(model.estimators_, model.estimators_features_, strict=True)):
        what = f"{type(model).__name__}, tree {i}"
        tree = from_cython(member.tree_, leaves[i] / len(leaves), len(columns), what)
        feature = np.where(tree.left == -1, 0, np.asarray(columns)[np.maximum(tree.feature, 0)])
        trees.append(replace(tree, feature=feature))
    return ensemble(emitter, x, trees)


def _classify(emitter: Emitter, model: Any, x: str) -> Classified:
    count, encoded = len(model.classes_), np.arange(len(model.classes_))
    if all(type(m).__name__ in _TREES for m in model.estimators_):
        leaves = []
        for member in model.estimators_:
            at = places(Classified("", member.classes_), encoded, model)
            leaves.append(member.tree_.value[:, 0, :] @ np.eye(count)[at])
        shares = _as_one(emitter, model, x, leaves)
        return Classified(emitter.argmax(shares), model.classes_, shares)
    parts, decisions = [], []
    for member, rows in zip(model.estimators_, _inputs(emitter, model, x), strict=True):
        found = emitter.classify(member, rows)
        at = places(found, encoded, model)
        with_shares = hasattr(member, "predict_proba")
        parts.append(
            spread(emitter, found, at, count, model) if with_shares else votes(emitter, found, at, count)
        )
        decisions.append(found.decision)
    total = add_up(emitter, parts)
    shares = emitter.add("Div", total, emitter.constant([float(len(parts))]))
    decision = None
    if hasattr(model, "decision_function"):
        decision = mean(emitter, [given(d, model, "decision values") for d in decisions])
    return Classified(emitter.argmax(total), model.classes_, shares, decision)


def _regress(emitter: Emitter, model: Any, x: str) -> str:
    members = model.estimators_
    if all(type(m).__name__ in _TREES and m.n_outputs_ == 1 for m in members):
        return _as_one(emitter, model, x, [m.tree_.value[:, 0, :] for m in members])
    rows = _inputs(emitter, model, x)
    return mean(emitter, [emitter.regress(m, r) for m, r in zip(members, rows, strict=True)])


RULES = Rules(
    regress={"BaggingRegressor": _regress},
    classify={"BaggingClassifier": _classify},
    calls=dict.fromkeys(("BaggingClassifier", "BaggingRegressor"), predicting_members),
)
