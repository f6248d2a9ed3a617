"""Outlier detectors that a product or a distance decides: one-class machines and the elliptic envelope."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.emitter import Detected, Emitter, Rules
from edgeml_converters.to_onnx.sklearn.kernels import known_kernel, one_decision
from edgeml_runtime.signature import Array

# Of an offset that is a percentile of fitted rows' scores: such a row is on the boundary, and an inlier.
_SLACK = 5e-7


def beyond_percentile(emitter: Emitter, score: str, offset: Any) -> Detected:
    """Outliers have a score float32[n, 1] below the offset, by more than a score loses in float32."""
    limit = float(np.ravel(offset)[0])
    decision = shifted(emitter, score, -limit)
    inlier = emitter.add("GreaterOrEqual", decision, emitter.constant([-_SLACK * abs(limit)]))
    return _detected(emitter, inlier, decision)


def _detected(emitter: Emitter, inlier: str, decision: str) -> Detected:
    return Detected(emitter.flat(emitter.add("Cast", inlier, to=7)), decision)


def shifted(emitter: Emitter, y: str, offset: Any) -> str:
    """The column y float32[n, 1] plus a fitted offset of one value."""
    return emitter.add("Add", y, emitter.constant(np.ravel(offset)))


def _one_class(emitter: Emitter, model: Any, x: str) -> Detected:
    # libsvm: a row on the boundary is an outlier.
    decision = one_decision(emitter, model, x)
    inlier = emitter.add("Greater", decision, emitter.constant([0.0]))
    return _detected(emitter, inlier, decision)


def _score_one_class(emitter: Emitter, model: Any, x: str) -> str:
    return shifted(emitter, one_decision(emitter, model, x), model.offset_)


def _linear(emitter: Emitter, model: Any, x: str) -> str:
    return emitter.dense(x, np.reshape(model.coef_, (-1, 1)), 0.0)


def _linear_one_class(emitter: Emitter, model: Any, x: str) -> Detected:
    decision = shifted(emitter, _linear(emitter, model, x), -model.offset_)
    inlier = emitter.add("GreaterOrEqual", decision, emitter.constant([0.0]))
    return _detected(emitter, inlier, decision)


def _score_envelope(emitter: Emitter, model: Any, x: str) -> str:
    """Minus the squared Mahalanobis distance."""
    centred = emitter.add("Sub", x, emitter.constant(model.location_))
    whitened = emitter.dense(centred, _square_root(model.precision_), 0.0)
    return emitter.add("Neg", emitter.sum(emitter.add("Mul", whitened, whitened)))


def _square_root(precision: Array) -> Array:
    """W with W @ W.T = precision, which may be singular."""
    values, vectors = np.linalg.eigh(np.asarray(precision, np.float64))
    root: Array = vectors * np.sqrt(np.maximum(values, 0.0))
    return root


def _envelope(emitter: Emitter, model: Any, x: str) -> Detected:
    return beyond_percentile(emitter, _score_envelope(emitter, model, x), model.offset_)


RULES = Rules(
    detect={
        "EllipticEnvelope": _envelope,
        "OneClassSVM": _one_class,
        "SGDOneClassSVM": _linear_one_class,
    },
    score={
        "EllipticEnvelope": _score_envelope,
        "OneClassSVM": _score_one_class,
        "SGDOneClassSVM": _linear,
    },
    limits={"OneClassSVM": known_kernel},
)
