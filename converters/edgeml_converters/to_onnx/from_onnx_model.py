"""A user's ONNX graph as a float32 artifact: checked, batch free, labels as indices; nothing is renamed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edgeml_converters.model import Artifact, TrainedModel
from edgeml_converters.onnx_graph import graphs, kind, opset, serialize
from edgeml_converters.onnx_session import open_session
from edgeml_converters.registry import Calibration, Converter
from edgeml_converters.sources.onnx_interface import interface
from edgeml_runtime.errors import ConversionError, UnsupportedModelError

MIN_OPSET = 7  # onnxruntime promises to run graphs from there on
_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
_TRAINING = ("ai.onnx.training", "ai.onnx.preview.training")
_QUANTIZED = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "ConvInteger")
_OTHER_FLOATS = {10: "float16", 11: "float64", 16: "bfloat16"}


def _offers(model: TrainedModel) -> Mapping[str, str | None]:
    return {"float32": "; ".join(dict.fromkeys(_obstacles(model))) or None}


def _obstacles(model: TrainedModel) -> Iterator[str]:
    proto = model.model
    version = opset(proto)
    if 0 < version < MIN_OPSET:
        yield f"opset {version} is older than onnxruntime runs ({MIN_OPSET}); export the model again"
    if proto.training_info:
        yield "the file holds a training graph; export the model for inference"
    local = {(f.domain, f.name) for f in proto.functions}
    for graph in graphs(proto.graph):
        for node in graph.node:
            where = f"{kind(node)} ({node.name or node.output[0]})"
            if node.domain in _TRAINING:
                yield f"{where} is an operator for training"
            elif node.domain not in _DOMAINS and (node.domain, node.op_type) not in local:
                yield f"{where} needs an operator library of its own, which no device has"
            elif node.op_type in _QUANTIZED or node.op_type.startswith("QLinear"):
                yield f"{where} shows that the graph is quantized already; compile the float32 graph"
    for spec in model.signature.inputs:
        if spec.dtype == "float64":
            yield f"it computes in float64 ({spec.describe()}); export it with float32 inputs"
    for graph in graphs(proto.graph):
        for tensor in graph.initializer:
            if tensor.data_type in _OTHER_FLOATS and len(tensor.dims) >= 2:
                floats = _OTHER_FLOATS[tensor.data_type]
                yield f"its weights {tensor.name!r} are {floats}; export it in float32"


def _convert(model: TrainedModel, scheme: str, _calibration: Calibration | None) -> Artifact:
    """The rewritten graph; raises UnsupportedModelError where `offers` has a reason."""
    offered = _offers(model)
    if scheme not in offered:
        raise ConversionError(f"onnx-model-to-onnx makes float32; {scheme} is quantized from that file")
    reason = offered[scheme]
    if reason is not None:
        raise UnsupportedModelError(f"{model.name} cannot be converted: {reason}")
    graph = _without_functions(interface(model.model, model.name).graph)
    _drop_default_inputs(graph)
    content = serialize(graph)
    open_session(content, model.name)
    return Artifact("onnx", scheme, content, model.signature)


def _drop_default_inputs(model: Any) -> None:
    """Constants that files before IR 4 list as inputs stop being inputs: nobody passes them."""
    held = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in held]
    if len(inputs) < len(model.graph.input):
        copies = [type(value).FromString(value.SerializeToString()) for value in inputs]
        del model.graph.input[:]
        model.graph.input.extend(copies)
        model.ir_version = max(model.ir_version, 4)


def _without_functions(graph: Any) -> Any:
    """Functions of the file's own put in place, so that every later step sees operators only."""
    if not graph.functions:
        return graph
    from onnx import inliner

    return inliner.inline_local_functions(graph)


CONVERTER = Converter(
    name="onnx-model-to-onnx",
    source="onnx-model",
    target="onnx",
    requires=("onnx", "onnxruntime"),
    extra="onnx",
    offers=_offers,
    convert=_convert,
)
