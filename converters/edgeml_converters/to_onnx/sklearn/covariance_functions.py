"""The kernels of sklearn.gaussian_process, and what they give for new rows against fitted ones.

A covariance function is evaluated in the precision that its caller asks for; see `gaussian_process` for when
float32 is enough. Rasmussen and Williams 2006, chapter 4.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.emitter import Emitter
from edgeml_converters.to_onnx.sklearn.pairwise_kernels import (
    METRICS,
    Precision,
    pairwise_kernel,
    product,
    squared_distances,
)
from edgeml_runtime.signature import Array

_OPERATORS = ("Product", "Sum")
_KNOWN = (
    "ConstantKernel", "DotProduct", "ExpSineSquared", "Exponentiation", "Matern", "PairwiseKernel",
    "RBF", "RationalQuadratic", "WhiteKernel",
)  # fmt: skip
_STEEPEST = 1e30  # a rate that float32 holds, whose kernel is 0 for all that are not the same row
_AT_ONCE = 16  # terms of the general Matern kernel that are held in memory together


def unknown_kernel(kernel: Any) -> str | None:
    """The reason why a kernel, or one inside it, cannot be converted."""
    kind = type(kernel).__name__
    if type(kernel).__module__ != "sklearn.gaussian_process.kernels":
        return f"its kernel {kind} is not scikit-learn's; what it computes is not known"
    if kind in _OPERATORS:
        return unknown_kernel(kernel.k1) or unknown_kernel(kernel.k2)
    if kind == "Exponentiation":
        return unknown_kernel(kernel.kernel)
    if kind == "PairwiseKernel" and not (isinstance(kernel.metric, str) and kernel.metric in METRICS):
        return f"PairwiseKernel with metric={kernel.metric!r} is not supported; use {', '.join(METRICS)}"
    return None if kind in _KNOWN else f"its kernel {kind} gives several matrices; use one of its kernels"


def covariance(emitter: Emitter, kernel: Any, x: str, rows: Array, precision: Precision) -> str:
    """K(x, rows): [n, rows] in that precision, for x [n, features] in it and rows float64[rows, features]."""
    kind = type(kernel).__name__

    def constant(value: Any) -> str:
        return emitter.constant([float(value)], precision)

    if kind in _OPERATORS:
        left, right = (covariance(emitter, part, x, rows, precision) for part in (kernel.k1, kernel.k2))
        return emitter.add("Add" if kind == "Sum" else "Mul", left, right)
    if kind == "Exponentiation":
        base = covariance(emitter, kernel.kernel, x, rows, precision)
        return emitter.add("Pow", base, constant(kernel.exponent))
    if kind in ("ConstantKernel", "WhiteKernel"):
        # Noise is that of a row with itself, and new rows are others.
        value = kernel.constant_value if kind == "ConstantKernel" else 0.0
        return emitter.constant(np.full((1, len(rows)), value), precision)
    if kind == "DotProduct":
        offset = emitter.constant(np.full(len(rows), kernel.sigma_0**2), precision)
        return emitter.add("Add", product(emitter, x, rows.T, precision), offset)
    if kind == "PairwiseKernel":
        return pairwise_kernel(
            emitter, x, rows, kernel.metric, precision=precision, **pairwise_parameters(kernel)
        )
    if kind in ("RBF", "Matern"):
        scale = 1 / np.broadcast_to(np.squeeze(kernel.length_scale).astype(float), rows.shape[1])
        x = emitter.add("Mul", x, emitter.constant(scale, precision))
        # Scaled as the graph scales, so that a fitted row is at distance zero from itself.
        squares = squared_distances(emitter, x, rows.astype(precision) * scale.astype(precision), precision)
        if kind == "RBF" or kernel.nu == np.inf:
            return emitter.add("Exp", emitter.add("Mul", squares, constant(-0.5)))
        return _matern(emitter, squares, float(kernel.nu), precision)
    squares = squared_distances(emitter, x, rows, precision)
    if kind == "RationalQuadratic":
        share = emitter.add("Mul", squares, constant(1 / (2 * kernel.alpha * kernel.length_scale**2)))
        return emitter.add("Pow", emitter.add("Add", share, constant(1.0)), constant(-kernel.alpha))
    turns = emitter.add("Mul", emitter.add("Sqrt", squares), constant(1 / kernel.periodicity))
    # What is beyond whole turns, taken first: of a large angle a sine keeps few digits.
    angle = emitter.add("Mul", emitter.add("Sub", turns, emitter.add("Round", turns)), constant(np.pi))
    wave = emitter.add("Sin", angle)
    power = emitter.add("Mul", emitter.add("Mul", wave, wave), constant(-2 / kernel.length_scale**2))
    return emitter.add("Exp", power)


def sharpness(kernel: Any, rows: Array) -> float:
    """By how much a kernel enlarges relative errors of distances among such rows: periods count turns."""
    if type(kernel).__name__ in _OPERATORS:
        return max(sharpness(kernel.k1, rows), sharpness(kernel.k2, rows))
    if type(kernel).__name__ == "Exponentiation":
        return abs(float(kernel.exponent)) * sharpness(kernel.kernel, rows)
    if type(kernel).__name__ != "ExpSineSquared":
        return 1.0
    extent = float(np.linalg.norm(rows.max(axis=0) - rows.min(axis=0)))
    return max(1.0, 2 * np.pi * extent / float(kernel.periodicity) / min(1.0, float(kernel.length_scale)))


def pairwise_parameters(kernel: Any) -> dict[str, float]:
    """Parameters of a PairwiseKernel for `pairwise_kernel`."""
    extra = {k: v for k, v in (kernel.pairwise_kernels_kwargs or {}).items() if k in ("degree", "coef0")}
    return {"gamma": kernel.gamma, **extra}


def _matern(emitter: Emitter, squares: str, nu: float, precision: Precision) -> str:
    """Matern's kernel of squared distances in length scales."""

    def constant(value: float) -> str:
        return emitter.constant([value], precision)

    if nu not in (0.5, 1.5, 2.5):
        return _gaussian_mixture(emitter, squares, nu, precision)
    distance = emitter.add("Mul", emitter.add("Sqrt", squares), constant(np.sqrt(2 * nu)))
    decay = emitter.add("Exp", emitter.add("Neg", distance))
    if nu == 0.5:
        return decay
    polynomial = emitter.add("Add", distance, constant(1.0))
    if nu == 2.5:
        third = emitter.add("Mul", emitter.add("Mul", distance, distance), constant(1 / 3))
        polynomial = emitter.add("Add", polynomial, third)
    return emitter.add("Mul", polynomial, decay)


def _gaussian_mixture(emitter: Emitter, squares: str, nu: float, precision: Precision) -> str:
    """Matern's kernel of any smoothness, whose Bessel function no format has, as a sum of Gaussian kernels.

    2^(1-v)/G(v) t^v K_v(t) is the integral over s of exp(v s - e^s - t^2 e^-s / 4) / G(v) (DLMF 10.32.10, w =
    e^s), and of so smooth a function a sum in equal steps gives all digits.
    """
    digits = 38.0 if precision == "float64" else 22.0  # exp(-digits) is below what the precision shows
    # Its poles ask for steps of pi^2 / digits; where v is large it is narrow, about 1 / sqrt(v) wide.
    step = 1 / np.sqrt((digits / np.pi**2) ** 2 + digits * nu / (2 * np.pi**2))
    # The tail to the left falls as exp(v s), the one to the right as exp(-e^s).
    places = np.arange(-(digits + 1) / nu, np.log(digits + 10 * nu) + 1, step)
    weights = np.exp(nu * places - np.exp(places))
    weights /= weights.sum()  # at t = 0 the kernel is 1
    rates = np.minimum(2 * nu * np.exp(-places) / 4, _STEEPEST)
    kept = weights > np.exp(-digits) / len(weights)
    weights, rates = weights[kept], rates[kept]
    last = emitter.add("Unsqueeze", squares, emitter.constant([2], "int64"))
    total = ""
    for start in range(0, len(weights), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        decay = emitter.add("Exp", emitter.add("Mul", last, emitter.constant(-rates[some], precision)))
        part = emitter.add("MatMul", decay, emitter.constant(weights[some], precision))
        total = emitter.add("Add", total, part) if total else part
    return total


def own_covariance(emitter: Emitter, kernel: Any, x: str, features: int, precision: Precision) -> str:
    """k(x, x) of each row with itself: [n, 1], or [1, 1] where it is the same for all rows."""
    kind = type(kernel).__name__

    def constant(value: Any) -> str:
        return emitter.constant([[float(value)]], precision)

    if kind in _OPERATORS:
        left, right = (
            own_covariance(emitter, part, x, features, precision) for part in (kernel.k1, kernel.k2)
        )
        return emitter.add("Add" if kind == "Sum" else "Mul", left, right)
    if kind == "Exponentiation":
        base = own_covariance(emitter, kernel.kernel, x, features, precision)
        return emitter.add("Pow", base, constant(kernel.exponent))
    if kind == "ConstantKernel":
        return constant(kernel.constant_value)
    if kind == "WhiteKernel":
        return constant(kernel.noise_level)
    if kind == "DotProduct":
        size = emitter.sum(emitter.add("Mul", x, x))
        return emitter.add("Add", size, constant(kernel.sigma_0**2))
    if kind == "PairwiseKernel":
        return _own_pairwise(emitter, kernel, x, features, precision)
    return constant(1.0)


def _own_pairwise(emitter: Emitter, kernel: Any, x: str, features: int, precision: Precision) -> str:
    def constant(value: float) -> str:
        return emitter.constant([[float(value)]], precision)

    if kernel.metric in ("chi2", "laplacian", "rbf"):
        return constant(1.0)
    if kernel.metric == "additive_chi2":
        return constant(0.0)
    size = emitter.sum(emitter.add("Mul", x, x))
    if kernel.metric == "linear":
        return size
    if kernel.metric == "cosine":  # 1, and 0 for a row of zeros
        return emitter.add("Sign", size)
    parameters = {"degree": 3, "coef0": 1} | pairwise_parameters(kernel)
    inner = emitter.add("Mul", size, constant(parameters["gamma"]))
    inner = emitter.add("Add", inner, constant(parameters["coef0"]))
    if kernel.metric == "sigmoid":
        return emitter.add("Tanh", inner)
    return emitter.add("Pow", inner, constant(parameters["degree"]))
