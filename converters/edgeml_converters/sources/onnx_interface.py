"""What goes into a user's ONNX graph and what comes out, and the graph in the form that edgeml runs.

Three things differ between a user's graph and ours, and are rewritten here without renaming an input or an
output: a batch fixed at export becomes free (only where results prove that no operator depends on it),
ZipMap's list of dictionaries becomes an array again, and a classifier's labels become indices into a table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeml_converters.model import Task
from edgeml_converters.onnx_graph import (
    Rewriter,
    attribute,
    constants,
    inputs_and_outputs,
    producers,
)
from edgeml_converters.onnx_session import open_session, run_rows
from edgeml_converters.sources.onnx_labels import index_labels, table_of, without_zipmap
from edgeml_runtime.errors import UnsupportedModelError
from edgeml_runtime.signature import Array, ClassLabels, Method, Signature, TensorSpec

# TensorProto.DataType to the names of a signature.
_DTYPES = {
    1: "float32", 2: "uint8", 3: "int8", 5: "int16", 6: "int32", 7: "int64", 8: "str", 9: "bool",
    11: "float64",
}  # fmt: skip
_FREE_AXIS = 8  # size that trial rows take where the graph leaves it open
_AGREE = 1e-4


@dataclass(frozen=True, slots=True)
class Interface:
    """`graph`: the rewritten ModelProto; `table`: labels of a classifier whose first output they are."""

    graph: Any
    signature: Signature
    task: Task
    table: ClassLabels | None


def interface(model: Any, name: str) -> Interface:
    """Raises UnsupportedModelError for tensors that no signature can describe, or a batch that is fixed."""
    inputs = tuple(_input_spec(value, model, name) for value in inputs_and_outputs(model)["input"])
    if not inputs:
        raise UnsupportedModelError(f"{name} takes no inputs: there is nothing to predict from")
    batch = fixed_batch(model, name)
    graph = without_zipmap(model)
    table = table_of(graph)
    if table is not None:
        graph = index_labels(graph, table)
    if batch is not None:
        graph = _with_free_batch(graph, batch)
        _prove_free_batch(model, graph, inputs, batch, name)
    outputs = _output_specs(graph, inputs, name)
    if table is not None and (outputs[0].dtype != "int64" or len(outputs[0].shape) != 1):
        raise UnsupportedModelError(f"{name}: its labels are {outputs[0].describe()}, not one for each row")
    task, methods = _task_and_methods(graph, outputs, table)
    return Interface(graph, Signature(inputs, outputs, methods), task, table)


def _input_spec(value: Any, model: Any, name: str) -> TensorSpec:
    tensor = value.type.tensor_type
    dtype = _DTYPES.get(tensor.elem_type)
    if not value.type.HasField("tensor_type") or dtype is None:
        from onnx import TensorProto

        what = value.type.WhichOneof("value") or "of no type"
        if what == "tensor_type":
            what = TensorProto.DataType.Name(tensor.elem_type).lower()
        raise UnsupportedModelError(
            f"{name}: input {value.name!r} is {what}; edgeml takes tensors of {', '.join(_DTYPES.values())}"
        )
    if not tensor.HasField("shape") or not tensor.shape.dim:
        raise UnsupportedModelError(
            f"{name}: input {value.name!r} has no shape with a batch axis; export it with one"
        )
    rest = tuple(d.dim_value or None for d in tensor.shape.dim)[1:]
    return TensorSpec(value.name, dtype, (None, *rest), allow_nan=dtype != "str" and _takes_nan(model))


def _takes_nan(model: Any) -> bool:
    """Whether the graph has an operator whose task are missing values."""
    return any(
        node.op_type in ("IsNaN", "Imputer") or any(attribute(node, "nodes_missing_value_tracks_true", ()))
        for node in model.graph.node
    )


def fixed_batch(model: Any, name: str) -> int | None:
    """Rows that the graph was exported for, None where it takes any number."""
    sizes = {
        v.name: v.type.tensor_type.shape.dim[0].dim_value or None for v in inputs_and_outputs(model)["input"]
    }
    fixed = {size for size in sizes.values() if size is not None}
    if len(fixed) > 1:
        raise UnsupportedModelError(
            f"{name}: its inputs' first axes are {sizes}: no batch axis common to all; export it with one"
        )
    return min(fixed, default=None)


def _with_free_batch(model: Any, batch: int) -> Any:
    """A copy with a free first axis in inputs and outputs, and in Reshapes to a shape that starts with it."""
    copy = type(model).FromString(model.SerializeToString())
    graph = copy.graph
    for value in (*inputs_and_outputs(copy)["input"], *graph.output):
        if value.type.tensor_type.shape.dim:
            value.type.tensor_type.shape.dim[0].Clear()
            value.type.tensor_type.shape.dim[0].dim_param = "batch"
    known = constants(graph)
    rewriter = Rewriter(graph)
    for node in graph.node:
        shape = known.get(node.input[1]) if node.op_type == "Reshape" and len(node.input) > 1 else None
        if (
            shape is not None
            and shape.size
            and shape.flat[0] == batch
            and not attribute(node, "allowzero", 0)
        ):
            same = np.concatenate([np.zeros(1, np.int64), shape[1:]])  # zero: as in the input
            node.input[1] = rewriter.constant(f"{node.output[0]}_shape", same)
        rewriter.nodes.append(node)
    rewriter.finish(graph)
    return copy


def _prove_free_batch(model: Any, graph: Any, inputs: tuple[TensorSpec, ...], batch: int, name: str) -> None:
    refusal = UnsupportedModelError(
        f"{name} was exported for {batch} row{'s' if batch > 1 else ''} at once and its operators depend on "
        "that; export it with a dynamic batch axis (dynamic_axes or dynamic_shapes of torch.onnx.export)"
    )
    rows = _trial_rows(inputs, 2 * batch)
    try:
        wanted = run_rows(open_session(without_zipmap(model).SerializeToString(), name), rows, batch)
        got = open_session(graph.SerializeToString(), name).run(None, rows)
    except Exception as error:
        raise refusal from error
    for one, many in zip(wanted, got, strict=True):
        if one.shape != many.shape or (
            one.dtype.kind == "f" and not np.allclose(one, many, atol=_AGREE, rtol=_AGREE, equal_nan=True)
        ):
            raise refusal


def _trial_rows(inputs: tuple[TensorSpec, ...], count: int) -> dict[str, Array]:
    rng = np.random.default_rng(0)
    rows: dict[str, Array] = {}
    for spec in inputs:
        shape = (count, *(_FREE_AXIS if size is None else size for size in spec.shape[1:]))
        if spec.dtype == "str":
            rows[spec.name] = np.full(shape, "a", np.object_)
        elif spec.dtype.startswith("float"):
            rows[spec.name] = rng.standard_normal(shape).astype(spec.dtype)
        else:
            rows[spec.name] = rng.integers(0, 2, shape).astype(spec.dtype)
    return rows


def _output_specs(graph: Any, inputs: tuple[TensorSpec, ...], name: str) -> tuple[TensorSpec, ...]:
    """Shapes as two runs show them; as declared where the graph does not take trial rows."""
    session = open_session(graph.SerializeToString(), name)
    try:
        few, more = (session.run(None, _trial_rows(inputs, count)) for count in (2, 3))
    except Exception:  # noqa: BLE001 - any engine error: trial values may lie outside what the model knows
        return tuple(_declared(value, name) for value in graph.graph.output)
    open_axes = any(None in spec.shape[1:] for spec in inputs)
    specs = []
    for value, two, three in zip(graph.graph.output, few, more, strict=True):
        if two.shape[:1] != (2,) or three.shape[:1] != (3,):
            raise UnsupportedModelError(
                f"{name}: output {value.name!r} is {list(two.shape)} for 2 rows: it has no row for each"
            )
        declared = value.type.tensor_type.shape.dim
        known = [d.dim_value or None for d in declared] if len(declared) == two.ndim else [None] * two.ndim
        shape = tuple(
            size if size is not None or open_axes or a != b else a
            for size, a, b in zip(known[1:], two.shape[1:], three.shape[1:], strict=True)
        )
        dtype = "str" if two.dtype.kind in "OU" else two.dtype.name
        if dtype not in _DTYPES.values():
            raise UnsupportedModelError(f"{name}: output {value.name!r} is {dtype}, which no signature holds")
        specs.append(TensorSpec(value.name, dtype, (None, *shape)))
    return tuple(specs)


def _declared(value: Any, name: str) -> TensorSpec:
    tensor = value.type.tensor_type
    dtype = _DTYPES.get(tensor.elem_type)
    if dtype is None or not tensor.shape.dim:
        raise UnsupportedModelError(
            f"{name}: output {value.name!r} declares no usable type and shape, and trial rows fail"
        )
    return TensorSpec(value.name, dtype, (None, *(d.dim_value or None for d in list(tensor.shape.dim)[1:])))


def _task_and_methods(
    graph: Any, outputs: tuple[TensorSpec, ...], table: ClassLabels | None
) -> tuple[Task, tuple[Method, ...]]:
    if table is not None:
        methods = [Method("predict", (outputs[0].name,), labels=(table,))]
        if len(outputs) == 2:
            methods.append(Method("predict_proba", (outputs[1].name,)))
        return "classification", tuple(methods)
    names = tuple(spec.name for spec in outputs)
    method = Method("predict", names, returns="array" if len(names) == 1 else "mapping")
    if len(outputs) != 1 or len(outputs[0].shape) > 2 or not outputs[0].dtype.startswith("float"):
        return "tensor", (method,)
    return _task_of_values(graph, outputs[0]), (method,)


def _task_of_values(model: Any, output: TensorSpec) -> Task:
    """Softmax over columns, or one sigmoid, says "classification"; other columns of numbers "regression"."""
    made = producers(model.graph)
    node = made.get(output.name)
    while node is not None and node.op_type in ("Identity", "Cast"):
        node = made.get(node.input[0])
    last = node.op_type if node is not None else ""
    if len(output.shape) == 2 and (
        last == "Softmax" or (last == "Sigmoid" and output.shape[1] == 1) or last == "LogSoftmax"
    ):
        return "classification"
    return "regression"
