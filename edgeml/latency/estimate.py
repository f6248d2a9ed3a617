"""The latency of an artifact on a device that is not here: an estimate, or why there is none.

An estimate is never a measurement and proves no limit: it is printed with a tilde, its interval and its
basis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgeml.device_profile import DeviceProfile, LatencyCalibration, bandwidth_of
from edgeml.latency.features import COSTS, Features
from edgeml.latency.intervals import COVERAGE
from edgeml.latency.lines import Line, load_lines
from edgeml.latency.model import speed
from edgeml.latency.published import ALL, MAX_CORES, MICROCONTROLLER, ONE

# An interval of over three times either way tells nothing that a look at the clock does not.
WIDEST = math.log(3.0)
# How far below the smallest network of the fit a network may be, and how much that widens the interval: log
# errors of the smallest published networks from fits of those at least that many times as large.
SMALLER = 8.0
SMALLER_WIDENING = 0.08
_WAY_OUT = "one network measured there gives one (edgeml devices calibrate)"
_LIBRARIES = {"litert": "xnnpack", "tflite-runtime": "xnnpack", "onnxruntime": "onnxruntime"}
_NAMES = {
    "xnnpack": "XNNPACK",
    "onnxruntime": "ONNX Runtime",
    "tflite-micro-cmsis-nn": "TensorFlow Lite Micro",
}


@dataclass(frozen=True, slots=True)
class Estimate:
    """A latency in ms for one row, not measured; `coverage` of such intervals hold the truth.

    `basis`: "published" (that library on that core), "other libraries" (translated by the ratio of
    libraries) or "calibration" (measured on this very device, `boards` is then empty).
    """

    device: str
    engine: str
    threads: int
    median_ms: float
    low_ms: float
    high_ms: float
    coverage: float
    basis: Literal["published", "other libraries", "calibration"]
    core: str
    library: str
    boards: tuple[str, ...]
    libraries: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def describe(self) -> str:
        """`~1.9 ms (1.4 to 2.7, estimate from 5 boards with Cortex-A72)`."""
        return f"~{_ms(self.median_ms)} ms ({_ms(self.low_ms)} to {_ms(self.high_ms)}, {self._basis()})"

    def _basis(self) -> str:
        if self.basis == "calibration":
            return f"estimate from measurements on {self.device}"
        count = len(self.boards)
        boards = f"{count} board{'s' if count > 1 else ''} with {self.core}"
        if self.basis == "published":
            return f"estimate from {boards}"
        return f"estimate from {boards} and {_others(self.library, self.libraries)}"


def _others(library: str, libraries: Sequence[str]) -> str:
    """That numbers were translated: `other libraries` beside the library's own, or than it."""
    return "other libraries too" if library in libraries else f"other libraries than {_name(library)}"


@dataclass(frozen=True, slots=True)
class NoEstimate:
    """Why there is no number, and what would give one."""

    device: str
    engine: str
    threads: int
    reason: str

    def describe(self) -> str:
        """The reason, as it stands in place of a number."""
        return f"no estimate: {self.reason}"


def estimate(
    features: Features, device: DeviceProfile, *, engine: str, dtype: str, threads: int = 1
) -> Estimate | NoEstimate:
    """The latency of one row in `engine` (for microcontrollers their library) with that many threads.

    `dtype`: what the kernels compute in, "float32" or "int8". Threads are 1 or all cores of the fastest
    cluster.
    """

    def none(reason: str) -> NoEstimate:
        return NoEstimate(device.name, engine, threads, reason)

    cluster = device.cores[0]
    if own := _calibration(device, engine, dtype, threads):
        return _calibrated(features, device, own)
    if threads not in (1, cluster.count):
        return none(f"published are one thread and all {cluster.count} cores, not {threads} threads")
    if threads > MAX_CORES:
        return none(f"published are clusters of at most {MAX_CORES} cores, not {threads} threads")
    library, mode = _library(device, engine), _mode(device, threads)
    if library is None:
        return none(f"nobody publishes latencies of {engine}")
    line = _line(device, library, dtype, mode, features.macs)
    name = _name(library)
    if line is None:
        return none(f"{_nothing_known(name, cluster.core, dtype, mode)}; {_WAY_OUT}")
    if cluster.clock_max_hz is None:
        return none(f"the profile of {device.name} does not tell the clock of {cluster.core}")
    if line.half_width > WIDEST:
        factor = math.exp(line.half_width)
        return none(
            f"{name} in {dtype} on {cluster.core} could only be guessed from other libraries, within a "
            f"factor of {factor:.1f}; {_WAY_OUT}"
        )
    if features.macs * SMALLER < line.smallest_macs:
        return none(
            f"{features.macs:,} multiply-adds are too few: the smallest published network has "
            f"{line.smallest_macs:,}, and far below it what is not multiplying decides; {_WAY_OUT}"
        )
    return _published(features, device, engine, threads, line)


def published_shape(
    device: DeviceProfile, *, engine: str, dtype: str, threads: int
) -> tuple[tuple[float, ...], bool]:
    """What kinds of work cost relative to each other, and whether that library's are published.

    Of the device's own core where there is a line, else of the library on other cores, else of all
    libraries.
    """
    library = _library(device, engine) or engine
    mode = _mode(device, threads)
    line = _line(device, library, dtype, mode, None)
    if line is not None:
        return line.coefficients, line.known
    lines = [line for line in load_lines() if (line.dtype, line.mode) == (dtype, mode)]
    own = [line for line in lines if line.library == library and line.known]
    shapes = np.array([line.coefficients for line in own or lines or load_lines()])
    return tuple(np.mean(shapes / shapes[:, :1].clip(1e-9), axis=0)), bool(own)


def _published(features: Features, device: DeviceProfile, engine: str, threads: int, line: Line) -> Estimate:
    half_width, notes = line.half_width, []
    if features.macs < line.smallest_macs:
        half_width += SMALLER_WIDENING * math.log(line.smallest_macs / features.macs)
        notes.append(f"smaller than every published network: the smallest has {line.smallest_macs:,} MACs")
    if not line.known:
        notes.append(
            "no core has enough published numbers of that library; others tell how far libraries differ"
        )
    median_ms = _total(line.coefficients, features) / _speed(device, line, threads) * 1e3
    return Estimate(
        device=device.name,
        engine=engine,
        threads=threads,
        median_ms=median_ms,
        low_ms=median_ms / math.exp(half_width),
        high_ms=median_ms * math.exp(half_width),
        coverage=COVERAGE,
        basis="other libraries" if line.libraries else "published",
        core=line.core,
        library=line.library,
        boards=line.boards,
        libraries=line.libraries,
        notes=tuple(notes),
    )


def _calibrated(features: Features, device: DeviceProfile, own: LatencyCalibration) -> Estimate | NoEstimate:
    if not own.smallest_macs / SMALLER <= features.macs <= own.largest_macs * SMALLER:
        reason = (
            f"{features.macs:,} multiply-adds; calibrated with networks of {own.smallest_macs:,} to "
            f"{own.largest_macs:,}: calibrate with one more like it"
        )
        return NoEstimate(device.name, own.engine, own.threads, reason)
    median_ms = _total([own.picoseconds.get(name, 0.0) for name in COSTS], features) / 1e9
    return Estimate(
        device=device.name,
        engine=own.engine,
        threads=own.threads,
        median_ms=median_ms,
        low_ms=median_ms / own.interval_factor,
        high_ms=median_ms * own.interval_factor,
        coverage=COVERAGE,
        basis="calibration",
        core=device.cores[0].core,
        library=own.engine,
        boards=(),
        libraries=(),
    )


def _total(coefficients: Sequence[float], features: Features) -> float:
    return sum(c * count for c, count in zip(coefficients, features.costs(), strict=True))


def _calibration(device: DeviceProfile, engine: str, dtype: str, threads: int) -> LatencyCalibration | None:
    for own in device.calibrations:
        if (own.engine, own.dtype, own.threads) == (engine, dtype, threads):
            return own
    return None


def _library(device: DeviceProfile, engine: str) -> str | None:
    if device.kind == "microcontroller":
        linked = device.libraries.get(engine)
        return None if linked is None else "-".join((engine, *linked.kernels[:1]))
    library = _LIBRARIES.get(engine)
    bits = device.userland.bits if device.userland else 64
    return f"{library} 32-bit" if library and bits == 32 else library


def _mode(device: DeviceProfile, threads: int) -> str:
    if device.kind == "microcontroller":
        return MICROCONTROLLER
    return ONE if threads == 1 else ALL


def _line(device: DeviceProfile, library: str, dtype: str, mode: str, macs: int | None) -> Line | None:
    """The best line of that core for so many multiply-adds.

    Of the library's own rows before those translated from other libraries, of all cores one with memory
    where the device's bandwidth is known. The last one where the network is too small for all.
    """
    core = _plain(device.cores[0].core)
    wanted = (library, dtype, mode)
    known = bandwidth_of(device, device.cores[0]) is not None
    found = [
        line
        for line in load_lines()
        if _plain(line.core) == core
        and (line.library, line.dtype, line.mode) == wanted
        and (known or not line.memory)
    ]
    found.sort(key=lambda line: (bool(line.libraries), not line.memory))
    fitting = [line for line in found if macs is None or macs * SMALLER >= line.smallest_macs]
    return next(iter(fitting or found[::-1]), None)


def _plain(core: str) -> str:
    """`Zen 3` and `Zen3` are one core."""
    return core.replace(" ", "").lower()


def _name(library: str) -> str:
    bare = library.removesuffix(" 32-bit")
    return _NAMES.get(bare, bare) + library[len(bare) :]


def _nothing_known(name: str, core: str, dtype: str, mode: str) -> str:
    if not any(_plain(line.core) == _plain(core) for line in load_lines()):
        return f"no published latencies of any library on {core}"
    use = {ALL: " on all cores", ONE: " at one thread"}.get(mode, "")
    return f"no published latencies from which to tell {name} in {dtype} on {core}{use}"


def _speed(device: DeviceProfile, line: Line, threads: int) -> float:
    cluster = device.cores[0]
    memory = bandwidth_of(device, cluster) if line.memory else None
    both = np.array(memory.memcpy_bytes_per_s * memory.memset_bytes_per_s, float) if memory else None
    clock_hz, cores = np.array(cluster.clock_max_hz, float), np.array(threads, float)
    return float(speed(line.mode, clock_hz, cores, None if both is None else np.sqrt(both)))


def _ms(value: float) -> str:
    """Two digits, three from 100 ms on: an estimate knows no more."""
    exponent = math.floor(math.log10(value)) if value > 0 else 0
    return f"{round(value, 2 - exponent):,.0f}" if exponent >= 2 else f"{value:.{max(0, 1 - exponent)}f}"
