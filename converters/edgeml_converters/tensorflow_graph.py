"""From a function of TensorFlow operators to one without variables: where every way from Keras starts.

    function --trace--> graph --freeze--> constants --fold_reshapes--> constant tf.function

With a free batch axis, Keras' Flatten and Reshape become

    Shape(x) -> StridedSlice [0] -> Pack [batch, 64] -> Reshape(x, packed)

where Reshape(x, [-1, 64]) says the same: one unknown size follows from the number of values. A computed shape
costs operators and makes the tensor behind it dynamic, and engines leave dynamic tensors to slower kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgeml_converters.tensorflow_import import import_tensorflow
from edgeml_runtime.errors import ConversionError
from edgeml_runtime.signature import Signature, TensorSpec

# Named TensorFlow tensors in, named TensorFlow tensors out.
TensorFunction = Callable[[dict[str, Any]], Mapping[str, Any]]


def constant_function(function: TensorFunction, signature: Signature) -> Any:
    """A tf.function of the same values that holds no variable and captures nothing.

    `function({input name: tensor})` is traced once with tensors of the signature's dtypes and shapes (batch
    None). The result takes `input_0`, `input_1` ... in the signature's order and returns `output_0` ...:
    TensorFlow changes names that are not identifiers. Raises ConversionError where an output is not what the
    signature says; errors raised by `function` pass unchanged.
    """
    tf = import_tensorflow()
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    specs = [
        tf.TensorSpec(spec.shape, spec.dtype, name=f"input_{i}") for i, spec in enumerate(signature.inputs)
    ]

    @tf.function(input_signature=specs, autograph=False)  # type: ignore[untyped-decorator]
    def variable(*tensors: Any) -> list[Any]:
        names = (spec.name for spec in signature.inputs)
        results = function(dict(zip(names, tensors, strict=True)))
        # An identity of its own keeps outputs apart that are one tensor, or an input.
        return [tf.identity(_as_declared(tf, spec, results[spec.name])) for spec in signature.outputs]

    frozen = convert_variables_to_constants_v2(variable.get_concrete_function(), lower_control_flow=False)
    graph = frozen.graph.as_graph_def()
    fold_reshapes(graph)
    fed = [tensor.name for tensor in frozen.inputs]
    fetched = [tensor.name for tensor in frozen.outputs]

    @tf.function(input_signature=specs, autograph=False)  # type: ignore[untyped-decorator]
    def constant(*tensors: Any) -> dict[str, Any]:
        results = tf.graph_util.import_graph_def(
            graph, input_map=dict(zip(fed, tensors, strict=True)), return_elements=fetched, name=""
        )
        return {f"output_{i}": tf.identity(value) for i, value in enumerate(results)}

    return constant


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
