"""Class labels in classifier graphs, as skl2onnx and its relatives write them.

Such a graph has an output of labels and mostly one of probabilities, which ZipMap may have turned into
dictionaries. The labels stand in the classifier operator, or in the constant that an index is looked up in.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.onnx_graph import Names, attribute, constants, opset, producers
from edgeml_runtime.signature import Array, ClassLabels

_ML = "ai.onnx.ml"
_PASSING = ("Identity", "Cast", "Reshape", "Squeeze", "Flatten")
_ATTRIBUTES = (
    "classlabels_strings",
    "classlabels_ints",
    "classlabels_int64s",
    "values_strings",
    "values_int64s",
)
_INT64, _STRING = 7, 8


def without_zipmap(model: Any) -> Any:
    """A copy whose outputs are tensors: the array that ZipMap reads, under the output's name."""
    copy = type(model).FromString(model.SerializeToString())
    graph = copy.graph
    for node in [n for n in graph.node if n.op_type == "ZipMap"]:
        outputs = [value for value in graph.output if value.name == node.output[0]]
        node.op_type, node.domain = "Identity", ""
        del node.attribute[:]
        for value in outputs:
            value.type.Clear()
            value.type.tensor_type.elem_type = 1
            value.type.tensor_type.shape.dim.add()
            value.type.tensor_type.shape.dim.add()
    return copy


def zipmap_labels(model: Any) -> dict[str, list[Any]]:
    """The labels of each output that is a list of dictionaries, in the order of the array's columns."""
    return {
        node.output[0]: _values(node, ("classlabels_strings", "classlabels_int64s")) or []
        for node in model.graph.node
        if node.op_type == "ZipMap"
    }


def table_of(model: Any) -> ClassLabels | None:
    """The labels that the first output draws from; None where it is no output of known class labels."""
    outputs = model.graph.output
    if len(outputs) > 2 or outputs[0].type.tensor_type.elem_type not in (_INT64, _STRING):
        return None
    if len(outputs[0].type.tensor_type.shape.dim) > 1:
        return None
    if len(outputs) == 2 and outputs[1].type.tensor_type.elem_type != 1:
        return None
    values = _traced(model.graph, outputs[0].name)
    if not values or len(set(values)) != len(values):
        return None
    if outputs[0].type.tensor_type.elem_type == _STRING:
        return ClassLabels("str", tuple(values)) if all(isinstance(v, str) for v in values) else None
    if not all(isinstance(v, (int, float)) and float(v).is_integer() for v in values):
        return None
    return ClassLabels("int64", tuple(int(v) for v in values))


def _traced(graph: Any, name: str) -> list[Any] | None:
    made, known = producers(graph), constants(graph)
    node = made.get(name)
    while node is not None and node.op_type in _PASSING:
        node = made.get(node.input[0])
    if node is None:
        return None
    if node.op_type in ("ArrayFeatureExtractor", "Gather") and node.input[0] in known:
        looked_up = known[node.input[0]]
        return [_plain(value) for value in looked_up.ravel()]
    # A LabelEncoder alone may be any look-up; beside probabilities it names their classes.
    if node.domain != _ML or (node.op_type == "LabelEncoder" and len(graph.output) == 1):
        return None
    return _values(node, _ATTRIBUTES)


def _values(node: Any, names: tuple[str, ...]) -> list[Any] | None:
    for name in names:
        values = attribute(node, name, ())
        if values:
            return [_plain(value) for value in values]
    return None


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    return value.item() if isinstance(value, np.generic) else value


def index_labels(model: Any, table: ClassLabels) -> Any:
    """A copy whose first output holds int64 indices into the table instead of labels."""
    from onnx import helper, numpy_helper

    copy = type(model).FromString(model.SerializeToString())
    graph, output = copy.graph, copy.graph.output[0]
    if table.values == tuple(range(len(table.values))):
        return copy
    fresh = Names(graph).fresh
    label = fresh(f"{output.name}_class")
    for node in graph.node:
        node.input[:] = [label if name == output.name else name for name in node.input]
        node.output[:] = [label if name == output.name else name for name in node.output]
    if table.dtype == "str":
        graph.node.append(_string_index(copy, label, output.name, table))
    else:
        column, classes, equal = fresh("label_column"), fresh("label_classes"), fresh("label_equal")
        shape, found = fresh("label_shape"), fresh("label_found")
        held: dict[str, Array] = {classes: table.array().astype(np.int64), shape: np.array([-1, 1], np.int64)}
        graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in held.items())
        graph.node.extend(
            [
                helper.make_node("Reshape", [label, shape], [column]),
                helper.make_node("Equal", [column, classes], [equal]),
                helper.make_node("Cast", [equal], [found], to=1),
                helper.make_node("ArgMax", [found], [output.name], axis=1, keepdims=0),
            ]
        )
    output.type.tensor_type.elem_type = _INT64
    return copy


def _string_index(model: Any, label: str, output: str, table: ClassLabels) -> Any:
    from onnx import helper

    if opset(model, _ML) == 0:
        model.opset_import.append(helper.make_opsetid(_ML, 2))
    labels = list(table.values)
    if opset(model, _ML) == 1:
        return helper.make_node("LabelEncoder", [label], [output], domain=_ML, classes_strings=labels)
    indices = list(range(len(labels)))
    return helper.make_node(
        "LabelEncoder", [label], [output], domain=_ML, keys_strings=labels, values_int64s=indices
    )
