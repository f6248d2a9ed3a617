"""Normalizations of every kind and over every axis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_layers.specimen import Specimen


def _images(keras: Any) -> Mapping[str, Any]:
    layers = keras.layers
    turned = layers.Permute((3, 1, 2))
    normal = layers.BatchNormalization
    return {
        "BatchNormalization": normal(),
        "BatchNormalization plain": normal(center=False, scale=False, epsilon=0.1),
        "BatchNormalization first": lambda x: normal(axis=1)(turned(x)),
        "BatchNormalization renormalized": normal(momentum=0.5, scale=False),
        "BatchNormalization Conv2D": lambda x: normal()(layers.Conv2D(4, 3, use_bias=False)(x)),
        "BatchNormalization DepthwiseConv2D": lambda x: layers.ReLU()(normal()(layers.DepthwiseConv2D(3)(x))),
        "BatchNormalization Conv2DTranspose": lambda x: normal()(layers.Conv2DTranspose(4, 3)(x)),
        "LayerNormalization": layers.LayerNormalization(),
        "LayerNormalization axes": layers.LayerNormalization(axis=(1, 2, 3), epsilon=0.01),
        "LayerNormalization plain": layers.LayerNormalization(axis=1, center=False, scale=False),
        "GroupNormalization": layers.GroupNormalization(groups=3),
        "GroupNormalization instance": layers.GroupNormalization(groups=-1),
        "GroupNormalization one": layers.GroupNormalization(groups=1, epsilon=0.01),
        "GroupNormalization first": lambda x: layers.GroupNormalization(groups=3, axis=1)(turned(x)),
        "UnitNormalization": layers.UnitNormalization(),
        "UnitNormalization axes": layers.UnitNormalization(axis=(1, 3)),
        "RMSNormalization": layers.RMSNormalization(),
        "RMSNormalization epsilon": layers.RMSNormalization(epsilon=0.01),
        "SpectralNormalization": layers.SpectralNormalization(layers.Conv2D(3, 3)),
    }


def _tables(keras: Any) -> Mapping[str, Any]:
    layers = keras.layers
    return {
        "BatchNormalization table": layers.BatchNormalization(),
        "BatchNormalization Dense": lambda x: layers.BatchNormalization()(layers.Dense(5)(x)),
        "BatchNormalization before Dense": lambda x: layers.Dense(5)(layers.BatchNormalization()(x)),
        "LayerNormalization table": layers.LayerNormalization(),
        "GroupNormalization table": lambda x: layers.GroupNormalization(groups=2)(layers.Dense(6)(x)),
        "UnitNormalization table": layers.UnitNormalization(),
        "RMSNormalization table": layers.RMSNormalization(),
        "SpectralNormalization Dense": layers.SpectralNormalization(layers.Dense(4), power_iterations=2),
    }


def _sequences(keras: Any) -> Mapping[str, Any]:
    layers = keras.layers
    return {
        "BatchNormalization steps": layers.BatchNormalization(),
        "LayerNormalization steps": layers.LayerNormalization(axis=[1, 2]),
        "GroupNormalization steps": layers.GroupNormalization(groups=5),
        "UnitNormalization steps": layers.UnitNormalization(axis=1),
        "BatchNormalization masked": lambda x: layers.BatchNormalization()(layers.Masking()(x)),
    }


SPECIMENS = {
    "normalizations_of_images": Specimen(("picture",), _images),
    "normalizations_of_tables": Specimen(("table",), _tables),
    "normalizations_of_sequences": Specimen(("lines",), _sequences),
}
