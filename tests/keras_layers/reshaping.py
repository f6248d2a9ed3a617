"""Reshaping, cropping, padding, up-sampling, and merging."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_layers.specimen import Specimen


def _images(keras: Any) -> Mapping[str, Any]:
    layers = keras.layers
    first = {"data_format": "channels_first"}
    turned = layers.Permute((3, 1, 2))
    return {
        "Flatten": layers.Flatten(),
        "Flatten channels first": lambda x: layers.Flatten(**first)(turned(x)),
        "Reshape": layers.Reshape((4, 90)),
        "Reshape unknown": layers.Reshape((-1, 6)),
        "Permute": layers.Permute((2, 3, 1)),
        "Cropping2D": layers.Cropping2D(2),
        "Cropping2D sides": layers.Cropping2D(((1, 2), (0, 3))),
        "Cropping2D channels first": lambda x: layers.Cropping2D(1, **first)(turned(x)),
        "ZeroPadding2D": layers.ZeroPadding2D(2),
        "ZeroPadding2D sides": layers.ZeroPadding2D(((1, 2), (0, 3))),
        "ZeroPadding2D channels first": lambda x: layers.ZeroPadding2D(1, **first)(turned(x)),
        "ZeroPadding2D Conv2D": lambda x: layers.Conv2D(3, 3, strides=2)(
            layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
        ),
        "UpSampling2D": layers.UpSampling2D(2),
        "UpSampling2D bilinear": layers.UpSampling2D((2, 3), interpolation="bilinear"),
        "UpSampling2D channels first": lambda x: layers.UpSampling2D(2, **first)(turned(x)),
        "UpSampling2D bicubic": layers.UpSampling2D(2, interpolation="bicubic"),
        "UpSampling2D lanczos3": layers.UpSampling2D(2, interpolation="lanczos3"),
        "UpSampling2D lanczos5": layers.UpSampling2D(2, interpolation="lanczos5"),
    }


def _sequences(keras: Any) -> Mapping[str, Any]:
    layers = keras.layers
    return {
        "Cropping1D": layers.Cropping1D((1, 2)),
        "ZeroPadding1D": layers.ZeroPadding1D((1, 2)),
        "UpSampling1D": layers.UpSampling1D(3),
        "Permute steps": layers.Permute((2, 1)),
        "Flatten steps": layers.Flatten(),
        "Identity": layers.Identity(),
    }


def _films(keras: Any) -> Mapping[str, Any]:
    layers = keras.layers
    return {
        "Cropping3D": layers.Cropping3D(((1, 2), (0, 1), (1, 1))),
        "ZeroPadding3D": layers.ZeroPadding3D(((1, 2), (0, 1), (1, 1))),
        "UpSampling3D": layers.UpSampling3D((2, 1, 3)),
        "Permute film": layers.Permute((4, 2, 1, 3)),
        "Flatten film": layers.Flatten(),
    }


def _tables(keras: Any) -> Mapping[str, Any]:
    layers = keras.layers
    return {
        "RepeatVector": layers.RepeatVector(3),
        "Reshape column": layers.Reshape((13, 1)),
        "InputLayer": layers.Identity(),
        "Lambda": layers.Lambda(lambda x: x * x - 1.0),
        "Flatten table": layers.Flatten(),
    }


def _merging(keras: Any) -> Mapping[str, Any]:
    layers = keras.layers
    three = lambda layer: lambda x: layer([x[0], x[1], layers.Dense(13)(x[0])])  # noqa: E731
    return {
        "Add": layers.Add(),
        "Add three": three(layers.Add()),
        "Subtract": layers.Subtract(),
        "Multiply": layers.Multiply(),
        "Average": three(layers.Average()),
        "Maximum": three(layers.Maximum()),
        "Minimum": layers.Minimum(),
        "Concatenate": layers.Concatenate(),
        "Concatenate axis": lambda x: layers.Concatenate(axis=1)([layers.Reshape((1, 13))(v) for v in x]),
        "Dot": layers.Dot(axes=1),
        "Dot cosine": layers.Dot(axes=1, normalize=True),
        "Add broadcast": lambda x: layers.Add()(
            [layers.Reshape((13, 1))(x[0]), layers.Reshape((1, 13))(x[1])]
        ),
    }


def _merging_steps(keras: Any) -> Mapping[str, Any]:
    layers = keras.layers
    return {
        "Dot steps": layers.Dot(axes=2),
        "Dot axes": layers.Dot(axes=(2, 2)),
        "Concatenate steps": layers.Concatenate(axis=1),
        "Add masked": lambda x: layers.Add()([layers.Masking()(x[1]), x[1]]),
    }


SPECIMENS = {
    "reshaping_images": Specimen(("picture",), _images),
    "reshaping_sequences": Specimen(("lines",), _sequences),
    "reshaping_films": Specimen(("film",), _films),
    "reshaping_tables": Specimen(("table",), _tables),
    "merging": Specimen(("table", "other"), _merging),
    "merging_steps": Specimen(("lines", "queries"), _merging_steps),
}
