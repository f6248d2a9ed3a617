"""Which estimators can be converted, found without converting: by class name and parameters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from edgeml_converters.model import TrainedModel
from edgeml_converters.sources.sklearn_structure import children, estimators
from edgeml_converters.to_onnx.sklearn.emitter import Rules, has_rules
from edgeml_converters.to_onnx.sklearn.registered import lacking
from edgeml_converters.to_onnx.sklearn.roles import roles_of
from edgeml_converters.to_onnx.sklearn.rules import all_rules


@dataclass(frozen=True, slots=True)
class StepCoverage:
    """One estimator of a model; `reason`: why no rule takes it, None where one does."""

    path: str
    kind: str
    reason: str | None


def step_coverage(model: TrainedModel) -> tuple[StepCoverage, ...]:
    """Every estimator of the model once, in the model's order."""
    rules, root = all_rules(), "pipeline" if type(model.model).__name__ == "Pipeline" else "model"
    nested = {path: type(estimator).__name__ for path, estimator in estimators(model.model, root)}
    reasons: dict[str, str | None] = dict.fromkeys(nested)
    for role in roles_of(model):
        for step in _refused(model.model, role, rules, root):
            nested.setdefault(step.path, step.kind)
            reasons[step.path] = reasons.get(step.path) or step.reason
    return tuple(StepCoverage(path, kind, reasons[path]) for path, kind in nested.items())


def _refused(model: Any, role: str, rules: Rules, path: str) -> Iterator[StepCoverage]:
    """The estimators that no rule takes in the roles in which they are called."""
    kind = type(model).__name__
    if not has_rules(model):
        reason = lacking(model, role)
        if reason:
            yield StepCoverage(path, kind, reason)
        return
    if kind not in getattr(rules, role):
        yield StepCoverage(path, kind, f"there is no rule to {role.replace('_', ' ')} with it")
        return
    limit = (rules.inverse_limits if role == "inverse" else rules.limits).get(kind)
    reason = limit(model) if limit else None
    if reason:
        yield StepCoverage(path, kind, reason)
        return
    calls = rules.calls.get(kind)
    nested = calls(model, role) if calls else [(name, child, role) for name, child in children(model)]
    for name, child, child_role in nested:
        yield from _refused(child, child_role, rules, f"{path}.{name}")
