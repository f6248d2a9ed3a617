"""Two classes told apart at a threshold of one's own instead of by the larger probability."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.sources.sklearn_thresholds import CLASSIFIERS, deciding
from edgeml_converters.to_onnx.sklearn.emitter import Classified, Emitter, Rules
from edgeml_converters.to_onnx.sklearn.members import given
from edgeml_converters.to_onnx.sklearn.roles import predicting_members


def _classify(emitter: Emitter, model: Any, x: str) -> Classified:
    rule = deciding(model)
    found = emitter.classify(rule.estimator, x)
    if rule.method == "predict_proba":
        scores = emitter.columns(given(found.probabilities, rule.estimator, "probabilities"), [rule.positive])
    else:
        scores = given(found.decision, rule.estimator, "decision values")
        scores = emitter.add("Neg", scores) if rule.positive == 0 else scores
    reached = emitter.add("GreaterOrEqual", scores, emitter.constant([rule.threshold]))
    index = emitter.flat(emitter.add("Cast", reached, to=7))
    if rule.positive == 0:
        index = emitter.add("Gather", emitter.constant(np.array([1, 0]), "int64"), index, axis=0)
    return Classified(index, np.asarray(model.classes_), found.probabilities, found.decision)


RULES = Rules(
    classify=dict.fromkeys(CLASSIFIERS, _classify), calls=dict.fromkeys(CLASSIFIERS, predicting_members)
)
