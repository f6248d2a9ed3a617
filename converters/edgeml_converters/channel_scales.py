"""Cross-layer equalization: the channels between two weighted operators brought to one range.

Relu passes a positive factor through, so A gives every channel divided by its factor and B multiplies it
back: the answers stay, and one scale serves all channels of the tensor between (Nagel et al. 2019). The
factors come from the ranges that the channels have on real rows.
"""

from __future__ import annotations

import numpy as np

from edgeml_runtime.signature import Array

# Channels that differ by less gain nothing that rounding would show.
LEAST_SPREAD = 4.0
_LARGEST_FACTOR = 2.0**20


def factors(largest: Array, weights: Array | None) -> Array | None:
    """What to divide each channel by: float64[channels]; None where the channels are alike.

    largest: the greatest magnitude of each channel between the operators. weights: the greatest magnitude of
    what B multiplies each channel by, where one scale of B's weights covers several channels, else None: then
    the weights' own scales take any factor.
    """
    alive = largest > 0
    if alive.sum() < 2 or largest[alive].max() / largest[alive].min() < LEAST_SPREAD:
        return None
    wanted = np.ones(len(largest))
    wanted[alive] = largest[alive]
    if weights is not None:
        usable = alive & (weights > 0)
        wanted[usable] = np.sqrt(largest[usable] / weights[usable])
        wanted[~usable] = 1.0
        alive = usable
    if not alive.any():
        return None
    wanted[alive] /= np.exp(np.mean(np.log(wanted[alive])))
    return np.clip(wanted, 1 / _LARGEST_FACTOR, _LARGEST_FACTOR)
