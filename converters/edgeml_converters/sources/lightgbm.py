"""LightGBM's Boosters and model files (.txt); its estimators are scikit-learn's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgeml_converters.model import TrainedModel
from edgeml_converters.registry import Source
from edgeml_converters.sources.boosters import both_classes, described, is_booster, rows_of
from edgeml_converters.sources.lightgbm_model import is_model_text, read_model
from edgeml_converters.sources.sklearn_boundaries import boundary_rows
from edgeml_runtime.errors import InputError
from edgeml_runtime.signature import Array

_CLASSIFYING = ("binary", "multiclass", "multiclassova")


def _load(path: Path) -> Any:
    """The Booster of a model text, whose trees are checked before LightGBM reads them."""
    import lightgbm

    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as exc:
        raise InputError(f"{path} is no LightGBM model, or is damaged: {exc}") from exc
    read_model(text, str(path))
    try:
        return lightgbm.Booster(model_str=text)
    except lightgbm.basic.LightGBMError as exc:
        raise InputError(f"{path} is no LightGBM model, or is damaged: {exc}") from exc


def _describe(model: Any, name: str) -> TrainedModel:
    found = read_model(model.model_to_string(), name)
    objective = (found.objective or ("",))[0]
    given = found.names != tuple(f"Column_{i}" for i in range(found.features))
    return described(
        model,
        "lightgbm",
        name,
        features=found.features,
        names=found.names if given else (),
        task="classification" if objective in _CLASSIFYING else "regression",
        width=found.width,
    )


def _predict(model: TrainedModel, method: str, x: Any) -> Array:
    """What Booster.predict returns, up to its best iteration: float64[n] or [n, width]."""
    model.signature.method(method)
    return np.asarray(model.model.predict(rows_of(model, x)))


def _scores(model: TrainedModel, x: Any) -> Array | None:
    if model.task != "classification":
        return None
    return both_classes(_predict(model, "predict", x))


SOURCE = Source(
    kind="lightgbm",
    suffixes=(".txt",),
    requires=("lightgbm",),
    extra="lightgbm",
    recognises=lambda model: is_booster(model, "lightgbm"),
    load=_load,
    describe=_describe,
    predict=_predict,
    scores=_scores,
    boundaries=boundary_rows,
    holds=is_model_text,
)
