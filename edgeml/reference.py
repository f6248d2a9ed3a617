"""What the original model says, in its own framework: the only oracle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgeml_converters.intake import source_of
from edgeml_converters.model import Data, TrainedModel
from edgeml_runtime.errors import InputError
from edgeml_runtime.signature import Array

METRICS = ("accuracy", "r2")


@dataclass(frozen=True, slots=True)
class Reference:
    """The original's results on the judging rows.

    `results`: method -> what the framework returned, as a list of arrays; `labels`: predicted labels [n] or
    [n, k] where the model classifies, else None; `margins`: float64[n], gap between the two best class
    scores, where there are scores; `metric` and `score`: task quality against y, None without y or a task.
    """

    results: Mapping[str, list[Array]] = field(repr=False)
    labels: Array | None = field(repr=False)
    margins: Array | None = field(repr=False)
    metric: str | None
    score: float | None


def as_arrays(result: Any) -> list[Array]:
    """A method's result as a list of arrays, whatever structure the framework returns."""
    if isinstance(result, Mapping):
        return [np.asarray(value) for value in result.values()]
    if isinstance(result, (list, tuple)):
        return [np.asarray(value) for value in result]
    return [np.asarray(result)]


def consult(model: TrainedModel, data: Data) -> Reference:
    """Ask the original model for every method on those rows; raises InputError where it refuses them."""
    source = source_of(model)
    try:
        results = {m.name: as_arrays(source.predict(model, m.name, data.x)) for m in model.signature.methods}
        scores = source.scores(model, data.x)
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{model.name} itself refuses the data: {error}") from error
    labels = predicted_labels(model, results[model.signature.methods[0].name])
    metric = _metric(model, labels, results, data.y)
    score = None if metric is None else task_score(metric, _judged(labels, results, model), data.y)
    return Reference(results, labels, _margins(scores), metric, score)


def predicted_labels(model: TrainedModel, result: list[Array]) -> Array | None:
    """Labels of the first method's result; class indices where a network returns scores; None for values."""
    method = model.signature.methods[0]
    if method.labels or model.task == "clustering":
        return result[0]
    if model.task == "classification" and len(result) == 1 and result[0].ndim == 2:
        scores = result[0]
        return (scores[:, 0] > 0.5).astype(np.int64) if scores.shape[1] == 1 else scores.argmax(axis=1)
    return None


def _metric(
    model: TrainedModel, labels: Array | None, results: Mapping[str, list[Array]], y: Array | None
) -> str | None:
    if y is None or model.task in ("clustering", "transform"):
        return None
    if labels is not None:
        if y.shape not in (labels.shape, (len(labels), 1)):
            raise InputError(f"labels have shape {list(y.shape)}, {model.name} predicts {list(labels.shape)}")
        return "accuracy"
    values = results[model.signature.methods[0].name]
    if len(values) == 1 and values[0].size == y.size:
        return "r2"
    shapes = " and ".join(str(list(v.shape)) for v in values)
    raise InputError(f"targets have shape {list(y.shape)}, {model.name} predicts {shapes}")


def _judged(labels: Array | None, results: Mapping[str, list[Array]], model: TrainedModel) -> Array:
    return labels if labels is not None else results[model.signature.methods[0].name][0]


def task_score(metric: str, predicted: Array, y: Array | None) -> float:
    """Accuracy (share of equal labels) or R2 (mean over targets) of predictions against y."""
    truth = np.asarray(y).reshape(predicted.shape)
    if metric == "accuracy":
        return float(np.mean(_comparable(predicted) == _comparable(truth)))
    residual = np.square(truth.astype(np.float64) - predicted).sum(axis=0)
    spread = np.square(truth - truth.mean(axis=0, dtype=np.float64)).sum(axis=0)
    return float(np.mean(1.0 - residual / np.where(spread == 0, 1.0, spread)))


def _comparable(labels: Array) -> Array:
    return labels.astype(np.str_) if labels.dtype.kind in "OU" else labels


def _margins(scores: Array | None) -> Array | None:
    if scores is None or scores.ndim != 2 or scores.shape[1] < 2:
        return None
    best = np.sort(np.asarray(scores, np.float64), axis=1)
    return best[:, -1] - best[:, -2]
