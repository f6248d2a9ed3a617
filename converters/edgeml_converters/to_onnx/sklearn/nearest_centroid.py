"""The class with the nearest centroid."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.emitter import Classified, Emitter, Rules
from edgeml_converters.to_onnx.sklearn.pairwise_kernels import manhattan_distances, squared_distances
from edgeml_converters.to_onnx.sklearn.scores import from_decision
from edgeml_runtime.signature import Array


def _classify(emitter: Emitter, model: Any, x: str) -> Classified:
    """Labels by raw distances where classes are as likely; decisions are of features over their deviation."""
    priors, classes = np.asarray(model.class_prior_), model.classes_
    euclidean = model.metric == "euclidean"
    scores = _discriminant(emitter, model, x, priors)
    if np.isclose(priors, 1 / len(classes)).all():
        measure = squared_distances if euclidean else manhattan_distances
        apart = measure(emitter, x, np.asarray(model.centroids_))
        label = emitter.argmax(emitter.add("Neg", apart))
    else:
        label = emitter.argmax(scores)
    if not euclidean:
        return Classified(label, classes)
    if len(classes) == 2:
        first, second = (emitter.columns(scores, [i]) for i in (0, 1))
        scores = emitter.add("Sub", second, first)
    return replace(from_decision(emitter, scores, classes, "Softmax"), label=label)


def _discriminant(emitter: Emitter, model: Any, x: str, priors: Array) -> str:
    """float32[n, classes]: minus squared distances, plus twice the logarithm of the prior."""
    deviations = np.asarray(model.within_class_std_dev_)
    scale = np.where(deviations == 0, 1.0, deviations)
    scaled = emitter.add("Div", x, emitter.constant(scale))
    centroids = np.asarray(model.centroids_) / scale
    if model.metric == "euclidean":
        squares = squared_distances(emitter, scaled, centroids)
    else:
        apart = manhattan_distances(emitter, scaled, centroids)
        squares = emitter.add("Mul", apart, apart)
    with np.errstate(divide="ignore"):
        shifts = np.maximum(
            2 * np.log(priors), -1e30
        )  # a class without a chance, in numbers that float32 has
    return emitter.add("Sub", emitter.constant(shifts), squares)


RULES = Rules(classify={"NearestCentroid": _classify})
