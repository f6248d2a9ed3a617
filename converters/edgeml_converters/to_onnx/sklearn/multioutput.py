"""Several targets by one estimator each, side by side or in a chain."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.sources.sklearn_structure import final_estimator
from edgeml_converters.to_onnx.sklearn.emitter import Classified, Emitter, Multilabel, Rules
from edgeml_converters.to_onnx.sklearn.members import given, label_values
from edgeml_converters.to_onnx.sklearn.roles import predicting_members

_LOGISTIC = ("LogisticRegression", "LogisticRegressionCV")
_LEAST = np.finfo(np.float32).tiny  # of a probability whose logarithm is taken


def _each_classifies(emitter: Emitter, model: Any, x: str) -> tuple[Classified, ...]:
    return tuple(emitter.classify(member, x) for member in model.estimators_)


def _each_regresses(emitter: Emitter, model: Any, x: str) -> str:
    return emitter.concat([emitter.regress(member, x) for member in model.estimators_])


def _chain(emitter: Emitter, model: Any, x: str) -> tuple[Classified, ...]:
    """Each member also sees what those before it said; the results in the order of the targets."""
    method, found, said = model.chain_method_, [], [x]
    for member in model.estimators_:
        answer = emitter.classify(member, emitter.concat(said))
        found.append(answer)
        said.append(_said(emitter, member, answer, method))
    return tuple(found[i] for i in np.argsort(model.order_))


def _said(emitter: Emitter, member: Any, found: Classified, method: str) -> str:
    if method == "predict":
        return label_values(emitter, found)
    if method == "decision_function":
        return given(found.decision, member, "decision values")
    if method == "predict_log_proba" and type(final_estimator(member)).__name__ in _LOGISTIC:
        # log p = -log(1 + exp(-d)): the probability itself vanishes in float32 where its logarithm does not.
        opposite = emitter.add("Neg", given(found.decision, member, "decision values"))
        return emitter.add("Neg", emitter.add("Softplus", opposite))
    share = emitter.columns(given(found.probabilities, member, "probabilities"), [len(found.classes) - 1])
    if method == "predict_log_proba":
        return emitter.add("Log", emitter.add("Max", share, emitter.constant([_LEAST])))
    return share


def _chain_labels(emitter: Emitter, model: Any, x: str) -> Multilabel:
    """One array of the second classes' probabilities, as scikit-learn gives them for a chain."""
    found = emitter.classify_many(model, x)
    axis = emitter.constant([1], "int64")
    label = emitter.concat([emitter.add("Unsqueeze", f.label, axis) for f in found])
    shares = [emitter.columns(given(f.probabilities, model, "probabilities"), [1]) for f in found]
    decisions = [f.decision for f in found if f.decision is not None]
    decision = emitter.concat(decisions) if len(decisions) == len(found) else None
    return Multilabel(label, emitter.concat(shares), decision)


def _regressor_chain(emitter: Emitter, model: Any, x: str) -> str:
    said = [x]
    for member in model.estimators_:
        said.append(emitter.regress(member, emitter.concat(said)))
    return emitter.concat([said[1 + i] for i in np.argsort(model.order_)])


RULES = Rules(
    regress={"MultiOutputRegressor": _each_regresses, "RegressorChain": _regressor_chain},
    classify_many={"ClassifierChain": _chain, "MultiOutputClassifier": _each_classifies},
    multilabel={"ClassifierChain": _chain_labels},
    calls=dict.fromkeys(
        ("ClassifierChain", "MultiOutputClassifier", "MultiOutputRegressor", "RegressorChain"),
        predicting_members,
    ),
)
