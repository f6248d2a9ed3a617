"""int8-static, second half: QuantizeLinear and DequantizeLinear around what the plan says.

Weights: int8, symmetric (-127 .. 127), a scale for each output channel. Activations: 8 bits with a zero
point, one scale a tensor. Bias: int32, scale of input times scale of weights. Engines fuse the pairs with the
operator between them into integer kernels.

Activations are stored as uint8: on ARM, onnxruntime runs u8 x s8 and s8 x s8 with the same kernels; on x86 it
turns int8 activations into uint8 when it loads a file, but not those that several operators read, and what
touches both kinds then stays in float. x86 without VNNI adds pairs of u8 x s8 products in 16 bits, which may
saturate: with a recipe's reduced range they cannot.
https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeml_converters.observation import Range
from edgeml_converters.onnx_graph import Rewriter, constants, producers
from edgeml_converters.to_onnx.quantization.plan import (
    Plan,
    activations,
    axis_of_channels,
    clip_limits,
)
from edgeml_runtime.signature import Array

# Largest magnitude of a stored weight.
FULL = 127
REDUCED = 64  # two products with 255 stay within 16 bits
_BIAS_LIMIT = float(1 << 30)
_TINY = 1e-30  # no scale below: its reciprocal must stay far from float32's end


@dataclass(frozen=True, slots=True)
class Scale:
    """real = (stored - zero_point) * value."""

    value: np.float32
    zero_point: np.uint8


def scale_of(seen: Range) -> Scale:
    """uint8 over that range, widened to hold zero exactly."""
    low, high = min(seen.low, 0.0), max(seen.high, 0.0)
    value = np.float32(max((high - low) / 255, _TINY)) if high > low else np.float32(1)
    zero_point = np.clip(np.rint(-low / float(value)), 0, 255)
    return Scale(value, np.uint8(zero_point))


def quantized_weights(
    weights: Array, axis: int | None, floor: Array | None = None, limit: int = FULL
) -> tuple[Array, Array]:
    """int8 values and float32 scales: one for each place on `axis`, or a scalar where that is None.

    floor: the least scales allowed. limit: the largest magnitude stored.
    """
    axes = tuple(i for i in range(weights.ndim) if i != axis) if axis is not None else None
    largest = np.abs(weights.astype(np.float64)).max(axis=axes)
    scales = largest / limit
    if floor is not None:
        scales = np.maximum(scales, floor)
    scales = np.where(scales > _TINY, scales, 1.0).astype(np.float32)
    shape = [1] * weights.ndim
    if axis is not None:
        shape[axis] = -1
    stored = np.clip(np.rint(weights / scales.reshape(shape).astype(np.float64)), -limit, limit)
    return stored.astype(np.int8), scales


def tensor_scales(model: Any, plan: Plan, seen: dict[str, Range]) -> dict[str, Scale]:
    """The scale of every stored tensor; those of moved data are those of where it came from."""
    made, known = producers(model.graph), constants(model.graph)
    scales: dict[str, Scale] = {}
    for name in plan.stored:
        origin = name
        while origin in plan.shared:
            origin = plan.shared[origin]
        node = made.get(origin)
        found = seen[origin]
        if node is not None and node.op_type in ("Sigmoid", "Softmax"):
            found = Range(0.0, 1.0)
        if node is not None and node.output[0] in plan.clipped:
            low, high = clip_limits(node, known)
            found = Range(max(found.low, low or 0.0), min(found.high, np.inf if high is None else high))
        scales[name] = scale_of(found)
    return scales


def observed_tensors(plan: Plan) -> list[str]:
    """Tensors whose range calibration has to find."""
    return [name for name in plan.stored if name not in plan.shared]


class _Writer:
    def __init__(self, model: Any, plan: Plan, scales: dict[str, Scale], limit: int) -> None:
        self._limit = limit
        self._graph, self._plan, self._scales = model.graph, plan, scales
        self._known, self._made = constants(model.graph), producers(model.graph)
        self._out = Rewriter(model.graph)
        self._real: dict[str, str] = {}  # stored tensor -> the float32 name that integer operators read

    def write(self) -> None:
        for name in (value.name for value in self._graph.input):
            self._store(name, name)
        for node in self._graph.node:
            key = node.output[0]
            if key in self._plan.clipped:
                continue
            if key in self._plan.tables:
                look_up(self._out, node, self._known[node.input[0]])
            elif key in self._plan.weights_only:
                narrow_weights(self._out, node, self._known[node.input[1]])
            elif key in self._plan.nodes:
                self._quantize(node)
            else:
                self._out.nodes.append(node)
            if key not in self._plan.nodes:
                for name in node.output:
                    self._store(name, name)
        self._out.finish(self._graph)

    def _store(self, name: str, source: str, real: str | None = None) -> None:
        """A QuantizeLinear of `source`, and the DequantizeLinear that gives `real`, for a stored tensor."""
        scale = self._scales.get(name)
        if scale is None:
            return
        value = self._out.constant(f"{name}_scale", np.asarray(scale.value))
        zero = self._out.constant(f"{name}_zero_point", np.asarray(scale.zero_point))
        fresh = self._out.names.fresh
        stored = self._out.add("QuantizeLinear", [source, value, zero], fresh(f"{name}_uint8"))
        target = fresh(f"{name}_real") if real is None else real
        self._real[name] = self._out.add("DequantizeLinear", [stored, value, zero], target)

    def _quantize(self, node: Any) -> None:
        copy = type(node).FromString(node.SerializeToString())
        places = activations(node, self._known)
        copy.input[:] = [self._real.get(name, name) if name in places else name for name in node.input]
        if node.op_type in ("Conv", "Gemm", "MatMul") and node.input[1] in self._known:
            copy.input[1:] = self._weights(node, axis_of_channels(node))
        elif node.op_type in ("Add", "Mul", "Concat"):
            copy.input[:] = [
                self._constant_operand(name) if name in self._known else name for name in copy.input
            ]
        self._out.nodes.append(copy)
        for place, name in enumerate(node.output):
            final = self._final_name(name)
            if final in self._scales:
                copy.output[place] = self._out.names.fresh(f"{name}_float")
                self._store(final, copy.output[place], final)

    def _final_name(self, name: str) -> str:
        """The tensor itself, or the result of the Relu or Clip that its storage replaces."""
        for node in self._graph.node:
            if node.output[0] in self._plan.clipped and node.input[0] == name:
                return str(node.output[0])
        return name

    def _weights(self, node: Any, axis: int | None) -> list[str]:
        weights = self._known[node.input[1]]
        if node.op_type == "MatMul" and weights.ndim != 2:
            axis = None
        bias = self._known[node.input[2]] if len(node.input) > 2 and node.input[2] else None
        x = self._scales[node.input[0]].value
        floor = None
        if bias is not None and axis is not None:
            floor = np.abs(bias.astype(np.float64)) / (float(x) * _BIAS_LIMIT)
        stored, scales = quantized_weights(weights, axis, floor, self._limit)
        names = [dequantized(self._out, node.input[1], stored, scales, axis)]
        if bias is not None:
            steps = (np.float32(x) * scales).astype(np.float32)
            integers = np.rint(bias / steps.astype(np.float64)).astype(np.int32)
            names.append(dequantized(self._out, node.input[2], integers, steps, 0))
        return names

    def _constant_operand(self, name: str) -> str:
        value = self._known[name]
        scale = scale_of(Range(float(value.min()), float(value.max())))
        stored = np.clip(np.rint(value / scale.value.astype(np.float64)) + scale.zero_point, 0, 255)
        held = self._out.constant(f"{name}_uint8", stored.astype(np.uint8))
        step = self._out.constant(f"{name}_scale", np.asarray(scale.value))
        zero = self._out.constant(f"{name}_zero_point", np.asarray(scale.zero_point))
        return self._out.add("DequantizeLinear", [held, step, zero], self._out.names.fresh(f"{name}_real"))


def dequantized(out: Rewriter, name: str, stored: Array, scales: Array, axis: int | None) -> str:
    """The name of the real values of symmetric integers."""
    inputs = [out.constant(f"{name}_{stored.dtype.name}", stored), out.constant(f"{name}_scale", scales)]
    # Zero is the default, but onnxruntime wants the weights' spelled out before it fuses a matrix product.
    if stored.dtype == np.int8:
        inputs.append(out.constant(f"{name}_zero_point", np.zeros(scales.shape, np.int8)))
    attributes = {} if axis is None else {"axis": axis}
    return out.add("DequantizeLinear", inputs, out.names.fresh(f"{name}_real"), **attributes)


def look_up(out: Rewriter, node: Any, table: Array) -> None:
    """Gather rows of an int8 table with a scale for each column, then give them their real values."""
    stored, scales = quantized_weights(table, table.ndim - 1)
    held = out.constant(f"{node.input[0]}_int8", stored)
    rows = out.add("Gather", [held, node.input[1]], out.names.fresh(f"{node.output[0]}_int8"), axis=0)
    step = out.constant(f"{node.input[0]}_scale", scales)
    out.add("DequantizeLinear", [rows, step], node.output[0], axis=-1)


def narrow_weights(out: Rewriter, node: Any, weights: Array) -> None:
    """int8 weights of an operator without an integer kernel: they are widened when the engine loads them."""
    axis = axis_of_channels(node)
    stored, scales = quantized_weights(weights, axis)
    real = dequantized(out, node.input[1], stored, scales, axis)
    copy = type(node).FromString(node.SerializeToString())
    copy.input[1] = real
    out.nodes.append(copy)


def insert(model: Any, plan: Plan, scales: dict[str, Scale], *, reduced_range: bool) -> None:
    """Rewrite the graph in place; `reduced_range`: weights of 7 bits."""
    _Writer(model, plan, scales, REDUCED if reduced_range else FULL).write()
