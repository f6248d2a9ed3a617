"""The converters of LightGBM's and XGBoost's Boosters: the rules of their estimators, without those."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgeml_converters.model import Artifact, TrainedModel
from edgeml_converters.registry import Calibration, Converter
from edgeml_converters.to_onnx.from_sklearn import serialize
from edgeml_converters.to_onnx.sklearn.emitter import Emitter, Rules
from edgeml_converters.to_onnx.sklearn.inputs import declare_inputs
from edgeml_runtime.errors import ConversionError

Emit = Callable[
    [Emitter, Any, str], str
]  # (emitter, Booster, x) -> what its predict gives, float32[n, width]


def booster_converter(library: str, emit: Emit) -> Converter:
    """The converter to float32 ONNX of that library's Boosters, all of which it takes."""
    name = f"{library}-to-onnx"

    def convert(model: TrainedModel, scheme: str, calibration: Calibration | None) -> Artifact:
        if scheme != "float32":
            raise ConversionError(f"{name} makes float32, not {scheme}")
        (output,) = model.signature.outputs
        emitter = Emitter(Rules())
        made = emit(emitter, model.model, declare_inputs(emitter, model.signature))
        if output.dtype == "int64":
            made = emitter.argmax(made)
        elif len(output.shape) == 1:
            made = emitter.flat(made)
        content = serialize(emitter, {output.name: made}, model.signature)
        return Artifact("onnx", scheme, content, model.signature)

    return Converter(
        name=name,
        source=library,
        target="onnx",
        requires=(library, "onnx"),
        extra=library,
        offers=lambda model: {"float32": None},
        convert=convert,
    )
