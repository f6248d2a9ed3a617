"""When columns of a matrix product's input are too different for one quantization scale."""

from __future__ import annotations

import numpy as np

from edgeml_runtime.signature import Array

# Of rounding noise, three bits. Below that, values beyond a column's calibrated range, which saturate, cost
# more than scales for each column gain.
_LEAST_NOISE_RATIO = 8.0


def need_own_scales(low: Array, high: Array, weights: Array) -> bool:
    """Whether the products with one step for all columns round too much against a step for each.

    low, high: [columns], what each column ranges over; weights: [columns, k], what it is multiplied by.
    """
    gain = np.square(weights.astype(np.float64)).sum(axis=1)
    whole = max(float(high.max()), 0.0) - min(float(low.min()), 0.0)
    one = whole * whole * float(gain.sum())
    each = float((np.square(high - low) * gain).sum())
    return each > 0 and float(np.sqrt(one / each)) > _LEAST_NOISE_RATIO


def centre_and_half(low: Array, high: Array) -> tuple[Array, Array]:
    """The middle of each column's range and half its width, 1 for a column that does not vary."""
    return (low + high) / 2, np.where(high > low, (high - low) / 2, 1.0)
