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
from edgeml_converters.to_onnx.quantization.absorb import absorb_scale_and_shift
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
    absorb_scale_and_shift(copy)
    _make_global_pool(copy)
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


def _make_global_pool(model: Any) -> None:
    """ReduceMean over all spatial axes becomes GlobalAveragePool, which has an integer kernel."""
    graph = model.graph
    known, seen = constants(graph), types(model)
    rewriter = Rewriter(graph)
    for node in graph.node:
        elements, shape = seen.get(node.input[0], (0, None)) if node.input else (0, None)
        if node.op_type != "ReduceMean" or elements != FLOAT or not _is_spatial(node, known, shape):
            rewriter.nodes.append(node)
        elif attribute(node, "keepdims", 1):
            rewriter.add("GlobalAveragePool", [node.input[0]], node.output[0])
        else:
            pooled = rewriter.names.fresh(f"{node.output[0]}_pooled")
            rewriter.add("GlobalAveragePool", [node.input[0]], pooled)
            rewriter.add("Flatten", [pooled], node.output[0], axis=1)
    rewriter.finish(graph)


def _is_spatial(node: Any, known: dict[str, Array], shape: tuple[int | None, ...] | None) -> bool:
    """Whether it reduces exactly the axes behind batch and channels."""
    axes = attribute(node, "axes", None)
    if axes is None and len(node.input) > 1:  # an input since opset 18
        axes = known.get(node.input[1])
    if axes is None or shape is None or len(shape) < 3:
        return False
    return sorted(int(axis) % len(shape) for axis in axes) == list(range(2, len(shape)))
