"""Least squares with coefficients that cannot be negative: of costs that add up none is a gain.

The active-set method of C. L. Lawson and R. J. Hanson, Solving Least Squares Problems (1974), chapter 23.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_TOLERANCE = 1e-10


def non_negative_least_squares(a: Array, b: Array) -> Array:
    """The x >= 0, float64[k], with the smallest |a x - b|; a: float64[n, k], b: float64[n]."""
    gram, moment = a.T @ a, a.T @ b
    x = np.zeros(a.shape[1])
    free = np.zeros(a.shape[1], bool)
    tolerance = _TOLERANCE * max(1.0, float(np.abs(moment).max(initial=0.0)))
    for _ in range(3 * a.shape[1]):
        gain = np.where(free, -np.inf, moment - gram @ x)
        if gain.max(initial=-np.inf) <= tolerance:
            break
        free[int(np.argmax(gain))] = True
        while True:
            candidate = np.zeros_like(x)
            candidate[free] = np.linalg.lstsq(a[:, free], b, rcond=None)[0]
            if candidate[free].min() > 0:
                x = candidate
                break
            # Go from x towards the candidate until the first coefficient reaches zero, which leaves the
            # free set.
            falling = free & (candidate <= 0)
            step = float(np.min(x[falling] / np.maximum(x[falling] - candidate[falling], 1e-300)))
            x = np.where(free, x + step * (candidate - x), 0.0)
            free &= x > _TOLERANCE * x.max(initial=0.0)
            x = np.where(free, x, 0.0)
            if not free.any():
                break
    return x


def fit_costs(
    features: Array, cost: Array, weight: Array, prior: Array | None = None, pull: float = 0.0
) -> Array:
    """Coefficients c >= 0, float64[k], so that features @ c is near cost, in relative error.

    features: float64[n, k]; cost, weight: float64[n], positive. `pull` draws every coefficient's share of
    the mean row towards `prior`'s, with the weight of as many rows.
    """
    root = np.sqrt(weight / weight.mean())
    rows = features / cost[:, None] * root[:, None]
    share = np.abs(features / cost[:, None]).mean(axis=0)
    scale = np.where(share > 0, share, 1.0)
    a, b = rows / scale, root
    if prior is not None and pull > 0:
        a = np.vstack([a, np.sqrt(pull) * np.eye(len(scale))])
        b = np.concatenate([b, np.sqrt(pull) * prior * scale])
    return np.where(share > 0, non_negative_least_squares(a, b) / scale, prior if prior is not None else 0.0)
