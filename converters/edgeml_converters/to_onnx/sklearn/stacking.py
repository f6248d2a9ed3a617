"""Stacking: members' answers side by side are the input of a final estimator."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.emitter import Classified, Emitter, Multilabel, Rules
from edgeml_converters.to_onnx.sklearn.members import given, label_values
from edgeml_converters.to_onnx.sklearn.roles import predicting_members, predictor_role


def _stacked(emitter: Emitter, model: Any, x: str) -> str:
    """Every member's answers, then x itself with passthrough."""
    # Of two probabilities the first says nothing new. Two labels are taken for two classes, as there.
    skipped = int(len(getattr(model, "classes_", ())) == 2)
    parts = []
    for member, method in zip(model.estimators_, model.stack_method_, strict=True):
        role = predictor_role(member)
        if role == "regress":
            parts.append(emitter.regress(member, x))
        elif role == "multilabel":
            answers = emitter.multilabel(member, x)
            parts.append(_of_indicator(emitter, member, answers, method, skipped))
        elif role == "classify":
            parts.append(_of_classes(emitter, member, emitter.classify(member, x), method, skipped))
        else:  # probabilities as a list: without the first in any case
            answered = emitter.classify_many(member, x)
            parts += [_of_classes(emitter, member, found, method, 1) for found in answered]
    return emitter.concat([*parts, x] if model.passthrough else parts)


def _of_classes(emitter: Emitter, member: Any, found: Classified, method: str, skipped: int) -> str:
    if method == "predict":
        return label_values(emitter, found)
    if method == "decision_function":
        return given(found.decision, member, "decision values")
    shares, count = given(found.probabilities, member, "probabilities"), len(found.classes)
    return emitter.columns(shares, np.arange(skipped, count)) if skipped else shares


def _of_indicator(emitter: Emitter, member: Any, found: Multilabel, method: str, skipped: int) -> str:
    if method == "predict":
        return emitter.add("Cast", found.label, to=1)
    if method == "decision_function":
        return given(found.decision, member, "decision values")
    shares = given(found.probabilities, member, "probabilities")
    return emitter.columns(shares, [1]) if skipped else shares


def _classify(emitter: Emitter, model: Any, x: str) -> Classified:
    found = emitter.classify(model.final_estimator_, emitter.transform(model, x))
    return Classified(found.label, model.classes_, found.probabilities, found.decision)


def _classify_many(emitter: Emitter, model: Any, x: str) -> tuple[Classified, ...]:
    final, rows = model.final_estimator_, emitter.transform(model, x)
    if predictor_role(final) == "multilabel":
        found = _apart(emitter, emitter.multilabel(final, rows), len(model.classes_))
    else:
        found = [(f.label, f.decision) for f in emitter.classify_many(final, rows)]
    return tuple(
        Classified(label, classes, decision=decision)
        for (label, decision), classes in zip(found, model.classes_, strict=True)
    )


def _apart(emitter: Emitter, found: Multilabel, count: int) -> list[tuple[str, str | None]]:
    """Label [n] and decision [n, 1] of each."""
    labels = [emitter.flat(emitter.columns(found.label, [i])) for i in range(count)]
    if found.decision is None:
        return [(label, None) for label in labels]
    return [(label, emitter.columns(found.decision, [i])) for i, label in enumerate(labels)]


def _multilabel(emitter: Emitter, model: Any, x: str) -> Multilabel:
    """scikit-learn gives each label's probability of its first class, not of its second."""
    final, rows = model.final_estimator_, emitter.transform(model, x)
    if predictor_role(final) == "multilabel":
        return emitter.multilabel(final, rows)
    found = emitter.classify_many(final, rows)
    axis = emitter.constant([1], "int64")
    label = emitter.concat([emitter.add("Unsqueeze", f.label, axis) for f in found])
    shares = [emitter.columns(given(f.probabilities, final, "probabilities"), [0]) for f in found]
    return Multilabel(label, emitter.concat(shares))


def _regress(emitter: Emitter, model: Any, x: str) -> str:
    return emitter.regress(model.final_estimator_, emitter.transform(model, x))


RULES = Rules(
    transform=dict.fromkeys(("StackingClassifier", "StackingRegressor"), _stacked),
    regress={"StackingRegressor": _regress},
    classify={"StackingClassifier": _classify},
    classify_many={"StackingClassifier": _classify_many},
    multilabel={"StackingClassifier": _multilabel},
    calls=dict.fromkeys(("StackingClassifier", "StackingRegressor"), predicting_members),
)
