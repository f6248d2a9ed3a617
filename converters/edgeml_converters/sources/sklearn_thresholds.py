"""What a classifier with a threshold of its own compares with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgeml_runtime.signature import Array

CLASSIFIERS = ("FixedThresholdClassifier", "TunedThresholdClassifierCV")


@dataclass(frozen=True, slots=True)
class Deciding:
    """The class of index `positive` is predicted where its score reaches the threshold."""

    estimator: Any = field(repr=False)
    method: str  # "predict_proba" or "decision_function"
    positive: int
    threshold: float


def deciding(model: Any) -> Deciding:
    """The rule of a fitted FixedThresholdClassifier or TunedThresholdClassifierCV."""
    tuned = hasattr(model, "best_threshold_")
    estimator = getattr(model, "estimator_", model.estimator)
    wanted = ("predict_proba", "decision_function")
    methods = wanted if model.response_method == "auto" else (model.response_method,)
    method = next(name for name in methods if hasattr(estimator, name))
    label = model._curve_scorer._get_pos_label() if tuned else model.pos_label
    positive = 1 if label is None else int(np.flatnonzero(np.asarray(model.classes_) == label)[0])
    threshold = model.best_threshold_ if tuned else model.threshold
    if isinstance(threshold, str):  # "auto"
        threshold = 0.5 if method == "predict_proba" else 0.0
    return Deciding(estimator, method, positive, float(threshold))


def distances(model: Any, rule: Deciding, rows: Any) -> Array:
    """Scores [n, 2] whose difference is the score's distance from the threshold; `rows` are the model's."""
    values = np.asarray(getattr(model, rule.method)(rows))
    if rule.method == "predict_proba":
        values = values[:, rule.positive]
    elif rule.positive == 0:
        values = -values
    distance = values - rule.threshold
    first = -distance if rule.positive else distance
    return np.stack([first / 2, -first / 2], axis=1)
