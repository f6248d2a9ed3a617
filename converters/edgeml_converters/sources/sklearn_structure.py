"""How scikit-learn's estimators are nested: the walk that steps, coverage and missing values rest on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from edgeml_converters.model import Step

# Ensembles of trees of one kind are one step: their trees are parameters.
_WHOLE = ("Forest", "ExtraTrees", "GradientBoosting", "IsolationForest", "RandomTreesEmbedding")
# They hand their rows on as they are, so that their parts alone say whether NaN goes through.
_UNCHECKED = (
    "BaggingClassifier", "BaggingRegressor", "CalibratedClassifierCV", "ColumnTransformer", "FeatureUnion",
    "FixedThresholdClassifier", "FrozenEstimator", "MultiOutputClassifier", "MultiOutputRegressor",
    "OneVsOneClassifier", "OneVsRestClassifier", "OutputCodeClassifier", "RANSACRegressor",
    "SelfTrainingClassifier", "TunedThresholdClassifierCV",
)  # fmt: skip
_IMPUTERS = ("SimpleImputer", "KNNImputer", "IterativeImputer")


def children(estimator: Any) -> list[tuple[str, Any]]:
    """The fitted estimators that `estimator` calls to predict or transform, by name."""
    kind = type(estimator).__name__
    if kind == "FrozenEstimator":  # answers for its estimator in everything, also in what it has
        found = [("estimator", estimator.estimator)]
    elif kind == "Pipeline":
        found = list(estimator.steps)
    elif kind == "FeatureUnion":
        found = list(estimator.transformer_list)
    elif kind == "ColumnTransformer":
        transformers = getattr(estimator, "transformers_", estimator.transformers)
        found = [(name, child) for name, child, _ in transformers]
    elif any(word in kind for word in _WHOLE) or hasattr(estimator, "get_support"):
        # A feature selector's estimator has done its part when it was fitted, unless it predicts too.
        found = [("init", estimator.init_)] if has_init(estimator) else []
        if kind in ("RFE", "RFECV"):
            found = [("estimator", estimator.estimator_)]
    elif hasattr(estimator, "calibrated_classifiers_"):
        found = [(f"classifier{i}", c.estimator) for i, c in enumerate(estimator.calibrated_classifiers_)]
    elif hasattr(estimator, "best_estimator_"):
        found = [("best_estimator", estimator.best_estimator_)]
    else:
        found = _members(estimator)
    return [(name, child) for name, child in found if hasattr(child, "get_params")]


def has_init(estimator: Any) -> bool:
    """Whether gradient boosting adds to what another estimator predicts, not to a constant."""
    init = getattr(estimator, "init_", None)
    dummy = type(init).__name__ in ("DummyClassifier", "DummyRegressor")
    return "GradientBoosting" in type(estimator).__name__ and hasattr(init, "get_params") and not dummy


def _members(estimator: Any) -> list[tuple[str, Any]]:
    held = getattr(estimator, "estimators_", [])
    # Not by numpy where it is a list: a pipeline is a sequence too, and would come apart.
    members = held.ravel().tolist() if isinstance(held, np.ndarray) else list(held)
    names = [name for name, child in getattr(estimator, "estimators", None) or [] if child != "drop"]
    if len(names) != len(members):
        names = [f"estimator{i}" for i in range(len(members))]
    found = list(zip(names, members, strict=True))
    for attribute in ("final_estimator_", "estimator_", "regressor_", "transformer_"):
        child = getattr(estimator, attribute, None)
        if child is not None and not (members and attribute == "estimator_"):
            found.append((attribute.rstrip("_"), child))
    if not found and type(estimator).__name__ == "FixedThresholdClassifier":
        found = [("estimator", estimator.estimator)]  # which may be fitted before
    rounds = getattr(estimator, "imputation_sequence_", [])  # of IterativeImputer
    found += [(f"column{step.feat_idx}_{i}", step.estimator) for i, step in enumerate(rounds)]
    return found


def estimators(model: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """`model` and everything nested in it with its path: `pipeline`, `pipeline.scaler`, ..."""
    path = path or ("pipeline" if type(model).__name__ == "Pipeline" else "model")
    yield path, model
    for name, child in children(model):
        yield from estimators(child, f"{path}.{name}")


def steps(model: Any) -> Iterator[Step]:
    """Every estimator as a step; a pipeline and the like are only the path of theirs."""
    for path, estimator in estimators(model):
        if type(estimator).__name__ not in ("Pipeline", "FeatureUnion", "ColumnTransformer"):
            yield Step(path, type(estimator).__name__)


def final_estimator(model: Any) -> Any:
    """The estimator whose method gives the output: past pipelines, searches and frozen ones."""
    while True:
        if type(model).__name__ == "FrozenEstimator":
            model = model.estimator
        elif type(model).__name__ == "Pipeline":
            steps_left = [step for _, step in children(model)]
            if not steps_left:
                return model
            model = steps_left[-1]
        elif hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        else:
            return model


def input_width(model: Any) -> int | None:
    """How many columns the model takes; None where none of its estimators says so."""
    # A pipeline asks its first step, and a step that passes everything through does not know.
    widths = (own_width(estimator) for _, estimator in estimators(model))
    return next((int(width) for width in widths if width is not None), None)


def own_width(estimator: Any) -> int | None:
    """How many columns the estimator itself says it takes; isotonic regression has one and does not say."""
    if type(estimator).__name__ == "IsotonicRegression":
        return 1
    if type(estimator).__name__ == "LabelBinarizer":  # of an indicator matrix
        return len(estimator.classes_)
    width = getattr(estimator, "n_features_in_", None)
    return None if width is None else int(width)


def takes_nan(model: Any) -> bool:
    """Whether rows with NaN go through: every step takes them until one fills them in."""
    from sklearn.utils import get_tags

    kind = type(model).__name__
    parts = [child for _, child in children(model)]
    if kind == "Pipeline":
        for step in parts:
            if not takes_nan(step):
                return False
            if _fills_nan(step):
                return True
        return True
    if kind in _UNCHECKED or hasattr(model, "best_estimator_"):
        return all(takes_nan(part) for part in parts)
    if kind == "TransformedTargetRegressor":
        return takes_nan(model.regressor_)  # its transformer sees targets only
    if kind.startswith("Dummy") or kind == "_ConstantPredictor":
        return True
    if kind == "OneHotEncoder" and model.handle_unknown == "error":
        return all(bool(np.isnan(np.asarray(c, np.float64)).any()) for c in model.categories_)
    if kind == "FunctionTransformer":
        return not model.validate
    if kind == "VotingClassifier" or kind == "VotingRegressor" or kind.startswith("Stacking"):
        return all(takes_nan(part) for part in parts[: len(model.estimators_)])
    return bool(get_tags(model).input_tags.allow_nan)


def _fills_nan(step: Any) -> bool:
    kind = type(step).__name__
    parts = [child for _, child in children(step)]
    if kind in _IMPUTERS:
        missing = step.missing_values
        return bool(isinstance(missing, float) and np.isnan(missing))
    if kind == "OneHotEncoder":
        return True
    if kind == "Pipeline":
        return any(_fills_nan(part) for part in parts)
    return kind in ("ColumnTransformer", "FeatureUnion") and all(_fills_nan(part) for part in parts)
