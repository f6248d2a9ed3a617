"""From a function of TensorFlow operators to a graph without variables: where every way from Keras starts.

    function --trace--> graph --freeze--> constants --fold_reshapes--> ConstantGraph

With a free batch axis, Keras' Flatten and Reshape become

    Shape(x) -> StridedSlice [0] -> Pack [batch, 64] -> Reshape(x, packed)

where Reshape(x, [-1, 64]) says the same: one unknown size follows from the number of values. A computed shape
costs operators and makes the tensor behind it dynamic, and engines leave dynamic tensors to slower kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeml_converters.tensorflow_import import import_tensorflow
from edgeml_runtime.errors import ConversionError
from edgeml_runtime.signature import Signature, TensorSpec

# Operators that call a function of the graph's library.
CALLS = ("PartitionedCall", "StatefulPartitionedCall")
# Named TensorFlow tensors in, named TensorFlow tensors out.
TensorFunction = Callable[[dict[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ConstantGraph:
    """A GraphDef whose variables are constants, and its tensors in the signature's order (`name:0`).

    `owner` is the function whose loops and branches the graph has, if any: with it they would go from
    TensorFlow's context, where whoever reads the graph registers them under the same names.
    """

    graph: Any
    signature: Signature
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    owner: Any = None

    def function(self) -> Any:
        """A tf.function of it that captures nothing.

        It takes `input_0`, `input_1` ... and returns `output_0` ...: TensorFlow changes names that are not
        identifiers.
        """
        tf = import_tensorflow()

        @tf.function(input_signature=_tensor_specs(tf, self.signature), autograph=False)  # type: ignore[untyped-decorator]
        def constant(*tensors: Any) -> dict[str, Any]:
            fed = dict(zip(self.inputs, tensors, strict=True))
            results = tf.graph_util.import_graph_def(
                self.graph, input_map=fed, return_elements=self.outputs, name=""
            )
            return {f"output_{i}": tf.identity(value) for i, value in enumerate(results)}

        return constant


def freeze(function: TensorFunction, signature: Signature) -> ConstantGraph:
    """The graph of `function({input name: tensor}) -> {output name: tensor}`.

    The function is traced once, with tensors of the signature's dtypes and shapes (batch None). Raises
    ConversionError where an output is not what the signature says; errors of `function` pass unchanged.
    """
    tf = import_tensorflow()
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    @tf.function(input_signature=_tensor_specs(tf, signature), autograph=False)  # type: ignore[untyped-decorator]
    def variable(*tensors: Any) -> list[Any]:
        names = (spec.name for spec in signature.inputs)
        results = function(dict(zip(names, tensors, strict=True)))
        # An identity of its own keeps outputs apart that are one tensor, or an input.
        return [tf.identity(_as_declared(tf, spec, results[spec.name])) for spec in signature.outputs]

    frozen = variable.get_concrete_function()
    if frozen.captured_inputs or any(op.type in CALLS for op in frozen.graph.get_operations()):
        frozen = convert_variables_to_constants_v2(frozen, lower_control_flow=False)
        graph = frozen.graph.as_graph_def()
    else:  # what a pass has rewritten is frozen, but for what nothing reads any more
        kept = [tensor.op.name for tensor in (*frozen.inputs, *frozen.outputs)]
        graph = tf.compat.v1.graph_util.extract_sub_graph(frozen.graph.as_graph_def(), kept)
    fold_reshapes(graph)
    return ConstantGraph(
        graph,
        signature,
        tuple(tensor.name for tensor in frozen.inputs),
        tuple(tensor.name for tensor in frozen.outputs),
        frozen if graph.library.function else None,
    )


def _tensor_specs(tf: Any, signature: Signature) -> list[Any]:
    return [
        tf.TensorSpec(spec.shape, spec.dtype, name=f"input_{i}") for i, spec in enumerate(signature.inputs)
    ]


def _as_declared(tf: Any, spec: TensorSpec, tensor: Any) -> Any:
    tensor = tf.convert_to_tensor(tensor)
    if tensor.dtype.name != spec.dtype or not tensor.shape.is_compatible_with(spec.shape):
        raise ConversionError(
            f"output {spec.describe()}: the traced function gives {tensor.dtype.name}{tensor.shape}"
        )
    return tensor


def fold_reshapes(graph: Any) -> None:
    """Reshapes to a packed shape with one computed size get a constant shape, in place (a GraphDef)."""
    from tensorflow.python.framework import tensor_util

    nodes = {node.name: node for node in graph.node}
    folded = []
    for node in graph.node:
        pack = nodes.get(node.input[1]) if node.op == "Reshape" else None
        if pack is None or pack.op != "Pack":
            continue
        parts = [nodes.get(name) for name in pack.input if not name.startswith("^")]
        sizes = [
            int(tensor_util.MakeNdarray(part.attr["value"].tensor))
            if part is not None and part.op == "Const"
            else -1
            for part in parts
        ]
        if sizes.count(-1) == 1 and 0 not in sizes:
            folded.append((node, pack, sizes))
    for node, pack, sizes in folded:
        dtype = pack.attr["T"].type
        shape = graph.node.add(name=f"{node.name}/edgeml_shape", op="Const")
        shape.attr["dtype"].type = dtype
        values = np.array(sizes, tensor_util.dtypes.as_dtype(dtype).as_numpy_dtype)
        shape.attr["value"].tensor.CopyFrom(tensor_util.make_tensor_proto(values))
        node.input[1] = shape.name
