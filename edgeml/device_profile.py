"""What a device is: the types of a profile, their units and plausible ranges, and the source of each number.

`devices/README.md` explains every field. `edgeml/devices.py` loads, probes and judges profiles.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

from edgeml.libraries import LIBRARIES, Library
from edgeml_runtime.codec import encode
from edgeml_runtime.engines import engines
from edgeml_runtime.host import FEATURES

GENERAL_KNOWLEDGE = "general knowledge"  # the source of what `unsourced` names

LINUX_ARCHITECTURES = ("aarch64", "armv7l", "armv6l", "x86_64")
MCU_ARCHITECTURES = ("armv6-m", "armv7e-m", "armv8-m", "armv8.1-m", "xtensa", "riscv32")
# dsp: two 16-bit multiply-adds an instruction; fpu-sp, fpu-dp: float32, float64 in hardware; mve, mve-fp:
# Helium's vectors of integers, of float16 and float32; pie: the 128-bit integer vectors of the ESP32-S3.
MCU_FEATURES = ("dsp", "fpu-sp", "fpu-dp", "mve", "mve-fp", "pie")

# A value outside its range is nearly always one given in another unit.
_RANGES: Mapping[str, tuple[float, float, str]] = {
    "clock_max_hz": (10**6, 10**11, "Hz"),
    "l1i_bytes": (1 << 10, 1 << 30, "bytes"),
    "l1d_bytes": (1 << 10, 1 << 30, "bytes"),
    "l2_bytes": (1 << 10, 1 << 36, "bytes"),
    "l3_bytes": (1 << 10, 1 << 36, "bytes"),
    "memory_bytes": (1 << 20, 1 << 50, "bytes"),
    "flash_bytes": (1 << 14, 1 << 32, "bytes"),
    "sram_bytes": (1 << 12, 1 << 30, "bytes"),
    "memcpy_bytes_per_s": (10**6, 10**13, "bytes a second"),
    "memset_bytes_per_s": (10**6, 10**13, "bytes a second"),
    "macs_per_cycle": (1e-3, 1e4, "multiply-adds a cycle"),
    "macs_per_s": (10**5, 10**15, "multiply-adds a second"),
}


@dataclass(frozen=True, slots=True)
class Isa:
    """The instruction set: on Linux the machine as Python names it and features of `host.FEATURES`."""

    architecture: Literal[
        "aarch64",
        "armv7l",
        "armv6l",
        "x86_64",
        "armv6-m",
        "armv7e-m",
        "armv8-m",
        "armv8.1-m",
        "xtensa",
        "riscv32",
    ]
    features: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        known = MCU_FEATURES if self.architecture in MCU_ARCHITECTURES else FEATURES
        for number, feature in enumerate(self.features):
            if feature not in known:
                raise ValueError(f"feature {feature!r} is not one of {', '.join(known)}")
            if feature in self.features[:number]:
                raise ValueError(f"feature {feature!r} is given twice")


@dataclass(frozen=True, slots=True)
class Caches:
    """What one core reaches, in bytes; 0 where there is no such level, None where it is not known."""

    l1i_bytes: int | None = None
    l1d_bytes: int | None = None
    l2_bytes: int | None = None
    l3_bytes: int | None = None

    def __post_init__(self) -> None:
        for name in ("l1i_bytes", "l1d_bytes", "l2_bytes", "l3_bytes"):
            if getattr(self, name) != 0:
                _check_range(name, getattr(self, name))


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """Main memory as one core sees it, in bytes copied or written a second."""

    memcpy_bytes_per_s: int
    memset_bytes_per_s: int

    def __post_init__(self) -> None:
        _check_range("memcpy_bytes_per_s", self.memcpy_bytes_per_s)
        _check_range("memset_bytes_per_s", self.memset_bytes_per_s)


@dataclass(frozen=True, slots=True)
class Peak:
    """Multiply-adds of one core at best: of the instruction set a cycle, or measured ones a second.

    `how` says of each number whether it was measured (with what) or derived (from what). No program reaches
    the first kind; a probe measures the second.
    """

    how: str
    fp32_macs_per_cycle: float | None = None
    fp16_macs_per_cycle: float | None = None
    int8_macs_per_cycle: float | None = None
    fp32_macs_per_s: int | None = None
    fp16_macs_per_s: int | None = None
    int8_macs_per_s: int | None = None

    def __post_init__(self) -> None:
        for name in (f.name for f in fields(self) if f.name != "how"):
            _check_range(name, getattr(self, name), name.partition("_")[2])


@dataclass(frozen=True, slots=True)
class Cluster:
    """Equal cores. What differs from the device's own `caches`, `bandwidth` and `peak` stands here."""

    core: str  # as `host_info` names it: "Cortex-A72", or the model name of an x86 CPU
    count: int
    clock_max_hz: int | None = None
    caches: Caches | None = None
    bandwidth: Bandwidth | None = None
    peak: Peak | None = None

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"count must be at least 1, got {self.count}")
        _check_range("clock_max_hz", self.clock_max_hz)


@dataclass(frozen=True, slots=True)
class Userland:
    """The operating system whose Python installs the engine; `bits` of that Python, not of the CPU."""

    os: str
    bits: Literal[32, 64]
    python: str
    libc: str | None = None


@dataclass(frozen=True, slots=True)
class EngineWheel:
    """Whether an engine's package installs from a wheel in the device's userland, and which versions do."""

    available: bool
    package: str
    first_version: str | None = None
    last_version: str | None = None
    broken_versions: tuple[str, ...] = ()
    pythons: tuple[str, ...] = ()  # that have a wheel, of those looked up
    requires_features: tuple[str, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        if not self.available and not self.note:
            raise ValueError("an engine that is not available needs a note that says why")
        for feature in self.requires_features:
            if feature not in FEATURES:
                raise ValueError(f"requires_features: {feature!r} is not one of {', '.join(FEATURES)}")


@dataclass(frozen=True, slots=True)
class LinkedLibrary:
    """A library of `libraries.LIBRARIES` that a microcontroller's firmware links, with its kernels there."""

    kernels: tuple[str, ...] = ()  # "cmsis-nn"; none: the library's reference kernels
    note: str = ""


@dataclass(frozen=True, slots=True)
class LatencyCalibration:
    """What `edgeml devices calibrate` fitted on latencies measured on this very device.

    `picoseconds`: of one multiply-add of each class, element or operator, by the names of `latency.features`.
    Nine in ten latencies lie within a factor `interval_factor` of the estimate. `networks`: how many were
    measured; `smallest_macs` and `largest_macs`: multiply-adds of the smallest and largest of them.
    """

    engine: str
    dtype: Literal["float32", "int8"]
    threads: int
    networks: int
    smallest_macs: int
    largest_macs: int
    interval_factor: float
    picoseconds: Mapping[str, float]

    def __post_init__(self) -> None:
        if self.threads < 1 or self.networks < 1 or not 0 < self.smallest_macs <= self.largest_macs:
            raise ValueError("threads, networks and multiply-adds must be at least 1")
        if not 1 < self.interval_factor < 100:
            raise ValueError(f"interval_factor: expected 1 to 100, got {self.interval_factor}")
        if not self.picoseconds or min(self.picoseconds.values()) < 0:
            raise ValueError("picoseconds: costs, none of them negative, are needed")


@dataclass(frozen=True, slots=True)
class DeviceProfile:
    """A target: a computer with Linux and Python, or a microcontroller with neither.

    The smallest of `memory_bytes` is the limit; `boards` are prefixes of device tree models. `caches`,
    `bandwidth` and `peak` are of one core of the first cluster, `*_of` tell those of any cluster.
    """

    name: str
    description: str
    cores: tuple[Cluster, ...]
    isa: Isa
    kind: Literal["linux", "microcontroller"] = "linux"
    userland: Userland | None = None  # None: a microcontroller
    engines: Mapping[str, EngineWheel] = field(default_factory=dict)
    libraries: Mapping[str, LinkedLibrary] = field(default_factory=dict)
    soc: str | None = None
    boards: tuple[str, ...] = ()
    caches: Caches = field(default_factory=Caches)
    memory_bytes: tuple[int, ...] = ()
    flash_bytes: int | None = None
    sram_bytes: int | None = None
    bandwidth: Bandwidth | None = None
    peak: Peak | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    unsourced: tuple[str, ...] = ()
    calibrations: tuple[LatencyCalibration, ...] = ()

    def __post_init__(self) -> None:
        if not self.cores:
            raise ValueError("cores: at least one cluster is needed")
        _check_kind(self)
        for size in self.memory_bytes:
            _check_range("memory_bytes", size)
        if list(self.memory_bytes) != sorted(set(self.memory_bytes)):
            raise ValueError("memory_bytes: sizes must ascend")
        _check_range("flash_bytes", self.flash_bytes)
        _check_range("sram_bytes", self.sram_bytes)
        for engine in self.engines:
            if engine not in engines():
                raise ValueError(f"engines.{engine}: not one of {', '.join(engines())}")
        for library in self.libraries:
            if library not in LIBRARIES:
                raise ValueError(f"libraries.{library}: not one of {', '.join(LIBRARIES)}")
        for cited in self.unsourced:
            if cited in self.sources or self.unsourced.count(cited) > 1:
                raise ValueError(f"unsourced: {cited!r} is given twice, or has a source as well")
        paths = {path for path, _ in _leaves(self)}
        for cited in (*self.sources, *self.unsourced):
            if not any(_covers(cited, path) for path in paths):
                raise ValueError(f"sources: {cited!r} names no field that this profile has")


@dataclass(frozen=True, slots=True)
class Fact:
    """One number of a profile and where it comes from; None where the profile does not say (probed ones)."""

    path: str  # "caches.l2_bytes"
    value: int | float
    source: str | None


def facts(profile: DeviceProfile) -> tuple[Fact, ...]:
    """Every number of the profile with its source, the most specific one that names it."""
    found = []
    for path, value in _leaves(profile):
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            cited = dict.fromkeys(profile.unsourced, GENERAL_KNOWLEDGE) | dict(profile.sources)
            covering = [key for key in cited if _covers(key, path)]
            source = cited[max(covering, key=len)] if covering else None
            found.append(Fact(path, value, source))
    return tuple(found)


def linked_libraries(profile: DeviceProfile) -> Mapping[str, Library]:
    """What the libraries that a microcontroller's firmware can link take, by name."""
    return {name: LIBRARIES[name] for name in profile.libraries}


def caches_of(profile: DeviceProfile, cluster: Cluster) -> Caches:
    """The caches that one core of that cluster reaches; nothing known for a later cluster that has none."""
    return cluster.caches or (profile.caches if cluster is profile.cores[0] else Caches())


def bandwidth_of(profile: DeviceProfile, cluster: Cluster) -> Bandwidth | None:
    """Main memory as one core of that cluster sees it; None where nothing is known of that cluster."""
    return cluster.bandwidth or (profile.bandwidth if cluster is profile.cores[0] else None)


def peak_of(profile: DeviceProfile, cluster: Cluster) -> Peak | None:
    """The multiply-adds of one core of that cluster; None where nothing is known of that cluster."""
    return cluster.peak or (profile.peak if cluster is profile.cores[0] else None)


def _check_kind(profile: DeviceProfile) -> None:
    micro = profile.kind == "microcontroller"
    if (profile.isa.architecture in MCU_ARCHITECTURES) != micro:
        known = MCU_ARCHITECTURES if micro else LINUX_ARCHITECTURES
        raise ValueError(
            f"isa.architecture: kind {profile.kind} has one of {', '.join(known)}, "
            f"got {profile.isa.architecture!r}"
        )
    if not micro and profile.userland is None:
        raise ValueError("userland: missing")
    of_linux = ("userland", "engines", "memory_bytes", "boards")
    of_micro = ("libraries", "flash_bytes", "sram_bytes")
    for name in of_linux if micro else of_micro:
        if getattr(profile, name):
            raise ValueError(f"{name}: kind {profile.kind} has none")


def _check_range(name: str, value: float | None, quantity: str = "") -> None:
    low, high, unit = _RANGES[quantity or name]
    if value is not None and not low <= value <= high:
        raise ValueError(f"{name}: expected {low} to {high} {unit}, got {value}")


_CITABLE = (
    "cores",
    "isa",
    "userland",
    "engines",
    "libraries",
    "soc",
    "boards",
    "caches",
    "memory_bytes",
    "flash_bytes",
    "sram_bytes",
    "bandwidth",
    "peak",
)


def _leaves(profile: DeviceProfile) -> Iterator[tuple[str, object]]:
    """Path and value of what sources may cover; the clusters of `cores` share their paths."""
    described = encode(profile)
    for name in _CITABLE:
        yield from _walk(name, described[name])


def _walk(path: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _walk(f"{path}.{key}", item)
    elif isinstance(value, list):
        for item in value:
            yield from _walk(path, item)
    elif value is not None:
        yield path, value


def _covers(cited: str, path: str) -> bool:
    return path == cited or path.startswith(f"{cited}.")
