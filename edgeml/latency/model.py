"""The linear cost model: coefficients of a core with a library, fitted on published latencies.

One thread: latency = sum(coefficient x count) / clock. All cores of a cluster: the same over the geometric
mean of what cores and memory can do, sqrt(clock x cores x bandwidth), since cores share the memory. What
the kernels of one library cost relative to each other hardly depends on the core, so that a core's
coefficients are drawn towards the library's over all cores, at that core's scale.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeml.latency.fitting import fit_costs
from edgeml.latency.published import ALL, Published

Array = NDArray[np.float64]

PULL = 8.0  # rows' worth of weight of the library's shape in a core's coefficients
_ROUNDS = 4


def speed(mode: str, clock_hz: Array, threads: Array, memory_bytes_per_s: Array | None) -> Array:
    """What counts are divided by, float64[n]: cycles a second; of all cores, as if four at 1 GHz and 3 GB/s.

    `memory_bytes_per_s`: sqrt(memcpy x memset) of one core; None leaves memory out.
    """
    if mode != ALL:
        return clock_hz
    cores = np.sqrt(threads / 4)
    if memory_bytes_per_s is None:
        return clock_hz * cores
    return np.asarray(1e9 * cores * np.sqrt(clock_hz / 1e9 * memory_bytes_per_s / 3e9))


def cycles(rows: Published, *, memory: bool) -> Array:
    """The latencies of rows of one mode as cycles of `speed`, float64[n]."""
    known = rows.memory_bytes_per_s if memory else None
    return np.asarray(rows.latency_ms / 1e3 * speed(str(rows.mode[0]), rows.clock_hz, rows.threads, known))


def shape(rows: Published, cost: Array, prior: Array | None = None) -> Array:
    """A library's coefficients over all cores, each board's own scale divided out, float64[len(COSTS)].

    `prior`: the shape of all libraries, to which one with few published networks is drawn.
    """
    unit = _units(np.char.add(np.char.add(rows.core, rows.board), rows.variant))
    weight = 1.0 / np.bincount(unit)[unit]
    coefficients = (
        fit_costs(rows.costs, cost / _scales(np.log(cost), unit), weight) if prior is None else prior
    )
    for _ in range(_ROUNDS):
        scaled = cost / _scales(np.log(cost / (rows.costs @ coefficients)), unit)
        level = None if prior is None else prior * np.exp(np.median(np.log(scaled / (rows.costs @ prior))))
        coefficients = fit_costs(rows.costs, scaled, weight, level, PULL if prior is not None else 0.0)
    return coefficients


def fit_core(rows: Published, cost: Array, prior: Array) -> Array:
    """A core's coefficients from its rows, drawn towards `prior` at the scale of its boards' mean."""
    unit = _units(rows.board)
    ratio = np.log(cost / (rows.costs @ prior))
    scale = np.exp(np.mean([np.median(ratio[unit == u]) for u in range(unit.max() + 1)]))
    return fit_costs(rows.costs, cost, 1.0 / np.bincount(unit)[unit], prior * scale, PULL)


def _units(names: NDArray[np.str_]) -> NDArray[np.intp]:
    return np.unique(names, return_inverse=True)[1]


def _scales(logarithms: Array, unit: NDArray[np.intp]) -> Array:
    medians = np.array([np.median(logarithms[unit == u]) for u in range(unit.max() + 1)])
    return np.asarray(np.exp(medians - medians.mean())[unit])
