"""Estimators that leave everything to one that they hold: searches, frozen ones, self-training, RFE."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from edgeml_converters.sources.sklearn_structure import children
from edgeml_converters.to_onnx.sklearn.emitter import Emitter, Rule, Rules

_SEARCHES = ("GridSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV", "RandomizedSearchCV")
_HELD: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(_SEARCHES, lambda model: model.best_estimator_),
    "FrozenEstimator": lambda model: model.estimator,
    "RANSACRegressor": lambda model: model.estimator_,
    "SelfTrainingClassifier": lambda model: model.estimator_,
}
_SELECTORS = ("RFE", "RFECV")


def _delegate(role: str, held: Callable[[Any], Any]) -> Rule:
    def rule(emitter: Emitter, model: Any, x: str) -> Any:
        return getattr(emitter, role)(held(model), x)

    return rule


def _on_selected(role: str) -> Rule:
    """Recursive elimination also predicts: its estimator, on the columns that it kept."""

    def rule(emitter: Emitter, model: Any, x: str) -> Any:
        return getattr(emitter, role)(model.estimator_, emitter.transform(model, x))

    return rule


def _in(role: str) -> dict[str, Rule]:
    found = {kind: _delegate(role, held) for kind, held in _HELD.items()}
    if role not in ("inverse", "transform"):
        found |= dict.fromkeys(_SELECTORS, _on_selected(role))
    return found


def _selector_calls(model: Any, role: str) -> list[tuple[str, Any, str]]:
    """Its estimator has done its part in a transform when it was fitted."""
    return [] if role == "transform" else [(name, child, role) for name, child in children(model)]


_BY_ROLE: dict[str, Any] = {
    role.name: _in(role.name) for role in fields(Rules) if role.name not in ("calls", "limits")
}
RULES = Rules(**_BY_ROLE, calls=dict.fromkeys(_SELECTORS, _selector_calls))
