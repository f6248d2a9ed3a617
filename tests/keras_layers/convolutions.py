"""Convolutions: 1 to 3 dimensions, depthwise, separable, transposed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_layers.specimen import Specimen


def _plain(kind: str, filters: int, stride: Any) -> Any:
    def branches(keras: Any) -> Mapping[str, Any]:
        make = getattr(keras.layers, kind)
        found = {
            f"{kind}": make(filters, 3),
            f"{kind} same": make(filters, 3, padding="same", use_bias=False, activation="relu"),
            f"{kind} strided": make(filters, 2, strides=stride),
            f"{kind} strided same": make(filters, 3, strides=2, padding="same", activation="tanh"),
            f"{kind} dilated": make(filters, 2, dilation_rate=2),
            f"{kind} dilated same": make(filters, 3, dilation_rate=2, padding="same"),
            f"{kind} one": make(filters, 1, activation="gelu"),
        }
        if kind == "Conv1D":
            found["Conv1D causal"] = make(filters, 3, padding="causal")
            found["Conv1D causal dilated"] = make(filters, 2, dilation_rate=3, padding="causal")
        if kind == "Conv2D":
            found["Conv2D oblong"] = make(filters, (1, 4), strides=(2, 3), padding="same")
        return found

    return branches


def _grouped(keras: Any) -> Mapping[str, Any]:
    layers = keras.layers
    lines = layers.Reshape((12, 30))
    volume = layers.Reshape((4, 3, 5, 6))
    wide = layers.Conv2D(4, 1)
    return {
        "Conv1D grouped": lambda x: layers.Conv1D(6, 3, groups=3)(lines(x)),
        "Conv2D grouped": lambda x: layers.Conv2D(6, 3, groups=3, padding="same")(x),
        "Conv2D grouped strided": lambda x: layers.Conv2D(6, 3, groups=2, strides=2, activation="relu")(
            wide(x)
        ),
        "Conv3D grouped": lambda x: layers.Conv3D(4, 2, groups=2)(volume(x)),
    }


def _channels_first(keras: Any) -> Mapping[str, Any]:
    layers, first = keras.layers, {"data_format": "channels_first"}
    turned = layers.Permute((3, 1, 2))
    return {
        "DepthwiseConv2D channels first": lambda x: layers.DepthwiseConv2D(3, **first)(turned(x)),
        "SeparableConv2D channels first": lambda x: layers.SeparableConv2D(4, 3, **first)(turned(x)),
    }


def _depthwise(keras: Any) -> Mapping[str, Any]:
    layers = keras.layers
    lines = layers.Reshape((12, 30))
    return {
        "DepthwiseConv2D": layers.DepthwiseConv2D(3),
        "DepthwiseConv2D multiplied": layers.DepthwiseConv2D(
            3, depth_multiplier=2, padding="same", activation="relu"
        ),
        "DepthwiseConv2D strided": layers.DepthwiseConv2D(3, strides=2, padding="same"),
        "DepthwiseConv2D dilated": layers.DepthwiseConv2D(3, dilation_rate=2, use_bias=False),
        "DepthwiseConv2D dilated same": layers.DepthwiseConv2D((2, 3), dilation_rate=(3, 2), padding="same"),
        "DepthwiseConv1D": lambda x: layers.DepthwiseConv1D(3)(lines(x)),
        "DepthwiseConv1D strided": lambda x: layers.DepthwiseConv1D(
            3, strides=2, padding="same", depth_multiplier=2
        )(lines(x)),
        "DepthwiseConv1D dilated": lambda x: layers.DepthwiseConv1D(3, dilation_rate=2)(lines(x)),
        "SeparableConv2D": layers.SeparableConv2D(4, 3, depth_multiplier=2),
        "SeparableConv2D strided": layers.SeparableConv2D(
            4, 3, strides=2, padding="same", activation="relu6"
        ),
        "SeparableConv2D dilated": layers.SeparableConv2D(4, 3, dilation_rate=2, use_bias=False),
        "SeparableConv1D": lambda x: layers.SeparableConv1D(4, 3)(lines(x)),
        "SeparableConv1D strided": lambda x: layers.SeparableConv1D(4, 3, strides=2, padding="same")(
            lines(x)
        ),
        "SeparableConv1D dilated": lambda x: layers.SeparableConv1D(4, 3, dilation_rate=2, padding="same")(
            lines(x)
        ),
    }


def _transposed(kind: str) -> Any:
    def branches(keras: Any) -> Mapping[str, Any]:
        make = getattr(keras.layers, kind)
        return {
            kind: make(3, 3),
            f"{kind} strided": make(3, 3, strides=2, activation="relu"),
            f"{kind} strided same": make(3, 3, strides=2, padding="same", use_bias=False),
            f"{kind} output padding": make(3, 3, strides=2, padding="same", output_padding=0),
            f"{kind} small kernel": make(3, 2, strides=3),
        }

    return branches


SPECIMENS = {
    "conv1d": Specimen(("lines",), _plain("Conv1D", 4, 3)),
    "conv2d": Specimen(("picture",), _plain("Conv2D", 4, (2, 2))),
    "conv3d": Specimen(("film",), _plain("Conv3D", 3, (2, 2, 2))),
    "grouped": Specimen(("picture",), _grouped),
    "channels_first": Specimen(("picture",), _channels_first),
    "depthwise": Specimen(("picture",), _depthwise),
    "conv1d_transpose": Specimen(("lines",), _transposed("Conv1DTranspose")),
    "conv2d_transpose": Specimen(("picture",), _transposed("Conv2DTranspose")),
    "conv3d_transpose": Specimen(("film",), _transposed("Conv3DTranspose")),
}
