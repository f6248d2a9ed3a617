"""ONNX to TFLite by our own lowering: graph -> function of TensorFlow operators -> TensorFlow's converter.

Made for what scikit-learn's models become (ai.onnx.ml's trees, scalers and linear models among plain
operators); any graph of operators that have a lowering is taken.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgeml_converters.model import Artifact
from edgeml_converters.recipe import Quantizer
from edgeml_converters.registry import Calibration, Converter
from edgeml_converters.schemes import CALIBRATED, SCHEMES
from edgeml_converters.to_tflite.flatbuffer import compile_function, static_quantizer, too_small_for_dynamic
from edgeml_converters.to_tflite.lowering.graph import (
    Graph,
    Node,
    function_of,
    missing_operators,
    read_graph,
)
from edgeml_converters.to_tflite.lowering.raw_columns import standardize_columns
from edgeml_converters.to_tflite.lowering.weight_ranges import separate_factors
from edgeml_runtime.errors import UnsupportedOperatorError

# Operators of networks and linear models: an error of rounding stays an error of rounding. Every other
# operator compares, counts or looks up, and one step of a quantized scale changes what it finds.
_SMOOTH = frozenset(
    (
        *("Add", "Clip", "Div", "Mul", "Neg", "Relu", "Sigmoid", "Sub", "Tanh"),
        *("ArgMax", "ReduceMean", "Softmax"),
        *("Concat", "Flatten", "Identity", "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"),
        *("AveragePool", "BatchNormalization", "Conv", "GlobalAveragePool", "GlobalMaxPool", "MaxPool"),
        *("Gemm", "MatMul", "ai.onnx.ml:LinearClassifier", "ai.onnx.ml:LinearRegressor", "ai.onnx.ml:Scaler"),
    )
)
_LINEAR = ("ai.onnx.ml:LinearClassifier", "ai.onnx.ml:LinearRegressor")
_WEIGHTED = ("Conv", "Gemm", "MatMul", *_LINEAR)


def _offers(subject: Artifact) -> Mapping[str, str | None]:
    texts = [s.name for s in (*subject.signature.inputs, *subject.signature.outputs) if s.dtype == "str"]
    if texts:
        return dict.fromkeys(SCHEMES, f"TFLite: {', '.join(texts)} holds strings; encode them as numbers")
    graph = _read(subject)
    missing = missing_operators(graph)
    if missing:
        return dict.fromkeys(SCHEMES, f"TFLite: no lowering for the ONNX operators {', '.join(missing)}")
    offers: dict[str, str | None] = dict.fromkeys(SCHEMES, _rough(graph))
    if offers["int8-dynamic"] is None:
        offers["int8-dynamic"] = _too_small(graph)
    return {**offers, "float32": None}


def _rough(graph: Graph) -> str | None:
    """Why nothing but float32 keeps this graph's decisions; None where it is a network."""
    sharp = sorted({node.operator.rpartition(":")[2] for node in graph.nodes if node.operator not in _SMOOTH})
    if sharp:
        return f"{', '.join(sharp)}: exact comparisons and distances, which rounded values would change"
    if not any(node.operator in _WEIGHTED for node in graph.nodes):
        return "there is no matrix of weights to quantize"
    return None


def _too_small(graph: Graph) -> str | None:
    weighted = [node for node in graph.nodes if node.operator in _WEIGHTED]
    return too_small_for_dynamic([_weight_count(graph, node) for node in weighted])


def _weight_count(graph: Graph, node: Node) -> int:
    if node.operator in _LINEAR:
        return len(node.attribute("coefficients", ()))
    weights = graph.constant(node.inputs[1])
    return 0 if weights is None else int(weights.size)


def _convert(subject: Artifact, scheme: str, calibration: Calibration | None) -> Artifact:
    """Raises UnsupportedOperatorError first where `offers` has a reason."""
    reason = _offers(subject).get(scheme, f"onnx-to-tflite makes no {scheme}")
    if reason is not None:
        raise UnsupportedOperatorError(reason)
    graph = _read(subject)
    if scheme in CALIBRATED and calibration is not None:
        graph = standardize_columns(graph, calibration)
    elif scheme == "int8-dynamic":
        graph = separate_factors(graph)
    return compile_function(function_of(graph), subject.signature, scheme, calibration)


def _quantizer(subject: Artifact, calibration: Calibration | None) -> Quantizer:
    graph = _read(subject)
    if calibration is not None:
        graph = standardize_columns(graph, calibration)
    return static_quantizer(function_of(graph), subject.signature, calibration)


def _read(subject: Artifact) -> Graph:
    return read_graph(subject.content, takes_nan=any(spec.allow_nan for spec in subject.signature.inputs))


CONVERTER = Converter(
    name="onnx-to-tflite",
    source="onnx",
    target="tflite",
    requires=("onnx", "tensorflow"),
    extra="tflite",
    offers=_offers,
    convert=_convert,
    quantizer=_quantizer,
)
