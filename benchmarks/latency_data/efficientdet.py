"""EfficientDet-lite (Tan et al. 2019; google/automl efficientdet), with its selection of boxes."""

from __future__ import annotations

from layers import Counter, Shape
from mobile import efficientnet_lite_stages

# Input, the backbone's width and depth, channels and repeats of the feature pyramid, repeats of the heads.
VARIANTS = {
    "lite0": (320, 1.0, 1.0, 64, 3, 3),
    "lite1": (384, 1.0, 1.1, 88, 4, 3),
    "lite2": (448, 1.1, 1.2, 112, 5, 3),
    "lite3": (512, 1.2, 1.4, 160, 6, 4),
    "lite3x": (640, 1.2, 1.4, 200, 6, 4),
    "lite4": (640, 1.4, 1.8, 224, 7, 4),
}
ANCHORS, CLASSES = 9, 90
# Nodes of a pyramid's cell: the level they are on, and which earlier outputs they sum (0 to 4: the inputs).
NODES = (
    (3, (3, 4)),
    (2, (2, 5)),
    (1, (1, 6)),
    (0, (0, 7)),
    (1, (1, 7, 8)),
    (2, (2, 6, 9)),
    (3, (3, 5, 10)),
    (4, (4, 11)),
)


def resampled(net: Counter, x: Shape, level: Shape) -> Shape:
    """To another level's size: enlarged by copying, or pooled down."""
    if x.height == level.height:
        return x
    out = Shape(level.height, level.width, x.channels)
    return net.operator(out, x)


def pyramid_cell(net: Counter, levels: list[Shape], channels: int) -> list[Shape]:
    """One bidirectional pass over the five levels."""
    known = list(levels)
    for level, inputs in NODES:
        parts = []
        for index in inputs:
            x = known[index]
            if x.channels != channels:
                x = net.conv(x, channels)
            parts.append(resampled(net, x, levels[level]))
        total = parts[0]
        for part in parts[1:]:
            total = net.add(total, part)
        known.append(net.conv(net.depthwise(total, 3), channels))
    return [known[index] for index in (8, 9, 10, 11, 12)]


def head(net: Counter, levels: list[Shape], repeats: int, outputs: int) -> list[Shape]:
    """Separable convolutions on each level; all but the last have weights of their own there."""
    out = []
    for index, x in enumerate(levels):
        for _ in range(repeats):
            x = net.conv(net.depthwise(x, 3), x.channels)
        weights = net.weight_elements
        out.append(net.conv(net.depthwise(x, 3), outputs))
        if index:
            net.weight_elements = weights
    return out


def efficientdet_lite(variant: str) -> Counter:
    """The whole detector."""
    size, width, depth, channels, cells, repeats = VARIANTS[variant]
    net = Counter()
    stages = efficientnet_lite_stages(net, size, width, depth)
    levels = [stages[2], stages[4], stages[6]]
    levels.append(net.pool(net.conv(levels[2], channels), 3, 2))
    levels.append(net.pool(levels[3], 3, 2))
    for _ in range(cells):
        levels = pyramid_cell(net, levels, channels)
    scores = head(net, levels, repeats, ANCHORS * CLASSES)
    places = head(net, levels, repeats, ANCHORS * 4)
    boxes = ANCHORS * sum(x.height * x.width for x in levels)
    all_scores = net.operator(Shape(1, boxes, CLASSES), *scores)
    all_places = net.operator(Shape(1, boxes, 4), *places)
    net.operator(Shape(1, 25, 6), net.unary(all_scores), all_places)
    return net
