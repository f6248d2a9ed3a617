"""Which estimators can be converted, found without converting: by class name and parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from edgeml_converters.sources.sklearn_structure import children
from edgeml_converters.to_onnx.sklearn.emitter import Rules
from edgeml_converters.to_onnx.sklearn.fallback import skl2onnx_takes

_TRANSFORMING = ("Pipeline", "ColumnTransformer", "FeatureUnion")


def role_of(model: Any, task: str) -> str:
    """The role in `Rules` that a model of that task has."""
    if task == "classification":
        return "classify_many" if isinstance(model.classes_, list) else "classify"
    return {"regression": "regress", "clustering": "cluster", "transform": "transform"}[task]


def unsupported(model: Any, role: str, rules: Rules, path: str) -> Iterator[str]:
    """A reason for each estimator, by path and class, that no rule takes in that role."""
    kind = type(model).__name__
    where = f"{path} ({kind})"
    if not type(model).__module__.startswith("sklearn."):
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
    limit = _LIMITS.get(kind)
    reason = limit(model) if limit else None
    if reason:
        yield f"{where}: {reason}"
        return
    members = children(model)
    for i, (name, child) in enumerate(members):
        last = i == len(members) - 1
        yield from unsupported(child, _child_role(model, role, last=last), rules, f"{path}.{name}")


def _child_role(model: Any, role: str, *, last: bool) -> str:
    kind = type(model).__name__
    if kind in _TRANSFORMING and not (kind == "Pipeline" and last):
        return "transform"
    return "classify" if kind == "MultiOutputClassifier" else role


def _function(model: Any) -> str | None:
    return None if model.func is None else "only func=None (identity) has a meaning in a graph"


def _infrequent(model: Any) -> str | None:
    if getattr(model, "_infrequent_enabled", False):
        return "infrequent categories (min_frequency, max_categories) are not supported"
    return None


def _imputer(model: Any) -> str | None:
    if not isinstance(model.missing_values, (int, float)):
        return f"missing_values={model.missing_values!r} is not a number"
    return None


def _kernel(model: Any) -> str | None:
    if callable(model.kernel) or model.kernel == "precomputed":
        return f"kernel={model.kernel!r} is not supported; use linear, poly, rbf or sigmoid"
    return None


def _neighbors(model: Any) -> str | None:
    if model.weights not in ("uniform", None):
        return f"weights={model.weights!r} is not supported; use uniform"
    if model.effective_metric_ != "euclidean":
        return f"metric {model.effective_metric_!r} is not supported; use euclidean"
    return None


def _boosting(model: Any) -> str | None:
    kind = type(model.init_).__name__
    if kind not in ("str", "DummyClassifier", "DummyRegressor"):
        return f"init={kind} is not supported; use init=None or init='zero'"
    return None


def _calibrated(model: Any) -> str | None:
    if model.method not in ("sigmoid", "isotonic"):
        return f"method={model.method!r} is not supported; use sigmoid or isotonic"
    return None


def _one_vs_rest(model: Any) -> str | None:
    kinds = {type(member).__name__ for member in model.estimators_}
    return "a class was constant while fitting" if "_ConstantPredictor" in kinds else None


_LIMITS: dict[str, Callable[[Any], str | None]] = {
    "CalibratedClassifierCV": _calibrated,
    "FunctionTransformer": _function,
    "GradientBoostingClassifier": _boosting,
    "GradientBoostingRegressor": _boosting,
    "KNeighborsClassifier": _neighbors,
    "KNeighborsRegressor": _neighbors,
    "NuSVC": _kernel,
    "NuSVR": _kernel,
    "OneHotEncoder": _infrequent,
    "OneVsRestClassifier": _one_vs_rest,
    "OrdinalEncoder": _infrequent,
    "SVC": _kernel,
    "SVR": _kernel,
    "SimpleImputer": _imputer,
}
