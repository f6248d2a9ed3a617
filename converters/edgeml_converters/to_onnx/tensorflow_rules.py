"""TensorFlow operators that tf2onnx cannot say, in operators that it can (`tensorflow_rewrite`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgeml_converters import tensorflow_rules
from edgeml_converters.tensorflow_rewrite import Rule


def _expm1(tf: Any, _node: Any, inputs: Sequence[Any]) -> Sequence[Any]:
    return [tf.exp(inputs[0]) - 1.0]


def _log1p(tf: Any, _node: Any, inputs: Sequence[Any]) -> Sequence[Any]:
    return [tf.math.log(inputs[0] + 1.0)]


def _erfc(tf: Any, _node: Any, inputs: Sequence[Any]) -> Sequence[Any]:
    return [1.0 - tf.math.erf(inputs[0])]


def _transposed_convolution(tf: Any, node: Any, inputs: Sequence[Any]) -> Sequence[Any] | None:
    """A kernel smaller than the stride grows to it with zeros: tf2onnx writes negative pads for the rest."""
    shape, kernel, x = inputs
    strides = list(node.attr["strides"].list.i)[1:-1]
    short = [max(0, stride - size) for stride, size in zip(strides, kernel.shape, strict=False)]
    if not any(short):
        return None
    grown = tf.pad(kernel, [*([0, missing] for missing in short), [0, 0], [0, 0]])
    make = tf.raw_ops.Conv2DBackpropInput if len(short) == 2 else tf.raw_ops.Conv3DBackpropInputV2
    given = {
        "filter": grown,
        "out_backprop": x,
        "input_sizes": shape,
        "strides": [1, *strides, 1],
        "padding": node.attr["padding"].s.decode(),
        "data_format": node.attr["data_format"].s.decode(),
    }
    return [make(**given)]


def _bucketize(tf: Any, node: Any, inputs: Sequence[Any]) -> Sequence[Any]:
    """How many boundaries are not above the value."""
    boundaries = np.array(node.attr["boundaries"].list.f, np.float32)
    reached = tf.cast(inputs[0], tf.float32)[..., tf.newaxis] >= boundaries
    return [tf.reduce_sum(tf.cast(reached, tf.int32), axis=-1)]


def _part_of_spectrum(tf: Any, node: Any, inputs: Sequence[Any]) -> Sequence[Any] | None:
    """Real or imaginary part of a Fourier transform of real numbers: products with cosines or sines.

    tf2onnx has the transform with absolute values behind it only.
    """
    made = inputs[0].op
    if made.type != "RFFT":
        return None
    x, length = made.inputs[0], tf.get_static_value(made.inputs[1])
    width = x.shape[-1]
    if length is None or width is None:
        return None
    used = min(int(length[0]), width)
    turns = np.outer(np.arange(used), np.arange(length[0] // 2 + 1)) % length[0] / length[0]
    waves = np.cos(2 * np.pi * turns) if node.op == "Real" else -np.sin(2 * np.pi * turns)
    return [tf.matmul(x[..., :used], waves.astype(np.float32))]


RULES: Mapping[str, Rule] = {
    **tensorflow_rules.RULES,
    "Bucketize": _bucketize,
    "Conv2DBackpropInput": _transposed_convolution,
    "Conv3DBackpropInputV2": _transposed_convolution,
    "Erfc": _erfc,
    "Expm1": _expm1,
    "Imag": _part_of_spectrum,
    "Log1p": _log1p,
    "Real": _part_of_spectrum,
}
