"""What the original model says, in its own framework: the only oracle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
    scores, where there are scores; `metric` and `score`: task quality against y, None without y or a task;
    `undecided`: bool[n], rows whose answer hangs on ties that float32 cannot tell, None where none can.
    """

    results: Mapping[str, list[Array]] = field(repr=False)
    labels: Array | None = field(repr=False)
    margins: Array | None = field(repr=False)
    metric: str | None
    score: float | None
    undecided: Array | None = field(default=None, repr=False)


def as_arrays(result: Any) -> list[Array]:
    """A method's result as a list of arrays, whatever structure the framework returns."""
    if isinstance(result, Mapping):
        return [np.asarray(value) for value in result.values()]
    if isinstance(result, (list, tuple)):
        return [np.asarray(value) for value in result]
    return [np.asarray(result)]


def read_targets(model: TrainedModel, data: Data) -> tuple[TrainedModel, Data]:
    """What y says of a network [n, classes] whose own layers do not: it classifies, if y holds class indices.

    A network may end in logits, which look like any values; a classifier's y may be one-hot, which becomes
    indices. Models that say what they are (scikit-learn's, those with labels) are left as they are.
    """
    shape = model.signature.outputs[0].shape
    says_itself = model.kind == "sklearn" or bool(model.signature.methods[0].labels)
    if data.y is None or says_itself or len(model.signature.outputs) > 1 or len(shape) != 2:
        return model, data
    y, classes = data.y, shape[1] or 0
    if model.task == "classification" and y.shape == (len(y), classes) and classes > 1:
        one_hot = ((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all()
        return model, Data(data.x, y.argmax(axis=1)) if one_hot else data
    indices = y.dtype.kind in "iu" and y.size == len(y) and y.min() >= 0 and y.max() < classes
    if model.task in ("regression", "tensor") and classes > 1 and indices:
        return replace(model, task="classification"), data
    return model, data


def consult(model: TrainedModel, data: Data) -> Reference:
    """Ask the original model for every method on those rows; raises InputError where it refuses them."""
    source = source_of(model)
    try:
        results = {m.name: as_arrays(source.predict(model, m.name, data.x)) for m in model.signature.methods}
        scores = source.scores(model, data.x)
        undecided = None if source.undecided is None else source.undecided(model, data.x)
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{model.name} itself refuses the data: {error}") from error
    if all(a.dtype.kind == "f" and not np.isfinite(a).any() for r in results.values() for a in r):
        raise InputError(
            f"{model.name} itself answers NaN or infinity for every row; was its training stable?"
        )
    labels = predicted_labels(model, results[model.signature.methods[0].name])
    metric = _metric(model, labels, results, data.y)
    score = None
    if metric is not None:
        predicted = _judged(labels, results, model)
        _check_truth(model, metric, predicted, data.y)
        score = task_score(metric, predicted, data.y)
    if undecided is not None and len(undecided) > 1 and undecided.all():
        undecided = None  # what is left would prove nothing
    return Reference(results, labels, _margins(scores, undecided), metric, score, undecided)


def predicted_labels(model: TrainedModel, result: list[Array]) -> Array | None:
    """Labels of the first method's result; class indices where a network returns scores; None for values."""
    method = model.signature.methods[0]
    if method.labels or model.task == "clustering":
        return result[0]
    if model.task == "classification" and len(result) == 1 and result[0].ndim in (1, 2):
        scores = result[0].reshape(len(result[0]), -1)
        return (scores[:, 0] > 0.5).astype(np.int64) if scores.shape[1] == 1 else scores.argmax(axis=1)
    return None


def _metric(
    model: TrainedModel, labels: Array | None, results: Mapping[str, list[Array]], y: Array | None
) -> str | None:
    if y is None or model.task in ("clustering", "density", "transform"):
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


def _check_truth(model: TrainedModel, metric: str, predicted: Array, y: Array | None) -> None:
    """Refuse labels or targets that cannot be what the model predicts, rather than count each as wrong."""
    given = np.asarray(y)
    missing = np.array([_is_missing(v) for v in given.ravel().tolist()]).reshape(len(given), -1).any(axis=1)
    what = "labels" if metric == "accuracy" else "targets"
    if missing.any():
        raise InputError(f"{what} are missing in {missing.sum()} of {len(given)} rows; remove those rows")
    truth, answers = _comparable(given), _comparable(predicted)
    first = truth.flat[0].item()
    if metric == "r2":
        if truth.dtype.kind == "U":
            raise InputError(f"targets are text such as {first!r}; {model.name} predicts numbers")
        if not np.isfinite(predicted).all():
            raise InputError(
                f"{model.name} itself answers NaN or infinity on the data; no R2 can be taken of it"
            )
        return
    known = _classes(model, answers)
    listed = ", ".join(repr(v) for v in known[:10].tolist()) + (", ..." if len(known) > 10 else "")
    if (truth.dtype.kind == "U") != (answers.dtype.kind == "U"):
        kinds = ("text", "numbers") if truth.dtype.kind == "U" else ("numbers", "text")
        raise InputError(f"labels are {kinds[0]} such as {first!r}; {model.name}'s are {kinds[1]}: {listed}")
    if not np.isin(truth, known).any():
        got = ", ".join(repr(v) for v in np.unique(truth)[:10].tolist())
        raise InputError(f"no label is one of {model.name}'s: {listed}; got {got}")


def _is_missing(value: object) -> bool:
    return not isinstance(value, (str, bool, int, float, np.generic)) or value != value


def _classes(model: TrainedModel, answers: Array) -> Array:
    """Every label that the model can give: its tables', or the indices of its scores."""
    method = model.signature.methods[0]
    if method.labels:
        tables = [table.array() for table in method.labels]
        text = answers.dtype.kind == "U"
        return np.unique(np.concatenate([t.astype(np.str_) if text else t for t in tables]))
    columns = model.signature.output(method.outputs[0]).shape[1:]
    return np.arange(max([2, *(size or 1 for size in columns)]))


def task_score(metric: str, predicted: Array, y: Array | None) -> float:
    """Accuracy (share of equal labels) or R2 (mean over targets) of predictions against y.

    A target without spread scores 1 where every row is right, else 0, as scikit-learn has it.
    """
    truth = np.asarray(y).reshape(predicted.shape)
    if metric == "accuracy":
        return float(np.mean(_comparable(predicted) == _comparable(truth)))
    residual = np.square(truth.astype(np.float64) - predicted).sum(axis=0)
    spread = np.square(truth - truth.mean(axis=0, dtype=np.float64)).sum(axis=0)
    constant = np.where(residual == 0, 1.0, 0.0)
    return float(
        np.mean(np.where(spread == 0, constant, 1.0 - residual / np.where(spread == 0, 1.0, spread)))
    )


def _comparable(labels: Array) -> Array:
    """Text as text and Python objects as what they are, so that equal labels compare equal."""
    if labels.dtype.kind == "O":
        labels = np.array(labels.ravel().tolist()).reshape(labels.shape)
    return labels.astype(np.str_) if labels.dtype.kind in "OUS" else labels


def _margins(scores: Array | None, undecided: Array | None) -> Array | None:
    """float64[n], 0 where the row is undecided, infinite where it is unknown; None where all are."""
    margins = None
    if scores is not None and scores.ndim == 2 and scores.shape[1] > 1:
        best = np.sort(np.asarray(scores, np.float64), axis=1)
        margins = best[:, -1] - best[:, -2]
    if undecided is None or not undecided.any():
        return margins
    return np.where(undecided, 0.0, np.inf if margins is None else margins)
