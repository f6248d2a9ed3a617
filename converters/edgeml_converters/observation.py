"""The range of an activation from the values seen on real rows: all of them, nearly all, or the informative.

A range is found in two passes over the rows: the first takes the smallest and the largest value, the second
counts the values between them in equal bins. Only the counts are kept, so memory does not grow with the rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeml_runtime.signature import Array

BINS = 2048
PERCENTILE = 99.99  # of the values are kept within the range
LEVELS = 256  # that the quantized range is told apart into
LIMITS_TRIED = 128
LEAST_BINS = 8  # of a range: fewer say nothing of a distribution
# Activations of the rows that are observed at a time. Beside them stand the model itself and 16 kB a tensor.
MEMORY_CAP_BYTES = 256 * 1024 * 1024
MAX_BATCH_ROWS = 32
MAX_CORRECTION_ROWS = 64  # enough for a channel's mean; every layer is measured anew


@dataclass(frozen=True, slots=True)
class Range:
    """Smallest and largest value."""

    low: float
    high: float


def batch_rows(bytes_a_row: int, cap: int = MEMORY_CAP_BYTES) -> int:
    """Rows to observe at a time, so that their activations stay within the cap; 0 where not one row does."""
    return min(MAX_BATCH_ROWS, cap // max(bytes_a_row, 1))


def bins_of(values: Array, seen: Range) -> Array:
    """How many of the values fall into each of the bins between the ends of `seen`: int64[BINS]."""
    high = seen.high if seen.high > seen.low else seen.low + 1.0
    counts, _ = np.histogram(values, BINS, (seen.low, high))
    return counts


def percentile_range(counts: Array, seen: Range) -> Range:
    """The least range that holds PERCENTILE of the values, as many left out below as above.

    counts: int64[BINS] between the ends of `seen`.
    """
    edges = np.linspace(seen.low, seen.high, BINS + 1)
    outside = counts.sum() * (100 - PERCENTILE) / 100 / 2
    below, above = np.cumsum(counts), np.cumsum(counts[::-1])
    low = edges[int(np.searchsorted(below, outside, side="right"))]
    high = edges[BINS - int(np.searchsorted(above, outside, side="right"))]
    return Range(min(float(low), 0.0), max(float(high), 0.0)) if low < high else seen


def entropy_range(counts: Array, seen: Range) -> Range:
    """The range whose LEVELS steps lose the least information about the distribution of the values.

    counts: int64[BINS] between the ends of `seen`. For every magnitude as the limit of both signs, what lies
    beyond is added to the outermost bins (it saturates), the steps are spread over the bins that they stand
    for, and the Kullback-Leibler divergence of the two distributions is taken; the smallest wins, the wider
    on ties.
    """
    low, high = min(seen.low, 0.0), max(seen.high, 0.0)
    width = (seen.high - seen.low) / BINS
    if width <= 0:
        return seen
    if seen.low <= 0 <= seen.high:
        # What Relu cut to zero is exact at any scale, and would hide the distribution of the rest.
        zero = min(int(-seen.low / width), BINS - 1)
        beside = [counts[i] for i in (zero - 1, zero + 1) if 0 <= i < BINS]
        counts = counts.copy()
        counts[zero] = np.mean(beside)
    best, chosen = np.inf, seen
    for limit in max(-low, high) * np.geomspace(1.0, 1 / LEVELS, LIMITS_TRIED):
        first = max(0, int(np.floor((-limit - seen.low) / width)))
        last = min(BINS, int(np.ceil((limit - seen.low) / width)))
        if last - first < LEAST_BINS:
            break
        kept = counts[first:last].astype(np.float64)
        saturated = kept.copy()
        saturated[0] += counts[:first].sum()
        saturated[-1] += counts[last:].sum()
        loss = _divergence(saturated, _in_steps(kept))
        if loss < best - 1e-12:
            best, chosen = loss, Range(max(low, -float(limit)), min(high, float(limit)))
    return chosen


def _in_steps(kept: Array) -> Array:
    """The bins as LEVELS steps tell them: each step's count spread evenly over its filled bins."""
    step = np.arange(len(kept)) * LEVELS // len(kept)
    sums = np.bincount(step, kept, LEVELS)
    filled = np.bincount(step, kept > 0, LEVELS)
    return np.where(kept > 0, (sums / np.maximum(filled, 1))[step], 0.0)


def _divergence(wanted: Array, got: Array) -> float:
    """Kullback-Leibler, of counts; a bin that `got` lost counts as the least share that it could have."""
    p, q = wanted / wanted.sum(), got / max(got.sum(), 1e-30)
    held = p > 0
    return float(np.sum(p[held] * np.log(p[held] / np.maximum(q[held], 1e-9))))


RANGES = {"percentile": percentile_range, "entropy": entropy_range}
