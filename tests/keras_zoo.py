"""Tiny Keras models trained on scikit-learn's bundled data, built once a test session (about 15 s)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Trained:
    """A fitted model, rows it was not trained on (x: array or mapping by input name), and their targets."""

    model: Any
    x: Any
    y: Any


def _keras() -> Any:
    from edgeml_converters.tensorflow_import import import_tensorflow

    import_tensorflow()
    import keras

    keras.utils.set_random_seed(0)
    return keras


def _digits():
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return (x / 16).astype(np.float32), y.astype(np.int64)


def _fit(model: Any, x: Any, y: Any, loss: Any, epochs: int) -> None:
    model.compile(optimizer="adam", loss=loss)
    model.fit(x, y, epochs=epochs, batch_size=32, verbose=0, shuffle=False)


def digits_cnn() -> Trained:
    keras = _keras()
    x, y = _digits()
    x = x.reshape(-1, 8, 8, 1)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(8, 3, padding="same", use_bias=False),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.DepthwiseConv2D(3, padding="same", activation="relu"),
            keras.layers.Conv2D(16, 1, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    _fit(model, x[:1400], y[:1400], "sparse_categorical_crossentropy", 12)
    return Trained(model, x[1400:], y[1400:])


def cancer_mlp() -> Trained:
    """One sigmoid unit on 30 columns of very different scale, behind Keras' own Normalization."""
    from sklearn.datasets import load_breast_cancer

    keras = _keras()
    x, y = load_breast_cancer(return_X_y=True)
    x = x.astype(np.float32)
    scale = keras.layers.Normalization()
    scale.adapt(x[:400])
    model = keras.Sequential(
        [
            keras.Input((30,)),
            scale,
            keras.layers.Dense(48, activation="relu"),
            keras.layers.Dense(24, activation="tanh"),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    _fit(model, x[:400], y[:400], "binary_crossentropy", 20)
    return Trained(model, x[400:], y[400:])


def two_by_two() -> Trained:
    """Image halves in, digit and parity out; inputs by the user's names, outputs as a mapping."""
    keras = _keras()
    x, y = _digits()
    upper, lower = keras.Input((32,), name="upper"), keras.Input((32,), name="lower")
    joined = keras.layers.Concatenate()(
        [keras.layers.Dense(24, activation="relu")(upper), keras.layers.Dense(24, activation="relu")(lower)]
    )
    hidden = keras.layers.Dense(32, activation="relu")(joined)
    model = keras.Model(
        [upper, lower],
        {
            "digit": keras.layers.Dense(10, activation="softmax")(hidden),
            "odd": keras.layers.Dense(1, activation="sigmoid")(hidden),
        },
    )
    loss = {"digit": "sparse_categorical_crossentropy", "odd": "binary_crossentropy"}
    targets = {"digit": y[:1400], "odd": (y[:1400] % 2).astype(np.float32)}
    _fit(model, [x[:1400, :32], x[:1400, 32:]], targets, loss, 15)
    return Trained(model, {"upper": x[1400:, :32], "lower": x[1400:, 32:]}, None)


def row_gru() -> Trained:
    """The digit read line by line: 8 steps of 8 pixels."""
    return _recurrent("GRU")


def row_lstm() -> Trained:
    return _recurrent("LSTM")


def _recurrent(kind: str) -> Trained:
    keras = _keras()
    x, y = _digits()
    x = x.reshape(-1, 8, 8)
    model = keras.Sequential(
        [
            keras.Input((8, 8)),
            getattr(keras.layers, kind)(32),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    _fit(model, x[:1400], y[:1400], "sparse_categorical_crossentropy", 12)
    return Trained(model, x[1400:], y[1400:])


def token_embedding() -> Trained:
    """Pixels as tokens 0..16 (int32), embedded and averaged: class logits without a softmax."""
    keras = _keras()
    x, y = _digits()
    tokens = np.rint(x * 16).astype(np.int32)
    model = keras.Sequential(
        [
            keras.Input((64,), dtype="int32"),
            keras.layers.Embedding(17, 8),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    _fit(model, tokens[:1400], y[:1400], loss, 8)
    return Trained(model, tokens[1400:], y[1400:])


def digits_autoencoder() -> Trained:
    keras = _keras()
    x, _ = _digits()
    inputs = keras.Input((8, 8, 1))
    code = keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(inputs)
    code = keras.layers.Conv2D(4, 1, activation="relu")(code)
    out = keras.layers.Conv2DTranspose(8, 3, strides=2, padding="same", activation="relu")(code)
    out = keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid")(out)
    model = keras.Model(inputs, out)
    x = x.reshape(-1, 8, 8, 1)
    _fit(model, x[:1400], x[:1400], "mse", 10)
    return Trained(model, x[1400:], x[1400:])


MODELS: dict[str, Callable[[], Trained]] = {
    make.__name__: make
    for make in (
        digits_cnn, cancer_mlp, two_by_two, row_gru, row_lstm, token_embedding, digits_autoencoder,
    )
}  # fmt: skip


@functools.cache
def trained(name: str) -> Trained:
    """The model of that name, fitted once a session."""
    return MODELS[name]()


def run_tflite(artifact: Any, feeds: dict[str, Any]) -> dict[str, Any]:
    """Real outputs by name of a TFLite artifact on LiteRT, for real float inputs by name."""
    from edgeml_runtime.engines.litert import ENGINE
    from edgeml_runtime.signature import dequantize, quantize
    from edgeml_runtime.tuning import DEFAULTS

    handle = ENGINE.open(artifact.content, artifact.signature, DEFAULTS)
    names = tuple(spec.name for spec in artifact.signature.outputs)
    stored = [quantize(spec, feeds[spec.name]) for spec in artifact.signature.inputs]
    results = handle.run(names, stored)
    return {s.name: dequantize(s, r) for s, r in zip(artifact.signature.outputs, results, strict=True)}


def run_onnx(artifact: Any, feeds: dict[str, Any]) -> dict[str, Any]:
    """Outputs by name of an ONNX artifact on ONNX Runtime."""
    from edgeml_runtime.engines.onnxruntime import ENGINE
    from edgeml_runtime.tuning import DEFAULTS

    names = tuple(spec.name for spec in artifact.signature.outputs)
    handle = ENGINE.open(artifact.content, artifact.signature, DEFAULTS)
    results = handle.run(names, [feeds[spec.name] for spec in artifact.signature.inputs])
    return dict(zip(names, results, strict=True))


def by_name(model: Any, prediction: Any) -> dict[str, Any]:
    """What a prediction holds, by the signature's output names."""
    names = [spec.name for spec in model.signature.outputs]
    if isinstance(prediction, dict):
        return prediction
    values = prediction if isinstance(prediction, list) else [prediction]
    return dict(zip(names, values, strict=True))
