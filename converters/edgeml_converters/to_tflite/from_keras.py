"""Keras to TFLite, every scheme, through TensorFlow's own converter."""

from __future__ import annotations

from collections.abc import Mapping

from edgeml_converters.keras_support import refusal
from edgeml_converters.model import Artifact, TrainedModel
from edgeml_converters.registry import Calibration, Converter
from edgeml_converters.schemes import SCHEMES
from edgeml_converters.sources.keras_interface import view
from edgeml_converters.to_tflite.flatbuffer import compile_function


def _offers(model: TrainedModel) -> Mapping[str, str | None]:
    return dict.fromkeys(SCHEMES, refusal(model))


def _convert(model: TrainedModel, scheme: str, calibration: Calibration | None) -> Artifact:
    return compile_function(view(model.model).tensor_function, model.signature, scheme, calibration)


CONVERTER = Converter(
    name="keras-to-tflite",
    source="keras",
    target="tflite",
    requires=("tensorflow",),
    extra="keras",
    offers=_offers,
    convert=_convert,
)
