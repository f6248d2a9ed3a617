"""Keras to ONNX in float32: a tf.function with named inputs through tf2onnx.

tf2onnx's own entry for Keras models knows Keras 2 only; a traced function is the same for Keras 3, tf-keras
and SavedModels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edgeml_converters.keras_support import refusal, refused_steps, require_supported
from edgeml_converters.keras_tracing import tracing
from edgeml_converters.model import Artifact, TrainedModel
from edgeml_converters.registry import Calibration, Converter
from edgeml_converters.sources.keras_interface import view
from edgeml_converters.tensorflow_graph import freeze
from edgeml_converters.tensorflow_import import import_tensorflow, quiet
from edgeml_converters.tensorflow_rewrite import rewritten
from edgeml_converters.to_onnx.fold_columns import fold_columns
from edgeml_converters.to_onnx.tensorflow_rules import RULES
from edgeml_runtime.errors import ConversionError, MissingDependencyError, UnsupportedOperatorError
from edgeml_runtime.signature import TensorSpec

# Opset 17 and IR 8 belong to ONNX 1.12 (2022): engines that old still run the files.
OPSET = 17
IR_VERSION = 8


def _offers(model: TrainedModel) -> Mapping[str, str | None]:
    return {"float32": refusal(model)}


def _convert(model: TrainedModel, scheme: str, _calibration: Calibration | None) -> Artifact:
    if scheme != "float32":
        raise ConversionError(f"keras-to-onnx makes float32; {scheme} is quantized from that file")
    require_supported(model)
    proto = _translate(model)
    _check_operators(model, proto.graph)
    fold_columns(proto.graph)
    _place_nearest_pixels(proto.graph)
    _rename(proto.graph, model)
    for values, specs in (
        (proto.graph.input, model.signature.inputs),
        (proto.graph.output, model.signature.outputs),
    ):
        by_name = {value.name: value for value in values}  # in TensorFlow's order: output_10 before output_2
        for spec in specs:
            _set_shape(by_name[spec.name], spec)
        ordered = [by_name[spec.name] for spec in specs]
        del values[:]
        values.extend(ordered)
    del proto.graph.value_info[:]
    # Whatever tells of the converting process would make the bytes differ from run to run.
    proto.producer_name, proto.producer_version = "edgeml", ""
    proto.graph.name, proto.graph.doc_string, proto.doc_string = "edgeml", "", ""
    proto.ir_version = IR_VERSION
    del proto.opset_import[:]
    proto.opset_import.add(domain="", version=OPSET)
    return Artifact("onnx", scheme, proto.SerializeToString(deterministic=True), model.signature)


def _translate(model: TrainedModel) -> Any:
    import_tensorflow()
    try:
        with quiet():
            import tf2onnx
    except ImportError as error:
        raise MissingDependencyError(
            f"Keras to ONNX needs tf2onnx ({error}); pip install 'edgeml-converters[keras]'"
        ) from error
    with quiet():
        with tracing(model.model):
            traced = rewritten(view(model.model).tensor_function, model.signature, RULES)
        function = freeze(traced, model.signature).function()
        try:
            proto, _ = tf2onnx.convert.from_function(
                function, input_signature=function.input_signature, opset=OPSET
            )
        except (ValueError, RuntimeError, TypeError, KeyError, AttributeError) as error:
            raise ConversionError(f"{model.name}: tf2onnx failed: {error}") from error
    return proto


def _graphs(graph: Any) -> Iterator[Any]:
    """The graph and, outside in, those of its loops and branches."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)


def _check_operators(model: TrainedModel, graph: Any) -> None:
    """tf2onnx leaves TensorFlow operators that it does not know in the graph."""
    import onnx

    used = {(node.domain, node.op_type): node.name for part in _graphs(graph) for node in part.node}
    foreign = sorted(
        f"{kind} ({name})"
        for (domain, kind), name in used.items()
        if domain not in ("", "ai.onnx") or not onnx.defs.has(kind)
    )
    if foreign:
        raise UnsupportedOperatorError(
            f"{model.name}: ONNX has no operator for TensorFlow's {', '.join(foreign)}; "
            "replace the layers that use it, or compile to tflite"
        )


def _place_nearest_pixels(graph: Any) -> None:
    """TensorFlow's nearest pixel, floor((x + 0.5) * scale), as ONNX says it since opset 13."""
    for node in graph.node:
        if node.op_type != "Resize":
            continue
        settings = {attribute.name: attribute for attribute in node.attribute}
        if settings["coordinate_transformation_mode"].s == b"tf_half_pixel_for_nn":
            settings["coordinate_transformation_mode"].s = b"half_pixel"
            settings["nearest_mode"].s = b"round_prefer_ceil"


def _rename(graph: Any, model: TrainedModel) -> None:
    """Signature names outside; inside `t0`, `t1` ... in the order of the nodes, without layer counters."""
    names = {"": ""}
    for i, spec in enumerate(model.signature.inputs):
        names[f"input_{i}"] = spec.name
    for i, spec in enumerate(model.signature.outputs):
        names[f"output_{i}"] = spec.name
    taken = set(names.values())

    def name(old: str) -> str:
        if old not in names:
            number = len(names)
            while f"t{number}" in taken:
                number += 1
            names[old] = f"t{number}"
            taken.add(names[old])
        return names[old]

    for index, part in enumerate(_graphs(graph)):
        part.name, part.doc_string = f"graph{index}", ""
        for value in (*part.input, *part.output):
            value.doc_string = ""
        for node in part.node:
            node.name, node.doc_string = "", ""
            node.input[:] = [name(old) for old in node.input]
            node.output[:] = [name(old) for old in node.output]
        for held in (*part.input, *part.output, *part.initializer):
            held.name = name(held.name)
        # tf2onnx's own order of constants follows hash tables.
        ordered = sorted(part.initializer, key=lambda tensor: tensor.name)
        del part.initializer[:]
        part.initializer.extend(ordered)


def _set_shape(value: Any, spec: TensorSpec) -> None:
    dims = value.type.tensor_type.shape.dim
    del dims[:]
    for axis, size in enumerate(spec.shape):
        if size is None:
            dims.add(dim_param="batch" if axis == 0 else f"{spec.name}_{axis}")
        else:
            dims.add(dim_value=size)


CONVERTER = Converter(
    name="keras-to-onnx",
    source="keras",
    target="onnx",
    requires=("tensorflow", "tf2onnx", "onnx"),
    extra="keras",
    offers=_offers,
    convert=_convert,
    steps=refused_steps,
)
