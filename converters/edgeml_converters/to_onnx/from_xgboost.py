"""XGBoost's Boosters to ONNX, float32."""

from __future__ import annotations

from typing import Any

from edgeml_converters.sources.xgboost_model import booster_model
from edgeml_converters.to_onnx.boosters import booster_converter
from edgeml_converters.to_onnx.sklearn.emitter import Emitter
from edgeml_converters.to_onnx.sklearn.xgboost_trees import output, raw_scores


def _emit(emitter: Emitter, booster: Any, x: str) -> str:
    model = booster_model(booster, "model")
    return output(emitter, model, raw_scores(emitter, model, x))


CONVERTER = booster_converter("xgboost", _emit)
