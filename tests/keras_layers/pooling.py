"""Pooling: windows, global, adaptive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_layers.specimen import Specimen


def _pooling(dimensions: int) -> Any:
    def branches(keras: Any) -> Mapping[str, Any]:
        found: dict[str, Any] = {}
        turned = keras.layers.Permute((dimensions + 1, *range(1, dimensions + 1)))

        def first(layer: Any) -> Any:
            return lambda x: layer(turned(x))

        for what in ("Max", "Average"):
            kind = f"{what}Pooling{dimensions}D"
            make = getattr(keras.layers, kind)
            found |= {
                kind: make(2),
                f"{kind} same": make(3, padding="same"),
                f"{kind} strided": make(3, strides=2),
                f"{kind} strided same": make(2, strides=3, padding="same"),
                f"{kind} overlapping": make(3, strides=1, padding="same"),
                f"{kind} channels first": first(make(2, data_format="channels_first")),
            }
            kind = f"Global{what}Pooling{dimensions}D"
            make = getattr(keras.layers, kind)
            found |= {
                kind: make(),
                f"{kind} kept": make(keepdims=True),
                f"{kind} channels first": first(make(data_format="channels_first")),
            }
            kind = f"Adaptive{what}Pooling{dimensions}D"
            make = getattr(keras.layers, kind)
            found |= {
                kind: make(3),
                f"{kind} channels first": first(make(2, data_format="channels_first")),
            }
        return found

    return branches


def _open_sizes(keras: Any) -> Mapping[str, Any]:
    """Images of any size, as fully convolutional networks take them."""
    layers = keras.layers
    return {
        "GlobalAveragePooling2D any size": layers.GlobalAveragePooling2D(),
        "GlobalMaxPooling2D any size": layers.GlobalMaxPooling2D(),
        "Conv2D any size": layers.Conv2D(4, 3, padding="same", activation="relu"),
        "MaxPooling2D any size": layers.MaxPooling2D(),
        "UpSampling2D any size": layers.UpSampling2D(2, interpolation="nearest"),
        "BatchNormalization any size": layers.BatchNormalization(),
    }


SPECIMENS = {
    "pooling1d": Specimen(("lines",), _pooling(1)),
    "pooling2d": Specimen(("picture",), _pooling(2)),
    "pooling3d": Specimen(("film",), _pooling(3)),
    "any_size": Specimen(("picture",), _open_sizes, axes=(1, 2)),
}
