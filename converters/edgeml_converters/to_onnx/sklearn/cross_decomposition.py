"""Partial least squares and canonical correlation: one matrix to predict, one to transform."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.decomposition import projection
from edgeml_converters.to_onnx.sklearn.emitter import Emitter, Rules


def _predict(emitter: Emitter, model: Any, x: str) -> str:
    return projection(emitter, x, np.asarray(model.coef_).T, mean=model._x_mean, bias=model.intercept_)


def _rotate(emitter: Emitter, model: Any, x: str) -> str:
    rotations = np.asarray(model.x_rotations_) / model._x_std[:, None]
    return projection(emitter, x, rotations, mean=model._x_mean)


def _svd(emitter: Emitter, model: Any, x: str) -> str:
    weights = np.asarray(model.x_weights_) / model._x_std[:, None]
    return projection(emitter, x, weights, mean=model._x_mean)


_REGRESSORS = ("CCA", "PLSCanonical", "PLSRegression")
RULES = Rules(
    transform=dict.fromkeys(_REGRESSORS, _rotate) | {"PLSSVD": _svd},
    regress=dict.fromkeys(_REGRESSORS, _predict),
)
