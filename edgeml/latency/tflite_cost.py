"""What one row through a TFLite file costs. No native code reads the file."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from edgeml.latency.artifacts import ArtifactCost, Counted, majority
from edgeml_converters.to_tflite.reading import is_constant, names, operator_name, read_file

# Published networks' counts leave them out: views, what is folded when the model is opened, borders.
_FREE = {
    "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "QUANTIZE", "DEQUANTIZE", "PAD", "PADV2", "MIRROR_PAD",
    "SHAPE", "CAST",
}  # fmt: skip
# One pass over their elements, as published networks have them.
_PASSES = {
    "ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE", "RELU", "RELU6",
    "RELU_N1_TO_1", "RELU_0_TO_1", "LEAKY_RELU", "PRELU", "ELU", "GELU", "LOGISTIC", "TANH",
    "HARD_SWISH", "SOFTMAX", "LOG_SOFTMAX", "EXP", "LOG", "SQRT", "RSQRT", "SQUARE", "NEG", "ABS",
    "POW", "FLOOR", "MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "AVERAGE_POOL_2D", "MAX_POOL_2D",
    "L2_POOL_2D", "L2_NORMALIZATION", "CONCATENATION", "SPLIT", "SPLIT_V", "STRIDED_SLICE", "SLICE",
    "PACK", "UNPACK", "TRANSPOSE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "SPACE_TO_DEPTH",
    "DEPTH_TO_SPACE", "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND", "ARG_MAX", "ARG_MIN", "BROADCAST_TO",
    "TILE",
}  # fmt: skip
_FLOATS = ("FLOAT32", "FLOAT16")


def tflite_cost(content: bytes) -> ArtifactCost:
    """Raises InputError for bytes that are not a TFLite file, MissingDependencyError without its schema."""
    return read_file(content, _read)


def _read(schema: Any, model: Any) -> ArtifactCost:
    types, operators = names(schema.TensorType), names(schema.BuiltinOperator)
    counted, kinds, unpriced = Counted(), Counter[str](), Counter[str]()
    for graph in model.subgraphs:
        constant = {i for i, t in enumerate(graph.tensors) if is_constant(model, t)}
        shapes = [_shape(t) for t in graph.tensors]
        dtypes = [types[t.type] for t in graph.tensors]
        for op in graph.operators or ():
            code = model.operatorCodes[op.opcodeIndex]
            name = operator_name(operators, code)
            read = [int(i) for i in op.inputs if i >= 0]
            made = [int(i) for i in op.outputs if i >= 0]
            if name == "DEQUANTIZE" and read[0] in constant:  # float16 weights, expanded once
                constant.add(made[0])
            macs = _macs(name, op, read, [shapes[i] for i in read], [shapes[i] for i in made], counted)
            if macs is None and name not in _PASSES:
                if name not in _FREE:
                    unpriced[name] += 1
                continue
            weights = sum(math.prod(shapes[i]) for i in read if i in constant)
            moved = sum(math.prod(shapes[i]) for i in (*read, *made) if i not in constant)
            counted.runs(moved, weights)
            if macs:
                kinds[_kind(dtypes[read[0]], dtypes[read[1]])] += macs
    return ArtifactCost(counted.features(), majority(kinds), tuple(sorted(unpriced.items())))


def _macs(
    name: str, op: Any, read: list[int], inputs: list[list[int]], outputs: list[list[int]], counted: Counted
) -> int | None:
    """Multiply-adds of an operator, counted by class; None of one that has none."""
    options = op.builtinOptions
    if name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        _, height, width, last = inputs[1]
        depth = inputs[0][-1]
        strides = (options.strideH, options.strideW)
        if name == "DEPTHWISE_CONV_2D":
            macs = math.prod(outputs[0]) * height * width
            counted.depthwise_macs += macs
        else:
            macs = math.prod(outputs[0]) * height * width * last
            counted.convolution(macs, (height, width), strides, depth // last, depth)
        return macs
    if name == "TRANSPOSE_CONV":  # output shape, weights [out, h, w, in], input
        macs = math.prod(inputs[2]) * math.prod(inputs[1][:3])
        counted.conv_macs += macs
        return macs
    if name == "FULLY_CONNECTED":
        macs = math.prod(outputs[0]) * inputs[1][-1]
        counted.dense_macs += macs
        return macs
    if name == "BATCH_MATMUL":
        depth = inputs[0][-2] if options.adjX else inputs[0][-1]
        macs = math.prod(outputs[0]) * depth
        counted.dense_macs += macs
        return macs
    return None


def _kind(activation: str, weight: str) -> str:
    if activation == "FLOAT32" and weight in _FLOATS:
        return "float32"
    return "int8" if (activation, weight) in (("INT8", "INT8"), ("UINT8", "UINT8")) else "other"


def _shape(tensor: Any) -> list[int]:
    return [max(int(size), 1) for size in (() if tensor.shape is None else tensor.shape)]
