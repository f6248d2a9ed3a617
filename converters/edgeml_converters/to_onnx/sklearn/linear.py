"""Linear models, discriminant analysis and multi-layer perceptrons: matrix products and activations."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.emitter import Classified, Emitter, Multilabel, Rules
from edgeml_converters.to_onnx.sklearn.scores import (
    Link,
    from_decision,
    labels_from_decision,
    normalized,
)


def _decision(emitter: Emitter, model: Any, x: str) -> str:
    """The product x @ coef_.T + intercept_: float32[n, targets]."""
    weights = model.coef_.toarray() if hasattr(model.coef_, "toarray") else model.coef_
    return emitter.dense(x, np.atleast_2d(weights).T, model.intercept_)


def _regress_log(emitter: Emitter, model: Any, x: str) -> str:
    return emitter.add("Exp", _decision(emitter, model, x))


def _regress_tweedie(emitter: Emitter, model: Any, x: str) -> str:
    logarithmic = model.link == "log" or (model.link == "auto" and model.power > 0)
    return (_regress_log if logarithmic else _decision)(emitter, model, x)


def _classify_softmax(emitter: Emitter, model: Any, x: str) -> Classified:
    return from_decision(emitter, _decision(emitter, model, x), model.classes_, "Softmax")


def _classify_logistic(emitter: Emitter, model: Any, x: str) -> Classified:
    # Older versions fit one against the rest on request, and with liblinear always.
    apart = model.solver == "liblinear" or getattr(model, "multi_class", None) == "ovr"
    link: Link = "NormalizedSigmoid" if apart else "Softmax"
    return from_decision(emitter, _decision(emitter, model, x), model.classes_, link)


def _classify_label(emitter: Emitter, model: Any, x: str) -> Classified:
    return from_decision(emitter, _decision(emitter, model, x), model.classes_, None)


def _label(emitter: Emitter, model: Any, x: str) -> Multilabel:
    return labels_from_decision(emitter, _decision(emitter, model, x), probable=False)


def _classify_sgd(emitter: Emitter, model: Any, x: str) -> Classified:
    decision = _decision(emitter, model, x)
    if model.loss == "log_loss":
        return from_decision(emitter, decision, model.classes_, "NormalizedSigmoid")
    found = from_decision(emitter, decision, model.classes_, None)
    if model.loss != "modified_huber":
        return found
    # (clip(d, -1, 1) + 1) / 2, Zhang: Statistical behavior and consistency of classification methods.
    half = emitter.constant([0.5])
    if len(model.classes_) == 2:
        decision = emitter.concat([emitter.add("Neg", decision), decision])
    clipped = emitter.add("Clip", decision, emitter.constant(-1.0), emitter.constant(1.0))
    shares = emitter.add("Add", emitter.add("Mul", clipped, half), half)
    if len(model.classes_) > 2:
        shares = normalized(emitter, shares, empty=1 / len(model.classes_))
    return Classified(found.label, model.classes_, shares, found.decision)


def _classify_qda(emitter: Emitter, model: Any, x: str) -> Classified:
    columns = []
    for mean, rotation, scaling in zip(model.means_, model.rotations_, model.scalings_, strict=True):
        whiten = np.asarray(rotation) * np.asarray(scaling) ** -0.5
        # The mean goes first: folded into a bias it would cancel against large features.
        y = emitter.dense(emitter.add("Sub", x, emitter.constant(mean)), whiten, 0.0)
        columns.append(emitter.sum(emitter.add("Mul", y, y)))
    offset = np.log(model.priors_) - 0.5 * np.array([np.sum(np.log(s)) for s in model.scalings_])
    scaled = emitter.add("Mul", emitter.concat(columns), emitter.constant([-0.5]))
    scores = emitter.add("Add", scaled, emitter.constant(offset))
    if len(model.classes_) == 2:
        ratio = emitter.dense(scores, [[-1.0], [1.0]], 0.0)
        return from_decision(emitter, ratio, model.classes_, "Sigmoid")
    return from_decision(emitter, scores, model.classes_, "Softmax")


def _hidden(emitter: Emitter, model: Any, x: str) -> str:
    activation = {"relu": "Relu", "tanh": "Tanh", "logistic": "Sigmoid"}.get(model.activation)
    for weights, bias in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        x = emitter.dense(x, weights, bias)
        x = emitter.add(activation, x) if activation else x
    return emitter.dense(x, model.coefs_[-1], model.intercepts_[-1])


def _regress_mlp(emitter: Emitter, model: Any, x: str) -> str:
    output = _hidden(emitter, model, x)
    return emitter.add("Exp", output) if model.out_activation_ == "exp" else output


def _classify_mlp(emitter: Emitter, model: Any, x: str) -> Classified:
    found = from_decision(emitter, _hidden(emitter, model, x), model.classes_, "Softmax")
    return Classified(found.label, found.classes, found.probabilities)


def _label_mlp(emitter: Emitter, model: Any, x: str) -> Multilabel:
    found = labels_from_decision(emitter, _hidden(emitter, model, x), probable=True)
    return Multilabel(found.label, found.probabilities)


_REGRESSORS = (
    "ARDRegression", "BayesianRidge", "ElasticNet", "ElasticNetCV", "HuberRegressor", "Lars",
    "LarsCV", "Lasso", "LassoCV", "LassoLars", "LassoLarsCV", "LassoLarsIC", "LinearRegression",
    "LinearSVR", "MultiTaskElasticNet", "MultiTaskElasticNetCV", "MultiTaskLasso",
    "MultiTaskLassoCV", "OrthogonalMatchingPursuit", "OrthogonalMatchingPursuitCV",
    "PassiveAggressiveRegressor", "QuantileRegressor", "Ridge", "RidgeCV", "SGDRegressor",
    "TheilSenRegressor",
)  # fmt: skip
_WITHOUT_PROBABILITIES = (
    "LinearSVC", "PassiveAggressiveClassifier", "Perceptron", "RidgeClassifier", "RidgeClassifierCV",
)  # fmt: skip
RULES = Rules(
    regress=dict.fromkeys(_REGRESSORS, _decision)
    | {
        "GammaRegressor": _regress_log,
        "MLPRegressor": _regress_mlp,
        "PoissonRegressor": _regress_log,
        "TweedieRegressor": _regress_tweedie,
    },
    classify=dict.fromkeys(_WITHOUT_PROBABILITIES, _classify_label)
    | {
        "LinearDiscriminantAnalysis": _classify_softmax,
        "LogisticRegression": _classify_logistic,
        "LogisticRegressionCV": _classify_logistic,
        "MLPClassifier": _classify_mlp,
        "QuadraticDiscriminantAnalysis": _classify_qda,
        "SGDClassifier": _classify_sgd,
    },
    multilabel={
        "MLPClassifier": _label_mlp,
        "RidgeClassifier": _label,
        "RidgeClassifierCV": _label,
    },
)
