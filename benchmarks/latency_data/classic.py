"""Networks of ordinary and grouped convolutions, from their papers and reference code."""

from __future__ import annotations

from layers import Counter, Shape
from mobile import classify


def alexnet() -> Counter:
    """Krizhevsky et al. 2012 as Caffe has it: 227 x 227, two groups, local response normalization."""
    net = Counter()
    x = net.conv(Shape(227, 227, 3), 96, 11, 4, "valid")
    x = net.pool(net.unary(x), 3, 2, 0, up=True)
    x = net.pool(net.unary(net.conv(x, 256, 5, 1, 2, groups=2)), 3, 2, 0, up=True)
    x = net.conv(x, 384, 3)
    x = net.conv(x, 384, 3, groups=2)
    x = net.pool(net.conv(x, 256, 3, groups=2), 3, 2, 0, up=True)
    net.unary(net.dense(net.dense(net.dense(x, 4096), 4096), 1000))
    return net


def vgg16() -> Counter:
    """Simonyan and Zisserman 2014, configuration D."""
    net = Counter()
    x = Shape(224, 224, 3)
    for width, repeats in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(repeats):
            x = net.conv(x, width, 3)
        x = net.pool(x, 2, 2)
    net.unary(net.dense(net.dense(net.dense(x, 4096), 4096), 1000))
    return net


def fire(net: Counter, x: Shape, squeezed: int, width: int) -> Shape:
    """SqueezeNet's block: 1 x 1 down, 1 x 1 and 3 x 3 up, side by side."""
    x = net.conv(x, squeezed)
    return net.concat(net.conv(x, width), net.conv(x, width, 3))


def squeezenet_features(net: Counter, x: Shape) -> tuple[Shape, Shape]:
    """SqueezeNet 1.1 up to its fourth fire module and up to its last, pooling as Caffe rounds it."""
    x = net.pool(net.conv(x, 64, 3, 2, "valid"), 3, 2, 0, up=True)
    x = fire(net, fire(net, x, 16, 64), 16, 64)
    x = net.pool(x, 3, 2, 0, up=True)
    fourth = fire(net, fire(net, x, 32, 128), 32, 128)
    x = net.pool(fourth, 3, 2, 0, up=True)
    for squeezed, width in ((48, 192), (48, 192), (64, 256), (64, 256)):
        x = fire(net, x, squeezed, width)
    return fourth, x


def squeezenet(size: int) -> Counter:
    """SqueezeNet 1.1 (Iandola et al. 2016); its last convolution pads by one, as in Caffe's file."""
    net = Counter()
    _, x = squeezenet_features(net, Shape(size, size, 3))
    net.unary(net.global_pool(net.conv(x, 1000, 1, 1, 1)))
    return net


def inception(net: Counter, x: Shape, widths: tuple[int, int, int, int, int, int]) -> Shape:
    """GoogLeNet's block; widths in the order of the paper's table 1."""
    one, three_down, three, five_down, five, pooled = widths
    return net.concat(
        net.conv(x, one),
        net.conv(net.conv(x, three_down), three, 3),
        net.conv(net.conv(x, five_down), five, 5),
        net.conv(net.pool(x, 3, 1), pooled),
    )


def googlenet() -> Counter:
    """Szegedy et al. 2014 without the auxiliary classifiers, local response normalization as Caffe has it."""
    net = Counter()
    x = net.pool(net.conv(Shape(224, 224, 3), 64, 7, 2, 3), 3, 2, 0, up=True)
    x = net.conv(net.conv(net.unary(x), 64), 192, 3)
    x = net.pool(net.unary(x), 3, 2, 0, up=True)
    x = inception(net, x, (64, 96, 128, 16, 32, 32))
    x = net.pool(inception(net, x, (128, 128, 192, 32, 96, 64)), 3, 2, 0, up=True)
    for widths in (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ):
        x = inception(net, x, widths)
    x = net.pool(x, 3, 2, 0, up=True)
    x = inception(net, x, (256, 160, 320, 32, 128, 128))
    classify(net, inception(net, x, (384, 192, 384, 48, 128, 128)))
    return net


def resnet18() -> Counter:
    """He et al. 2015 with a projection in the first block too, as ncnn's file has it."""
    net = Counter()
    x = net.pool(net.conv(Shape(224, 224, 3), 64, 7, 2, 3), 3, 2)
    for stage, width in enumerate((64, 128, 256, 512)):
        for block in range(2):
            stride = 2 if stage and not block else 1
            skip = x if block else net.conv(x, width, 1, stride)
            x = net.add(net.conv(net.conv(x, width, 3, stride), width, 3), skip)
    classify(net, x)
    return net


def resnet50(*, stride_in_3x3: bool) -> Counter:
    """He et al. 2015; version 1.5 (`stride_in_3x3`) strides in the middle convolution, not the first."""
    net = Counter()
    x = net.pool(net.conv(Shape(224, 224, 3), 64, 7, 2, 3), 3, 2)
    for stage, (width, repeats) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
        for block in range(repeats):
            stride = 2 if stage and not block else 1
            skip = x if block else net.conv(x, 4 * width, 1, stride)
            first, second = (1, stride) if stride_in_3x3 else (stride, 1)
            x = net.conv(net.conv(net.conv(x, width, 1, first), width, 3, second), 4 * width)
            net.add(x, skip)
    classify(net, x)
    return net


def shufflenet_v1() -> Counter:
    """Zhang et al. 2017, three groups; its ReLU after concatenation or addition is apart in ncnn's file."""
    net = Counter()
    x = net.pool(net.conv(Shape(224, 224, 3), 24, 3, 2), 3, 2)
    for width, repeats in ((240, 4), (480, 8), (960, 4)):
        for block in range(repeats):
            new = width if block else width - x.channels
            first = x.channels == 24
            y = net.conv(x, new // 4, groups=1 if first else 3)
            y = y if first else net.unary(y)
            y = net.conv(net.depthwise(y, 3, 1 if block else 2), new, groups=3)
            x = net.add(x, y) if block else net.concat(net.pool(x, 3, 2), y)
            net.unary(x)
    classify(net, x)
    return net


def shufflenet_v2_unit(net: Counter, x: Shape, width: int, stride: int) -> Shape:
    """Ma et al. 2018, figure 3 (c) and (d) up to the concatenation; a split moves data: it is an operator."""
    half = width // 2
    if stride == 2:
        left = net.conv(net.depthwise(x, 3, 2), half)
        right = net.conv(x, half)
    else:
        net.unary(x)
        left = Shape(x.height, x.width, half)
        right = net.conv(left, half)
    return net.concat(left, net.conv(net.depthwise(right, 3, stride), half))


def shufflenet_v2_stages(
    net: Counter, x: Shape, widths: tuple[int, int, int] = (116, 232, 464), *, shuffled_end: bool = True
) -> list[Shape]:
    """The outputs of stages 2, 3 and 4, each unit's output shuffled (the stage's last if `shuffled_end`)."""
    out = []
    for width, repeats in zip(widths, (4, 8, 4), strict=True):
        for block in range(repeats):
            x = shufflenet_v2_unit(net, x, width, 1 if block else 2)
            if shuffled_end or block < repeats - 1:
                net.unary(x)
        out.append(x)
    return out


def shufflenet_v2() -> Counter:
    """ShuffleNet v2 of width 1 (Ma et al. 2018)."""
    net = Counter()
    x = net.pool(net.conv(Shape(224, 224, 3), 24, 3, 2), 3, 2)
    classify(net, net.conv(shufflenet_v2_stages(net, x)[-1], 1024))
    return net


def regnet_y_400mf() -> Counter:
    """Radosavovic et al. 2020: groups of 8 channels, squeeze-and-excite of a quarter of the block's input."""
    net = Counter()
    x = net.conv(Shape(224, 224, 3), 32, 3, 2)
    for width, repeats in ((48, 1), (104, 3), (208, 6), (440, 6)):
        for block in range(repeats):
            stride, squeezed = (1 if block else 2), x.channels // 4
            skip = x if block else net.conv(x, width, 1, 2)
            y = net.conv(net.conv(x, width), width, 3, stride, groups=width // 8)
            x = net.add(net.conv(net.squeeze_excite(y, squeezed), width), skip)
    classify(net, x)
    return net


def vision_transformer() -> Counter:
    """ViT-B/32 at 384 x 384 (Dosovitskiy et al. 2020); ncnn has attention as one operator."""
    net = Counter()
    patches = net.unary(net.conv(Shape(384, 384, 3), 768, 32, 32))
    x = net.operator(Shape(1, patches.height * patches.width + 1, 768), patches)
    x = net.unary(x)
    for _ in range(12):
        x = net.add(net.attention(net.unary(x)), x)
        x = net.add(net.project(net.unary(net.project(net.unary(x), 3072)), 768), x)
    net.unary(net.dense(net.operator(Shape(1, 1, 768), net.unary(x)), 1000))
    return net
