"""The mobile families of keras.applications with random weights and statistics, in both formats."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from conftest import require_module
from keras_layers import randomise
from keras_zoo import run_onnx, run_tflite

from edgeml_converters.sources.keras import SOURCE
from edgeml_converters.sources.keras_interface import walk
from edgeml_converters.to_onnx.from_keras import CONVERTER as TO_ONNX
from edgeml_converters.to_tflite.from_keras import CONVERTER as TO_TFLITE

pytestmark = pytest.mark.slow

NAMES = (
    "MobileNet", "MobileNetV2", "MobileNetV3Small", "MobileNetV3Large", "EfficientNetB0", "NASNetMobile",
    "DenseNet121", "ResNet50",
)  # fmt: skip
SIZE = 64
# Of the largest value. ResNet50 in float32 is 7e-5 from itself in float64, in Keras as in the artifacts.
TOLERANCE = 2e-4


@pytest.fixture(autouse=True)
def _installed():
    require_module("tensorflow", "tf2onnx", "ai_edge_litert", "onnxruntime")


def photographs():
    """float32[4, SIZE, SIZE, 3] in 0..255: quarters of scikit-learn's photographs, half resolution."""
    from sklearn.datasets import load_sample_images

    images = load_sample_images().images
    corners = [(image, row) for image in images for row in (0, 200)]
    return np.stack([i[r : r + 2 * SIZE : 2, 100 : 100 + 2 * SIZE : 2] for i, r in corners]).astype(
        np.float32
    )


def settle(model):
    """Statistics as training leaves them: what the layers before really give, so that no signal dies out."""
    norms = [layer for _, layer in walk(model) if type(layer).__name__ == "BatchNormalization"]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    model(photographs(), training=True)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum


@functools.cache
def network(name):
    from edgeml_converters.tensorflow_import import import_tensorflow, quiet

    import_tensorflow()
    import keras

    with quiet():
        keras.utils.set_random_seed(1)
        make = getattr(keras.applications, name)
        model = make(weights=None, input_shape=(SIZE, SIZE, 3), classes=10, classifier_activation=None)
        if not any(type(layer).__name__ == "Rescaling" for layer in model.layers):
            scaled = keras.layers.Rescaling(1 / 127.5, offset=-1)
            model = keras.Sequential([keras.Input((SIZE, SIZE, 3)), scaled, model])
        randomise(model)
        settle(model)
    return model


@pytest.mark.parametrize("name", NAMES)
def test_applications_agree_with_keras(name):
    model, x = SOURCE.describe(network(name), name), photographs()
    expected = SOURCE.predict(model, "predict", x)
    # Logits that say something: rows differ in every class, and none outgrows the others.
    assert np.isfinite(expected).all() and expected.std(axis=0).min() > 1e-3 * np.abs(expected).max()
    for converter, run in ((TO_ONNX, run_onnx), (TO_TFLITE, run_tflite)):
        artifact = converter.convert(model, "float32", None)
        for rows in (4, 1):
            (got,) = run(artifact, {"x": x[:rows]}).values()
            np.testing.assert_allclose(got, expected[:rows], rtol=0, atol=TOLERANCE * np.abs(expected).max())
