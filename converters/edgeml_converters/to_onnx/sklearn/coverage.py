"""Which estimators can be converted, found without converting: by class name and parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edgeml_converters.model import TrainedModel
from edgeml_converters.sources.sklearn_interface import targets_of
from edgeml_converters.sources.sklearn_structure import children
from edgeml_converters.to_onnx.sklearn.emitter import Rules
from edgeml_converters.to_onnx.sklearn.fallback import skl2onnx_takes

_KNOWN = ("sklearn", "lightgbm", "xgboost", "catboost")


def roles_of(model: TrainedModel) -> tuple[str, ...]:
    """The roles in `Rules` that give the outputs of a model's methods."""
    methods = {method.name for method in model.signature.methods}
    found: dict[str, None] = {}
    if model.task == "classification":
        targets = targets_of(model.model)
        found[{"one": "classify", "several": "classify_many", "indicator": "multilabel"}[targets]] = None
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


def unsupported(model: Any, role: str, rules: Rules, path: str) -> Iterator[str]:
    """A reason for each estimator, by path and class, that no rule takes in that role."""
    kind = type(model).__name__
    where = f"{path} ({kind})"
    if type(model).__module__.partition(".")[0] not in _KNOWN:
        yield (
            f"{where}: is defined in {type(model).__module__}, not in scikit-learn; "
            "what it computes is not known"
        )
        return
    if kind not in getattr(rules, role):
        reason = skl2onnx_takes(model, role)
        if reason:
            yield f"{where}: {reason}"
        return
    limit = rules.limits.get(kind)
    reason = limit(model) if limit else None
    if reason:
        yield f"{where}: {reason}"
        return
    calls = rules.calls.get(kind)
    nested = calls(model, role) if calls else [(name, child, role) for name, child in children(model)]
    for name, child, child_role in nested:
        yield from unsupported(child, child_role, rules, f"{path}.{name}")
