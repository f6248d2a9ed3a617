"""ONNX float32 to quantized ONNX: float16, int8-dynamic, int8-static.

Inputs and outputs keep their names and their dtypes: callers pass float32 and get what they got before. What
stayed in float is listed in the artifact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from edgeml_converters.model import Artifact
from edgeml_converters.onnx_graph import check_interface, parse, serialize
from edgeml_converters.onnx_session import open_session
from edgeml_converters.registry import Calibration, Converter
from edgeml_converters.to_onnx.quantization import calibration as calibrator
from edgeml_converters.to_onnx.quantization import dynamic, half, qdq
from edgeml_converters.to_onnx.quantization.coverage import float16_refusal, int8_refusal
from edgeml_converters.to_onnx.quantization.equalize import equalize
from edgeml_converters.to_onnx.quantization.float_operators import operators_left_in_float
from edgeml_converters.to_onnx.quantization.plan import plan, weighted_nodes
from edgeml_converters.to_onnx.quantization.simplify import simplify
from edgeml_runtime.errors import ConversionError
from edgeml_runtime.manifest import FloatOperator

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
    original = parse(artifact.content)
    if scheme == "float16":
        made = original
        left = half.halve(made)
    else:
        made = simplify(original)
        left = _to_int8(artifact, made, scheme, calibration)
    made.producer_name, made.producer_version = "edgeml", ""
    check_interface(parse(artifact.content), made)
    content = serialize(made)
    open_session(content, f"{artifact.format}/{scheme}")
    return replace(artifact, scheme=scheme, content=content, float_operators=left)


def _to_int8(
    artifact: Artifact, model: Any, scheme: str, calibration: Calibration | None
) -> tuple[FloatOperator, ...]:
    planned = plan(model)
    targets = weighted_nodes(model, planned)
    if not targets and not planned.tables:
        raise ConversionError(f"{scheme}: the graph's matrix products are of a form that has no int8 kernel")
    if scheme == "int8-dynamic":
        dynamic.insert(model, targets, planned.tables, planned.weights_only)
    else:
        rows = calibrator.checked_rows(artifact.signature, calibration)
        equalize(model, planned, rows)
        planned = plan(model)
        seen = calibrator.ranges(model, qdq.observed_tensors(planned), rows)
        qdq.insert(model, planned, qdq.tensor_scales(model, planned, seen))
    return operators_left_in_float(model)


CONVERTER = Converter(
    name="onnx-to-onnx",
    source="onnx",
    target="onnx",
    requires=("onnx", "onnxruntime"),
    extra="onnx",
    offers=_offers,
    convert=_convert,
)
