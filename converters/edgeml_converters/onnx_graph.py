"""Reading and editing ONNX graphs: constants, producers, readers, types, fresh names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from edgeml_runtime.errors import ConversionError, InputError, MissingDependencyError
from edgeml_runtime.signature import Array

FLOAT = 1  # TensorProto.FLOAT
_STANDARD = ("", "ai.onnx")
_SHAPE_KEEPERS = ("Scaler", "Imputer", "Normalizer", "Binarizer")


def parse(content: bytes) -> Any:
    """The ModelProto in an artifact that a converter of ours made."""
    import onnx

    return onnx.load_from_string(content)


def parse_foreign(content: bytes, what: str = "the artifact") -> Any:
    """The ModelProto in bytes from anywhere; `what` they are, for messages.

    Raises InputError where they are not one with a graph, MissingDependencyError without onnx.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingDependencyError(
            "reading ONNX files needs onnx: pip install 'edgeml-converters[sklearn]'"
        ) from error
    try:
        model = onnx.load_from_string(content)
    except Exception as error:  # protobuf's DecodeError, which its typeless package does not promise
        raise InputError(f"{what} is not an ONNX file, or is damaged: {error}") from error
    if not model.graph.node or not model.opset_import:
        raise InputError(f"{what} is not an ONNX file, or is damaged: it holds no graph")
    return model


def opset(model: Any, domain: str = "") -> int:
    """The version of that operator set which the model imports, 0 where it does not."""
    same = _STANDARD if domain in _STANDARD else (domain,)
    return max((int(o.version) for o in model.opset_import if o.domain in same), default=0)


def kind(node: Any) -> str:
    """`Conv`, or `com.example.Conv` outside the standard domains."""
    op, domain = str(node.op_type), str(node.domain)
    return op if domain in (*_STANDARD, "ai.onnx.ml") else f"{domain}.{op}"


def attribute(node: Any, name: str, default: Any) -> Any:
    """The value of a node's attribute."""
    from onnx import helper

    for found in node.attribute:
        if found.name == name:
            return helper.get_attribute_value(found)
    return default


def bodies(node: Any) -> list[Any]:
    """Graphs that a node holds: a loop's body, the branches of an If."""
    return [g for a in node.attribute for g in ([a.g] if a.HasField("g") else list(a.graphs))]


def graphs(graph: Any) -> Iterator[Any]:
    """The graph and, outside in, those inside its nodes."""
    yield graph
    for node in graph.node:
        for body in bodies(node):
            yield from graphs(body)


def reads(node: Any) -> set[str]:
    """Tensors that a node reads, those that its bodies take from outside included."""
    names = {name for name in node.input if name}
    for body in bodies(node):
        for inner in body.node:
            names |= reads(inner)
    return names


def constants(graph: Any) -> dict[str, Array]:
    """Values by name: initializers and Constant nodes."""
    from onnx import numpy_helper

    values: dict[str, Array] = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.domain in _STANDARD:
            value = constant_value(node)
            if value is not None:
                values[node.output[0]] = value
    return values


def constant_value(node: Any) -> Array | None:
    """What a Constant node holds; None for sparse tensors."""
    from onnx import numpy_helper

    held = node.attribute[0]
    if held.name == "value":
        tensor: Array = numpy_helper.to_array(held.t)
        return tensor
    scalars = {"value_float": (held.f, np.float32), "value_int": (held.i, np.int64)}
    lists = {"value_floats": (held.floats, np.float32), "value_ints": (held.ints, np.int64)}
    if held.name in scalars or held.name in lists:
        value, dtype = (scalars | lists)[held.name]
        return np.array(value, dtype)
    if held.name == "value_string":
        return np.array(held.s.decode(), np.object_)
    if held.name == "value_strings":
        return np.array([s.decode() for s in held.strings], np.object_)
    return None


def producers(graph: Any) -> dict[str, Any]:
    """The node that writes each tensor."""
    return {name: node for node in graph.node for name in node.output if name}


def readers(graph: Any) -> dict[str, list[Any]]:
    """The nodes that read each tensor, in the graph's order."""
    found: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in sorted(reads(node)):
            found.setdefault(name, []).append(node)
    return found


def output_names(graph: Any) -> set[str]:
    """The graph's outputs."""
    return {value.name for value in graph.output}


def types(model: Any) -> dict[str, tuple[int, tuple[int | None, ...] | None]]:
    """Element type and shape (None: unknown) by tensor name, as far as shape inference gets."""
    from onnx import shape_inference

    known = type(model).FromString(model.SerializeToString())
    for node in known.graph.node:
        if node.domain == "ai.onnx.ml" and node.op_type in _SHAPE_KEEPERS:
            node.domain, node.op_type = "", "Identity"  # inference knows nothing of that domain
            del node.attribute[:]
    try:
        graph = shape_inference.infer_shapes(known).graph
    except (RuntimeError, ValueError):  # operators that it does not know: then declared types only
        graph = model.graph
    found = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        tensor = value.type.tensor_type
        shape = None
        if tensor.HasField("shape"):
            shape = tuple(d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim)
        found[value.name] = (int(tensor.elem_type), shape)
    for held in graph.initializer:
        found[held.name] = (int(held.data_type), tuple(held.dims))
    return found


class Names:
    """Fresh tensor names; the same calls on the same graph give the same names."""

    def __init__(self, graph: Any) -> None:
        self._taken = {v.name for part in graphs(graph) for v in (*part.input, *part.initializer)}
        self._taken |= {name for part in graphs(graph) for node in part.node for name in node.output}

    def fresh(self, wanted: str) -> str:
        """`wanted`, with a number where it is taken."""
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}_{number}"
        self._taken.add(name)
        return name


class Rewriter:
    """Collects the nodes and constants of a graph that replaces another one's."""

    def __init__(self, graph: Any) -> None:
        self.nodes: list[Any] = []
        self.names = Names(graph)
        self._initializers: list[Any] = []

    def constant(self, wanted: str, value: Array) -> str:
        """The name of a new initializer."""
        from onnx import numpy_helper

        name = self.names.fresh(wanted)
        self._initializers.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def add(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Append a node that writes `output`; returns that name."""
        from onnx import helper

        self.nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def finish(self, graph: Any) -> None:
        """Put the nodes into the graph, and those constants that are read."""
        finish(graph, self.nodes, (*graph.initializer, *self._initializers))


def finish(graph: Any, nodes: list[Any], initializers: tuple[Any, ...]) -> None:
    """Replace a graph's nodes and constants; what nothing reads is left out, value_info is dropped."""
    wanted, kept = output_names(graph), []
    for node in reversed(nodes):
        if wanted & set(node.output):
            kept.append(node)
            wanted |= reads(node)
    held = [tensor for tensor in initializers if tensor.name in wanted]
    copies = [type(node).FromString(node.SerializeToString()) for node in reversed(kept)]
    tensors = [type(tensor).FromString(tensor.SerializeToString()) for tensor in held]
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(copies)
    graph.initializer.extend(tensors)


def serialize(model: Any) -> bytes:
    """The bytes of a checked model; the same model gives the same bytes."""
    from onnx import checker

    checker.check_model(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def check_interface(before: Any, after: Any) -> None:
    """Raise ConversionError where a rewrite changed what goes in or out."""
    for what in ("input", "output"):
        wanted = [(v.name, v.type.tensor_type.elem_type) for v in inputs_and_outputs(before)[what]]
        got = [(v.name, v.type.tensor_type.elem_type) for v in inputs_and_outputs(after)[what]]
        if wanted != got:
            raise ConversionError(f"quantization changed the graph's {what}s from {wanted} to {got}")


def inputs_and_outputs(model: Any) -> Mapping[str, list[Any]]:
    """What a caller passes (constants with a default value are no inputs) and what comes out."""
    held = {tensor.name for tensor in model.graph.initializer}
    return {
        "input": [v for v in model.graph.input if v.name not in held],
        "output": list(model.graph.output),
    }
