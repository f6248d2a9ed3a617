"""Which of a module's rules give an estimator's methods: from what it does to its roles in `Rules`."""

from __future__ import annotations

from typing import Any

from edgeml_converters.model import TrainedModel
from edgeml_converters.sources.sklearn_interface import targets_of
from edgeml_converters.sources.sklearn_structure import children

_CLASSIFIERS = {"one": "classify", "several": "classify_many", "indicator": "multilabel"}


def roles_of(model: TrainedModel) -> tuple[str, ...]:
    """The roles in `Rules` that give the outputs of a model's methods."""
    methods = {method.name for method in model.signature.methods}
    found: dict[str, None] = {}
    if model.task == "classification":
        found[predictor_role(model.model)] = None
    elif methods & {"predict", "predict_proba"}:
        found[{"regression": "regress", "clustering": "cluster", "detection": "detect"}[model.task]] = None
        if "predict_proba" in methods:
            found["memberships"] = None
    elif "decision_function" in methods:
        found["detect"] = None
    if "score_samples" in methods:
        found["score"] = None
    if "transform" in methods:
        found["transform"] = None
    return tuple(found)


# Classifiers inside of multi-class estimators and of Gaussian processes.
_UNTAGGED = ("_BinaryGaussianProcessClassifierLaplace", "_ConstantPredictor")


def predictor_role(estimator: Any) -> str:
    """The role of a fitted classifier, by its targets, or regressor, which most members of others are."""
    from sklearn.base import is_classifier

    if type(estimator).__name__ in _UNTAGGED:
        return "classify"
    if not is_classifier(estimator):
        return "regress"
    return _CLASSIFIERS[targets_of(estimator)]


def predicting_members(model: Any, role: str) -> list[tuple[str, Any, str]]:
    """For `Rules.calls`: every nested estimator predicts, whatever the role of the one around it."""
    return [(name, child, predictor_role(child)) for name, child in children(model)]
