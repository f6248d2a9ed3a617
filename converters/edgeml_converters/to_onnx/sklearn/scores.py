"""From decision values to labels and probabilities, the same for every classifier that has them."""

from __future__ import annotations

from itertools import combinations
from typing import Literal

import numpy as np

from edgeml_converters.to_onnx.sklearn.emitter import Classified, Emitter
from edgeml_runtime.signature import Array

Link = Literal["Softmax", "Sigmoid", "NormalizedSigmoid"]


def from_decision(emitter: Emitter, decision: str, classes: Array, link: Link | None) -> Classified:
    """Labels, and probabilities where `link` is given, from decision values.

    decision: float32[n, 1] for two classes (positive: the second), else [n, classes] (first of the largest).
    Two classes have one sigmoid whatever the link is called.
    """
    if len(classes) > 2:
        return Classified(emitter.argmax(decision), classes, _linked(emitter, decision, link), decision)
    # (-d, d): its argmax is d > 0, its sigmoid both probabilities without the cancellation of 1 - p.
    both = emitter.concat([emitter.add("Neg", decision), decision])
    probabilities = emitter.add("Sigmoid", both) if link else None
    return Classified(emitter.argmax(both), classes, probabilities, decision)


def _linked(emitter: Emitter, decision: str, link: Link | None) -> str | None:
    if link is None:
        return None
    if link == "Softmax":
        return emitter.add("Softmax", decision, axis=1)
    shares = emitter.add("Sigmoid", decision)
    return shares if link == "Sigmoid" else normalized(emitter, shares, len_classes=None)


def one_vs_one_decision(emitter: Emitter, second_wins: str, confidence: str, classes: int) -> tuple[str, str]:
    """The votes float32[n, classes] of all pairs of classes, and scikit-learn's decision from them.

    second_wins: float32[n, pairs], 1 where the second class of a pair wins; confidence: float32[n, pairs],
    positive for the second. The decision is the votes plus the sums of confidences squeezed below 1/3, which
    break ties.
    """
    pairs = list(combinations(range(classes), 2))
    first, second = (np.eye(classes)[[pair[i] for pair in pairs]] for i in (0, 1))
    votes = emitter.dense(second_wins, second - first, first.sum(axis=0))
    total = emitter.dense(confidence, second - first, 0.0)
    bound = emitter.add("Add", emitter.add("Abs", total), emitter.constant([1.0]))
    third = emitter.add("Mul", bound, emitter.constant([3.0]))
    return votes, emitter.add("Add", votes, emitter.add("Div", total, third))


def normalized(emitter: Emitter, shares: str, *, len_classes: int | None) -> str:
    """Rows divided by their sum; with len_classes, rows that sum to zero are uniform."""
    total = emitter.sum(shares)
    if len_classes is None:
        return emitter.add("Div", shares, total)
    empty = emitter.add("Equal", total, emitter.constant([0.0]))
    divided = emitter.add("Div", shares, emitter.add("Where", empty, emitter.constant([1.0]), total))
    return emitter.add("Where", empty, emitter.constant([1 / len_classes]), divided)
