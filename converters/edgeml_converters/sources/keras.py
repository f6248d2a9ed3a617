"""Keras: models of Keras 3 and tf-keras, SavedModels, and their files.

Task: "classification" when the only output is [n, c] and ends in softmax, is one sigmoid unit, or the
model was compiled with a categorical cross-entropy (logits); "regression" for any other single output
[n, k]; else "tensor".
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from edgeml_converters.model import Step, Task, TrainedModel, as_feeds
from edgeml_converters.registry import Source
from edgeml_converters.sources.keras_files import load, load_trusted
from edgeml_converters.sources.keras_interface import View, family_of, view, walk
from edgeml_converters.tensorflow_graph import ConstantGraph, freeze
from edgeml_converters.tensorflow_import import import_tensorflow, quiet
from edgeml_runtime.errors import InputError, SignatureError
from edgeml_runtime.inputs import check_feeds
from edgeml_runtime.signature import Array, Method, Signature

# Rows that one call of the framework takes at most: predictions on whole data sets stay within memory.
_BATCH = 256
_REFERENCES = ("input_layers", "output_layers", "inbound_nodes", "keras_history")


def _recognises(model: object) -> bool:
    return family_of(model) is not None


def _describe(model: Any, name: str) -> TrainedModel:
    seen = view(model)
    method = Method("predict", tuple(spec.name for spec in seen.outputs), returns=seen.returns)
    return TrainedModel(
        kind="keras",
        name=name,
        model=model,
        task=_task(model, seen),
        signature=Signature(seen.inputs, seen.outputs, (method,)),
        steps=tuple(_steps(model, seen)),
        digest=_digest(model, seen),
    )


def _steps(model: Any, seen: View) -> Iterator[Step]:
    if seen.family != "saved-model":
        yield from _layers(model)
        return
    for node in _graph(seen).graph.node:
        yield Step(f"graph/{node.name}", node.op)


def _layers(model: Any) -> Iterator[Step]:
    for path, layer in walk(model):
        if type(layer).__name__ != "InputLayer":
            yield Step(path, type(layer).__name__)


def _task(model: Any, seen: View) -> Task:
    if len(seen.outputs) != 1 or len(seen.outputs[0].shape) != 2:
        return "tensor"
    last = _last_activation(model, seen)
    columns = seen.outputs[0].shape[1]
    categorical = re.search(r"categorical_?crossentropy", _loss(model), re.IGNORECASE)
    if last == "softmax" or (last == "sigmoid" and columns == 1) or (categorical and columns != 1):
        return "classification"
    return "regression"


def _last_activation(model: Any, seen: View) -> str:
    """Lower-case name of what the only output ends in: an activation, a layer or an operator."""
    outputs = getattr(model, "outputs", None)
    history = getattr(outputs[0], "_keras_history", None) if outputs else None
    layer = getattr(history, "operation", None) or getattr(history, "layer", None)
    if layer is None:
        return _last_operator(_graph(seen))
    if getattr(layer, "outputs", None):  # a model used as a layer
        return _last_activation(layer, seen)
    activation = getattr(layer, "activation", None)
    return str(getattr(activation, "__name__", None) or type(activation or layer).__name__).lower()


def _last_operator(frozen: ConstantGraph) -> str:
    nodes = {node.name: node for node in frozen.graph.node}
    node = nodes[frozen.outputs[0].partition(":")[0]]
    while node.op == "Identity":
        node = nodes[node.input[0].partition(":")[0]]
    return str(node.op).lower()


def _loss(model: Any) -> str:
    loss = getattr(model, "loss", None)
    if loss is None or isinstance(loss, (list, tuple, dict)):
        return ""
    return loss if isinstance(loss, str) else str(getattr(loss, "__name__", type(loss).__name__))


def _graph(seen: View) -> ConstantGraph:
    """The graph of a model without layers to look at."""
    signature = Signature(seen.inputs, seen.outputs, (Method("predict", (seen.outputs[0].name,)),))
    with quiet():
        return freeze(seen.tensor_function, signature)


def _digest(model: Any, seen: View) -> str:
    digest = hashlib.sha256()
    if seen.family == "saved-model":
        _digest_graph(digest, _graph(seen))
        return digest.hexdigest()
    try:
        config = model.get_config()
    except NotImplementedError:  # subclassed models describe themselves only if they choose to
        config = [step.kind for step in _layers(model)]
    document = _without_names(config, _names(config))
    digest.update(type(model).__name__.encode())
    digest.update(json.dumps(document, sort_keys=True, default=lambda o: type(o).__name__).encode())
    for weight in model.weights:
        value = np.ascontiguousarray(weight.numpy())
        digest.update(f"{value.dtype.str}{value.shape}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def _names(config: Any) -> dict[str, str]:
    """Each layer name of a configuration to its number: automatic names differ between processes."""
    names: dict[str, str] = {}

    def visit(value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("name"), str):
                names.setdefault(value["name"], f"layer {len(names)}")
            for item in value.values():
                visit(item)
        elif isinstance(value, (list, tuple)):
            for item in value:
                visit(item)

    visit(config)
    return names


def _without_names(value: Any, names: dict[str, str], *, reference: bool = False) -> Any:
    if isinstance(value, dict):
        return {
            str(key): _without_names(item, names, reference=reference or key in _REFERENCES or key == "name")
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_without_names(item, names, reference=reference) for item in value]
    return names.get(value, value) if reference and isinstance(value, str) else value


def _digest_graph(digest: Any, frozen: ConstantGraph) -> None:
    """A hash tree from the outputs down: node names and their order change with the process."""
    graph = frozen.graph
    nodes = {node.name: node for node in graph.node}
    names = {name.partition(":")[0]: f"input {i}" for i, name in enumerate(frozen.inputs)}
    hashes: dict[str, str] = {}
    pending = [name.partition(":")[0] for name in reversed(frozen.outputs)]
    while pending:
        node = nodes[pending[-1]]
        sources = [name.lstrip("^").partition(":") for name in node.input]
        missing = [name for name, _, _ in sources if name not in hashes]
        if missing:
            pending += missing
            continue
        of_inputs = [f"{hashes[name]}:{port}" for name, _, port in sources]
        hashes[pending.pop()] = _node_hash(node, [names.get(node.name, ""), *of_inputs])
    for name in frozen.outputs:
        digest.update(hashes[name.partition(":")[0]].encode())
    bodies = (sorted(_node_hash(n, []) for n in function.node_def) for function in graph.library.function)
    for body in sorted("".join(hashed) for hashed in bodies):
        digest.update(body.encode())


def _node_hash(node: Any, context: list[str]) -> str:
    digest = hashlib.sha256(f"{node.op}({','.join(context)})".encode())
    for key in sorted(node.attr):
        if not node.attr[key].HasField("func") and not key.startswith("_"):
            digest.update(key.encode())
            digest.update(node.attr[key].SerializeToString(deterministic=True))
    return digest.hexdigest()


def _predict(model: TrainedModel, method: str, x: Any) -> Any:
    """What `model.predict` gives: an array, a list, or a mapping by the signature's output names."""
    if method != "predict":
        raise SignatureError(f"a Keras model has predict, no {method}")
    arrays = check_feeds(model.signature.inputs, as_feeds(model, x))
    if len(arrays[0]) == 0:
        raise InputError(f"{model.name}: no rows to predict")
    seen = view(model.model)
    tf = import_tensorflow()
    with quiet():
        if seen.family == "saved-model":
            results = _call_in_batches(tf, seen, arrays)
        else:
            nested = model.model.predict(seen.arrange(arrays), batch_size=_BATCH, verbose=0)
            results = [_as_real(value) for value in tf.nest.flatten(nested)]
    if seen.returns == "array":
        return results[0]
    if seen.returns == "list":
        return results
    return {spec.name: value for spec, value in zip(seen.outputs, results, strict=True)}


def _call_in_batches(tf: Any, seen: View, arrays: list[Array]) -> list[Array]:
    parts = [
        [t.numpy() for t in seen.call([tf.constant(a[start : start + _BATCH]) for a in arrays])]
        for start in range(0, len(arrays[0]), _BATCH)
    ]
    return [np.concatenate(columns) for columns in zip(*parts, strict=True)]


def _as_real(value: Any) -> Array:
    array = np.asarray(value)
    return array.astype(np.float32) if array.dtype.name in ("float16", "bfloat16") else array


def _scores(model: TrainedModel, x: Any) -> Array | None:
    """float32[n, classes] of a classifier, two columns for one sigmoid unit; None for other tasks."""
    if model.task != "classification":
        return None
    scores: Array = _predict(model, "predict", x)
    if isinstance(scores, dict):
        (scores,) = scores.values()
    return np.concatenate([1 - scores, scores], axis=1) if scores.shape[1] == 1 else scores


SOURCE = Source(
    kind="keras",
    suffixes=(".keras", ".h5", ".hdf5", ""),
    requires=("tensorflow",),
    extra="keras",
    recognises=_recognises,
    load=load,
    describe=_describe,
    predict=_predict,
    scores=_scores,
    load_trusted=load_trusted,
)
