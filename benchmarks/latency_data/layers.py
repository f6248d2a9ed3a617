"""Counts what a network costs, layer by layer, from its shapes alone: no weights, no framework.

Operators are those that an inference engine is left with: batch normalization, bias and the activations that
clip (ReLU, ReLU6, leaky ReLU) belong to the operator before them; reshapes, flattening and dropout are none.
Other activations (sigmoid, hard swish, soft max ...), padding aside, are operators of their own, as are
additions, products, concatenations, pooling and what only moves data (channel shuffle, split, resize).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

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
class Counter:
    """Layers are methods: they take shapes, add to the counts and return the shape of their output.

    `conv_macs` are multiply-adds of every convolution that is not depthwise, grouped ones included;
    `pointwise_macs` (1 x 1) and `conv3x3_macs` (3 x 3, stride 1, one group: what Winograd's method applies to)
    are parts of it. `activation_elements` sums the outputs of all operators; `weight_elements` counts weights
    and biases.
    """

    conv_macs: int = 0
    pointwise_macs: int = 0
    conv3x3_macs: int = 0
    depthwise_macs: int = 0
    dense_macs: int = 0
    activation_elements: int = 0
    weight_elements: int = 0
    operators: int = 0
    outputs: list[Shape] = field(default_factory=list)

    def produce(self, shape: Shape) -> Shape:
        """Any operator without multiply-adds worth counting."""
        self.operators += 1
        self.activation_elements += shape.elements
        return shape

    def conv(
        self,
        x: Shape,
        channels: int,
        kernel: int | tuple[int, int] = 1,
        stride: int = 1,
        padding: Padding = "same",
        *,
        groups: int = 1,
        dilation: int = 1,
    ) -> Shape:
        """A convolution with its bias; as many groups as input channels make it depthwise."""
        rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
        above, beside = padding if isinstance(padding, tuple) else (padding, padding)
        out = Shape(
            extent(x.height, (rows - 1) * dilation + 1, stride, above),
            extent(x.width, (columns - 1) * dilation + 1, stride, beside),
            channels,
        )
        weights = rows * columns * (x.channels // groups) * channels
        macs = weights * out.height * out.width
        self.weight_elements += weights + channels
        if groups == x.channels and groups > 1:
            self.depthwise_macs += macs
        else:
            self.conv_macs += macs
            self.pointwise_macs += macs if rows == columns == 1 else 0
            self.conv3x3_macs += macs if (rows, columns, stride, groups) == (3, 3, 1, 1) else 0
        return self.produce(out)

    def depthwise(self, x: Shape, kernel: int, stride: int = 1, padding: Padding = "same") -> Shape:
        """A depthwise convolution that keeps the number of channels."""
        return self.conv(x, x.channels, kernel, stride, padding, groups=x.channels)

    def dense(self, x: Shape, units: int) -> Shape:
        """A fully connected layer over everything in `x`."""
        self.dense_macs += x.elements * units
        self.weight_elements += x.elements * units + units
        return self.produce(Shape(1, 1, units))

    def pool(
        self, x: Shape, kernel: int, stride: int, padding: str | int = "same", *, up: bool = False
    ) -> Shape:
        """Maximum or average pooling."""
        height = extent(x.height, kernel, stride, padding, up=up)
        return self.produce(Shape(height, extent(x.width, kernel, stride, padding, up=up), x.channels))

    def global_pool(self, x: Shape) -> Shape:
        """The mean over height and width."""
        return self.produce(Shape(1, 1, x.channels))

    def concat(self, *parts: Shape) -> Shape:
        """Side by side along the channels."""
        return self.produce(Shape(parts[0].height, parts[0].width, sum(part.channels for part in parts)))

    def unary(self, x: Shape, times: int = 1) -> Shape:
        """`times` operators one after the other that keep the shape: an activation, a sum, a product."""
        for _ in range(times):
            self.produce(x)
        return x

    def resize(self, x: Shape, factor: int) -> Shape:
        """Enlarges height and width."""
        return self.produce(Shape(x.height * factor, x.width * factor, x.channels))

    def squeeze_excite(self, x: Shape, units: int, *, gate: int = 1, inner: int = 0) -> Shape:
        """Channel weights from the channels' means, by two 1 x 1 convolutions on one pixel.

        `inner` and `gate` are the operators that their activations need (0: fused, as ReLU is).
        """
        squeezed = self.unary(self.conv(self.global_pool(x), units), inner)
        self.unary(self.conv(squeezed, x.channels), gate)
        return self.produce(x)
