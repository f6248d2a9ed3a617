"""Kernel ridge regression."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.dual_expansion import Expansion, Term, expand, sample
from edgeml_converters.to_onnx.sklearn.emitter import Emitter, Rules
from edgeml_converters.to_onnx.sklearn.pairwise_kernels import METRICS, Precision, pairwise_kernel


def _regress(emitter: Emitter, model: Any, x: str) -> str:
    rows = np.asarray(model.X_fit_, np.float64)
    coefficients = np.reshape(model.dual_coef_, (len(rows), -1))
    bias = np.zeros(coefficients.shape[1])
    known = np.asarray(model._get_kernel(sample(rows), rows))
    if model.kernel == "linear":
        sums = Expansion((), rows.T @ coefficients, bias)
    else:

        def values(emitter: Emitter, x: str, precision: Precision) -> str:
            return pairwise_kernel(emitter, x, rows, model.kernel, precision=precision, **_parameters(model))

        sums = Expansion((Term(values, coefficients, known),), None, bias)
    return expand(emitter, x, sums, rows, float(np.abs(known @ coefficients).max(initial=0.0)))


def _parameters(model: Any) -> dict[str, Any]:
    return {"gamma": model.gamma, "degree": model.degree, "coef0": model.coef0}


def _unknown_kernel(model: Any) -> str | None:
    if isinstance(model.kernel, str) and model.kernel in METRICS:
        return None
    return f"kernel={model.kernel!r} is not supported; use {', '.join(METRICS)}"


RULES = Rules(regress={"KernelRidge": _regress}, limits={"KernelRidge": _unknown_kernel})
