"""Inputs for MLPerf Tiny's anomaly autoencoder, whose recordings are not at hand: drawn from what it learned.

The bottleneck's batch normalization knows mean and variance of what training put through it, so values of the
bottleneck are drawn from that; the decoder turns them into log-mel spectra as the model knows them, and noise
of some decibels stands for what it cannot reconstruct. They are not recordings: no detection rate can be read
off them, but how far a quantized file's reconstruction error is from the float model's can.
"""

from __future__ import annotations

from typing import Any

import numpy as np

NOISE_DB = 3.0  # a reconstruction error of about 9 dB^2, as the benchmark's normal machines have
BOTTLENECK = 8


def anomaly_inputs(model: Any, rows: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """float32[rows, 640] for a Keras model of dense layers with a bottleneck of 8 units."""
    import keras

    layers = model.layers
    place = next(i for i, layer in enumerate(layers) if getattr(layer, "units", None) == BOTTLENECK) + 1
    if not isinstance(layers[place], keras.layers.BatchNormalization):
        raise TypeError(f"behind the bottleneck stands {layers[place].name}, not a batch normalization")
    mean, variance = (np.asarray(v) for v in (layers[place].moving_mean, layers[place].moving_variance))
    draw = np.random.default_rng(seed)
    values = draw.normal(mean, np.sqrt(variance), (rows, BOTTLENECK)).astype(np.float32)
    for layer in layers[place:]:
        values = layer(values)
    spectra = np.asarray(values)
    return (spectra + draw.normal(0.0, NOISE_DB, spectra.shape)).astype(np.float32)


def reconstruction_error(x: np.ndarray[Any, Any], reconstructed: np.ndarray[Any, Any]) -> float:
    """Mean squared error, the benchmark's anomaly score, averaged over rows."""
    return float(np.mean((x - reconstructed) ** 2))
