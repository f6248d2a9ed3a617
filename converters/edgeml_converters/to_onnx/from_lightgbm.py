"""LightGBM's Boosters to ONNX, float32."""

from __future__ import annotations

from typing import Any

from edgeml_converters.sources.lightgbm_model import read_model
from edgeml_converters.to_onnx.boosters import booster_converter
from edgeml_converters.to_onnx.sklearn.emitter import Emitter
from edgeml_converters.to_onnx.sklearn.lightgbm_trees import output, raw_scores


def _emit(emitter: Emitter, booster: Any, x: str) -> str:
    model = read_model(booster.model_to_string(), "model")
    return output(emitter, model, raw_scores(emitter, model, x))


CONVERTER = booster_converter("lightgbm", _emit)
