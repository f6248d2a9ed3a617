"""What one row through an ONNX file costs as ONNX Runtime runs it: activations fused into convolutions."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from edgeml.latency.artifacts import ArtifactCost, Counted, majority
from edgeml_converters.onnx_graph import parse_foreign
from edgeml_runtime.errors import InputError

_FREE = {
    "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout", "Cast", "Constant", "Shape",
    "Pad", "QuantizeLinear", "DequantizeLinear", "ConstantOfShape",
}  # fmt: skip
# Part of the convolution or matrix product that they follow.
_FUSED = {"Relu", "Clip", "LeakyRelu", "BatchNormalization"}
_PASSES = {
    "Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "Relu", "Clip", "LeakyRelu", "PRelu", "Elu",
    "Selu", "Gelu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Softmax", "LogSoftmax", "Softplus",
    "Softsign", "Erf", "Exp", "Log", "Sqrt", "Abs", "Neg", "Reciprocal", "Floor", "BatchNormalization",
    "InstanceNormalization", "LayerNormalization", "LRN", "MaxPool", "AveragePool", "GlobalAveragePool",
    "GlobalMaxPool", "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceSumSquare", "ReduceL2",
    "Concat", "Split", "Slice", "Transpose", "Resize", "Upsample", "DepthToSpace", "SpaceToDepth",
    "ArgMax", "ArgMin", "Expand", "Tile",
}  # fmt: skip
_PRODUCTS = {
    "Conv",
    "ConvTranspose",
    "Gemm",
    "MatMul",
    "QLinearConv",
    "QLinearMatMul",
    "ConvInteger",
    "MatMulInteger",
}


def onnx_cost(content: bytes) -> ArtifactCost:
    """Raises InputError for bytes that are not an ONNX file, MissingDependencyError without onnx."""
    return _Graph(parse_foreign(content)).cost()


class _Graph:
    """Names of one graph: who made a tensor, its shape at a batch of one, what is constant."""

    def __init__(self, model: Any) -> None:
        sized = _sized(model)
        self.nodes = sized.graph.node
        self.constants = {t.name: tuple(map(int, t.dims)) for t in sized.graph.initializer}
        self.makers = {name: node for node in self.nodes for name in node.output}
        values = (*sized.graph.input, *sized.graph.value_info, *sized.graph.output)
        self.shapes = {v.name: s for v in values if (s := _dims(v)) is not None} | self.constants
        for node in self.nodes:
            folded = node.op_type in ("Constant", "DequantizeLinear", "Cast", "Identity")
            if folded and all(name in self.constants for name in node.input):
                shape = _constant(node) if node.op_type == "Constant" else self.constants[node.input[0]]
                self.constants[node.output[0]] = self.shapes[node.output[0]] = shape

    def cost(self) -> ArtifactCost:
        counted, kinds, unpriced = Counted(), Counter[str](), Counter[str]()
        for node in self.nodes:
            name = node.op_type
            priced = node.domain in ("", "ai.onnx", "com.microsoft") and name in _PASSES | _PRODUCTS
            if name in _FREE or self._follows_product(node):
                continue
            wanted = [n for n in (*node.input, *node.output) if n]
            if not priced or any(n not in self.shapes for n in wanted):
                unpriced[name if not priced else f"{name} of unknown shape"] += 1
                continue
            weights = sum(math.prod(self.shapes[n]) for n in node.input if n in self.constants)
            moved = sum(math.prod(self.shapes[n]) for n in wanted if n not in self.constants)
            counted.runs(moved, weights)
            if name in _PRODUCTS:
                kinds[self._kind(node)] += self._product(node, counted)
        return ArtifactCost(counted.features(), majority(kinds), tuple(sorted(unpriced.items())))

    def _follows_product(self, node: Any) -> bool:
        """Whether the node is bias, normalization or activation of a product, or follows such a one."""
        bias = node.op_type == "Add" and any(n in self.constants for n in node.input)
        if not bias and node.op_type not in _FUSED:
            return False
        before = next(
            (self.makers.get(n) for n in node.input if n in self.makers and n not in self.constants), None
        )
        if before is not None and before.op_type in ("DequantizeLinear", "QuantizeLinear"):
            before = self.makers.get(before.input[0])
        return before is not None and (before.op_type in _PRODUCTS or self._follows_product(before))

    def _kind(self, node: Any) -> str:
        if node.op_type in ("QLinearConv", "QLinearMatMul"):
            return "int8"
        if node.op_type in ("ConvInteger", "MatMulInteger"):
            return "other"  # scaled at run time
        quantized = [self._dequantized(name) for name in node.input[:2]]
        return "int8" if all(quantized) else "other" if any(quantized) else "float32"

    def _dequantized(self, name: str) -> bool:
        return name in self.makers and self.makers[name].op_type == "DequantizeLinear"

    def _product(self, node: Any, counted: Counted) -> int:
        attributes = {a.name: a for a in node.attribute}
        inputs = [self.shapes[name] for name in node.input if name]
        out = math.prod(self.shapes[node.output[0]])
        weight = inputs[3] if node.op_type.startswith("QLinear") else inputs[1]
        if "Conv" not in node.op_type:
            deep = attributes["transA"].i if "transA" in attributes else 0
            macs = out * (inputs[0][0] if deep else inputs[0][-1])
            counted.dense_macs += macs
            return int(macs)
        groups = attributes["group"].i if "group" in attributes else 1
        kernel = tuple(weight[2:])
        strides = tuple(attributes["strides"].ints) if "strides" in attributes else (1,) * len(kernel)
        if node.op_type == "ConvTranspose":
            macs = math.prod(inputs[0]) * math.prod(weight[1:])
            counted.conv_macs += macs
            return int(macs)
        macs = out * math.prod(weight[1:])
        counted.convolution(macs, kernel, strides, groups, inputs[0][1])
        return int(macs)


def _sized(model: Any) -> Any:
    """The model with every shape that inference finds at a batch of one."""
    from onnx import shape_inference

    held = {t.name for t in model.graph.initializer}
    for value in model.graph.input:
        shape = value.type.tensor_type.shape
        if value.name not in held and shape.dim and not shape.dim[0].HasField("dim_value"):
            shape.dim[0].dim_value = 1
    del model.graph.value_info[:]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    try:
        return shape_inference.infer_shapes(model, data_prop=True)
    except Exception as error:  # of the library's C++, of many types
        raise InputError(f"ONNX's shape inference fails on the artifact: {error}") from error


def _dims(value: Any) -> tuple[int, ...] | None:
    tensor = value.type.tensor_type
    if not value.type.HasField("tensor_type") or not tensor.HasField("shape"):
        return None
    dims = [int(dim.dim_value) for dim in tensor.shape.dim if dim.HasField("dim_value")]
    return tuple(dims) if len(dims) == len(tensor.shape.dim) else None


def _constant(node: Any) -> tuple[int, ...]:
    for attribute in node.attribute:
        if attribute.name == "value":
            return tuple(map(int, attribute.t.dims))
        if attribute.name in ("value_ints", "value_floats"):
            return (len(attribute.ints) or len(attribute.floats),)
    return ()
