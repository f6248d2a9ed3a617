"""From decision values to labels and probabilities, the same for every classifier that has them."""

from __future__ import annotations

from itertools import combinations
from typing import Literal

import numpy as np

from edgeml_converters.to_onnx.sklearn.emitter import Classified, Emitter, Multilabel
from edgeml_runtime.signature import Array

Link = Literal["Softmax", "Sigmoid", "NormalizedSigmoid"]
_UNDERFLOW = -745.2  # below it the sigmoid is zero in float64


def from_decision(emitter: Emitter, decision: str, classes: Array, link: Link | None) -> Classified:
    """Labels, and probabilities where `link` is given, from decision values.

    decision: float32[n, 1] for two classes (positive: the second) and for one, else [n, classes] (first of
    the largest). Two classes have one sigmoid whatever the link is called.
    """
    if len(classes) > 2:
        return Classified(emitter.argmax(decision), classes, _linked(emitter, decision, link), decision)
    # (-d, d): its argmax is d > 0, its sigmoid both probabilities without the cancellation of 1 - p.
    both = emitter.concat([emitter.add("Neg", decision), decision])
    probabilities = emitter.add("Sigmoid", both) if link else None
    label = emitter.argmax(both if len(classes) == 2 else decision)
    return Classified(label, classes, probabilities, decision)


def labels_from_decision(emitter: Emitter, decision: str, *, probable: bool) -> Multilabel:
    """Each label on its own, from decision values float32[n, k], with sigmoids as `probable` ones."""
    positive = emitter.add("Greater", decision, emitter.constant([0.0]))
    label = emitter.add("Cast", positive, to=7)
    return Multilabel(label, emitter.add("Sigmoid", decision) if probable else None, decision)


def _linked(emitter: Emitter, decision: str, link: Link | None) -> str | None:
    if link is None:
        return None
    if link == "Softmax":
        return emitter.add("Softmax", decision, axis=1)
    if link == "Sigmoid":
        return emitter.add("Sigmoid", decision)
    # Sigmoids over their sum, from their logarithms: far below zero all of them vanish in float32.
    smaller = emitter.add("Min", decision, emitter.constant([0.0]))
    away = emitter.add("Exp", emitter.add("Neg", emitter.add("Abs", decision)))
    rest = emitter.add("Log", emitter.add("Add", away, emitter.constant([1.0])))
    shares = emitter.add("Softmax", emitter.add("Sub", smaller, rest), axis=1)
    largest = emitter.add("ReduceMax", decision, emitter.constant([1], "int64"), keepdims=1)
    vanished = emitter.add("Less", largest, emitter.constant([_UNDERFLOW]))
    uniform = emitter.add("Softmax", emitter.add("Mul", smaller, emitter.constant([0.0])), axis=1)
    return emitter.add("Where", vanished, uniform, shares)


def one_vs_one_decision(emitter: Emitter, second_wins: str, confidence: str, classes: int) -> tuple[str, str]:
    """The votes float32[n, classes] of all pairs of classes, and scikit-learn's decision from them.

    second_wins: float32[n, pairs], 1 where the second class of a pair wins; confidence: float32[n, pairs],
    positive for the second.
    """
    pairs = list(combinations(range(classes), 2))
    first, second = (np.eye(classes)[[pair[i] for pair in pairs]] for i in (0, 1))
    votes = emitter.dense(second_wins, second - first, first.sum(axis=0))
    return votes, with_confidences(emitter, votes, confidence, classes)


def with_confidences(emitter: Emitter, votes: str, confidence: str, classes: int) -> str:
    """Votes plus the sums of confidences squeezed below 1/3, which break ties: float32[n, classes]."""
    pairs = list(combinations(range(classes), 2))
    first, second = (np.eye(classes)[[pair[i] for pair in pairs]] for i in (0, 1))
    total = emitter.dense(confidence, second - first, 0.0)
    bound = emitter.add("Add", emitter.add("Abs", total), emitter.constant([1.0]))
    third = emitter.add("Mul", bound, emitter.constant([3.0]))
    return emitter.add("Add", votes, emitter.add("Div", total, third))


def normalized(emitter: Emitter, shares: str, *, empty: float) -> str:
    """Rows divided by their sum; rows that sum to zero become `empty`."""
    total = emitter.sum(shares)
    nothing = emitter.add("Equal", total, emitter.constant([0.0]))
    divided = emitter.add("Div", shares, emitter.add("Where", nothing, emitter.constant([1.0]), total))
    return emitter.add("Where", nothing, emitter.constant([empty]), divided) if empty else divided
