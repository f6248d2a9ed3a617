"""Affine quantization: real = (stored - zero_point) * scale, and the rounding between the two.

Specification: ONNX QuantizeLinear, extended to zero points that are no integers:
stored = clamp(rint(real / scale + f) + w), where w = floor(zero_point), f = zero_point - w, rint rounds half
to even, and all of it is computed in float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

QUANTIZED_DTYPES = ("int8", "uint8", "int16")  # those whose every value float32 holds
_SMALLEST, _LARGEST = 2.0**-126, float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Affine:
    """real = (stored - zero_point) * scale; one value for the tensor or one for each column (last axis).

    `zero_point` is real-valued: a per-column standardization folded into the quantization moves it off the
    integer grid.
    """

    scale: tuple[float, ...]
    zero_point: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.scale or len(self.scale) != len(self.zero_point):
            raise ValueError("scale and zero_point need the same length, at least 1")
        if not all(_SMALLEST <= s <= _LARGEST for s in self.scale):
            raise ValueError("scale must be positive, finite and normal in float32")
        if not all(abs(z) <= _LARGEST for z in self.zero_point):
            raise ValueError("zero_point must be finite in float32")


class Quantizer:
    """One tensor's affine as float32 arrays, ready to be applied many times."""

    __slots__ = ("_dtype", "_fraction", "_high", "_low", "_scale", "_whole", "_zero_point")

    def __init__(self, affine: Affine, dtype: str) -> None:
        zero_point = np.array(affine.zero_point, np.float64)
        whole = np.floor(zero_point)
        limits = np.iinfo(dtype)
        self._dtype = np.dtype(dtype)
        self._low, self._high = _operand(limits.min), _operand(limits.max)
        self._scale = _operand(affine.scale)
        self._zero_point = _operand(zero_point)
        self._whole, self._fraction = _operand(whole), _operand(zero_point - whole)

    def quantize(self, real: Array) -> Array:
        """Finite real float32[..., columns] as stored values; saturates at the dtype's limits."""
        with np.errstate(over="ignore"):  # what overflows saturates below
            scaled = real / self._scale
            scaled += self._fraction
            np.rint(scaled, out=scaled)
            scaled += self._whole
        np.maximum(scaled, self._low, out=scaled)
        np.minimum(scaled, self._high, out=scaled)
        return scaled.astype(self._dtype)

    def dequantize(self, stored: Array) -> Array:
        """The real float32 values of stored ones."""
        real = stored.astype(np.float32)
        real -= self._zero_point
        real *= self._scale
        return real


def _operand(values: Any) -> Array:
    # On a row, numpy computes with an array of no axes in less than half the time of one with one axis.
    array = np.array(values, np.float32)
    return array.reshape(()) if array.size == 1 else array
