"""Scale and shift for each channel go into the convolution or matrix product before them.

Add, Sub, Mul, Div by constants and BatchNormalization, in any number: y = (x * W + b) * scale + shift.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.onnx_graph import Rewriter, attribute, constants, output_names, readers
from edgeml_runtime.signature import Array


def absorb_scale_and_shift(model: Any) -> None:
    """Rewrite the graph in place."""
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
