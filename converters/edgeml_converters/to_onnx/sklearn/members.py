"""What the members of an ensemble give, in the ensemble's own classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.emitter import Classified, Emitter
from edgeml_converters.to_onnx.sklearn.roles import predictor_role
from edgeml_runtime.errors import ConversionError, UnsupportedModelError
from edgeml_runtime.signature import Array


def add_up(emitter: Emitter, parts: list[str]) -> str:
    """The sum of tensors of one shape."""
    total = parts[0]
    for part in parts[1:]:
        total = emitter.add("Add", total, part)
    return total


def mean(emitter: Emitter, parts: list[str], weights: Any = None) -> str:
    """The (weighted) mean of tensors of one shape: divided last, so that equal sums stay equal."""
    if len(parts) == 1:
        return parts[0]
    if weights is None:
        total, count = add_up(emitter, parts), float(len(parts))
    else:
        shares = [np.float64(weight) for weight in weights]
        weighted = [
            p if s == 1 else emitter.add("Mul", p, emitter.constant([s]))
            for p, s in zip(parts, shares, strict=True)
        ]
        total, count = add_up(emitter, weighted), float(sum(shares))
    return emitter.add("Div", total, emitter.constant([count]))


def places(found: Classified, classes: Any, model: Any) -> Array:
    """For each of a member's classes its index in `classes`."""
    at = {label: i for i, label in enumerate(np.asarray(classes).tolist())}
    known = np.asarray(found.classes).tolist()
    strange = [label for label in known if label not in at]
    if strange:
        raise UnsupportedModelError(
            f"{type(model).__name__}: a member knows the class {strange[0]!r}, which the ensemble does not"
        )
    return np.array([at[label] for label in known], np.int64)


def votes(emitter: Emitter, found: Classified, at: Array, classes: int, weight: float = 1.0) -> str:
    """float32[n, classes]: the weight at the predicted class, else 0."""
    table = np.eye(classes)[at] * weight
    return emitter.add("Gather", emitter.constant(table), found.label, axis=0)


def spread(emitter: Emitter, found: Classified, at: Array, classes: int, model: Any) -> str:
    """A member's probabilities over the ensemble's classes: float32[n, classes]."""
    shares = given(found.probabilities, model, "probabilities")
    if len(at) == classes and (at == np.arange(classes)).all():
        return shares
    return emitter.dense(shares, np.eye(classes)[at], 0.0)


def label_values(emitter: Emitter, found: Classified) -> str:
    """The predicted labels as numbers: float32[n, 1]."""
    table = np.asarray(found.classes, np.float64)[:, None]
    return emitter.add("Gather", emitter.constant(table), found.label, axis=0)


def binary_score(emitter: Emitter, estimator: Any, x: str) -> str:
    """What one of two classes is decided on: decision values, else the second's probability: float32[n, 1].

    A regressor's is its prediction.
    """
    if predictor_role(estimator) == "regress":
        return emitter.regress(estimator, x)
    found = emitter.classify(estimator, x)
    if hasattr(estimator, "decision_function"):
        return given(found.decision, estimator, "decision values")
    return emitter.columns(given(found.probabilities, estimator, "probabilities"), [1])


def binary_threshold(estimator: Any) -> float:
    """Above which `binary_score` stands for the second class."""
    from sklearn.base import is_classifier

    decides = hasattr(estimator, "decision_function") and is_classifier(estimator)
    return 0.0 if decides else 0.5


def above(emitter: Emitter, scores: str, threshold: float) -> str:
    """int64, 1 where a score is above the threshold."""
    return emitter.add("Cast", emitter.add("Greater", scores, emitter.constant([threshold])), to=7)


def given(tensor: str | None, model: Any, what: str) -> str:
    """The tensor, which a rule may not have made."""
    if tensor is None:
        raise ConversionError(f"{type(model).__name__}: its converter gives no {what}")
    return tensor
