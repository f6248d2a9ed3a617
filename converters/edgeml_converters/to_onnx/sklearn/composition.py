"""Pipelines, column transformers, unions and searches: the rules that only call other rules."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.sources.sklearn_structure import children
from edgeml_converters.to_onnx.sklearn.emitter import Classified, Emitter, Rules


def _before_last(emitter: Emitter, model: Any, x: str) -> str:
    for _, step in model.steps[:-1]:
        x = emitter.transform(step, x)
    return x


def _pipeline_transform(emitter: Emitter, model: Any, x: str) -> str:
    return emitter.transform(model.steps[-1][1], _before_last(emitter, model, x))


def _pipeline_regress(emitter: Emitter, model: Any, x: str) -> str:
    return emitter.regress(model.steps[-1][1], _before_last(emitter, model, x))


def _pipeline_classify(emitter: Emitter, model: Any, x: str) -> Classified:
    return emitter.classify(model.steps[-1][1], _before_last(emitter, model, x))


def _pipeline_classify_many(emitter: Emitter, model: Any, x: str) -> tuple[Classified, ...]:
    return emitter.classify_many(model.steps[-1][1], _before_last(emitter, model, x))


def _pipeline_cluster(emitter: Emitter, model: Any, x: str) -> str:
    return emitter.cluster(model.steps[-1][1], _before_last(emitter, model, x))


def _weighted(emitter: Emitter, y: str, weights: Any, name: str) -> str:
    weight = (weights or {}).get(name, 1)
    return y if weight == 1 else emitter.add("Mul", y, emitter.constant([float(weight)]))


def _feature_union(emitter: Emitter, model: Any, x: str) -> str:
    parts = [
        _weighted(emitter, emitter.transform(step, x), model.transformer_weights, name)
        for name, step in model.transformer_list
        if not (isinstance(step, str) and step == "drop")
    ]
    return emitter.concat(parts)


def _column_transformer(emitter: Emitter, model: Any, x: str) -> str:
    parts = []
    for name, step, _ in model.transformers_:
        columns = np.asarray(model._transformer_to_input_indices[name])
        if columns.size == 0 or (isinstance(step, str) and step == "drop"):
            continue
        y = emitter.transform(step, emitter.columns(x, columns))
        parts.append(_weighted(emitter, y, model.transformer_weights, name))
    return emitter.concat(parts)


def _transforming(model: Any, role: str) -> list[tuple[str, Any, str]]:
    return [(name, child, "transform") for name, child in children(model)]


def _pipeline_calls(model: Any, role: str) -> list[tuple[str, Any, str]]:
    *before, (name, last) = children(model)
    return [*((n, child, "transform") for n, child in before), (name, last, role)]


_SEARCHES = ("GridSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV", "RandomizedSearchCV")
RULES = Rules(
    transform={
        "ColumnTransformer": _column_transformer,
        "FeatureUnion": _feature_union,
        "Pipeline": _pipeline_transform,
    }
    | dict.fromkeys(_SEARCHES, lambda e, m, x: e.transform(m.best_estimator_, x)),
    regress={"Pipeline": _pipeline_regress}
    | dict.fromkeys(_SEARCHES, lambda e, m, x: e.regress(m.best_estimator_, x)),
    classify={"Pipeline": _pipeline_classify}
    | dict.fromkeys(_SEARCHES, lambda e, m, x: e.classify(m.best_estimator_, x)),
    classify_many={"Pipeline": _pipeline_classify_many}
    | dict.fromkeys(_SEARCHES, lambda e, m, x: e.classify_many(m.best_estimator_, x)),
    cluster={"Pipeline": _pipeline_cluster}
    | dict.fromkeys(_SEARCHES, lambda e, m, x: e.cluster(m.best_estimator_, x)),
    calls={"ColumnTransformer": _transforming, "FeatureUnion": _transforming, "Pipeline": _pipeline_calls},
)
