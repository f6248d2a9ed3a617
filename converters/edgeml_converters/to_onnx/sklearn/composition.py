"""Pipelines, column transformers and unions: the rules that only call other rules."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.sources.sklearn_structure import children
from edgeml_converters.to_onnx.sklearn.emitter import Emitter, Rule, Rules
from edgeml_converters.to_onnx.sklearn.inputs import document_of


def _before_last(emitter: Emitter, model: Any, x: str) -> str:
    for _, step in model.steps[:-1]:
        x = emitter.transform(step, x)
    return x


def _on_last(role: str) -> Rule:
    """A pipeline's rule: its last step in that role, on what the steps before make."""

    def rule(emitter: Emitter, model: Any, x: str) -> Any:
        return getattr(emitter, role)(model.steps[-1][1], _before_last(emitter, model, x))

    return rule


def _backwards(emitter: Emitter, model: Any, x: str) -> str:
    for _, step in reversed(model.steps):
        x = x if step is None or isinstance(step, str) else emitter.inverse(step, x)
    return x


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
    for name, step, chosen in model.transformers_:
        columns = np.asarray(model._transformer_to_input_indices[name])
        if columns.size == 0 or (isinstance(step, str) and step == "drop"):
            continue
        document = document_of(x, int(columns.flat[0]))
        alone = np.ndim(chosen) == 0 and any(known == document for known, _ in emitter.documents)
        y = emitter.transform(step, document if alone else emitter.columns(x, columns))
        if y not in emitter.origins:
            places = model.output_indices_[name]
            emitter.declare(y, places.stop - places.start)
        parts.append(_weighted(emitter, y, model.transformer_weights, name))
    return emitter.concat(parts)


def _transforming(model: Any, role: str) -> list[tuple[str, Any, str]]:
    return [(name, child, "transform") for name, child in children(model)]


def _pipeline_calls(model: Any, role: str) -> list[tuple[str, Any, str]]:
    if role == "inverse":
        return [(name, child, role) for name, child in children(model)]
    *before, (name, last) = children(model)
    return [*((n, child, "transform") for n, child in before), (name, last, role)]


_BY_LAST: dict[str, Any] = {
    role: {"Pipeline": _on_last(role)}
    for role in (
        "classify",
        "classify_many",
        "cluster",
        "detect",
        "memberships",
        "multilabel",
        "regress",
        "score",
    )
}
RULES = Rules(
    transform={
        "ColumnTransformer": _column_transformer,
        "FeatureUnion": _feature_union,
        "Pipeline": _on_last("transform"),
    },
    inverse={"Pipeline": _backwards},
    calls={"ColumnTransformer": _transforming, "FeatureUnion": _transforming, "Pipeline": _pipeline_calls},
    **_BY_LAST,
)
