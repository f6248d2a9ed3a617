"""Estimates for one very device, from one to six networks measured on it.

One network sets the scale of the published coefficients; more move the coefficients themselves, each drawn
towards the published ones at the device's scale.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from edgeml.device_profile import DeviceProfile, LatencyCalibration
from edgeml.latency.features import COSTS, Features
from edgeml.latency.fitting import fit_costs
from edgeml.latency.model import PULL
from edgeml_runtime.errors import InputError

Array = NDArray[np.float64]

MOST = 6  # measured networks; more are welcome and tested no better
# Half-widths of 90% intervals of a log latency by how many networks were measured: on boards left out of
# the fit, of networks whose family was not measured (benchmarks/latency_estimates.py). By whether the
# library's shape is published, and whether one thread was measured.
HALF_WIDTHS: Mapping[tuple[bool, bool], tuple[float, ...]] = {
    (True, True): (0.42, 0.38, 0.37, 0.37, 0.37, 0.37),
    (True, False): (0.47, 0.44, 0.43, 0.41, 0.41, 0.41),
    (False, True): (0.48, 0.43, 0.40, 0.37, 0.36, 0.36),
    (False, False): (0.58, 0.55, 0.51, 0.49, 0.49, 0.49),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """The latency of one row of one network on the device."""

    features: Features
    engine: str
    dtype: str
    threads: int
    latency_ms: float


def calibrate(device: DeviceProfile, measured: Iterable[Measured]) -> DeviceProfile:
    """The profile with a calibration for every engine, dtype and number of threads that was measured.

    Raises InputError where nothing was.
    """
    groups: dict[tuple[str, str, int], list[Measured]] = {}
    for one in measured:
        groups.setdefault((one.engine, one.dtype, one.threads), []).append(one)
    if not groups:
        raise InputError("nothing to calibrate with: expected at least one measured network")
    kept = [c for c in device.calibrations if (c.engine, c.dtype, c.threads) not in groups]
    found = [_calibration(device, group) for _, group in sorted(groups.items())]
    return replace(device, calibrations=(*kept, *found))


def _calibration(device: DeviceProfile, group: Sequence[Measured]) -> LatencyCalibration:
    from edgeml.latency.estimate import published_shape

    first = group[0]
    prior, known = published_shape(device, engine=first.engine, dtype=first.dtype, threads=first.threads)
    costs = np.array([one.features.costs() for one in group])
    picoseconds = refit(costs, np.array([one.latency_ms * 1e9 for one in group]), np.array(prior))
    macs = sorted(one.features.macs for one in group)
    networks = len({one.features for one in group})
    return LatencyCalibration(
        engine=first.engine,
        dtype=cast(Literal["float32", "int8"], first.dtype),
        threads=first.threads,
        networks=networks,
        smallest_macs=macs[0],
        largest_macs=macs[-1],
        interval_factor=round(math.exp(HALF_WIDTHS[known, first.threads == 1][min(networks, MOST) - 1]), 3),
        picoseconds={name: float(f"{c:.5g}") for name, c in zip(COSTS, picoseconds, strict=True)},
    )


def refit(costs: Array, latency: Array, prior: Array) -> Array:
    """Coefficients from counts float64[n, k] and latencies float64[n], drawn to the shape of the prior."""
    scaled = prior * np.exp(np.median(np.log(latency / (costs @ prior))))
    if len(latency) == 1:
        return np.asarray(scaled)
    return fit_costs(costs, latency, np.ones(len(latency)), scaled, PULL)
