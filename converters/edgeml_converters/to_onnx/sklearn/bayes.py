"""Naive Bayes: joint log likelihoods and their softmax."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.emitter import Classified, Emitter, Rules
from edgeml_converters.to_onnx.sklearn.encoders import one_hot
from edgeml_converters.to_onnx.sklearn.preprocessing import above
from edgeml_runtime.signature import Array

_IMPOSSIBLE = -1e30  # stands for the logarithm of 0: a product of it with 0 is 0, not NaN


def _finite(logarithms: Any) -> Array:
    """Logarithms with that of 0 as a number."""
    return np.maximum(np.asarray(logarithms, np.float64), _IMPOSSIBLE)


def _classified(emitter: Emitter, joint: str, model: Any) -> Classified:
    """joint: log P(class, x) up to a constant of the row, float32[n, classes]."""
    return Classified(emitter.argmax(joint), model.classes_, emitter.add("Softmax", joint, axis=1))


def _linear(emitter: Emitter, x: str, weights: Array, bias: Any, model: Any) -> Classified:
    """Joint log likelihoods x @ weights + bias; weights [features, classes].

    What all classes share is taken out first: the softmax does not see it, and in float32 it would cancel.
    """
    shared = weights.mean(axis=1, keepdims=True)
    apart = weights - np.where(np.isfinite(shared), shared, 0.0)
    return _classified(emitter, emitter.dense(x, apart, _finite(bias)), model)


def _gaussian(emitter: Emitter, model: Any, x: str) -> Classified:
    # (x - mean)^2 as it stands: expanded into products it would cancel where variances are small.
    rows = emitter.add("Unsqueeze", x, emitter.constant([1], "int64"))
    centred = emitter.add("Sub", rows, emitter.constant(model.theta_[None]))
    scaled = emitter.add("Mul", centred, emitter.constant(np.sqrt(0.5 / model.var_)[None]))
    squares = emitter.add("Mul", scaled, scaled)
    axis = emitter.constant([2], "int64")
    distance = emitter.add("ReduceSum", squares, axis, keepdims=0)
    with np.errstate(divide="ignore"):
        prior = _finite(np.log(model.class_prior_)) - 0.5 * np.log(2 * np.pi * model.var_).sum(axis=1)
    return _classified(emitter, emitter.add("Sub", emitter.constant(prior), distance), model)


def _bernoulli(emitter: Emitter, model: Any, x: str) -> Classified:
    if model.binarize is not None:
        x = above(emitter, x, model.binarize)
    absent = np.log(1 - np.exp(model.feature_log_prob_))
    weights = (model.feature_log_prob_ - absent).T
    return _linear(emitter, x, weights, model.class_log_prior_ + absent.sum(axis=1), model)


def _multinomial(emitter: Emitter, model: Any, x: str) -> Classified:
    return _linear(emitter, x, model.feature_log_prob_.T, model.class_log_prior_, model)


def _complement(emitter: Emitter, model: Any, x: str) -> Classified:
    prior = model.class_log_prior_ if len(model.classes_) == 1 else 0.0
    return _linear(emitter, x, model.feature_log_prob_.T, prior, model)


def _categorical(emitter: Emitter, model: Any, x: str) -> Classified:
    whole = emitter.add("Floor", x)  # scikit-learn takes the integer part; negative values it refuses
    hot = one_hot(emitter, whole, [np.arange(count) for count in model.n_categories_])
    weights = np.concatenate([table.T for table in model.feature_log_prob_])
    if np.isfinite(weights).all():
        return _linear(emitter, hot, weights, model.class_log_prior_, model)
    # Without smoothing a category rules out the classes that never had it.
    joint = emitter.dense(hot, _finite(weights), _finite(model.class_log_prior_))
    joint = emitter.add("Max", joint, emitter.constant([_IMPOSSIBLE]))
    largest = emitter.add("ReduceMax", joint, emitter.constant([1], "int64"), keepdims=1)
    possible = emitter.add("Greater", largest, emitter.constant([_IMPOSSIBLE / 2]))
    share = emitter.add("Cast", possible, to=1)
    found = _classified(emitter, joint, model)
    # Rows that no class can have get no probabilities: 0 / 0, as in scikit-learn.
    kept = emitter.add("Mul", str(found.probabilities), share)
    return Classified(found.label, found.classes, emitter.add("Div", kept, share))


def _smoothed(model: Any) -> str | None:
    """The reason where a probability is 0 and scikit-learn multiplies its infinite logarithm with counts."""
    learned = [model.feature_log_prob_]
    if type(model).__name__ == "BernoulliNB":
        with np.errstate(divide="ignore"):
            learned.append(np.log(1 - np.exp(model.feature_log_prob_)))
    if all(np.isfinite(values).all() for values in learned):
        return None
    return "without smoothing, a probability of 0 makes scikit-learn's own answers NaN; set alpha above 0"


def _varies(model: Any) -> str | None:
    if (model.var_ > 0).all():
        return None
    return "a feature does not vary in a class, and scikit-learn's own answers are NaN; set var_smoothing"


RULES = Rules(
    classify={
        "BernoulliNB": _bernoulli,
        "CategoricalNB": _categorical,
        "ComplementNB": _complement,
        "GaussianNB": _gaussian,
        "MultinomialNB": _multinomial,
    },
    limits={
        "BernoulliNB": _smoothed,
        "ComplementNB": _smoothed,
        "GaussianNB": _varies,
        "MultinomialNB": _smoothed,
    },
)
