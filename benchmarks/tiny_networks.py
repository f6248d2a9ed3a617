"""The six networks of the benchmark against peers: MLPerf Tiny's shapes and two more, with random weights.

Speed does not depend on what the weights are, as long as activations stay in a usual range: weights are a
fresh layer's, and each batch normalization has the statistics of what it really gets, as after training.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

SEED = 7
ROWS = 300  # a third calibrates


def networks() -> dict[str, tuple[Callable[[], Any], tuple[int, ...]]]:
    """What builds each Keras model, and the shape of one row."""
    return {
        "MLP 30-64-32-1": (lambda: dense((30, 64, 32, 1), last="sigmoid"), (30,)),
        "DS-CNN": (ds_cnn, (49, 10, 1)),
        "ResNet-8": (resnet_8, (32, 32, 3)),
        "autoencoder 640": (autoencoder, (640,)),
        "MobileNetV1 0.25 96": (mobilenet_v1, (96, 96, 3)),
        "MobileNetV2 1.0 224": (mobilenet_v2, (224, 224, 3)),
    }


def network(name: str) -> tuple[Any, np.ndarray[Any, Any]]:
    """The Keras model of that name and rows for it: float32[ROWS, ...], standard normal."""
    import keras

    build, shape = networks()[name]
    keras.utils.set_random_seed(SEED)
    rows = ROWS if np.prod(shape) < 100_000 else ROWS // 3
    x = np.random.default_rng(SEED).standard_normal((rows, *shape)).astype(np.float32)
    model = build()
    settle(model, x[:32])
    return model, x


def settle(model: Any, x: np.ndarray[Any, Any]) -> None:
    """Give every batch normalization the mean and variance of what it gets for those rows."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(x, training=True)


def dense(sizes: tuple[int, ...], *, last: str | None) -> Any:
    """Dense layers of those sizes with ReLU between."""
    import keras

    hidden = [keras.layers.Dense(size, activation="relu") for size in sizes[1:-1]]
    layers = [keras.Input((sizes[0],)), *hidden, keras.layers.Dense(sizes[-1], activation=last)]
    return keras.Sequential(layers, name="mlp")


def normalized(y: Any) -> Any:
    """Batch normalization and ReLU."""
    from keras import layers

    return layers.ReLU()(layers.BatchNormalization()(y))


def ds_cnn() -> Any:
    """Keyword spotting: a convolution, four depthwise separable ones, 12 classes."""
    import keras
    from keras import layers

    x = keras.Input((49, 10, 1))
    y = normalized(layers.Conv2D(64, (10, 4), strides=2, padding="same")(x))
    for _ in range(4):
        y = normalized(layers.DepthwiseConv2D(3, padding="same")(y))
        y = normalized(layers.Conv2D(64, 1, padding="same")(y))
    y = layers.Flatten()(layers.AveragePooling2D((25, 5))(y))
    return keras.Model(x, layers.Dense(12, activation="softmax")(y), name="ds_cnn")


def resnet_8() -> Any:
    """Image classification: three residual stages of 16, 32 and 64 channels, 10 classes."""
    import keras
    from keras import layers

    x = keras.Input((32, 32, 3))
    y = normalized(layers.Conv2D(16, 3, padding="same")(x))
    for channels, stride in ((16, 1), (32, 2), (64, 2)):
        z = normalized(layers.Conv2D(channels, 3, strides=stride, padding="same")(y))
        z = layers.BatchNormalization()(layers.Conv2D(channels, 3, padding="same")(z))
        if stride > 1:
            y = layers.Conv2D(channels, 1, strides=stride, padding="same")(y)
        y = layers.ReLU()(layers.Add()([y, z]))
    y = layers.Flatten()(layers.AveragePooling2D(8)(y))
    return keras.Model(x, layers.Dense(10, activation="softmax")(y), name="resnet_8")


def autoencoder() -> Any:
    """Anomaly detection: 640 numbers through a bottleneck of 8."""
    import keras
    from keras import layers

    x = keras.Input((640,))
    y = x
    for size in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        y = normalized(layers.Dense(size)(y))
    return keras.Model(x, layers.Dense(640)(y), name="autoencoder")


def mobilenet_v1() -> Any:
    """Visual wake words: two classes."""
    import keras

    return keras.applications.MobileNet((96, 96, 3), alpha=0.25, weights=None, classes=2)


def mobilenet_v2() -> Any:
    """ImageNet's 1000 classes."""
    import keras

    return keras.applications.MobileNetV2((224, 224, 3), weights=None)
