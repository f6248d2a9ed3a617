"""ONNX files of any framework: the graph itself, run by onnxruntime in float, is the oracle."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from edgeml_converters.model import Step, TrainedModel, as_feeds
from edgeml_converters.onnx_graph import graphs, kind, parse_foreign
from edgeml_converters.onnx_session import open_session, run_rows
from edgeml_converters.registry import Source
from edgeml_converters.sources.onnx_interface import fixed_batch, interface
from edgeml_converters.sources.onnx_labels import zipmap_labels
from edgeml_runtime.errors import InputError
from edgeml_runtime.inputs import check_feeds
from edgeml_runtime.signature import Array

MAX_BYTES = (1 << 31) - 1  # of one protobuf message


def _recognises(model: object) -> bool:
    """An onnx.ModelProto, or the bytes of one."""
    if isinstance(model, (bytes, bytearray)):
        return True
    return type(model).__name__ == "ModelProto" and hasattr(model, "opset_import")


def _load(path: Path) -> Any:
    """The ModelProto of a file; raises InputError where it is not a whole and valid one."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise InputError(f"{path} has {size} bytes; an ONNX file has at most {MAX_BYTES}")
    return _parsed(path.read_bytes(), str(path))


def _parsed(content: bytes, where: str) -> Any:
    from onnx import checker

    model = parse_foreign(content, where)
    _refuse_external_data(model, where)
    try:
        checker.check_model(model)
    except Exception as error:
        summary = str(error).strip().partition("\n")[0]
        raise InputError(f"{where} is not a valid ONNX graph: {summary}") from error
    return model


def _refuse_external_data(model: Any, where: str) -> None:
    from onnx.external_data_helper import uses_external_data

    for graph in graphs(model.graph):
        held = [*graph.initializer, *(a.t for n in graph.node for a in n.attribute if a.HasField("t"))]
        for tensor in held:
            if uses_external_data(tensor):
                raise InputError(
                    f"{where}: tensor {tensor.name!r} lies in another file; save everything in one: "
                    "onnx.save(onnx.load(path), new_path)"
                )


def _describe(model: Any, name: str) -> TrainedModel:
    proto = _parsed(bytes(model), name) if isinstance(model, (bytes, bytearray)) else model
    if proto is model:
        _refuse_external_data(proto, name)
    found = interface(proto, name)
    return TrainedModel(
        kind="onnx-model",
        name=name,
        model=proto,
        task=found.task,
        signature=found.signature,
        steps=tuple(Step(node.name or node.output[0], kind(node)) for node in proto.graph.node),
        digest=hashlib.sha256(proto.SerializeToString(deterministic=True)).hexdigest(),
    )


def _predict(model: TrainedModel, method: str, x: Any) -> Any:
    """What the graph gives: labels or values, probabilities, or a mapping by the names of its outputs."""
    wanted = model.signature.method(method)
    arrays = check_feeds(model.signature.inputs, as_feeds(model, x))
    rows = dict(zip((spec.name for spec in model.signature.inputs), arrays, strict=True))
    proto = model.model
    session = open_session(proto.SerializeToString(), model.name)
    results = run_rows(session, rows, fixed_batch(proto, model.name))
    dictionaries = zipmap_labels(proto)
    named = {
        value.name: _columns(result, dictionaries[value.name]) if value.name in dictionaries else result
        for value, result in zip(proto.graph.output, results, strict=True)
    }
    if wanted.returns == "mapping":
        return {name: named[name] for name in wanted.outputs}
    return named[wanted.outputs[0]]


def _columns(rows: list[dict[Any, float]], labels: list[Any]) -> Array:
    return np.array([[row[label] for label in labels] for row in rows], np.float32)


def _scores(model: TrainedModel, x: Any) -> Array | None:
    """float32[n, classes] of a classifier, two columns for one sigmoid unit; None for other tasks."""
    if model.task != "classification":
        return None
    names = [m.name for m in model.signature.methods]
    if model.signature.methods[0].labels and "predict_proba" not in names:
        return None
    scores: Array = _predict(model, names[-1], x)
    return np.concatenate([1 - scores, scores], axis=1) if scores.shape[1] == 1 else scores


SOURCE = Source(
    kind="onnx-model",
    suffixes=(".onnx",),
    requires=("onnx", "onnxruntime"),
    extra="onnx",
    recognises=_recognises,
    load=_load,
    describe=_describe,
    predict=_predict,
    scores=_scores,
)
