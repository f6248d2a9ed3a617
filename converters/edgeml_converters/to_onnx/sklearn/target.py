"""Regressors of a transformed target: what the regressor says, taken back by the transformer."""

from __future__ import annotations

from typing import Any

from edgeml_converters.to_onnx.sklearn.emitter import Emitter, Rules


def _regress(emitter: Emitter, model: Any, x: str) -> str:
    return emitter.inverse(model.transformer_, emitter.regress(model.regressor_, x))


def _calls(model: Any, role: str) -> list[tuple[str, Any, str]]:
    return [("regressor", model.regressor_, "regress"), ("transformer", model.transformer_, "inverse")]


RULES = Rules(regress={"TransformedTargetRegressor": _regress}, calls={"TransformedTargetRegressor": _calls})
