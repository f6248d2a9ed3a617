"""Networks that plain int8 breaks: channels of very different scale, rows with one huge value."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np


@functools.cache
def _trained() -> tuple[Any, Any, Any]:
    """A small convolution net on digits: (model, x: float32[n, 8, 8, 1], y)."""
    import keras
    from sklearn.datasets import load_digits

    keras.utils.set_random_seed(0)
    x, y = load_digits(return_X_y=True)
    x = (x / 16).reshape(-1, 8, 8, 1).astype(np.float32)
    model = keras.Sequential(
        [
            keras.layers.Input((8, 8, 1)),
            keras.layers.Conv2D(8, 3, activation="relu"),
            keras.layers.DepthwiseConv2D(3, activation="relu"),
            keras.layers.Conv2D(16, 1, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, epochs=8, verbose=0)
    return model, x, y


@functools.cache
def unequal_channels() -> tuple[Any, Any, Any]:
    """The first layer's channels were given scales a hundred thousand apart; the next takes them back."""
    import keras

    trained, x, y = _trained()
    model = keras.models.clone_model(trained)
    model.set_weights(trained.get_weights())
    scales = np.logspace(-2.5, 2.5, 8).astype(np.float32)
    kernel, bias = model.layers[0].get_weights()
    model.layers[0].set_weights([kernel * scales, bias * scales])
    kernel, bias = model.layers[1].get_weights()
    model.layers[1].set_weights([kernel / scales[:, None], bias])
    return model, x, y


@functools.cache
def huge_values() -> tuple[Any, Any, Any]:
    """One row in a hundred has one pixel of two hundred times the largest: a sensor's glitch."""
    model, x, y = _trained()
    glitched = x.copy()
    glitched[::100, 4, 4, 0] = 200.0
    return model, glitched, y
