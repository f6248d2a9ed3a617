"""XGBoost's Boosters and model files (.ubj, .json); its estimators are scikit-learn's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgeml_converters.model import TrainedModel
from edgeml_converters.registry import Source
from edgeml_converters.sources.boosters import (
    both_classes,
    described,
    described_labels,
    is_booster,
    rows_of,
)
from edgeml_converters.sources.sklearn_boundaries import boundary_rows
from edgeml_converters.sources.xgboost_model import (
    XGBoostModel,
    booster_model,
    is_model_file,
    read_model,
)
from edgeml_runtime.errors import InputError
from edgeml_runtime.signature import Array

_ESTIMATORS = {"classifier": "XGBClassifier", "regressor": "XGBRegressor", "ranker": "XGBRanker"}


def _load(path: Path) -> Any:
    """The Booster of a file, or the estimator that says that it saved it; checked before XGBoost reads it."""
    import xgboost

    found = read_model(path.read_bytes(), str(path))
    name = _ESTIMATORS.get(found.estimator or "", "Booster")
    model = getattr(xgboost, name)()
    try:
        model.load_model(str(path))
    except xgboost.core.XGBoostError as exc:
        summary = str(exc).strip().partition("\n")[0]
        raise InputError(f"{path} is truncated or no XGBoost model: {summary}") from exc
    return model


def _describe(model: Any, name: str) -> TrainedModel:
    found = booster_model(model, name)
    interface: dict[str, Any] = {"features": found.features, "names": found.names}
    if found.objective == "multi:softmax":
        return described_labels(model, "xgboost", name, classes=found.classes, **interface)
    classifies = found.objective == "multi:softprob" or _is_binary(found)
    task: Any = "classification" if classifies else "regression"
    return described(model, "xgboost", name, task=task, width=found.width, **interface)


def _is_binary(found: XGBoostModel) -> bool:
    return found.objective == "binary:logistic" and found.width == 1


def _predict(model: TrainedModel, method: str, x: Any) -> Array:
    """What Booster.predict returns, of all rounds: float32[n] or [n, width]."""
    model.signature.method(method)
    return np.asarray(model.model.predict(_matrix(model, x)))


def _scores(model: TrainedModel, x: Any) -> Array | None:
    """Probabilities, or margins where predict gives labels."""
    if model.task != "classification":
        return None
    labels = bool(model.signature.methods[0].labels)
    return both_classes(np.asarray(model.model.predict(_matrix(model, x), output_margin=labels)))


def _matrix(model: TrainedModel, x: Any) -> Any:
    import xgboost

    rows, booster = rows_of(model, x), model.model
    if hasattr(rows, "iloc"):
        return xgboost.DMatrix(rows, enable_categorical=True)
    names, types = booster.feature_names, booster.feature_types
    return xgboost.DMatrix(rows, feature_names=names, feature_types=types, enable_categorical=True)


SOURCE = Source(
    kind="xgboost",
    suffixes=(".ubj", ".json"),
    requires=("xgboost",),
    extra="xgboost",
    recognises=lambda model: is_booster(model, "xgboost"),
    load=_load,
    describe=_describe,
    predict=_predict,
    scores=_scores,
    boundaries=boundary_rows,
    holds=is_model_file,
)
