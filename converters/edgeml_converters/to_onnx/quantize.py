"""ONNX float32 to quantized ONNX: float16, int8-dynamic, int8-static.

Inputs and outputs keep their names and their dtypes: callers pass float32 and get what they got before. What
stayed in float is listed in the artifact.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgeml_converters.model import Artifact
from edgeml_converters.onnx_graph import parse
from edgeml_converters.recipe import Recipe
from edgeml_converters.registry import Calibration, Converter
from edgeml_converters.to_onnx.quantization import dynamic, half
from edgeml_converters.to_onnx.quantization.coverage import float16_refusal, int8_refusal
from edgeml_converters.to_onnx.quantization.float_operators import operators_left_in_float
from edgeml_converters.to_onnx.quantization.plan import plan, weighted_nodes
from edgeml_converters.to_onnx.quantization.simplify import simplify
from edgeml_converters.to_onnx.quantization.static import (
    artifact_of,
    check_anything_is_quantized,
    static_quantizer,
)
from edgeml_runtime.errors import ConversionError

SCHEMES = ("float16", "int8-dynamic", "int8-static")


def _offers(artifact: Artifact) -> Mapping[str, str | None]:
    if artifact.scheme != "float32":
        return dict.fromkeys(SCHEMES, f"the artifact is {artifact.scheme}; only float32 can be quantized")
    model = parse(artifact.content)
    int8 = int8_refusal(model)
    return {"float16": float16_refusal(model), "int8-dynamic": int8, "int8-static": int8}


def _convert(artifact: Artifact, scheme: str, calibration: Calibration | None) -> Artifact:
    """Raises ConversionError where `offers` has a reason, CalibrationError for rows that give no ranges."""
    offered = _offers(artifact)
    if scheme not in offered:
        raise ConversionError(f"onnx-to-onnx makes {', '.join(SCHEMES)}, not {scheme}")
    reason = offered[scheme]
    if reason is not None:
        raise ConversionError(f"{scheme} cannot be honoured: {reason}")
    if scheme == "int8-static":
        return static_quantizer(artifact, calibration).artifact(Recipe())
    if scheme == "int8-dynamic":
        return _dynamic(artifact, Recipe())
    made = parse(artifact.content)
    return artifact_of(artifact, made, scheme, half.halve(made))


def _dynamic(artifact: Artifact, recipe: Recipe) -> Artifact:
    """int8-dynamic; of the recipe only the reduced range makes a difference."""
    made = simplify(parse(artifact.content))
    planned = plan(made)
    check_anything_is_quantized(made, planned, "int8-dynamic")
    dynamic.insert(
        made,
        weighted_nodes(made, planned),
        planned.tables,
        planned.weights_only,
        reduced_range=recipe.reduced_range,
    )
    return artifact_of(artifact, made, "int8-dynamic", operators_left_in_float(made))


CONVERTER = Converter(
    name="onnx-to-onnx",
    source="onnx",
    target="onnx",
    requires=("onnx", "onnxruntime"),
    extra="onnx",
    offers=_offers,
    convert=_convert,
    quantizer=static_quantizer,
    dynamic=_dynamic,
)
