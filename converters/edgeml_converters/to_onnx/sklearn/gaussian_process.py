"""Gaussian processes: the mean of a regression, the label and the probabilities of a classification."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.covariance_functions import (
    covariance,
    own_covariance,
    sharpness,
    unknown_kernel,
)
from edgeml_converters.to_onnx.sklearn.dual_expansion import (
    ALLOWED,
    Expansion,
    Kernel,
    Term,
    exact,
    expand,
    lost,
    sample,
)
from edgeml_converters.to_onnx.sklearn.emitter import Classified, Emitter, Rules
from edgeml_converters.to_onnx.sklearn.pairwise_kernels import Precision, cast, product
from edgeml_runtime.signature import Array

# Williams and Barber 1998, appendix A, with scikit-learn's numbers: a sigmoid as a sum of error functions.
_SLOPES = np.array([0.41, 0.4, 0.37, 0.44, 0.39])
_SHARES = np.array([-1854.8214151, 3516.89893646, 221.29346712, 128.12323805, -2010.49422654])
_MIDDLE = 1  # the slope that the others are measured from


def _regress(emitter: Emitter, model: Any, x: str) -> str:
    spread, mean = np.ravel(model._y_train_std), np.ravel(model._y_train_mean)
    rows = np.asarray(model.X_train_, np.float64)
    coefficients = np.reshape(model.alpha_, (len(rows), -1)) * spread
    sums = _expansion(model.kernel_, rows, coefficients, mean)
    predicted = np.asarray(model.kernel_(sample(rows), rows)) @ coefficients + mean
    return expand(emitter, x, sums, rows, float(np.abs(predicted).max(initial=0.0)))


def _expansion(kernel: Any, rows: Array, coefficients: Array, bias: Array) -> Expansion:
    """K(x, rows) @ coefficients + bias with what is constant or linear in x multiplied out."""
    terms = []
    weights = np.zeros((rows.shape[1], coefficients.shape[1]))
    offset = np.broadcast_to(np.asarray(bias, np.float64), coefficients.shape[1:]).copy()
    for factor, part in _summands(kernel):
        scaled = factor * coefficients
        kind = type(part).__name__
        if kind == "ConstantKernel":
            offset += part.constant_value * scaled.sum(axis=0)
        elif kind == "DotProduct":
            weights += rows.T @ scaled
            offset += part.sigma_0**2 * scaled.sum(axis=0)
        elif kind == "PairwiseKernel" and part.metric == "linear":
            weights += rows.T @ scaled
        elif kind != "WhiteKernel":
            terms.append(Term(_against(part, rows), scaled, part(sample(rows), rows), sharpness(part, rows)))
    linear = weights if weights.any() or not terms else None
    return Expansion(tuple(terms), linear, offset)


def _against(kernel: Any, rows: Array) -> Kernel:
    def values(emitter: Emitter, x: str, precision: Precision) -> str:
        return covariance(emitter, kernel, x, rows, precision)

    return values


def _summands(kernel: Any) -> Iterator[tuple[float, Any]]:
    """The kernels that a kernel is a sum of, each with a constant factor."""
    kind = type(kernel).__name__
    if kind == "Sum":
        yield from _summands(kernel.k1)
        yield from _summands(kernel.k2)
        return
    if kind == "Product":
        for constant, other in ((kernel.k1, kernel.k2), (kernel.k2, kernel.k1)):
            if type(constant).__name__ == "ConstantKernel":
                yield from ((constant.constant_value * factor, part) for factor, part in _summands(other))
                return
    yield 1.0, kernel


def _classify_binary(emitter: Emitter, model: Any, x: str) -> Classified:
    """Two classes by Laplace's approximation: Rasmussen and Williams 2006, algorithm 3.2."""
    rows = np.asarray(model.X_train_, np.float64)
    gradient = np.reshape(model.y_train_ - model.pi_, (-1, 1))
    # The variance's product is with L^-1 W^(1/2), known beforehand.
    spread = np.linalg.solve(model.L_, np.diag(model.W_sr_)).T
    some = sample(rows)
    # Probabilities follow the mean by at most a quarter, the variance the less the larger it is.
    lost_mean = lost(np.asarray(model.kernel_(some, rows)), gradient) / 4
    least = max(0.0, float(model.latent_mean_and_variance(some)[1].min()))
    lost_variance = lost(model.kernel_.diag(some)[:, None], np.full((1, 1), 0.5)) / (1 + 0.3 * least)
    loss = max(lost_mean, lost_variance) * sharpness(model.kernel_, rows)
    precision: Precision = "float64" if loss > ALLOWED else "float32"
    if precision == "float64":
        x = exact(emitter, x)
    values = covariance(emitter, model.kernel_, x, rows, precision)
    mean = product(emitter, values, gradient, precision)
    explained = product(emitter, values, spread, precision)
    explained = emitter.sum(emitter.add("Mul", explained, explained))
    variance = own_covariance(emitter, model.kernel_, x, rows.shape[1], precision)
    variance = emitter.add("Sub", variance, explained)
    if precision == "float64":
        mean, variance = cast(emitter, mean, "float32"), cast(emitter, variance, "float32")
    positive = emitter.add("Greater", mean, emitter.constant([0.0]))
    label = emitter.flat(emitter.add("Cast", positive, to=7))
    return Classified(label, model.classes_, _probabilities(emitter, mean, variance))


def _probabilities(emitter: Emitter, mean: str, variance: str) -> str:
    """float32[n, 2] from the latent mean and variance float32[n, 1].

    The sum of shares erf(a_i m / 2) of five slopes a_i = l_i / sqrt(1 + 2 v l_i^2) cancels to one thousandth:
    so one error function is taken in full, and for the others the integral of exp(-s^2) between their
    bounds, with the difference of two slopes as a product in which nothing cancels.
    """
    squares = _SLOPES**2
    wider = emitter.add("Mul", variance, emitter.constant(2 * squares[None]))
    wider = emitter.add("Add", wider, emitter.constant([1.0]))
    slopes = emitter.add("Div", emitter.constant(_SLOPES[None]), emitter.add("Sqrt", wider))  # [n, 5]
    middle = emitter.columns(slopes, [_MIDDLE])
    others = [i for i in range(len(_SLOPES)) if i != _MIDDLE]
    # a^2 - b^2 = (l^2 - k^2) / ((1 + 2 v l^2) (1 + 2 v k^2))
    both = emitter.add("Mul", emitter.columns(wider, others), emitter.columns(wider, [_MIDDLE]))
    apart = emitter.add("Div", emitter.constant((squares[others] - squares[_MIDDLE])[None]), both)
    apart = emitter.add("Div", apart, emitter.add("Add", emitter.columns(slopes, others), middle))
    step = emitter.add("Mul", apart, mean)  # [n, 4]
    start = emitter.add("Mul", middle, mean)
    # Gauss and Legendre's rule: six digits more than float32 has for steps of a tenth of the start.
    nodes, weights = np.polynomial.legendre.leggauss(5)
    places = emitter.columns(step, np.repeat(np.arange(len(others)), len(nodes)))
    inside = emitter.add("Mul", places, emitter.constant(np.tile((nodes + 1) / 2, len(others))[None]))
    at = emitter.add("Add", inside, start)
    height = emitter.add("Exp", emitter.add("Neg", emitter.add("Mul", at, at)))
    area = emitter.add("Mul", height, places)
    shares = np.repeat(_SHARES[others], len(nodes)) * np.tile(weights / 2, len(others)) / np.sqrt(np.pi)
    between = emitter.dense(area, shares[:, None], 0.0)
    whole = emitter.add("Mul", emitter.add("Erf", start), emitter.constant([_SHARES.sum() / 2]))
    second = emitter.add("Add", emitter.add("Add", whole, between), emitter.constant([_SHARES.sum() / 2]))
    return emitter.concat([emitter.add("Sub", emitter.constant([1.0]), second), second])


def _classify(emitter: Emitter, model: Any, x: str) -> Classified:
    found = emitter.classify(model.base_estimator_, x)
    return Classified(found.label, model.classes_, found.probabilities)


def _unknown(model: Any) -> str | None:
    if hasattr(model, "base_estimator_"):
        members = getattr(model.base_estimator_, "estimators_", [model.base_estimator_])
        return next(filter(None, (unknown_kernel(member.kernel_) for member in members)), None)
    return unknown_kernel(model.kernel_)


RULES = Rules(
    regress={"GaussianProcessRegressor": _regress},
    classify={
        "GaussianProcessClassifier": _classify,
        "_BinaryGaussianProcessClassifierLaplace": _classify_binary,
    },
    limits={"GaussianProcessClassifier": _unknown, "GaussianProcessRegressor": _unknown},
)
