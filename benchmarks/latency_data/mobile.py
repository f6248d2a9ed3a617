"""Networks made of depthwise separable convolutions, from their papers and reference code."""

from __future__ import annotations

import math
from collections.abc import Iterable

from layers import Counter, Shape


def divisible(width: float, by: int = 8) -> int:
    """`width` rounded to a multiple of `by`, never down by more than a tenth (the MobileNets' rule)."""
    rounded = max(by, int(width + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * width else rounded


def classify(net: Counter, x: Shape, classes: int = 1000) -> None:
    """Mean over the image, one dense layer, soft max."""
    net.unary(net.dense(net.global_pool(x), classes))


def inverted_residual(
    net: Counter,
    x: Shape,
    expanded: int,
    width: int,
    kernel: int,
    stride: int,
    *,
    activation: int = 0,
    squeeze: int = 0,
    squeeze_operators: tuple[int, int] = (0, 1),
    activation_after_squeeze: bool = False,
    skip: bool = True,
) -> Shape:
    """Expand, depthwise, project; `activation` is its number of operators (0 where it is fused).

    `squeeze`: units of the squeeze-and-excite block, none at 0. An expansion to the input's own width is
    left out.
    """
    out = x
    if expanded != x.channels:
        out = net.swish(net.conv(out, expanded), activation)
    out = net.depthwise(out, kernel, stride)
    if not activation_after_squeeze:
        net.swish(out, activation)
    if squeeze:
        inner, gate = squeeze_operators
        net.squeeze_excite(out, squeeze, inner=inner, gate=gate)
    if activation_after_squeeze:
        net.unary(out, max(activation, 1 if squeeze else 0))
    out = net.conv(out, width)
    return net.add(out, x) if skip and stride == 1 and width == x.channels else out


def mobilenet_v1(size: int, alpha: float, channels: int = 3, classes: int = 1000) -> Counter:
    """Howard et al. 2017, table 1; `alpha` scales every width."""
    net = Counter()
    x = net.conv(Shape(size, size, channels), int(32 * alpha), 3, 2)
    widths = [64, 128, 128, 256, 256, *[512] * 6, 1024, 1024]
    for index, width in enumerate(widths):
        x = net.conv(net.depthwise(x, 3, 2 if index in (1, 3, 5, 11) else 1), int(width * alpha))
    classify(net, x, classes)
    return net


# Expansion, width, repeats, stride of the first: Sandler et al. 2018, table 2.
MOBILENET_V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def mobilenet_v2_body(net: Counter, x: Shape, alpha: float) -> Shape:
    """Up to the last of the bottlenecks."""
    x = net.conv(x, divisible(32 * alpha), 3, 2)
    for expansion, width, repeats, stride in MOBILENET_V2:
        for index in range(repeats):
            x = inverted_residual(
                net, x, x.channels * expansion, divisible(width * alpha), 3, 1 if index else stride
            )
    return x


def mobilenet_v2(size: int, alpha: float) -> Counter:
    """Sandler et al. 2018; the last convolution widens with `alpha` but never gets narrower than 1280."""
    net = Counter()
    x = mobilenet_v2_body(net, Shape(size, size, 3), alpha)
    classify(net, net.conv(x, divisible(1280 * max(1.0, alpha))))
    return net


def mobilenet_v2_ncnn() -> Counter:
    """As its Caffe port (shicai), which expands 32 channels to 32 in the first bottleneck."""
    net = mobilenet_v2(224, 1.0)
    net.conv(Shape(112, 112, 32), 32)
    return net


# Ratio of the expansion, width, kernel, stride, squeezed, hard swish: Howard et al. 2019, tables 1 and 2.
LARGE = (
    (1, 16, 3, 1, False, False),
    (4, 24, 3, 2, False, False),
    (3, 24, 3, 1, False, False),
    (3, 40, 5, 2, True, False),
    (3, 40, 5, 1, True, False),
    (3, 40, 5, 1, True, False),
    (6, 80, 3, 2, False, True),
    (2.5, 80, 3, 1, False, True),
    (2.3, 80, 3, 1, False, True),
    (2.3, 80, 3, 1, False, True),
    (6, 112, 3, 1, True, True),
    (6, 112, 3, 1, True, True),
    (6, 160, 5, 2, True, True),
    (6, 160, 5, 1, True, True),
    (6, 160, 5, 1, True, True),
)
SMALL = (
    (1, 16, 3, 2, True, False),
    (4.5, 24, 3, 2, False, False),
    (88 / 24, 24, 3, 1, False, False),
    (4, 40, 5, 2, True, True),
    (6, 40, 5, 1, True, True),
    (6, 40, 5, 1, True, True),
    (3, 48, 5, 1, True, True),
    (3, 48, 5, 1, True, True),
    (6, 96, 5, 2, True, True),
    (6, 96, 5, 1, True, True),
    (6, 96, 5, 1, True, True),
)


def mobilenet_v3(size: int, alpha: float, *, large: bool, minimalistic: bool = False) -> Counter:
    """Howard et al. 2019. Minimalistic: 3 x 3 kernels, ReLU, no squeeze-and-excite.

    A hard swish is one operator, the hard sigmoid of a gate two (a clipped sum and a product).
    """
    net = Counter()
    swish = 0 if minimalistic else 1
    x = net.unary(net.conv(Shape(size, size, 3), 16, 3, 2), swish)
    for ratio, width, kernel, stride, squeezed, swished in LARGE if large else SMALL:
        expanded = divisible(x.channels * ratio)
        x = inverted_residual(
            net,
            x,
            expanded,
            divisible(width * alpha),
            3 if minimalistic else kernel,
            stride,
            activation=swish if swished else 0,
            squeeze=divisible(expanded / 4) if squeezed and not minimalistic else 0,
            squeeze_operators=(0, 2),
        )
    x = net.unary(net.conv(x, divisible(x.channels * 6)), swish)
    x = net.global_pool(x)
    last = 1280 if large else 1024
    x = net.unary(net.conv(x, divisible(last * alpha) if alpha > 1 else last), swish)
    net.unary(net.conv(x, 1000))
    return net


def mobilenet_v3_ncnn() -> Counter:
    """As ncnn's file: gates are dense layers, ReLU after a gate is apart, the last stride is elsewhere."""
    net = Counter()
    x = net.swish(net.conv(Shape(224, 224, 3), 16, 3, 2), 2)
    # Expanded, width, kernel, stride, squeezed, hard swish, addition at the end.
    for expanded, width, kernel, stride, squeezed, swished, skip in (
        (16, 16, 3, 1, False, 0, True),
        (64, 24, 3, 2, False, 0, False),
        (72, 24, 3, 1, False, 0, True),
        (72, 40, 5, 2, True, 0, False),
        (120, 40, 5, 1, True, 0, True),
        (120, 40, 5, 1, True, 0, True),
        (240, 80, 3, 2, False, 1, False),
        (200, 80, 3, 1, False, 1, True),
        (184, 80, 3, 1, False, 1, True),
        (184, 80, 3, 1, False, 1, True),
        (480, 112, 3, 1, True, 1, False),
        (672, 112, 3, 1, True, 1, True),
        (672, 160, 5, 1, True, 1, False),
        (672, 160, 5, 2, True, 1, False),
        (960, 160, 5, 1, True, 1, True),
    ):
        x = inverted_residual(
            net,
            x,
            expanded,
            width,
            kernel,
            stride,
            activation=swished,
            squeeze=expanded // 4 if squeezed else 0,
            activation_after_squeeze=squeezed,
            skip=skip,
        )
    x = net.unary(net.conv(x, 960))
    x = net.unary(net.dense(net.unary(net.global_pool(x)), 1280))
    net.unary(net.dense(x, 1000))
    return net


def mnasnet_like(stages: Iterable[tuple[int, int, int, int, int]], first: int) -> Counter:
    """Stages of (expansion, width, kernel, stride, repeats) after one separable convolution to `first`."""
    net = Counter()
    x = net.conv(Shape(224, 224, 3), 32, 3, 2)
    x = net.conv(net.depthwise(x, 3), first)
    for expansion, width, kernel, stride, repeats in stages:
        for index in range(repeats):
            x = inverted_residual(net, x, x.channels * expansion, width, kernel, 1 if index else stride)
    classify(net, net.conv(x, 1280))
    return net


def mnasnet() -> Counter:
    """MnasNet-B1 of depth multiplier 1 (Tan et al. 2019)."""
    stages = ((3, 24, 3, 2, 3), (3, 40, 5, 2, 3), (6, 80, 5, 2, 3), (6, 96, 3, 1, 2), (6, 192, 5, 2, 4))
    return mnasnet_like((*stages, (6, 320, 3, 1, 1)), 16)


def proxylessnas_ncnn() -> Counter:
    """ProxylessNAS for mobiles as ncnn's file has it: the first separable convolution keeps 32 channels."""
    net = Counter()
    x = net.conv(Shape(224, 224, 3), 32, 3, 2)
    x = net.conv(net.depthwise(x, 3), 32)
    for expanded, width, kernel, stride in (
        *((48, 32, 5, 2), (96, 32, 3, 1)),
        *((96, 40, 7, 2), (120, 40, 3, 1), (120, 40, 5, 1), (120, 40, 5, 1)),
        *((240, 80, 7, 2), (240, 80, 5, 1), (240, 80, 5, 1), (240, 80, 5, 1)),
        *((480, 96, 5, 1), (288, 96, 5, 1), (288, 96, 5, 1), (288, 96, 5, 1)),
        *((576, 192, 7, 2), (1152, 192, 7, 1), (576, 192, 7, 1), (576, 192, 7, 1)),
        (1152, 320, 7, 1),
    ):
        x = inverted_residual(net, x, expanded, width, kernel, stride)
    classify(net, net.conv(x, 1280))
    return net


# Expansion, width, kernel, stride, repeats: Tan and Le 2019, table 1.
EFFICIENTNET = (
    (1, 16, 3, 1, 1),
    (6, 24, 3, 2, 2),
    (6, 40, 5, 2, 2),
    (6, 80, 3, 2, 3),
    (6, 112, 5, 1, 3),
    (6, 192, 5, 2, 4),
    (6, 320, 3, 1, 1),
)


def efficientnet_b0(swish: int = 2) -> Counter:
    """EfficientNet-B0 with squeeze-and-excite; a swish is `swish` operators (sigmoid and product)."""
    net = Counter()
    x = net.swish(net.conv(Shape(224, 224, 3), 32, 3, 2), swish)
    for expansion, width, kernel, stride, repeats in EFFICIENTNET:
        for index in range(repeats):
            x = inverted_residual(
                net,
                x,
                x.channels * expansion,
                width,
                kernel,
                1 if index else stride,
                activation=swish,
                squeeze=x.channels // 4,
                squeeze_operators=(swish, 1),
            )
    classify(net, net.swish(net.conv(x, 1280), swish))
    return net


def efficientnet_v2_b0_ncnn() -> Counter:
    """EfficientNetV2-B0 (Tan and Le 2021) as ncnn's file has it: a constant is added after each skip."""
    net = Counter()
    x = net.unary(net.conv(Shape(224, 224, 3), 32, 3, 2))
    x = net.unary(net.conv(x, 16, 3))
    for expansion, width, repeats, stride, fused in (
        *((4, 32, 2, 2, True), (4, 48, 2, 2, True), (4, 96, 3, 2, False)),
        *((6, 112, 5, 1, False), (6, 192, 8, 2, False)),
    ):
        for index in range(repeats):
            step = 1 if index else stride
            if fused:
                y = net.conv(net.unary(net.conv(x, x.channels * expansion, 3, step)), width)
                y = net.add(y, x) if index else y
            else:
                y = inverted_residual(
                    net,
                    x,
                    x.channels * expansion,
                    width,
                    3,
                    step,
                    activation=1,
                    squeeze=x.channels // 4,
                    squeeze_operators=(1, 0),
                )
            x = net.unary(y) if index else y
    classify(net, net.unary(net.conv(x, 1280)))
    return net


def efficientnet_lite_stages(
    net: Counter, size: int, width_factor: float, depth_factor: float
) -> list[Shape]:
    """The outputs of EfficientNet-lite's seven stages; stem and the depth of the outer stages are fixed."""
    x = net.conv(Shape(size, size, 3), 32, 3, 2)
    outputs = []
    for stage, (expansion, width, kernel, stride, repeats) in enumerate(EFFICIENTNET):
        depth = repeats if stage in (0, 6) else math.ceil(repeats * depth_factor)
        for index in range(depth):
            x = inverted_residual(
                net,
                x,
                x.channels * expansion,
                divisible(width * width_factor),
                kernel,
                1 if index else stride,
            )
        outputs.append(x)
    return outputs


def efficientnet_lite(size: int, width_factor: float, depth_factor: float) -> Counter:
    """EfficientNet-lite: ReLU6, no squeeze-and-excite, a head of 1280 channels whatever the width."""
    net = Counter()
    x = efficientnet_lite_stages(net, size, width_factor, depth_factor)[-1]
    classify(net, net.conv(x, 1280))
    return net
