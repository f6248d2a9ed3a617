"""Intervals from errors on boards left out of the fit.

The spread of a core's estimates is the mean squared error of its own left-out boards, drawn towards the
median over all cores; what 90% of all left-out errors stay within, in multiples of their spread, makes the
interval. So nothing is assumed of the errors' distribution, and a core whose boards agree has a narrower
interval than one whose boards do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeml.latency.transfer import LeftOutCell
from edgeml.latency.validation import LeftOut

Array = NDArray[np.float64]

COVERAGE = 0.90
PRIOR_BOARDS = 1.0  # how many boards the median over all cores counts for
SHAPE_VARIANCE = 0.02  # of a network about a library's level on a core


@dataclass(frozen=True, slots=True)
class Spread:
    """The usual variance of a left-out board's log errors, and the COVERAGE quantile in such deviations."""

    variance: float
    quantile: float

    def half_width(self, squares: Sequence[float]) -> float:
        """Of a log latency, for a core whose left-out boards have these mean squared errors."""
        return self.quantile * self._deviation(squares)

    def _deviation(self, squares: Sequence[float]) -> float:
        return float(np.sqrt((PRIOR_BOARDS * self.variance + sum(squares)) / (PRIOR_BOARDS + len(squares))))


def spread(found: Sequence[LeftOut]) -> Spread:
    """From boards of one mode, each with the weight of one."""
    variance = float(np.median([np.mean(one.errors**2) for one in found]))
    unit = Spread(variance, 1.0)
    deviations = [np.abs(one.errors) / unit.half_width(one.others) for one in found]
    return Spread(variance, _quantile(deviations))


def transfer_quantile(found: Iterable[LeftOutCell]) -> float:
    """The COVERAGE quantile of left-out cells' errors, in deviations of `transfer_deviation`."""
    return _quantile([np.abs(one.errors) / transfer_deviation(one.variance) for one in found])


def transfer_deviation(variance: float) -> float:
    """The deviation of a log latency whose level has that variance."""
    return float(np.sqrt(variance + SHAPE_VARIANCE))


def covered(tested: Sequence[LeftOut], calibration: Sequence[LeftOut]) -> list[NDArray[np.bool_]]:
    """Which errors of each board stay within the interval, made without anything of that board.

    `calibration`: the same boards' errors that intervals are made from.
    """
    within = []
    for one in tested:
        rest = [other for other in calibration if other.board != one.board]
        same = next(c for c in calibration if _key(c) == _key(one))
        within.append(np.abs(one.errors) <= spread(rest).half_width(same.others))
    return within


def _key(one: LeftOut) -> tuple[str, ...]:
    return one.core, one.variant, one.dtype, one.mode, one.board


def _quantile(groups: Sequence[Array]) -> float:
    values = np.concatenate(groups)
    weight = np.concatenate([np.full(len(group), 1.0 / len(group)) for group in groups])
    order = np.argsort(values)
    total = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(total, COVERAGE * total[-1])])
