"""Sums over fitted rows: K(x, rows) @ coefficients, as Gaussian processes and kernel ridge predict.

Where a kernel is wide or rows are large, coefficients are huge and cancel in that sum. What is linear in x is
therefore multiplied out beforehand, and where the rest would still lose more than float32 can, it is computed
in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgeml_converters.double_digits import DOUBLE_DIGITS
from edgeml_converters.to_onnx.sklearn.emitter import Emitter
from edgeml_converters.to_onnx.sklearn.pairwise_kernels import Precision, cast, product
from edgeml_runtime.signature import Array

Kernel = Callable[[Emitter, str, Precision], str]  # x [n, features] in that precision -> [n, rows] in it

_FLOAT64 = 11  # onnx.TensorProto.DOUBLE
_JUDGED = 512
_ROUNDING = 2.0**-24
ALLOWED = 1e-5  # of the largest value, by what float32 loses


@dataclass(frozen=True, slots=True)
class Term:
    """One summand: kernel values times coefficients float64[rows, k]."""

    kernel: Kernel
    coefficients: Array
    values: Array  # float64[m, rows]: the kernel's values for a sample of the fitted rows
    sharpness: float = 1.0  # by how much evaluating the kernel enlarges a relative error


@dataclass(frozen=True, slots=True)
class Expansion:
    """x @ weights + bias + the terms; weights float64[features, k] or None, bias float64[k]."""

    terms: tuple[Term, ...]
    weights: Array | None
    bias: Array


def expand(emitter: Emitter, x: str, sums: Expansion, rows: Array, largest: float) -> str:
    """float32[n, k] of x float32[n, features].

    rows: float64[m, features], the fitted ones. largest: the size of those sums that matters.
    """
    losses = [lost(term.values, term.coefficients) * term.sharpness for term in sums.terms]
    if sums.weights is not None:
        losses.append(lost(rows, sums.weights))
    wide = max(losses, default=0.0) > ALLOWED * largest
    precision: Precision = "float64" if wide else "float32"
    if wide:
        x = exact(emitter, x)
    parts = [
        product(emitter, term.kernel(emitter, x, precision), term.coefficients, precision)
        for term in sums.terms
    ]
    if sums.weights is not None:
        parts.append(product(emitter, x, sums.weights, precision))
    total = emitter.constant(sums.bias, precision)
    for part in parts:
        total = emitter.add("Add", part, total)
    return cast(emitter, total, "float32") if wide else total


def exact(emitter: Emitter, x: str) -> str:
    """The tensor x in float64, also where the engine has to make that of two float32."""
    return emitter.add("Cast", x, to=_FLOAT64, doc_string=DOUBLE_DIGITS)


def sample(rows: Array) -> Array:
    """At most so many of the fitted rows, evenly taken, on which sums are judged."""
    return rows[:: -(-len(rows) // _JUDGED) or 1]


def lost(values: Array, coefficients: Array) -> float:
    """The most that rounding to float32 takes from values [m, rows] @ coefficients [rows, k]."""
    return float((np.abs(values) @ np.abs(coefficients)).max(initial=0.0) * _ROUNDING)
