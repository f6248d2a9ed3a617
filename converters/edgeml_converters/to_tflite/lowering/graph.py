"""Walks an ONNX graph and emits TensorFlow operators; what depends on constants alone is computed here.

A value is a numpy array where it is known and a TensorFlow tensor where it is not. The batch axis stays free:
no handler reads it.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeml_converters.double_digits import LOW
from edgeml_converters.tensorflow_graph import TensorFunction
from edgeml_runtime.errors import UnsupportedOperatorError

Value = Any  # np.ndarray[Any, Any] | tf.Tensor
ML = "ai.onnx.ml"


@dataclass(frozen=True, slots=True)
class Node:
    """One operator: its name with the domain in front (`ai.onnx.ml:Scaler`), its attributes, its tensors.

    A body among the attributes is a Graph; what it reads from outside comes after the inputs proper.
    `takes_nan`: missing values may reach it. `note`: its doc_string.
    """

    operator: str
    attributes: Mapping[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    takes_nan: bool
    note: str = ""

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute's value, strings decoded."""
        return self.attributes.get(name, default)


Handler = Callable[[Any, Node, list[Value]], Value | tuple[Value, ...]]  # (tensorflow, node, inputs)


@dataclass(frozen=True, slots=True)
class Graph:
    """An ONNX graph, or a node's body, in the order of execution, with its constants.

    A float64 constant is in float32 there, and the rest of it under its name with `LOW` behind.
    """

    nodes: tuple[Node, ...]
    constants: Mapping[str, Any]
    outputs: tuple[str, ...]
    inputs: tuple[str, ...] = ()

    def constant(self, name: str) -> Any | None:
        """The array of that name where it is known before running."""
        return self.constants.get(name)


@functools.cache
def handlers() -> Mapping[str, Handler]:
    """Every operator that has a lowering; two owners of one are an error."""
    found: dict[str, tuple[str, Handler]] = {}
    package = importlib.import_module(__package__ or "")
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        for operator, handler in getattr(module, "HANDLERS", {}).items():
            if operator in found:
                raise RuntimeError(f"{operator} is lowered by {found[operator][0]} and by {info.name}")
            found[operator] = (info.name, handler)
    return {operator: handler for operator, (_, handler) in sorted(found.items())}


def read_graph(content: bytes, *, takes_nan: bool) -> Graph:
    """The graph of an ONNX file that was checked before; constants are folded."""
    import onnx

    model = onnx.load_from_string(content)
    return _graph(model, model.graph, {}, takes_nan)


def _graph(model: Any, proto: Any, outside: Mapping[str, Any], takes_nan: bool) -> Graph:
    from onnx import numpy_helper

    constants = {**outside}
    for tensor in proto.initializer:
        constants |= _single(tensor.name, numpy_helper.to_array(tensor))
    nodes = []
    for node in proto.node:
        known = all(name == "" or name in constants for name in node.input)
        has_body = any(attribute.HasField("g") for attribute in node.attribute)
        if known and not has_body and (folded := _fold(model, node, constants)) is not None:
            for name, value in folded.items():
                constants |= _single(name, value)
        else:
            nodes.append(_node(model, node, constants, takes_nan))
    inputs, outputs = ([value.name for value in values] for values in (proto.input, proto.output))
    return Graph(tuple(nodes), constants, tuple(outputs), tuple(inputs))


def _node(model: Any, proto: Any, constants: Mapping[str, Any], takes_nan: bool) -> Node:
    from onnx import helper

    domain = "" if proto.domain in ("", "ai.onnx") else f"{proto.domain}:"
    bodies = {a.name: _graph(model, a.g, constants, takes_nan) for a in proto.attribute if a.HasField("g")}
    others = [a for a in proto.attribute if not a.HasField("g")]
    captured = (name for body in bodies.values() for name in _captured(body))
    return Node(
        operator=domain + proto.op_type,
        attributes={a.name: _decoded(helper.get_attribute_value(a)) for a in others} | bodies,
        inputs=(*proto.input, *dict.fromkeys(captured)),
        outputs=tuple(proto.output),
        takes_nan=takes_nan,
        note=proto.doc_string,
    )


def _captured(body: Graph) -> list[str]:
    """Tensors of the graph around a body that it reads, constants left out."""
    own = {*body.inputs, *body.constants, *(name for node in body.nodes for name in node.outputs)}
    read = [name for node in body.nodes for name in node.inputs if name] + list(body.outputs)
    return [name for name in read if name not in own]


def _single(name: str, value: Any) -> dict[str, Any]:
    """A constant by name; TFLite computes in float32."""
    if value.dtype != np.float64:
        return {name: value}
    with np.errstate(over="ignore", invalid="ignore"):
        high = value.astype(np.float32)
        return {name: high, name + LOW: np.asarray(value - high).astype(np.float32)}


def _decoded(value: Any) -> Any:
    from onnx import TensorProto, numpy_helper

    if isinstance(value, TensorProto):
        return numpy_helper.to_array(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], bytes):
        return [item.decode("utf-8", "replace") for item in value]
    return value


def _fold(model: Any, proto: Any, constants: Mapping[str, Any]) -> dict[str, Any] | None:
    """Its outputs, computed by ONNX's reference implementation; None for an operator that it lacks."""
    from onnx import TensorProto, helper
    from onnx.reference import ReferenceEvaluator

    feeds = {name: constants[name] for name in proto.input if name}
    inputs = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for n, a in feeds.items()
    ]
    outputs = [helper.make_tensor_value_info(n, TensorProto.UNDEFINED, None) for n in proto.output]
    single = helper.make_model(
        helper.make_graph([proto], "constant", inputs, outputs), opset_imports=model.opset_import
    )
    try:
        results = ReferenceEvaluator(single).run(None, feeds)
    except (NotImplementedError, RuntimeError, TypeError, ValueError):
        return None
    return dict(zip(proto.output, map(np.asarray, results), strict=True))


def missing_operators(graph: Graph) -> list[str]:
    """Operators without a lowering, by name; those inside bodies too."""
    missing = {node.operator for node in graph.nodes} - set(handlers())
    for node in graph.nodes:
        for value in node.attributes.values():
            if isinstance(value, Graph):
                missing |= set(missing_operators(value))
    return sorted(missing)


def function_of(graph: Graph) -> TensorFunction:
    """The graph as a function of named TensorFlow tensors; tracing it may raise UnsupportedOperatorError."""

    def run(feeds: dict[str, Any]) -> dict[str, Any]:
        from edgeml_converters.tensorflow_import import import_tensorflow

        return evaluate(import_tensorflow(), graph, feeds)

    return run


def evaluate(tf: Any, graph: Graph, feeds: Mapping[str, Value]) -> dict[str, Value]:
    """The outputs of a graph or of a body by name; raises UnsupportedOperatorError."""
    from edgeml_converters.to_tflite.lowering.double_operators import lowered  # which need this module
    from edgeml_converters.to_tflite.lowering.labels import moved

    values: dict[str, Value] = {**graph.constants, **feeds}
    for node in graph.nodes:
        inputs = [values[name] if name else None for name in node.inputs]
        try:
            handler = handlers()[node.operator]
            results = moved(tf, node, handler, inputs)
            if results is None:
                results = lowered(tf, node, handler, inputs, values)
            if results is None:
                results = handler(tf, node, inputs)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise UnsupportedOperatorError(
                f"TFLite: {node.operator} ({node.outputs[0]}) cannot be lowered: {error}"
            ) from error
        values.update(_named(node, results))
    return {name: values[name] for name in graph.outputs}


def _named(node: Node, results: Value | tuple[Value, ...]) -> Iterator[tuple[str, Value]]:
    outputs = results if isinstance(results, tuple) else (results,)
    return ((name, value) for name, value in zip(node.outputs, outputs, strict=False) if name)
