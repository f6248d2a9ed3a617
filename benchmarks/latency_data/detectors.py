"""The detectors of ncnn's benchmark, as its files describe them, up to and with the selection of boxes.

Prior boxes are constants; the permutations that lay predictions side by side are operators.
"""

from __future__ import annotations

from classic import fire, shufflenet_v2_stages, squeezenet_features
from layers import Counter, Shape
from mobile import inverted_residual

CLASSES_VOC = 21


def separable(net: Counter, x: Shape, width: int, stride: int = 1, kernel: int = 3) -> Shape:
    """Depthwise, then 1 x 1."""
    return net.conv(net.depthwise(x, kernel, stride), width)


def mobilenet_v1_features(net: Counter, size: int) -> tuple[Shape, Shape]:
    """MobileNet v1's outputs of a sixteenth and of a thirty-second of the image."""
    x = net.conv(Shape(size, size, 3), 32, 3, 2)
    for width, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5):
        x = separable(net, x, width, stride)
    return x, separable(net, separable(net, x, 1024, 2), 1024)


def ssd_head(net: Counter, maps: list[tuple[Shape, int]], kernel: int) -> None:
    """For each map, 4 coordinates and 21 scores of `boxes` boxes a position; soft max; selection."""
    boxes = 0
    for x, each in maps:
        net.unary(net.conv(x, 4 * each, kernel))
        net.unary(net.conv(x, CLASSES_VOC * each, kernel))
        boxes += x.height * x.width * each
    places, scores = Shape(1, boxes, 4), Shape(1, boxes, CLASSES_VOC)
    net.unary(places)
    net.unary(scores, 2)
    net.operator(Shape(1, 100, 6), places, scores)


def mobilenet_ssd() -> Counter:
    """MobileNet v1 with SSD's six maps (Liu et al. 2015), heads of 1 x 1."""
    net = Counter()
    middle, x = mobilenet_v1_features(net, 300)
    maps = [(middle, 3), (x, 6)]
    for narrow, width in ((256, 512), (128, 256), (128, 256), (64, 128)):
        x = net.conv(net.conv(x, narrow), width, 3, 2)
        maps.append((x, 6))
    ssd_head(net, maps, 1)
    return net


def squeezenet_ssd() -> Counter:
    """SqueezeNet 1.1 with two fire modules more and SSD's heads of 3 x 3."""
    net = Counter()
    fourth, x = squeezenet_features(net, Shape(300, 300, 3))
    maps = [(net.unary(fourth), 4), (x, 6)]
    for _ in range(2):
        x = fire(net, net.pool(x, 3, 2, 0, up=True), 96, 384)
        maps.append((x, 6))
    for narrow, width, boxes in ((128, 256, 6), (64, 128, 4)):
        x = net.conv(net.conv(x, narrow), width, 3, 2)
        maps.append((x, boxes))
    ssd_head(net, maps, 3)
    return net


def blazeface() -> Counter:
    """BlazeFace's features (Bazarevsky et al. 2019); widening a skip connection by zeros copies it."""
    net = Counter()
    x = net.conv(Shape(128, 128, 3), 24, 5, 2)
    for width, stride in (
        *((24, 1), (28, 1), (32, 2), (36, 1), (42, 1), (48, 2), (56, 1), (64, 1), (72, 1), (80, 1)),
        *((88, 1), (96, 2), (96, 1), (96, 1), (96, 1), (96, 1)),
    ):
        skip = net.pool(x, 2, 2) if stride == 2 else x
        y = separable(net, x, width, stride)
        if width != skip.channels:
            net.operator(y, skip)
        x = net.add(y, y)
    return net


def mobilenet_yolo() -> Counter:
    """MobileNet v1 with two maps of YOLO; the smaller is enlarged by a transposed convolution."""
    net = Counter()
    middle, x = mobilenet_v1_features(net, 416)
    x = separable(net, x, 1024)
    y = net.add(net.transposed(x, 512, 4, 2, padding=1, groups=512), middle)
    small = net.conv(x, 125)
    large = net.conv(separable(net, y, 1024), 125)
    net.operator(Shape(1, 100, 6), small, large)
    return net


def mobilenet_v2_yolov3() -> Counter:
    """MobileNet v2 with two maps of YOLO v3."""
    net = Counter()
    x = net.conv(Shape(352, 352, 3), 32, 3, 2)
    for expansion, width, repeats, stride in (
        *((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2)),
        (6, 320, 1, 1),
    ):
        for index in range(repeats):
            x = inverted_residual(net, x, x.channels * expansion, width, 3, 1 if index else stride)
    small = separable(net, net.conv(x, 1280), 576)
    up = net.pool(net.transposed(small, 576, 1, 2, padding=0, groups=576), 2, 1, 1)
    expanded = Shape(22, 22, 576)  # inside the bottleneck that strides to 11 x 11
    large = separable(net, net.add(separable(net, expanded, 576), up), 576)
    net.operator(Shape(1, 100, 6), net.conv(small, 75), net.conv(large, 75))
    return net


def nanodet_m() -> Counter:
    """NanoDet-m: ShuffleNet v2, a path aggregation without convolutions, three heads of 80 classes."""
    net = Counter()
    x = net.pool(net.conv(Shape(320, 320, 3), 24, 3, 2), 3, 2)
    large, middle, small = (net.conv(stage, 96) for stage in shufflenet_v2_stages(net, x))
    net.add(middle, net.resize(small, 2))
    net.add(large, net.resize(middle, 2))
    net.add(middle, net.operator(middle, large))
    net.add(small, net.operator(small, middle))
    for level in (large, middle, small):
        out = net.conv(separable(net, separable(net, level, 96), 96), 112)
        scores, edges = Shape(out.height, out.width, 80), Shape(out.height, out.width, 32)
        net.unary(out)
        net.unary(scores, 2)
        net.unary(edges)
    return net


def fastestdet() -> Counter:
    """FastestDet: narrow ShuffleNet v2, one map."""
    net = Counter()
    x = net.pool(net.conv(Shape(352, 352, 3), 24, 3, 2), 3, 2)
    large, middle, small = shufflenet_v2_stages(net, x, (48, 96, 192), shuffled_end=False)
    x = net.conv(net.concat(net.pool(large, 3, 2), middle, net.resize(small, 2)), 96)
    branches = []
    for depth in (1, 2, 3):
        y = x
        for _ in range(depth):
            y = net.depthwise(y, 5)
        branches.append(y)
    x = net.conv(net.add(x, net.conv(net.concat(*branches), 96)), 96)
    scores, places, found = (net.conv(net.depthwise(x, 5), channels) for channels in (80, 4, 1))
    net.concat(found, places, net.unary(scores))
    return net


def yolo_fastest_v2() -> Counter:
    """Yolo-FastestV2: narrow ShuffleNet v2, two maps whose heads share their branches."""
    net = Counter()
    x = net.pool(net.conv(Shape(352, 352, 3), 24, 3, 2), 3, 2)
    _, middle, small = shufflenet_v2_stages(net, x, (48, 96, 192), shuffled_end=False)
    low = net.conv(small, 72)
    high = net.conv(net.concat(net.resize(small, 2), middle), 72)
    for level in (low, high):
        scores, places = (separable(net, separable(net, level, 72, kernel=5), 72, kernel=5) for _ in range(2))
        parts = (net.conv(places, 12), net.conv(scores, 3), net.conv(scores, 80))
        net.unary(parts[2], 3)
        net.unary(net.concat(*parts))
    return net


def yolo_fastest() -> Counter:
    """Yolo-Fastest 1.1: bottlenecks of MobileNet v2's kind, pooling of three sizes side by side, two maps."""
    net = Counter()
    x = net.conv(net.conv(Shape(320, 320, 3), 8, 3, 2), 8)
    x = net.conv(net.depthwise(x, 3), 4)
    middle = x
    for expanded, width, stride, repeats in (
        *((8, 4, 1, 1), (24, 8, 2, 1), (32, 8, 1, 2), (32, 8, 2, 1), (48, 8, 1, 2), (48, 16, 1, 1)),
        *((96, 16, 1, 4), (96, 24, 2, 1), (136, 24, 1, 4), (136, 48, 2, 1), (224, 48, 1, 5)),
    ):
        for _ in range(repeats):
            x = inverted_residual(net, x, expanded, width, 3, stride)
        middle = x if width == 24 else middle
    x = net.conv(net.concat(net.pool(x, 9, 1), net.pool(x, 5, 1), net.pool(x, 3, 1), x), 96)
    maps = []
    for level in (x, net.concat(net.resize(x, 2), middle)):
        y = separable(net, separable(net, level, level.channels, kernel=5), level.channels, kernel=5)
        maps.append(net.conv(y, 255))
    net.operator(Shape(1, 100, 6), *maps)
    return net


def yolov4_tiny() -> Counter:
    """YOLOv4-tiny (Wang et al. 2020): half of the channels goes through each stage's inner convolutions."""
    net = Counter()
    x = net.conv(net.conv(Shape(416, 416, 3), 32, 3, 2), 64, 3, 2)
    inner = x
    for width in (64, 128, 256):
        x = net.conv(x, width, 3)
        half = net.operator(Shape(x.height, x.width, width // 2), x)
        first = net.conv(half, width // 2, 3)
        inner = net.conv(net.concat(net.conv(first, width // 2, 3), first), width)
        x = net.pool(net.concat(x, inner), 2, 2)
    x = net.conv(net.conv(x, 512, 3), 256)
    small = net.conv(net.conv(x, 512, 3), 255)
    up = net.resize(net.conv(x, 128), 2)
    large = net.conv(net.conv(net.concat(up, inner), 256, 3), 255)
    net.operator(Shape(1, 100, 6), small, large)
    return net
