"""Dummies: the same answer to every row."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.emitter import Classified, Emitter, Rules
from edgeml_runtime.signature import Array


def constant_rows(emitter: Emitter, x: str, values: Any) -> str:
    """The values [k] for every row of x: float32[n, k]."""
    # Nothing is larger than infinity: zeros whatever x holds, NaN too.
    never = emitter.add("Greater", emitter.columns(x, [0]), emitter.constant([np.inf]))
    zeros = emitter.add("Cast", never, to=1)
    return emitter.add("Add", zeros, emitter.constant(np.asarray(values, np.float64)[None]))


def _shares(model: Any, priors: Array, classes: Array, constant: Any) -> Array:
    if model.strategy == "prior":
        return np.asarray(priors, np.float64)
    if model.strategy == "constant":
        return np.asarray(classes == constant, np.float64)
    return np.asarray(np.eye(len(classes))[np.argmax(priors)])


def _target(emitter: Emitter, model: Any, x: str, priors: Array, classes: Array, constant: Any) -> Classified:
    shares = constant_rows(emitter, x, _shares(model, priors, classes, constant))
    return Classified(emitter.argmax(shares), classes, shares)


def _classify(emitter: Emitter, model: Any, x: str) -> Classified:
    constant = np.ravel(model.constant)[0] if model.strategy == "constant" else None
    return _target(emitter, model, x, model.class_prior_, model.classes_, constant)


def _classify_many(emitter: Emitter, model: Any, x: str) -> tuple[Classified, ...]:
    constants = np.ravel(model.constant) if model.strategy == "constant" else [None] * model.n_outputs_
    parts = zip(model.class_prior_, model.classes_, constants, strict=True)
    return tuple(_target(emitter, model, x, *part) for part in parts)


def _regress(emitter: Emitter, model: Any, x: str) -> str:
    return constant_rows(emitter, x, np.broadcast_to(np.ravel(model.constant_), model.n_outputs_))


def _not_random(model: Any) -> str | None:
    if model.strategy in ("stratified", "uniform"):
        return f"strategy={model.strategy!r} draws its answers at random, so that no two calls agree"
    return None


RULES = Rules(
    regress={"DummyRegressor": _regress},
    classify={"DummyClassifier": _classify},
    classify_many={"DummyClassifier": _classify_many},
    limits={"DummyClassifier": _not_random},
)
