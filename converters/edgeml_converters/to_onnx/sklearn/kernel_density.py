"""Kernel density estimates, in logarithms.

Every kernel's value is summed. scikit-learn takes bounds of whole branches of its tree away again when it has
summed their rows, and what is left of densities 1e-15 times smaller than those bounds is noise there.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.decimals import double
from edgeml_converters.to_onnx.sklearn.distances import distances, metric_of, unknown_metric
from edgeml_converters.to_onnx.sklearn.emitter import Emitter, Rules

_FLOAT = 1  # onnx.TensorProto.FLOAT


def _score(emitter: Emitter, model: Any, x: str) -> str:
    """float32[n, 1]: log density; -inf where a kernel with an end reaches no fitted row."""
    tree = model.tree_
    fitted = np.asarray(tree.data, np.float64)
    weights = None if tree.sample_weight is None else np.asarray(tree.sample_weight, np.float64)
    total = len(fitted) if weights is None else tree.sum_weight
    norm = importlib.import_module("sklearn.neighbors._kd_tree").kernel_norm
    offset = norm(model.bandwidth_, fitted.shape[1], model.kernel, return_log=True) - np.log(total)
    used = np.ones(len(fitted), bool) if weights is None else weights > 0
    apart = distances(emitter, x, fitted[used], metric_of(model))
    shifts = np.zeros(len(fitted)) if weights is None else np.log(weights[used])
    width = double(emitter, [float(model.bandwidth_)])
    scaled = emitter.add("Div", apart, width)
    if model.kernel in ("gaussian", "exponential"):
        if model.kernel == "gaussian":
            scaled = emitter.add("Mul", emitter.add("Mul", scaled, scaled), double(emitter, [0.5]))
        logs = emitter.add("Sub", double(emitter, shifts[None]), scaled)
        largest = emitter.add("ReduceMax", logs, emitter.constant([1], "int64"), keepdims=1)
        sums = emitter.sum(emitter.add("Exp", emitter.add("Sub", logs, largest)))
        density = emitter.add("Add", emitter.add("Log", sums), largest)
    else:
        inside = emitter.add("Less", apart, width)
        values = emitter.add(
            "Where", inside, _with_end(emitter, model.kernel, scaled), double(emitter, [0.0])
        )
        # Divided by the largest weight, so that float32 holds what is left.
        density = emitter.add("MatMul", values, double(emitter, np.exp(shifts - shifts.max())[:, None]))
        density = emitter.add("Add", emitter.add("Log", density), double(emitter, [shifts.max()]))
    return emitter.add("Cast", emitter.add("Add", density, double(emitter, [offset])), to=_FLOAT)


def _with_end(emitter: Emitter, kernel: str, scaled: str) -> str:
    """The kernel's values at distances over the bandwidth, for those below 1."""
    one = double(emitter, [1.0])
    if kernel == "tophat":
        return one
    if kernel == "cosine":
        return emitter.add("Cos", emitter.add("Mul", scaled, double(emitter, [np.pi / 2])))
    if kernel == "epanechnikov":
        scaled = emitter.add("Mul", scaled, scaled)
    return emitter.add("Sub", one, scaled)


RULES = Rules(score={"KernelDensity": _score}, limits={"KernelDensity": unknown_metric})
