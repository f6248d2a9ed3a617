"""The networks of MLPerf Tiny, as its reference models have them."""

from __future__ import annotations

from layers import Counter, Shape


def autoencoder() -> Counter:
    """Anomaly detection: ten dense layers."""
    net = Counter()
    x = Shape(1, 1, 640)
    for units in (128, 128, 128, 128, 8, 128, 128, 128, 128, 640):
        x = net.dense(x, units)
    return net


def resnet8() -> Counter:
    """Image classification: three residual blocks on 32 x 32."""
    net = Counter()
    x = net.conv(Shape(32, 32, 3), 16, 3)
    for width, stride in ((16, 1), (32, 2), (64, 2)):
        y = net.conv(net.conv(x, width, 3, stride), width, 3)
        x = net.add(y, net.conv(x, width, 1, stride) if stride == 2 else x)
    net.unary(net.dense(net.global_pool(x), 10))
    return net


def ds_cnn() -> Counter:
    """Keyword spotting: four separable convolutions on 49 frames of 10 coefficients."""
    net = Counter()
    x = net.conv(Shape(49, 10, 1), 64, (10, 4), 2)
    for _ in range(4):
        x = net.conv(net.depthwise(x, 3), 64)
    net.unary(net.dense(net.global_pool(x), 12))
    return net
