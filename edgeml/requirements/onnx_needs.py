"""What an ONNX file needs: its IR version and opsets, its operators, its weights, its activations."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

from edgeml.requirements.liveness import Step, lifetimes, peak_bytes
from edgeml.requirements.needs import Needs, OperatorUse
from edgeml_converters.onnx_graph import parse_foreign
from edgeml_runtime.errors import InputError

STANDARD_DOMAINS = ("ai.onnx", "ai.onnx.ml")
# They read an input again after writing of the output has begun.
_NOT_IN_PLACE = (
    "Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "Gemm", "MatMul", "MatMulInteger", "QLinearMatMul",
    "MaxPool", "AveragePool", "Transpose", "Gather", "GatherND",
)  # fmt: skip
_NUMBER_BYTES = {"floats": 4, "ints": 8}  # of a list attribute, where tree ensembles keep their nodes


def onnx_needs(content: bytes) -> Needs:
    """Raises InputError for bytes that are not an ONNX file, MissingDependencyError without onnx."""
    model = parse_foreign(content)
    opsets = {entry.domain or "ai.onnx": int(entry.version) for entry in model.opset_import}
    peak, unsized = _activations(model)
    return Needs(
        artifact_format="onnx",
        file_bytes=len(content),
        weights_bytes=sum(_weights(model.graph)) + sum(sum(map(_held, f.node)) for f in model.functions),
        operators=_operators(model, opsets),
        ir_version=int(model.ir_version),
        opsets=opsets,
        peak_bytes=peak,
        unsized=unsized,
    )


def _nodes(graph: Any) -> Iterator[Any]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)


def _operators(model: Any, opsets: dict[str, int]) -> tuple[OperatorUse, ...]:
    from onnx import defs

    own = {(f.domain or "ai.onnx", f.name) for f in model.functions}
    nodes = [*_nodes(model.graph), *(node for f in model.functions for node in f.node)]
    counts = Counter((node.domain or "ai.onnx", node.op_type) for node in nodes)
    found = []
    for (domain, name), count in sorted(counts.items()):
        if (domain, name) in own:
            continue  # its body was counted
        version = None
        try:
            version = defs.get_schema(
                name, opsets.get(domain, 1), "" if domain == "ai.onnx" else domain
            ).since_version
        except defs.SchemaError:
            version = None  # of another domain, or newer than this onnx
        found.append(OperatorUse(name, count, version, domain))
    return tuple(found)


def _weights(graph: Any) -> Iterator[int]:
    yield from map(_tensor, graph.initializer)
    for sparse in graph.sparse_initializer:
        yield _tensor(sparse.values) + _tensor(sparse.indices)
    for node in graph.node:
        yield _held(node)
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _weights(inner)


def _held(node: Any) -> int:
    """Bytes of constants in a node's own attributes."""
    total = 0
    for attribute in node.attribute:
        total += sum(_tensor(t) for t in (attribute.t, *attribute.tensors))
        total += sum(len(getattr(attribute, name)) * size for name, size in _NUMBER_BYTES.items())
        total += sum(map(len, attribute.strings))
    return total


def _tensor(tensor: Any) -> int:
    if tensor.data_type == 0:  # an absent attribute's empty message
        return 0
    bits = math.prod(int(d) for d in tensor.dims) * _item_bits(tensor.data_type)
    return bits // 8 + sum(map(len, tensor.string_data))


def _item_bits(data_type: int) -> int:
    from onnx import TensorProto, helper

    if data_type == TensorProto.STRING:
        return 0
    name = TensorProto.DataType.Name(data_type)
    if name.endswith("4") and not name.endswith("64"):
        return 4
    return int(helper.tensor_dtype_to_np_dtype(data_type).itemsize) * 8


def _activations(model: Any) -> tuple[int | None, tuple[str, ...]]:
    """Peak bytes at a batch of one, and the tensors whose size shape inference does not find."""
    from onnx import ModelProto, shape_inference

    sized = ModelProto()
    sized.CopyFrom(model)
    held = {t.name for t in sized.graph.initializer}
    held |= {s.values.name for s in sized.graph.sparse_initializer}
    free = [value for value in sized.graph.input if value.name not in held]
    for value in free:
        shape = value.type.tensor_type.shape
        if shape.dim and not shape.dim[0].HasField("dim_value"):
            shape.dim[0].dim_value = 1
    # What the file says of other tensors was said for any batch.
    del sized.graph.value_info[:]
    for value in sized.graph.output:
        value.type.tensor_type.ClearField("shape")
    try:
        sized = shape_inference.infer_shapes(sized, data_prop=True)
    except Exception as error:  # of the library's C++, of many types
        raise InputError(f"ONNX's shape inference fails on the artifact: {error}") from error
    values = (*sized.graph.input, *sized.graph.value_info, *sized.graph.output)
    sizes = {v.name: size for v in values if (size := _value_bytes(v)) is not None}
    steps, constants = [], set(held)
    for node in sized.graph.node:
        if node.op_type == "Constant":
            constants.update(node.output)
        else:
            read = tuple(n for n in (*node.input, *_captured(node)) if n and n not in constants)
            made = tuple(n for n in node.output if n)
            steps.append(Step(read, made, in_place=node.op_type not in _NOT_IN_PLACE))
    spans = lifetimes(steps, [v.name for v in free], [v.name for v in sized.graph.output])
    # A tensor that nobody reads is never kept, whatever its size.
    unsized = tuple(sorted(n for n, (first, last) in spans.items() if n not in sizes and last > first))
    return (None if unsized else peak_bytes(steps, spans, sizes)), unsized


def _captured(node: Any) -> Iterator[str]:
    """Names that the graphs inside a node read, those of the outer graph among them."""
    for attribute in node.attribute:
        for inner in (attribute.g, *attribute.graphs):
            for other in _nodes(inner):
                yield from other.input


def _value_bytes(value: Any) -> int | None:
    tensor = value.type.tensor_type
    if not value.type.HasField("tensor_type") or not tensor.HasField("shape"):
        return None
    dims = [int(dim.dim_value) for dim in tensor.shape.dim if dim.HasField("dim_value")]
    if len(dims) < len(tensor.shape.dim) or not tensor.elem_type:
        return None
    return math.prod(dims) * _item_bits(tensor.elem_type) // 8
