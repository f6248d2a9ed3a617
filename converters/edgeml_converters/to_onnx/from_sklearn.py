"""scikit-learn to ONNX, float32: a rule for each estimator.

The graph has what the signature says and nothing else: labels as int64 class indices, probabilities,
predictions or transformed rows in float32. The same model gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from edgeml_converters.model import Artifact, TrainedModel
from edgeml_converters.registry import Calibration, Converter
from edgeml_converters.to_onnx.sklearn.coverage import step_coverage
from edgeml_converters.to_onnx.sklearn.emitter import Emitter
from edgeml_converters.to_onnx.sklearn.inputs import declare_inputs
from edgeml_converters.to_onnx.sklearn.registered import OPSETS, RULES_BY_ROLE
from edgeml_converters.to_onnx.sklearn.roles import roles_of
from edgeml_converters.to_onnx.sklearn.rules import all_rules
from edgeml_runtime.errors import ConversionError, UnsupportedModelError
from edgeml_runtime.signature import Signature, TensorSpec

IR_VERSION = 8  # the one of opset 18
_ONNX_TYPES = {"float32": 1, "int64": 7}


def _offers(model: TrainedModel) -> Mapping[str, str | None]:
    """float32, or the reason naming every step that no converter takes."""
    found = [f"{s.path} ({s.kind}): {s.reason}" for s in step_coverage(model) if s.reason]
    return {"float32": "; ".join(found) or None}


def _steps(model: TrainedModel) -> Mapping[str, str | None]:
    return {step.path: step.reason for step in step_coverage(model)}


def _convert(model: TrainedModel, scheme: str, calibration: Calibration | None) -> Artifact:
    """The model's graph; raises UnsupportedModelError first where `offers` has a reason."""
    offered = _offers(model)
    if scheme not in offered:
        raise ConversionError(f"sklearn-to-onnx makes float32, not {scheme}")
    reason = offered[scheme]
    if reason is not None:
        raise UnsupportedModelError(f"{model.name} cannot be converted: {reason}")
    emitter = Emitter(all_rules(), RULES_BY_ROLE)
    outputs = _emit(emitter, model, declare_inputs(emitter, model.signature))
    content = serialize(emitter, outputs, model.signature)
    return Artifact("onnx", scheme, content, model.signature)


def _emit(emitter: Emitter, model: TrainedModel, x: str) -> dict[str, str]:
    """Build the nodes; returns the tensor of each output of the signature."""
    wanted = {spec.name: spec for spec in model.signature.outputs}
    made: dict[str, str | None] = {}
    for role in roles_of(model):
        made |= _EMIT[role](emitter, model.model, x)
    missing = [name for name in wanted if made.get(name) is None]
    if missing:
        raise ConversionError(f"{model.name}: its graph has no {', '.join(missing)}")
    tensors = {name: str(made[name]) for name in wanted}
    for name in _COLUMNS & set(wanted):
        if len(wanted[name].shape) == 1:
            tensors[name] = emitter.flat(tensors[name])
    if "classify" in roles_of(model) and len(wanted["label"].shape) == 2:
        tensors["label"] = emitter.add("Unsqueeze", tensors["label"], emitter.constant([1], "int64"))
    return tensors


def _classified(emitter: Emitter, estimator: Any, x: str) -> dict[str, str | None]:
    found = emitter.classify(estimator, x)
    return {"label": found.label, "probabilities": found.probabilities, "decision": found.decision}


def _classified_many(emitter: Emitter, estimator: Any, x: str) -> dict[str, str | None]:
    found = emitter.classify_many(estimator, x)
    axis = emitter.constant([1], "int64")
    label = emitter.concat([emitter.add("Unsqueeze", f.label, axis) for f in found])
    decisions = [f.decision for f in found if f.decision is not None]
    decision = emitter.concat(decisions) if len(decisions) == len(found) else None
    shares = {f"probabilities_{i}": f.probabilities for i, f in enumerate(found)}
    return {"label": label, "decision": decision} | shares


def _multilabel(emitter: Emitter, estimator: Any, x: str) -> dict[str, str | None]:
    found = emitter.multilabel(estimator, x)
    return {"label": found.label, "probabilities": found.probabilities, "decision": found.decision}


def _detected(emitter: Emitter, estimator: Any, x: str) -> dict[str, str | None]:
    found = emitter.detect(estimator, x)
    return {"label": found.label, "decision": found.decision}


_EMIT: dict[str, Callable[[Emitter, Any, str], dict[str, str | None]]] = {
    "classify": _classified,
    "classify_many": _classified_many,
    "multilabel": _multilabel,
    "detect": _detected,
    "regress": lambda emitter, estimator, x: {"prediction": emitter.regress(estimator, x)},
    "cluster": lambda emitter, estimator, x: {"label": emitter.cluster(estimator, x)},
    "memberships": lambda emitter, estimator, x: {"probabilities": emitter.memberships(estimator, x)},
    "score": lambda emitter, estimator, x: {"scores": emitter.score(estimator, x)},
    "transform": lambda emitter, estimator, x: {"transformed": emitter.transform(estimator, x)},
}
_COLUMNS = {"decision", "prediction", "scores", "transformed"}  # made as [n, 1] where the method gives [n]


def serialize(emitter: Emitter, outputs: Mapping[str, str], signature: Signature) -> bytes:
    """The graph that gives those tensors, by output name, as the signature says: the same bytes each time."""
    from onnx import checker, helper

    for name, tensor in outputs.items():
        emitter.nodes.append(helper.make_node("Identity", [tensor], [name], name=f"output_{name}"))
    nodes = _reachable(emitter.nodes, set(outputs))
    used = {name for node in nodes for name in _names_read(node)}
    graph = helper.make_graph(
        nodes,
        "edgeml",
        [_value(spec) for spec in signature.inputs],
        [_value(spec) for spec in signature.outputs],
        [tensor for tensor in emitter.initializers if tensor.name in used],
    )
    domains = sorted({node.domain for node in nodes} | {""})
    imports = [helper.make_opsetid(domain, OPSETS.get(domain, 1)) for domain in domains]
    made = helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION, producer_name="edgeml")
    checker.check_model(made)
    content: bytes = made.SerializeToString(deterministic=True)
    return content


def _value(spec: TensorSpec) -> Any:
    from onnx import helper

    shape = ["batch" if size is None else size for size in spec.shape]
    return helper.make_tensor_value_info(spec.name, _ONNX_TYPES[spec.dtype], shape)


def _names_read(node: Any) -> set[str]:
    """Tensors that a node reads, those read inside its body included."""
    names = set(node.input)
    for attribute in node.attribute:
        if attribute.HasField("g"):
            for inner in attribute.g.node:
                names |= _names_read(inner)
    return names


def _reachable(nodes: list[Any], wanted: set[str]) -> list[Any]:
    """The nodes that the outputs need: a rule may give more than is asked for."""
    kept = []
    for node in reversed(nodes):
        if wanted & set(node.output):
            kept.append(node)
            wanted = wanted | _names_read(node)
    return kept[::-1]


CONVERTER = Converter(
    name="sklearn-to-onnx",
    source="sklearn",
    target="onnx",
    requires=("sklearn", "onnx"),
    extra="sklearn",
    offers=_offers,
    convert=_convert,
    steps=_steps,
)
