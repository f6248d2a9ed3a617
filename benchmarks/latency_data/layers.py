"""Counts what a network costs, layer by layer, from its shapes alone: no weights, no framework.

Operators are those that an inference engine is left with: batch normalization, bias and the activations that
clip (ReLU, ReLU6, leaky ReLU) belong to the operator before them; reshapes, flattening and dropout are none.
Other activations (sigmoid, hard swish, soft max ...), padding aside, are operators of their own, as are
additions, products, concatenations, pooling and what only moves data (channel shuffle, split, resize).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgeml.latency.artifacts import Counted

Padding = str | int | tuple[int, int]


@dataclass(frozen=True, slots=True)
class Shape:
    """What flows between layers: one image of `height` x `width` x `channels`."""

    height: int
    width: int
    channels: int

    @property
    def elements(self) -> int:
        """Number of values."""
        return self.height * self.width * self.channels


def extent(size: int, kernel: int, stride: int, padding: str | int, *, up: bool = False) -> int:
    """Output length along one axis; `padding` is "same" (TensorFlow's), "valid", or what each side gets.

    `up` rounds up, as Caffe's pooling does.
    """
    if padding == "same":
        return math.ceil(size / stride)
    each_side = 0 if isinstance(padding, str) else padding
    steps = (size + 2 * each_side - kernel) / stride
    return (math.ceil(steps) if up else math.floor(steps)) + 1


@dataclass(slots=True)
class Counter(Counted):
    """Layers are methods: they take shapes, add to the counts and return the shape of their output.

    `pointwise_macs`: multiply-adds of ordinary 1 x 1 convolutions; `conv_macs`: of all others that are not
    depthwise, grouped ones included; `winograd_macs`: the part of these that is 3 x 3 of stride 1 in one
    group. `activation_elements` sums what every operator reads and writes; `weight_elements` counts weights
    and biases.
    """

    @property
    def macs(self) -> int:
        """All multiply-adds."""
        return self.pointwise_macs + self.conv_macs + self.depthwise_macs + self.dense_macs

    def operator(self, out: Shape, *inputs: Shape) -> Shape:
        """Counts one operator and what it moves."""
        self.runs(out.elements + sum(x.elements for x in inputs))
        return out

    def conv(
        self,
        x: Shape,
        channels: int,
        kernel: int | tuple[int, int] = 1,
        stride: int = 1,
        padding: Padding = "same",
        *,
        groups: int = 1,
    ) -> Shape:
        """A convolution with its bias; as many groups as input channels make it depthwise."""
        rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
        above, beside = padding if isinstance(padding, tuple) else (padding, padding)
        out = Shape(extent(x.height, rows, stride, above), extent(x.width, columns, stride, beside), channels)
        weights = rows * columns * (x.channels // groups) * channels
        macs = weights * out.height * out.width
        self.weight_elements += weights + channels
        self.convolution(macs, (rows, columns), (stride, stride), groups, x.channels)
        return self.operator(out, x)

    def transposed(
        self, x: Shape, channels: int, kernel: int, stride: int, *, padding: int, groups: int
    ) -> Shape:
        """A transposed convolution without bias."""
        weights = kernel * kernel * (x.channels // groups) * channels
        self.weight_elements += weights
        if groups == x.channels:
            self.depthwise_macs += weights * x.height * x.width
        else:
            self.conv_macs += weights * x.height * x.width
        lost = stride + 2 * padding - kernel
        return self.operator(Shape(x.height * stride - lost, x.width * stride - lost, channels), x)

    def depthwise(self, x: Shape, kernel: int, stride: int = 1, padding: Padding = "same") -> Shape:
        """A depthwise convolution that keeps the number of channels."""
        return self.conv(x, x.channels, kernel, stride, padding, groups=x.channels)

    def dense(self, x: Shape, units: int) -> Shape:
        """A fully connected layer over everything in `x`."""
        self.dense_macs += x.elements * units
        self.weight_elements += x.elements * units + units
        return self.operator(Shape(1, 1, units), x)

    def project(self, x: Shape, units: int) -> Shape:
        """The same fully connected layer at every position."""
        positions = x.height * x.width
        self.dense_macs += positions * x.channels * units
        self.weight_elements += x.channels * units + units
        return self.operator(Shape(x.height, x.width, units), x)

    def attention(self, x: Shape) -> Shape:
        """Self-attention over all positions as one operator: four projections and two products."""
        positions, width = x.height * x.width, x.channels
        self.dense_macs += 4 * positions * width * width + 2 * positions * positions * width
        self.weight_elements += 4 * (width * width + width)
        return self.operator(x, x)

    def pool(
        self, x: Shape, kernel: int, stride: int, padding: str | int = "same", *, up: bool = False
    ) -> Shape:
        """Maximum or average pooling."""
        height = extent(x.height, kernel, stride, padding, up=up)
        return self.operator(Shape(height, extent(x.width, kernel, stride, padding, up=up), x.channels), x)

    def global_pool(self, x: Shape) -> Shape:
        """The mean over height and width."""
        return self.operator(Shape(1, 1, x.channels), x)

    def concat(self, *parts: Shape) -> Shape:
        """Side by side along the channels."""
        channels = sum(part.channels for part in parts)
        return self.operator(Shape(parts[0].height, parts[0].width, channels), *parts)

    def add(self, x: Shape, other: Shape) -> Shape:
        """A sum (or a product) of two of the same shape."""
        return self.operator(x, x, other)

    def unary(self, x: Shape, times: int = 1) -> Shape:
        """`times` operators one after the other that keep the shape: activations, shuffles, soft max."""
        for _ in range(times):
            self.operator(x, x)
        return x

    def resize(self, x: Shape, factor: int) -> Shape:
        """Enlarges height and width."""
        return self.operator(Shape(x.height * factor, x.width * factor, x.channels), x)

    def swish(self, x: Shape, operators: int) -> Shape:
        """A swish of no operator (fused, or none), of one, or of two: a gate, and its product with `x`."""
        gate = self.unary(x, min(operators, 1))
        return self.add(x, gate) if operators == 2 else x

    def squeeze_excite(self, x: Shape, units: int, *, gate: int = 1, inner: int = 0) -> Shape:
        """Channel weights from the channels' means, by two 1 x 1 convolutions on one pixel.

        `inner`: operators of the swish between them (0: fused, as ReLU is); `gate`: of the sigmoid.
        """
        squeezed = self.swish(self.conv(self.global_pool(x), units), inner)
        return self.operator(x, x, self.unary(self.conv(squeezed, x.channels), gate))
