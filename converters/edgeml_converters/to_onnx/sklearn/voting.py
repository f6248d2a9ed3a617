"""Voting: members' labels, probabilities or predictions, averaged."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.emitter import Classified, Emitter, Rules
from edgeml_converters.to_onnx.sklearn.members import add_up, label_values, mean, places, spread, votes
from edgeml_converters.to_onnx.sklearn.roles import predicting_members


def _probabilities(emitter: Emitter, model: Any, x: str) -> list[str]:
    encoded, count = np.arange(len(model.classes_)), len(model.classes_)
    found = [emitter.classify(member, x) for member in model.estimators_]
    return [spread(emitter, f, places(f, encoded, model), count, model) for f in found]


def _classify(emitter: Emitter, model: Any, x: str) -> Classified:
    weights, count = model._weights_not_none, len(model.classes_)
    if model.voting == "soft":
        shares = mean(emitter, _probabilities(emitter, model, x), weights)
        return Classified(emitter.argmax(shares), model.classes_, shares)
    encoded = np.arange(count)  # members are fitted on class indices
    parts = []
    for i, member in enumerate(model.estimators_):
        found = emitter.classify(member, x)
        weight = 1.0 if weights is None else float(weights[i])
        parts.append(votes(emitter, found, places(found, encoded, model), count, weight))
    return Classified(emitter.argmax(add_up(emitter, parts)), model.classes_)


def _regress(emitter: Emitter, model: Any, x: str) -> str:
    return mean(emitter, [emitter.regress(m, x) for m in model.estimators_], model._weights_not_none)


def _transform_classes(emitter: Emitter, model: Any, x: str) -> str:
    if model.voting == "soft":
        return emitter.concat(_probabilities(emitter, model, x))
    return emitter.concat([label_values(emitter, emitter.classify(m, x)) for m in model.estimators_])


def _transform_values(emitter: Emitter, model: Any, x: str) -> str:
    return emitter.concat([emitter.regress(member, x) for member in model.estimators_])


RULES = Rules(
    transform={"VotingClassifier": _transform_classes, "VotingRegressor": _transform_values},
    regress={"VotingRegressor": _regress},
    classify={"VotingClassifier": _classify},
    calls=dict.fromkeys(("VotingClassifier", "VotingRegressor"), predicting_members),
)
