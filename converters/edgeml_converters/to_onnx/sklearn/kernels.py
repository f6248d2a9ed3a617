"""Support vector machines with a kernel, as matrix products with the support vectors."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.emitter import ML, Classified, Emitter, Rules
from edgeml_converters.to_onnx.sklearn.scores import from_decision, one_vs_one_decision
from edgeml_runtime.signature import Array


def _kernel_product(emitter: Emitter, model: Any, x: str, coefficients: Array, bias: Array) -> str:
    """K(x, support vectors) @ coefficients + bias; coefficients [vectors, k]: float32[n, k]."""
    vectors = np.asarray(model.support_vectors_, np.float64)
    if model.kernel == "linear":
        return emitter.dense(x, vectors.T @ coefficients, bias)
    gamma = float(model._gamma)
    if model.kernel == "rbf":
        # |x - v|^2 expanded is one product; taken from the vectors' mean, little cancels.
        mean = vectors.mean(axis=0)
        vectors = vectors - mean
        x = emitter.add("Sub", x, emitter.constant(mean))
        size = emitter.add("Mul", emitter.sum(emitter.add("Mul", x, x)), emitter.constant([gamma]))
        cross = emitter.dense(x, 2 * gamma * vectors.T, -gamma * (vectors**2).sum(axis=1))
        kernel = emitter.add("Exp", emitter.add("Sub", cross, size))
    else:
        inner = emitter.dense(x, gamma * vectors.T, np.full(len(vectors), model.coef0))
        if model.kernel == "poly":
            kernel = emitter.add("Pow", inner, emitter.constant([float(model.degree)]))
        else:
            kernel = emitter.add("Tanh", inner)
    return emitter.dense(kernel, coefficients, bias)


def one_decision(emitter: Emitter, model: Any, x: str) -> str:
    """The value of a machine with one row of dual coefficients: float32[n, 1]."""
    return _kernel_product(emitter, model, x, np.asarray(model.dual_coef_).T, model.intercept_)


def _classify(emitter: Emitter, model: Any, x: str) -> Classified:
    classes = len(model.classes_)
    shares = _shares(emitter, model, x) if hasattr(model, "predict_proba") else None
    if classes == 2:
        decision = one_decision(emitter, model, x)
        return replace(from_decision(emitter, decision, model.classes_, None), probabilities=shares)
    coefficients = _pair_coefficients(model)
    duel = _kernel_product(emitter, model, x, coefficients, model.intercept_)
    # libsvm: a pair votes for its first class if its decision is positive; the first of the most votes wins.
    first_wins = emitter.add("Cast", emitter.add("Greater", duel, emitter.constant([0.0])), to=1)
    second_wins = emitter.add("Sub", emitter.constant([1.0]), first_wins)
    confidence = emitter.add("Neg", duel)
    votes, decision = one_vs_one_decision(emitter, second_wins, confidence, classes)
    label = emitter.argmax(decision if model.break_ties else votes)
    one_vs_one = model.decision_function_shape == "ovo"
    return Classified(label, model.classes_, shares, duel if one_vs_one else decision)


def _shares(emitter: Emitter, model: Any, x: str) -> str:
    """Class probabilities float32[n, classes] of probability=True.

    libsvm couples the sigmoids of all pairs by iterating to a tolerance of its own; ONNX Runtime's operator
    is that very iteration, so it is used for these although the labels do not come from it.
    """
    sign = (
        -1.0 if len(model.classes_) == 2 else 1.0
    )  # scikit-learn turns libsvm's decision of two classes round
    return emitter.add_many(
        "SVMClassifier",
        2,
        x,
        domain=ML,
        classlabels_ints=list(range(len(model.classes_))),
        coefficients=(sign * np.asarray(model.dual_coef_)).ravel().tolist(),
        kernel_params=[float(model._gamma), float(model.coef0), float(model.degree)],
        kernel_type=model.kernel.upper(),
        post_transform="NONE",
        prob_a=np.asarray(model._probA).tolist(),
        prob_b=np.asarray(model._probB).tolist(),
        rho=(sign * np.asarray(model.intercept_)).tolist(),
        support_vectors=np.asarray(model.support_vectors_).ravel().tolist(),
        vectors_per_class=np.asarray(model.n_support_).tolist(),
    )[1]


def _pair_coefficients(model: Any) -> Array:
    """float64[vectors, pairs] from libsvm's dual_coef_ [classes - 1, vectors]."""
    dual = np.asarray(model.dual_coef_)
    starts = np.cumsum([0, *model.n_support_])
    pairs = list(combinations(range(len(model.classes_)), 2))
    table = np.zeros((dual.shape[1], len(pairs)))
    for column, (i, j) in enumerate(pairs):
        of_i, of_j = slice(starts[i], starts[i + 1]), slice(starts[j], starts[j + 1])
        table[of_i, column] = dual[j - 1, of_i]
        table[of_j, column] = dual[i, of_j]
    return table


def known_kernel(model: Any) -> str | None:
    """The reason why a machine's kernel cannot be converted."""
    if callable(model.kernel) or model.kernel == "precomputed":
        return f"kernel={model.kernel!r} is not supported; use linear, poly, rbf or sigmoid"
    return None


RULES = Rules(
    regress={"NuSVR": one_decision, "SVR": one_decision},
    classify={"NuSVC": _classify, "SVC": _classify},
    limits={"NuSVC": known_kernel, "NuSVR": known_kernel, "SVC": known_kernel, "SVR": known_kernel},
)
