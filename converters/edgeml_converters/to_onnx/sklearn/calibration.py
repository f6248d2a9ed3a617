"""Calibration: a classifier's scores through sigmoids, isotonic steps or a temperature, folds averaged."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.emitter import Classified, Emitter, Rules
from edgeml_converters.to_onnx.sklearn.members import given, mean, places
from edgeml_converters.to_onnx.sklearn.roles import predicting_members
from edgeml_converters.to_onnx.sklearn.scores import normalized

_STEEPEST = 1e30  # of a slope between two knots; any steeper is a step in float32


def _classify(emitter: Emitter, model: Any, x: str) -> Classified:
    shares = mean(emitter, [_calibrated(emitter, member, x) for member in model.calibrated_classifiers_])
    return Classified(emitter.argmax(shares), model.classes_, shares)


def _calibrated(emitter: Emitter, member: Any, x: str) -> str:
    """One classifier's calibrated probabilities: float32[n, classes]."""
    found = emitter.classify(member.estimator, x)
    decides = hasattr(member.estimator, "decision_function")
    if decides:
        scores = given(found.decision, member.estimator, "decision values")
    else:
        scores = given(found.probabilities, member.estimator, "probabilities")
    if member.method == "temperature":
        return _tempered(emitter, member, scores, decides=decides)
    count, known = len(member.classes), len(found.classes)
    if not decides and known == 2:
        scores = emitter.columns(scores, [1])
    at = places(found, member.classes, member) if count > 2 else np.array([1])
    calibrated = []
    for i, calibrator in enumerate(member.calibrators):
        column = scores if len(member.calibrators) == 1 else emitter.columns(scores, [i])
        calibrated.append(_calibrator(emitter, calibrator, column))
    if count == 2:
        one = emitter.add("Sub", emitter.constant([1.0]), calibrated[0])
        return emitter.concat([one, calibrated[0]])
    spread = emitter.concat(calibrated)
    at = at[: len(calibrated)]
    if not (len(at) == count and (at == np.arange(count)).all()):
        spread = emitter.dense(spread, np.eye(count)[at], 0.0)
    return normalized(emitter, spread, empty=1 / count)


def _calibrator(emitter: Emitter, calibrator: Any, scores: str) -> str:
    """Platt's sigmoid 1 / (1 + exp(a s + b)), or the steps of an isotonic regression; scores [n, 1]."""
    if type(calibrator).__name__ == "_SigmoidCalibration":
        return emitter.add("Sigmoid", emitter.dense(scores, [[-calibrator.a_]], [-calibrator.b_]))
    knots = np.asarray(calibrator.X_thresholds_, np.float64)
    values = np.asarray(calibrator.y_thresholds_, np.float64)
    if len(knots) == 1:
        return emitter.add("Add", emitter.dense(scores, [[0.0]], [0.0]), emitter.constant(values))
    # Linear between knots, constant beyond: the sum of what each stretch between knots has risen so far.
    past = emitter.add("Sub", scores, emitter.constant(knots[None, :-1]))
    slopes = np.minimum(1 / np.diff(knots), _STEEPEST)
    share = emitter.add("Mul", past, emitter.constant(slopes[None]))
    share = emitter.add("Clip", share, emitter.constant(0.0), emitter.constant(1.0))
    return emitter.dense(share, np.diff(values)[:, None], values[:1])


def _tempered(emitter: Emitter, member: Any, scores: str, *, decides: bool) -> str:
    """softmax(beta * logits), of probabilities their logarithms (Guo et al. 2017)."""
    if not decides:
        floor = emitter.constant([1e-12])
        scores = emitter.add("Log", emitter.add("Add", scores, floor))
    elif len(member.classes) == 2:
        scores = emitter.concat([emitter.add("Neg", scores), scores])
    scaled = emitter.add("Mul", scores, emitter.constant([float(member.calibrators[0].beta_)]))
    return emitter.add("Softmax", scaled, axis=1)


RULES = Rules(
    classify={"CalibratedClassifierCV": _classify},
    calls={"CalibratedClassifierCV": predicting_members},
)
