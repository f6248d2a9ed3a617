"""Thresholds in float32: rounded, and moved back through the scalers before a tree, so that decisions stay.

A scaler before a tree is where decisions flip: thresholds lie between training values, with whole-number
features often exactly on a value (10, between 9 and 11), and then the scaled value's last bit decides;
scikit-learn scales in float64, a graph in float32. So for a scaling f, which never falls, the tree reads the
unscaled column, and f(x) <= t becomes x <= s.

The graph sees float32 only, and 0.1 in float32 is above 0.1. Where the original compares float64 (after
scalers; in histogram boosting always, and its thresholds often are training values) the float32 that 0.1
becomes has to go the way of 0.1. So a float32 stands for the shortest decimal that rounds to it, and s is the
largest whose decimal goes left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgeml_runtime.signature import Array

Map = Callable[[Array], Array]  # float64[m] -> float64[m], never falling, as scikit-learn computes it


@dataclass(frozen=True, slots=True)
class Origin:
    """A column: `maps`, first to last, of a column of the tensor `base`."""

    base: str
    column: int
    maps: tuple[Map, ...] = ()


Origins = tuple[Origin, ...]


def own(tensor: str, width: int) -> Origins:
    """The columns of a tensor that is not followed further back."""
    return tuple(Origin(tensor, column) for column in range(width))


def round_down(values: Array) -> Array:
    """float32: for each float64 the largest float32 that is not above it."""
    with np.errstate(over="ignore", under="ignore"):
        nearest = np.asarray(values, np.float64).astype(np.float32)
        above = nearest.astype(np.float64) > values
        return np.where(above, np.nextafter(nearest, np.float32(-np.inf)), nearest)


def float32_thresholds(
    thresholds: Array, maps: tuple[Map, ...], *, single: bool, above_values: bool = False
) -> Array:
    """float32[m]: x <= s decides as maps(x) <= threshold; -inf where no x is low enough.

    thresholds: float64[m]. single: the tree reads float32, mapped values are rounded before the comparison.
    above_values: the next float32 above a threshold is a training value, so a float32 that any value beyond
    the threshold rounds to belongs to the right, however many digits the data has.
    """
    if above_values and maps:
        return _before(thresholds, maps, single=single, values=_highest)
    exact = _before(thresholds, maps, single=single) if maps else round_down(thresholds)
    if single and not maps:
        return exact  # the original, too, compares what it has rounded to float32
    with np.errstate(over="ignore", under="ignore"):
        above, below = (np.nextafter(exact, np.float32(side)) for side in (np.inf, -np.inf))

    def goes_left(values: Array) -> Array:
        return _mapped(_decimal(values), maps, single=single) <= thresholds

    moved = np.where(goes_left(above), above, np.where(goes_left(exact), exact, below))
    if maps:
        return moved
    # A threshold that is a float32 comes from float32 data: those rows are meant as they are.
    return np.where(exact == thresholds, exact, moved)


def _before(
    thresholds: Array,
    maps: tuple[Map, ...],
    *,
    single: bool,
    values: Callable[[Array], Array] = lambda x: x,
) -> Array:
    """float32[m]: the largest x with maps(values(x)) <= threshold, by bisection over all finite float32."""
    limit = int(np.float32(np.finfo(np.float32).max).view(np.int32))
    low = np.full(len(thresholds), -limit - 1, np.int64)  # stands for -inf, which is always low enough
    high = np.full(len(thresholds), limit + 1, np.int64)
    while (high - low > 1).any():
        middle = (low + high) // 2
        fits = _mapped(values(_float(middle)), maps, single=single) <= thresholds
        low, high = np.where(fits, middle, low), np.where(fits, high, middle)
    return _float(low)


def _decimal(values: Array) -> Array:
    """float64: for each float32 the shortest decimal that rounds to it."""
    return np.array([float(str(value)) for value in values])


def _highest(values: Array) -> Array:
    """float64: the upper end of what rounds to each float32."""
    with np.errstate(over="ignore"):
        beyond = np.nextafter(values, np.float32(np.inf)).astype(np.float64)
    return (values.astype(np.float64) + beyond) / 2


def _mapped(values: Array, maps: tuple[Map, ...], *, single: bool) -> Array:
    mapped = values.astype(np.float64)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for function in maps:
            mapped = function(mapped)
        return mapped.astype(np.float32).astype(np.float64) if single else mapped


def _float(order: Array) -> Array:
    """float32 by its place: 0 is 0.0, 1 the next above, -1 the next below."""
    sign = np.where(order < 0, np.uint32(0x80000000), np.uint32(0))
    return (np.abs(order).astype(np.uint32) | sign).view(np.float32)
