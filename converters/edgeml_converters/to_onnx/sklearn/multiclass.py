"""Several classes by two-class problems: one against the rest, one against one, output codes."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.dummies import constant_rows
from edgeml_converters.to_onnx.sklearn.emitter import Classified, Emitter, Multilabel, Rules
from edgeml_converters.to_onnx.sklearn.members import above, add_up, binary_score, binary_threshold, given
from edgeml_converters.to_onnx.sklearn.roles import predicting_members, predictor_role
from edgeml_converters.to_onnx.sklearn.scores import normalized, with_confidences


def _constant(emitter: Emitter, model: Any, x: str) -> Classified:
    """The member for a class that all rows, or none, had: its score is its label."""
    value = float(model.y_[0])
    label = emitter.argmax(constant_rows(emitter, x, [0.0]))
    shares = constant_rows(emitter, x, [1 - value, value])
    return Classified(label, np.asarray(model.y_), shares, constant_rows(emitter, x, [value]))


def _second_shares(emitter: Emitter, model: Any, x: str) -> str | None:
    """The members' probabilities of their second class: float32[n, members], where they have them."""
    if not all(hasattr(member, "predict_proba") for member in model.estimators_):
        return None
    found = [given(emitter.classify(m, x).probabilities, m, "probabilities") for m in model.estimators_]
    return emitter.concat([emitter.columns(shares, [1]) for shares in found])


def _decisions(emitter: Emitter, model: Any, x: str) -> str | None:
    if not all(hasattr(member, "decision_function") for member in model.estimators_):
        return None
    found = [given(emitter.classify(m, x).decision, m, "decision values") for m in model.estimators_]
    return emitter.concat(found)


def _one_vs_rest(emitter: Emitter, model: Any, x: str) -> Classified:
    members, count = model.estimators_, len(model.classes_)
    scores = emitter.concat([binary_score(emitter, member, x) for member in members])
    shares, decision = _second_shares(emitter, model, x), _decisions(emitter, model, x)
    if len(members) == 1:
        if shares is not None:
            shares = given(emitter.classify(members[0], x).probabilities, members[0], "probabilities")
            shares = normalized(emitter, shares, empty=0.0)
        second = above(emitter, scores, binary_threshold(members[0]))
        label = emitter.flat(second) if count == 2 else emitter.argmax(scores)
        return Classified(label, model.classes_, shares, decision)
    if shares is not None:
        shares = normalized(emitter, shares, empty=0.0)
    return Classified(emitter.argmax(scores), model.classes_, shares, decision)


def _one_vs_rest_labels(emitter: Emitter, model: Any, x: str) -> Multilabel:
    scores = emitter.concat([binary_score(emitter, member, x) for member in model.estimators_])
    label = above(emitter, scores, binary_threshold(model.estimators_[0]))
    return Multilabel(label, _second_shares(emitter, model, x), _decisions(emitter, model, x))


def _one_vs_one(emitter: Emitter, model: Any, x: str) -> Classified:
    count, members = len(model.classes_), model.estimators_
    pairs = list(combinations(range(count), 2))
    votes = [_vote(emitter, member, x, pair, count) for member, pair in zip(members, pairs, strict=True)]
    confidences = [binary_score(emitter, member, x) for member in members]
    scores = with_confidences(emitter, add_up(emitter, votes), emitter.concat(confidences), count)
    if count > 2:
        return Classified(emitter.argmax(scores), model.classes_, decision=scores)
    decision = emitter.columns(scores, [1])
    label = emitter.flat(above(emitter, decision, binary_threshold(members[0])))
    return Classified(label, model.classes_, decision=decision)


def _vote(emitter: Emitter, member: Any, x: str, pair: tuple[int, int], count: int) -> str:
    """float32[n, count]: 1 at the pair's class that wins. A regressor votes only where it gives 0 or 1."""
    table = np.eye(count)[list(pair)]
    if predictor_role(member) == "classify":
        return emitter.add("Gather", emitter.constant(table), emitter.classify(member, x).label, axis=0)
    value = emitter.regress(member, x)
    hits = [emitter.add("Equal", value, emitter.constant([v])) for v in (0.0, 1.0)]
    return emitter.dense(emitter.concat([emitter.add("Cast", hit, to=1) for hit in hits]), table, 0.0)


def _output_code(emitter: Emitter, model: Any, x: str) -> Classified:
    """The class whose code is nearest: least |c|^2 - 2 y.c, which leaves out what all have in common."""
    scores = emitter.concat([binary_score(emitter, member, x) for member in model.estimators_])
    codes = np.asarray(model.code_book_, np.float64)
    nearness = emitter.dense(scores, codes.T, -0.5 * (codes**2).sum(axis=1))
    return Classified(emitter.argmax(nearness), model.classes_)


RULES = Rules(
    classify={
        "OneVsOneClassifier": _one_vs_one,
        "OneVsRestClassifier": _one_vs_rest,
        "OutputCodeClassifier": _output_code,
        "_ConstantPredictor": _constant,
    },
    multilabel={"OneVsRestClassifier": _one_vs_rest_labels},
    calls=dict.fromkeys(
        ("OneVsOneClassifier", "OneVsRestClassifier", "OutputCodeClassifier"), predicting_members
    ),
)
