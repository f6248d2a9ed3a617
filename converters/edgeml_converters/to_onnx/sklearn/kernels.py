"""Support vector machines with a kernel, as matrix products with the support vectors."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.dual_expansion import Expansion, Term, expand, sample
from edgeml_converters.to_onnx.sklearn.emitter import ML, Classified, Emitter, Rules
from edgeml_converters.to_onnx.sklearn.pairwise_kernels import Precision, pairwise_kernel
from edgeml_converters.to_onnx.sklearn.scores import from_decision, one_vs_one_decision
from edgeml_runtime.signature import Array

# Of the exponent of an RBF kernel; kernels sum up to decisions that have to agree to 1e-4.
_EXPONENT_ERROR = 2e-5


def _kernel_product(emitter: Emitter, model: Any, x: str, coefficients: Array) -> str:
    """K(x, support vectors) @ coefficients + intercepts; coefficients [vectors, k]: float32[n, k]."""
    vectors = np.asarray(model.support_vectors_, np.float64)
    bias = np.asarray(model.intercept_, np.float64)
    if model.kernel == "linear":
        return emitter.dense(x, vectors.T @ coefficients, bias)

    def values(emitter: Emitter, x: str, precision: Precision) -> str:
        gamma = float(model._gamma)
        if model.kernel == "rbf" and precision == "float32" and _expands(vectors, gamma):
            return _expanded(emitter, x, vectors, gamma)
        parameters = {"gamma": gamma, "degree": float(model.degree), "coef0": float(model.coef0)}
        return pairwise_kernel(emitter, x, vectors, model.kernel, precision=precision, **parameters)

    known = _known_values(model, vectors)
    sums = Expansion((Term(values, coefficients, known),), None, bias)
    return expand(emitter, x, sums, vectors, float(np.abs(known @ coefficients + bias).max(initial=0.0)))


def _known_values(model: Any, vectors: Array) -> Array:
    """The kernel's values for some support vectors: float64[m, vectors]."""
    some = sample(vectors)
    gamma, inner = float(model._gamma), some @ vectors.T
    if model.kernel == "rbf":
        mine, theirs = np.square(some).sum(axis=1), np.square(vectors).sum(axis=1)
        apart = np.maximum(mine[:, None] + theirs[None] - 2 * inner, 0.0)
        return np.asarray(np.exp(-gamma * apart))
    if model.kernel == "poly":
        return np.asarray((gamma * inner + model.coef0) ** model.degree)
    return np.asarray(np.tanh(gamma * inner + model.coef0))


def _expands(vectors: Array, gamma: float) -> bool:
    """Whether |x - v|^2 may be expanded, or too much would cancel in that."""
    centred = vectors - vectors.mean(axis=0)
    largest = float(np.square(centred).sum(axis=1).max(initial=0.0))
    return 4 * gamma * largest * float(np.finfo(np.float32).eps) <= _EXPONENT_ERROR


def _expanded(emitter: Emitter, x: str, vectors: Array, gamma: float) -> str:
    """The RBF kernel with |x - v|^2 as one product; taken from the vectors' mean, little cancels."""
    mean = vectors.mean(axis=0)
    vectors = vectors - mean
    x = emitter.add("Sub", x, emitter.constant(mean))
    size = emitter.add("Mul", emitter.sum(emitter.add("Mul", x, x)), emitter.constant([gamma]))
    cross = emitter.dense(x, 2 * gamma * vectors.T, -gamma * (vectors**2).sum(axis=1))
    return emitter.add("Exp", emitter.add("Sub", cross, size))


def one_decision(emitter: Emitter, model: Any, x: str) -> str:
    """The value of a machine with one row of dual coefficients: float32[n, 1]."""
    return _kernel_product(emitter, model, x, np.asarray(model.dual_coef_).T)


def _classify(emitter: Emitter, model: Any, x: str) -> Classified:
    classes = len(model.classes_)
    if classes == 2:
        decision = one_decision(emitter, model, x)
        # scikit-learn turns libsvm's decision of two classes round.
        shares = _shares(emitter, model, emitter.add("Neg", decision))
        return replace(from_decision(emitter, decision, model.classes_, None), probabilities=shares)
    duel = _kernel_product(emitter, model, x, _pair_coefficients(model))
    # libsvm: a pair votes for its first class if its decision is positive; the first of the most votes wins.
    first_wins = emitter.add("Cast", emitter.add("Greater", duel, emitter.constant([0.0])), to=1)
    second_wins = emitter.add("Sub", emitter.constant([1.0]), first_wins)
    confidence = emitter.add("Neg", duel)
    votes, decision = one_vs_one_decision(emitter, second_wins, confidence, classes)
    label = emitter.argmax(decision if model.break_ties else votes)
    one_vs_one = model.decision_function_shape == "ovo"
    shares = _shares(emitter, model, duel)
    return Classified(label, model.classes_, shares, duel if one_vs_one else decision)


def _shares(emitter: Emitter, model: Any, duel: str) -> str | None:
    """Class probabilities float32[n, classes] of probability=True, from libsvm's decisions of all pairs.

    libsvm couples the sigmoids of all pairs by iterating to a tolerance of its own; ONNX Runtime's operator
    is that very iteration. It is given the decisions float32[n, pairs] as rows, and as support vectors the
    units that pick them: one for each pair, which belongs to the pair's first class.
    """
    if not hasattr(model, "predict_proba"):
        return None
    classes = len(model.classes_)
    pairs = list(combinations(range(classes), 2))
    # A class without a vector, the last, gets one that counts for nothing.
    dual = np.zeros((classes - 1, len(pairs) + 1))
    for column, (_, second) in enumerate(pairs):
        dual[second - 1, column] = 1
    return emitter.add_many(
        "SVMClassifier",
        2,
        duel,
        domain=ML,
        classlabels_ints=list(range(classes)),
        coefficients=dual.ravel().tolist(),
        kernel_params=[0.0, 0.0, 0.0],
        kernel_type="LINEAR",
        post_transform="NONE",
        prob_a=np.asarray(model._probA).tolist(),
        prob_b=np.asarray(model._probB).tolist(),
        rho=[0.0] * len(pairs),
        support_vectors=np.eye(len(pairs) + 1, len(pairs)).ravel().tolist(),
        vectors_per_class=[*range(classes - 1, 0, -1), 1],
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
    if model.kernel == "precomputed":
        return "kernel='precomputed' takes kernel values instead of rows; use linear, poly, rbf or sigmoid"
    if callable(model.kernel):
        return f"its kernel is the function {getattr(model.kernel, '__name__', 'given')}, and what it " + (
            "computes is not known; use linear, poly, rbf or sigmoid"
        )
    return None


RULES = Rules(
    regress={"NuSVR": one_decision, "SVR": one_decision},
    classify={"NuSVC": _classify, "SVC": _classify},
    limits=dict.fromkeys(("NuSVC", "NuSVR", "SVC", "SVR"), known_kernel),
)
