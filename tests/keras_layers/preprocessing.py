"""Preprocessing of numbers, sizes and sound; augmentation, which does nothing at inference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_layers.specimen import DATA, Specimen


def _columns(keras: Any) -> Mapping[str, Any]:
    layers = keras.layers
    wine = DATA["raw"]()

    def adapted(**options: Any) -> Any:
        layer = layers.Normalization(**options)
        layer.adapt(wine)
        return layer

    edges = sorted(np.quantile(wine, [0.2, 0.5, 0.8]).tolist())
    learned = layers.Discretization(num_bins=4)
    learned.adapt(wine)
    return {
        "Normalization": adapted(),
        "Normalization inverted": adapted(invert=True),
        "Normalization scalar": adapted(axis=None),
        "Normalization given": layers.Normalization(mean=3.0, variance=2.0),
        "Rescaling": layers.Rescaling(0.25, offset=-1.0),
        "Rescaling columns": layers.Rescaling(np.linspace(0.1, 1, 13), offset=np.linspace(-1, 1, 13)),
        "Discretization": layers.Discretization(bin_boundaries=edges),
        "Discretization adapted": learned,
        "Discretization one hot": lambda x: layers.Discretization(
            bin_boundaries=edges, output_mode="one_hot"
        )(x[:, :1]),
        "Discretization multi hot": layers.Discretization(bin_boundaries=edges, output_mode="multi_hot"),
        "Discretization count": layers.Discretization(bin_boundaries=edges, output_mode="count"),
    }


def _categories(keras: Any) -> Mapping[str, Any]:
    layers = keras.layers
    return {
        "CategoryEncoding multi hot": layers.CategoryEncoding(6, output_mode="multi_hot"),
        "CategoryEncoding count": layers.CategoryEncoding(6, output_mode="count"),
    }


def _weighted(keras: Any) -> Mapping[str, Any]:
    return {
        "CategoryEncoding weighted": lambda x: keras.layers.CategoryEncoding(6, output_mode="count")(
            x[0], count_weights=x[1]
        ),
    }


def _one_category(keras: Any) -> Mapping[str, Any]:
    layers = keras.layers
    return {"CategoryEncoding": layers.CategoryEncoding(6, output_mode="one_hot")}


def _integers(keras: Any) -> Mapping[str, Any]:
    layers = keras.layers
    words = [3, 5, 1, 4]
    return {
        "IntegerLookup": layers.IntegerLookup(vocabulary=words),
        "IntegerLookup masked": layers.IntegerLookup(vocabulary=words, mask_token=0),
        "IntegerLookup several": layers.IntegerLookup(vocabulary=words, num_oov_indices=3),
        # Keras declares the counts as float32 and gives int64.
        "IntegerLookup multi hot": lambda x: layers.Rescaling(1.0)(
            layers.IntegerLookup(vocabulary=words, output_mode="multi_hot")(x)
        ),
        "IntegerLookup count": lambda x: layers.Rescaling(1.0)(
            layers.IntegerLookup(vocabulary=words, output_mode="count")(x)
        ),
        "IntegerLookup tf idf": layers.IntegerLookup(
            vocabulary=words, output_mode="tf_idf", idf_weights=[0.2, 0.4, 0.6, 0.8]
        ),
        "IntegerLookup inverted": layers.IntegerLookup(
            vocabulary=[3, 5, 1, 4, 9, 8], invert=True, num_oov_indices=0
        ),
    }


def _sizes(keras: Any) -> Mapping[str, Any]:
    layers = keras.layers
    found = {
        f"Resizing {how} {height}x{width}": layers.Resizing(height, width, interpolation=how)
        for how in ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5")
        for height, width in ((7, 13), (24, 5))
    }
    return found | {
        "Resizing antialiased": layers.Resizing(5, 4, antialias=True),
        "Resizing cropped": layers.Resizing(8, 4, crop_to_aspect_ratio=True),
        "Resizing padded": layers.Resizing(8, 12, pad_to_aspect_ratio=True, fill_value=7.0),
        "Resizing channels first": lambda x: layers.Resizing(5, 6, data_format="channels_first")(
            layers.Permute((3, 1, 2))(x)
        ),
        "CenterCrop": layers.CenterCrop(6, 5),
        "CenterCrop larger": layers.CenterCrop(15, 11),
        "Rescaling image": layers.Rescaling(1 / 127.5, offset=-1),
        "Normalization image": layers.Normalization(mean=[120.0, 110.0, 100.0], variance=[60.0**2] * 3),
        "AutoContrast": layers.AutoContrast(),
        "AutoContrast unit": lambda x: layers.AutoContrast(value_range=(0, 1))(layers.Rescaling(1 / 255)(x)),
    }


def _augmentation(keras: Any) -> Mapping[str, Any]:
    layers = keras.layers
    made = {
        "AugMix": {}, "CutMix": {}, "MixUp": {}, "RandAugment": {}, "Solarization": {},
        "ContrastLimitedAdaptiveHistogramEqualization": {}, "RandomBrightness": {"factor": 0.2},
        "RandomColorDegeneration": {"factor": 0.2}, "RandomColorJitter": {},
        "RandomContrast": {"factor": 0.2}, "RandomCrop": {"height": 12, "width": 10},
        "RandomElasticTransform": {}, "RandomErasing": {}, "RandomFlip": {}, "RandomGaussianBlur": {},
        "RandomGrayscale": {}, "RandomHue": {"factor": 0.2}, "RandomInvert": {}, "RandomPerspective": {},
        "RandomPosterization": {"factor": 4}, "RandomRotation": {"factor": 0.2},
        "RandomSaturation": {"factor": 0.2}, "RandomSharpness": {"factor": 0.2},
        "RandomShear": {"x_factor": 0.2},
        "RandomTranslation": {"height_factor": 0.2, "width_factor": 0.2},
        "RandomZoom": {"height_factor": 0.2},
    }  # fmt: skip
    found = {kind: getattr(layers, kind)(**options) for kind, options in made.items()}
    found["Pipeline"] = layers.Pipeline([layers.RandomFlip(), layers.Rescaling(0.5)])
    return found


def _regularization(keras: Any) -> Mapping[str, Any]:
    layers = keras.layers
    return {
        "Dropout": layers.Dropout(0.3),
        "AlphaDropout": layers.AlphaDropout(0.3),
        "GaussianDropout": layers.GaussianDropout(0.3),
        "GaussianNoise": layers.GaussianNoise(0.3),
        "SpatialDropout1D": layers.SpatialDropout1D(0.3),
        "ActivityRegularization": layers.ActivityRegularization(l2=0.1),
        "SpatialDropout2D": lambda x: layers.SpatialDropout2D(0.3)(layers.Reshape((8, 5, 1))(x)),
        "SpatialDropout3D": lambda x: layers.SpatialDropout3D(0.3)(layers.Reshape((4, 2, 5, 1))(x)),
    }


def _sound(keras: Any) -> Mapping[str, Any]:
    layers = keras.layers
    spectrum = layers.STFTSpectrogram
    found = {
        f"STFTSpectrogram {mode}": spectrum(mode=mode, frame_length=64, frame_step=24, fft_length=64)
        for mode in ("log", "magnitude", "psd", "real", "imag", "angle", "stft")
    }
    found["STFTSpectrogram odd"] = spectrum(
        mode="magnitude", frame_length=50, frame_step=20, fft_length=60, window="hamming", periodic=True,
        scaling="spectrum", padding="same",
    )  # fmt: skip
    found["STFTSpectrogram expanded"] = spectrum(
        mode="psd", frame_length=32, window=None, scaling=None, expand_dims=True
    )
    small = {"sampling_rate": 8000, "fft_length": 64, "sequence_stride": 32, "num_mel_bins": 12}
    wave = layers.Reshape((640,))
    mels = {
        "MelSpectrogram": layers.MelSpectrogram(**small),
        "MelSpectrogram power": layers.MelSpectrogram(power_to_db=False, mag_exp=1.0, **small),
        "MelSpectrogram short": layers.MelSpectrogram(sequence_length=48, window="hamming", **small),
    }
    return found | {name: lambda x, layer=layer: layer(wave(x)) for name, layer in mels.items()}


SPECIMENS = {
    "columns": Specimen(("raw",), _columns),
    "categories": Specimen(("counts",), _categories),
    "weighted_categories": Specimen(("counts", "weights"), _weighted),
    "one_category": Specimen(("one_count",), _one_category),
    "integer_lookup": Specimen(("wide_counts",), _integers),
    "sizes": Specimen(("bytes",), _sizes),
    "augmentation": Specimen(("bytes",), _augmentation),
    "regularization": Specimen(("lines",), _regularization),
    "sound": Specimen(("sound",), _sound),
}
