"""CatBoost: its estimators, which scikit-learn's interface describes, and their .cbm files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgeml_converters.model import TrainedModel
from edgeml_converters.registry import Source
from edgeml_converters.sources.catboost_model import model_json
from edgeml_converters.sources.sklearn import SOURCE as SKLEARN
from edgeml_runtime.errors import InputError, UnsupportedModelError


def _recognises(model: object) -> bool:
    """True for CatBoost and classes derived from it; a class itself is not a model."""
    return not isinstance(model, type) and any(
        cls.__name__ == "CatBoost" and cls.__module__.partition(".")[0] == "catboost"
        for cls in type(model).__mro__
    )


def _load(path: Path) -> Any:
    """The estimator that the loss in a file belongs to; raises InputError where it is no CatBoost model."""
    import catboost

    model = catboost.CatBoost()
    try:
        model.load_model(str(path), format="cbm")
        loss = json.loads(model_json(model))["model"]["loss"].get("type", "")
        found = getattr(catboost, _estimator_of(model, loss))()
        found.load_model(str(path), format="cbm")
    except catboost.CatBoostError as exc:
        summary = str(exc).strip().partition("\n")[0]
        raise InputError(f"{path}: is truncated or not a CatBoost model: {summary}") from exc
    return found


def _estimator_of(model: Any, loss: str) -> str:
    """The name of the class that fits with a loss; CatBoost itself for those of none."""
    if model._is_classification_objective(loss):
        return "CatBoostClassifier"
    if model._is_ranking_objective(loss):
        return "CatBoostRanker"
    regression = model._is_regression_objective(loss) or model._is_multiregression_objective(loss)
    return "CatBoostRegressor" if regression else "CatBoost"


def _describe(model: Any, name: str) -> TrainedModel:
    if not model.is_fitted():
        raise UnsupportedModelError(
            f"{name} ({type(model).__name__}) is not fitted: call fit before compiling"
        )
    names = tuple(map(str, model.feature_names_))
    if not model.n_features_in_:
        model._n_features_in = len(names)  # CatBoost forgets it in files
    found = SKLEARN.describe(model, name)
    signature = found.signature
    if names != tuple(map(str, range(len(names)))):
        signature = replace(signature, inputs=(replace(signature.inputs[0], columns=names),))
    return replace(found, kind="catboost", signature=signature)


def _predict(model: TrainedModel, method: str, x: Any) -> Any:
    """What the estimator's own method returns; text labels as an array of text, not of objects."""
    result = np.asarray(SKLEARN.predict(model, method, x))
    return result.astype(str) if result.dtype == object else result


SOURCE = Source(
    kind="catboost",
    suffixes=(".cbm",),
    requires=("catboost", "sklearn"),
    extra="catboost",
    recognises=_recognises,
    load=_load,
    describe=_describe,
    predict=_predict,
    scores=SKLEARN.scores,
    boundaries=SKLEARN.boundaries,
)
