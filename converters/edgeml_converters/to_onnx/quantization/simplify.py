"""Rewrites before int8: fewer operators, and every matrix product with its bias in one of them.

A chain in the order of `simplify`; each pass keeps inputs, outputs and the function computed.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgeml_converters.onnx_graph import (
    FLOAT,
    Rewriter,
    attribute,
    bodies,
    constants,
    finish,
    opset,
    output_names,
    producers,
    readers,
    types,
)
from edgeml_converters.onnx_session import open_session
from edgeml_runtime.errors import ConversionError
from edgeml_runtime.signature import Array

OPSET = 13  # the first with scales for each channel
_KEEP = frozenset(
    {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli", "Multinomial"}
)
_SMALL_BYTES = 4096


def simplify(model: Any) -> Any:
    """A copy of the model after all passes; raises ConversionError where its opset cannot be raised."""
    copy = _with_opset(model)
    _fold_constants(copy)
    _drop_identities(copy)
    _make_gemm(copy)
    _absorb_scale_and_shift(copy)
    return copy


def _with_opset(model: Any) -> Any:
    if opset(model) >= OPSET:
        return type(model).FromString(model.SerializeToString())
    from onnx import version_converter

    try:
        return version_converter.convert_version(model, OPSET)
    except (RuntimeError, ValueError) as error:
        raise ConversionError(
            f"int8 with scales for each channel needs opset {OPSET}; this graph has {opset(model)} and "
            f"cannot be raised ({error}). Export it again with opset {OPSET} or newer"
        ) from error


def _fold_constants(model: Any) -> None:
    """Constant nodes, and whatever is computed from constants alone, become initializers."""
    from onnx import numpy_helper

    graph = model.graph
    known = constants(graph)
    held = {tensor.name for tensor in graph.initializer}
    kept, tensors = [], list(graph.initializer)
    for node in graph.node:
        values = _fold(model, node, known)
        if values is None:
            kept.append(node)
            continue
        for name, value in values.items():
            known[name] = value
            if name not in held:
                tensors.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
    finish(graph, kept, tuple(tensors))


def _fold(model: Any, node: Any, known: dict[str, Array]) -> dict[str, Array] | None:
    if node.op_type == "Constant" and node.output[0] in known:
        return {node.output[0]: known[node.output[0]]}
    inputs = [name for name in node.input if name]
    if node.op_type in _KEEP or bodies(node) or not inputs or any(name not in known for name in inputs):
        return None
    if set(node.output) & output_names(model.graph):
        return None
    values = _evaluate(model, node, {name: known[name] for name in inputs})
    size = sum(value.nbytes for value in values.values())
    grows = size > max(_SMALL_BYTES, 2 * sum(known[name].nbytes for name in inputs))
    return None if grows else values


def _evaluate(model: Any, node: Any, values: dict[str, Array]) -> dict[str, Array]:
    from onnx import ValueInfoProto, helper, numpy_helper

    names = [name for name in node.output if name]
    graph = helper.make_graph(
        [node],
        "fold",
        [],
        [ValueInfoProto(name=name) for name in names],
        [numpy_helper.from_array(np.asarray(v, order="C"), name) for name, v in values.items()],
    )
    lone = helper.make_model(graph, opset_imports=list(model.opset_import), ir_version=model.ir_version)
    results = open_session(lone.SerializeToString(), node.op_type).run(names, {})
    return dict(zip(names, results, strict=True))


def _drop_identities(model: Any) -> None:
    graph = model.graph
    outputs, made = output_names(graph), producers(graph)
    renamed: dict[str, str] = {}
    kept = []
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        mask_read = node.op_type == "Dropout" and len(node.output) > 1 and node.output[1]
        if node.op_type not in ("Identity", "Dropout") or mask_read or node.output[0] in outputs:
            kept.append(node)
            continue
        renamed[node.output[0]] = node.input[0]
    # An Identity that names an output: let the node before it write that name.
    count = {name: len(nodes) for name, nodes in readers(graph).items()}
    final = []
    for node in kept:
        source = made.get(node.input[0]) if node.op_type == "Identity" else None
        if source is None or count.get(node.input[0]) != 1 or node.input[0] in outputs:
            final.append(node)
            continue
        old, new = node.input[0], node.output[0]
        source.output[:] = [new if name == old else name for name in source.output]
    finish(graph, final, tuple(graph.initializer))


def _make_gemm(model: Any) -> None:
    """MatMul of rank 2 becomes Gemm; every Gemm gets alpha = beta = 1, B as [k, n] and C as [n]."""
    graph = model.graph
    known, seen = constants(graph), types(model)
    rewriter = Rewriter(graph)
    for node in graph.node:
        made = _gemm_of(node, known, seen)
        if made is None:
            rewriter.nodes.append(node)
            continue
        weights, bias = made
        inputs = [node.input[0], rewriter.constant(f"{node.output[0]}_weights", weights)]
        if bias is not None:
            inputs.append(rewriter.constant(f"{node.output[0]}_bias", bias))
        rewriter.add("Gemm", inputs, node.output[0])
    rewriter.finish(graph)


def _gemm_of(
    node: Any, known: dict[str, Array], seen: dict[str, tuple[int, tuple[int | None, ...] | None]]
) -> tuple[Array, Array | None] | None:
    weights = known.get(node.input[1]) if node.op_type in ("MatMul", "Gemm") else None
    if weights is None or weights.dtype != np.float32 or weights.ndim != 2:
        return None
    if node.op_type == "MatMul":
        elements, shape = seen.get(node.input[0], (FLOAT, None))
        return (weights, None) if elements == FLOAT and shape is not None and len(shape) == 2 else None
    if attribute(node, "transA", 0):
        return None
    if attribute(node, "transB", 0):
        weights = weights.T
    weights = weights * np.float32(attribute(node, "alpha", 1.0))
    if len(node.input) < 3 or not node.input[2]:
        return weights, None
    bias = known.get(node.input[2])
    if bias is None or bias.size not in (1, weights.shape[1]) or math.prod(bias.shape[:-1]) != 1:
        return None
    bias = np.broadcast_to(bias.ravel(), weights.shape[1:]) * np.float32(attribute(node, "beta", 1.0))
    return weights, bias


def _absorb_scale_and_shift(model: Any) -> None:
    """Add, Sub, Mul, Div by a constant for each channel and BatchNormalization go into weights and bias."""
    graph = model.graph
    known, outputs, read = constants(graph), output_names(graph), readers(graph)
    rewriter = Rewriter(graph)
    absorbed: set[str] = set()
    for node in graph.node:
        if node.output[0] in absorbed:
            continue
        chain = _Chain.of(node, known)
        if chain is None:
            rewriter.nodes.append(node)
            continue
        last = node.output[0]
        while last not in outputs and len(read.get(last, ())) == 1:
            follower = read[last][0]
            if not chain.absorb(follower, last, known):
                break
            last = follower.output[0]
            absorbed.add(last)
        if last == node.output[0]:
            rewriter.nodes.append(node)
            continue
        weights, bias = chain.result()
        inputs = [node.input[0], rewriter.constant(f"{last}_weights", weights)]
        if bias is not None:
            inputs.append(rewriter.constant(f"{last}_bias", bias))
        rewriter.add(node.op_type, inputs, last)
        rewriter.nodes[-1].attribute.extend(node.attribute)
    rewriter.finish(graph)


class _Chain:
    """weights * scale and bias * scale + shift for each output channel, in float64 until the end."""

    def __init__(self, weights: Array, bias: Array | None, axis: int, rank: int | None) -> None:
        self._weights, self._axis, self._rank = weights, axis, rank
        self._scale = np.ones(weights.shape[axis])
        self._shift = np.zeros(weights.shape[axis]) if bias is None else bias.astype(np.float64)
        self._has_bias = bias is not None

    @classmethod
    def of(cls, node: Any, known: dict[str, Array]) -> _Chain | None:
        weights = known.get(node.input[1]) if len(node.input) > 1 else None
        if weights is None or weights.dtype != np.float32:
            return None
        bias = known.get(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        if len(node.input) > 2 and node.input[2] and (bias is None or bias.ndim != 1):
            return None
        if node.op_type == "Conv":
            return cls(weights, bias, 0, weights.ndim)
        if node.op_type == "ConvTranspose" and attribute(node, "group", 1) == 1:
            return cls(weights, bias, 1, weights.ndim)
        plain = not any(a.name == "transA" and a.i for a in node.attribute) and weights.ndim == 2
        if node.op_type == "Gemm" and plain and not node.attribute:
            return cls(weights, bias, 1, 2)
        if node.op_type == "MatMul" and plain:
            return cls(weights, None, 1, None)
        return None

    def absorb(self, node: Any, x: str, known: dict[str, Array]) -> bool:
        """Take what `node` does to `x`; False where it is not for each channel, or has no place."""
        found = self._normalization(node, known)
        if found is None:
            found = self._arithmetic(node, x, known)
        if found is None:
            return False
        scale, shift = found
        if self._rank is None and np.any(shift):  # MatMul has no bias
            return False
        self._scale, self._shift = self._scale * scale, self._shift * scale + shift
        self._has_bias = self._has_bias or bool(np.any(shift))
        return True

    def _normalization(self, node: Any, known: dict[str, Array]) -> tuple[Array, Array] | None:
        if node.op_type != "BatchNormalization" or attribute(node, "training_mode", 0) or self._rank is None:
            return None
        values = [known.get(name) for name in node.input[1:5]]
        if any(v is None for v in values) or len([name for name in node.output if name]) != 1:
            return None
        gamma, beta, mean, variance = (np.asarray(v, np.float64) for v in values)
        scale = gamma / np.sqrt(variance + attribute(node, "epsilon", 1e-5))
        return scale, beta - mean * scale

    def _arithmetic(self, node: Any, x: str, known: dict[str, Array]) -> tuple[Array, Array] | None:
        if node.op_type not in ("Add", "Sub", "Mul", "Div"):
            return None
        first = node.input[0] == x
        other = known.get(node.input[1] if first else node.input[0])
        value = None if other is None else self._for_each_channel(other)
        if value is None or (node.op_type == "Div" and (not first or np.any(value == 0))):
            return None
        ones, zeros = np.ones_like(value), np.zeros_like(value)
        if node.op_type == "Add":
            return ones, value
        if node.op_type == "Sub":
            return (ones, -value) if first else (-ones, value)
        return (value, zeros) if node.op_type == "Mul" else (1 / value, zeros)

    def _for_each_channel(self, value: Array) -> Array | None:
        channels = len(self._scale)
        if value.dtype != np.float32 or value.ndim > (self._rank or 2):
            return None
        # Outputs are [n, ..., channels] after a matrix product, [n, channels, ...] after a convolution.
        from_end = 1 if self._rank in (None, 2) else self._rank - 1
        shape = (1,) * (from_end - value.ndim) + value.shape
        place = len(shape) - from_end
        others = shape[:place] + shape[place + 1 :]
        if shape[place] not in (1, channels) or any(size != 1 for size in others):
            return None
        return np.broadcast_to(value.ravel().astype(np.float64), (channels,))

    def result(self) -> tuple[Array, Array | None]:
        shape = [1] * self._weights.ndim
        shape[self._axis] = -1
        weights = (self._weights * self._scale.reshape(shape)).astype(np.float32)
        return weights, self._shift.astype(np.float32) if self._has_bias else None
