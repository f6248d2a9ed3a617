"""Gaussian mixtures: log densities of the components by whitened distances, with log-sum-exp."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.emitter import Emitter, Rules


def _joint(emitter: Emitter, model: Any, x: str) -> str:
    """Joint log densities log P(component, x): float32[n, components]."""
    means = np.asarray(model.means_, np.float64)
    factors = np.asarray(model.precisions_cholesky_, np.float64)
    # At its own mean a component's distance is zero: what is left is its constant, whatever the prior.
    offset = np.diag(model._estimate_weighted_log_prob(means))
    rows = emitter.add("Unsqueeze", x, emitter.constant([0], "int64"))
    centred = emitter.add("Sub", rows, emitter.constant(means[:, None]))  # [components, n, features]
    if model.covariance_type == "full" or model.covariance_type == "tied":
        scaled = emitter.add("MatMul", centred, emitter.constant(factors, shared=False))
    else:
        widths = factors[:, None, None] if model.covariance_type == "spherical" else factors[:, None]
        scaled = emitter.add("Mul", centred, emitter.constant(widths))
    squares = emitter.add("Mul", scaled, scaled)
    distance = emitter.add("ReduceSum", squares, emitter.constant([2], "int64"), keepdims=0)
    halved = emitter.add("Mul", emitter.add("Transpose", distance, perm=[1, 0]), emitter.constant([-0.5]))
    return emitter.add("Add", halved, emitter.constant(offset))


def _cluster(emitter: Emitter, model: Any, x: str) -> str:
    return emitter.argmax(_joint(emitter, model, x))


def _memberships(emitter: Emitter, model: Any, x: str) -> str:
    return emitter.add("Softmax", _joint(emitter, model, x), axis=1)


def _score(emitter: Emitter, model: Any, x: str) -> str:
    return emitter.add(
        "ReduceLogSumExp", _joint(emitter, model, x), emitter.constant([1], "int64"), keepdims=1
    )


_MIXTURES = ("BayesianGaussianMixture", "GaussianMixture")
RULES = Rules(
    cluster=dict.fromkeys(_MIXTURES, _cluster),
    memberships=dict.fromkeys(_MIXTURES, _memberships),
    score=dict.fromkeys(_MIXTURES, _score),
)
