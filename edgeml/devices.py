"""Devices: what a named target is and which artifacts it can run.

A device is one TOML file whose name is the device's; `devices/README.md` explains every field. `host` has no
file: it is probed. Numbers carry their source; `facts` pairs each with it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from edgeml import toml
from edgeml_runtime.codec import CodecError, decode, encode
from edgeml_runtime.engines import Engine, engines
from edgeml_runtime.errors import DeviceProfileError, UnknownNameError
from edgeml_runtime.host import FEATURES, CoreCluster, HostInfo, host_info

HOST = "host"
GENERAL_KNOWLEDGE = "general knowledge"  # the source of what `unsourced` names
# A value outside its range is nearly always one given in another unit.
_RANGES = {
    "clock_max_hz": (10**6, 10**11, "Hz"),
    "l1d_bytes": (1 << 10, 1 << 30, "bytes"),
    "l2_bytes": (1 << 10, 1 << 36, "bytes"),
    "l3_bytes": (1 << 10, 1 << 36, "bytes"),
    "memory_bytes": (1 << 20, 1 << 50, "bytes"),
    "memcpy_bytes_per_s": (10**6, 10**13, "bytes a second"),
    "memset_bytes_per_s": (10**6, 10**13, "bytes a second"),
}


@dataclass(frozen=True, slots=True)
class Isa:
    """The instruction set: architecture as Python names the machine, features of `host.FEATURES`."""

    architecture: Literal["aarch64", "armv7l", "x86_64"]
    features: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for feature in self.features:
            if feature not in FEATURES:
                raise ValueError(f"feature {feature!r} is not one of {', '.join(FEATURES)}")


@dataclass(frozen=True, slots=True)
class Caches:
    """What one core reaches, in bytes; 0 where there is no such level, None where it is not known."""

    l1d_bytes: int | None = None
    l2_bytes: int | None = None
    l3_bytes: int | None = None

    def __post_init__(self) -> None:
        for name in ("l1d_bytes", "l2_bytes", "l3_bytes"):
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


@dataclass(frozen=True, slots=True)
class DeviceProfile:
    """A target. The smallest of `memory_bytes` is the limit; `boards` are prefixes of device tree models."""

    name: str
    description: str
    cores: tuple[CoreCluster, ...]
    isa: Isa
    userland: Userland
    engines: Mapping[str, EngineWheel] = field(default_factory=dict)
    soc: str | None = None
    boards: tuple[str, ...] = ()
    caches: Caches = field(default_factory=Caches)
    memory_bytes: tuple[int, ...] = ()
    bandwidth: Bandwidth | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    unsourced: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.cores:
            raise ValueError("cores: at least one cluster is needed")
        for cluster in self.cores:
            _check_range("clock_max_hz", cluster.clock_max_hz)
        for size in self.memory_bytes:
            _check_range("memory_bytes", size)
        if list(self.memory_bytes) != sorted(set(self.memory_bytes)):
            raise ValueError("memory_bytes: sizes must ascend")
        for engine in self.engines:
            if engine not in engines():
                raise ValueError(f"engines.{engine}: not one of {', '.join(engines())}")
        paths = {path for path, _ in _leaves(self)}
        for cited in (*self.sources, *self.unsourced):
            if not any(_covers(cited, path) for path in paths):
                raise ValueError(f"sources: {cited!r} names no field that this profile has")


@dataclass(frozen=True, slots=True)
class Fact:
    """One number of a profile and where it comes from; None where the profile does not say (probed ones)."""

    path: str  # "caches.l2_bytes"
    value: int
    source: str | None


def device_names() -> tuple[str, ...]:
    """Every device that has a file, and `host`."""
    return tuple(sorted([HOST, *(path.stem for path in _folder().glob("*.toml"))]))


def load_device(name_or_path: str | Path) -> DeviceProfile:
    """The profile of that name (`host` is probed), or of a `.toml` file.

    Raises UnknownNameError with the nearest names, DeviceProfileError for a file that is not a profile.
    """
    if name_or_path == HOST:
        return probe()
    path = Path(name_or_path)
    if isinstance(name_or_path, Path) or path.suffix == ".toml" or len(path.parts) > 1:
        return _load(path)
    if name_or_path not in device_names():
        raise UnknownNameError("device", name_or_path, device_names())
    return _load(_folder() / f"{name_or_path}.toml")


def probe(name: str = HOST) -> DeviceProfile:
    """The machine edgeml runs on as a profile, from what its operating system tells.

    Raises DeviceProfileError on an architecture that no engine supports.
    """
    info = host_info()
    document = {
        "name": name,
        "description": f"{info.board or info.cpu_model}, probed",
        "cores": encode(info.cores) or [{"core": info.cpu_model, "count": info.logical_cpus}],
        "isa": {"architecture": info.machine, "features": list(info.cpu_features)},
        "userland": {
            "os": info.os,
            "bits": 32 if info.machine == "armv7l" else 64,
            "libc": info.libc,
            "python": ".".join(info.python.split(".")[:2]),
        },
        "engines": {engine.name: _installed_engine(engine, info) for engine in engines().values()},
        "soc": info.cpu_model,
        "boards": [info.board] if info.board else [],
        "caches": {"l1d_bytes": info.l1d_bytes, "l2_bytes": info.l2_bytes, "l3_bytes": info.l3_bytes},
        "memory_bytes": [info.memory_bytes] if info.memory_bytes else [],
    }
    return _decode(document, "this machine, probed")


def formats(profile: DeviceProfile) -> dict[str, str | None]:
    """Every artifact format: None where the device can run it, or the reason why it cannot."""
    known = engines().values()
    return {
        target: _why_not(profile, [e for e in known if target in e.formats])
        for target in sorted({target for engine in known for target in engine.formats})
    }


def is_host(profile: DeviceProfile) -> bool:
    """Whether this machine is that device, so that what is measured here proves the device's limits.

    True for `host`, for a board whose device tree names it, and for a profile probed on a machine like this.
    A profile of a class of machines (no board, a reference member's numbers) is never this machine.
    """
    if profile.name == HOST:
        return True
    here = probe()
    if profile.isa.architecture != here.isa.architecture:
        return False
    if any(board.startswith(prefix) for board in here.boards for prefix in profile.boards):
        return True
    return _hardware(profile) == _hardware(here)


def facts(profile: DeviceProfile) -> tuple[Fact, ...]:
    """Every number of the profile with its source, the most specific one that names it."""
    found = []
    for path, value in _leaves(profile):
        if type(value) is int:
            cited = dict.fromkeys(profile.unsourced, GENERAL_KNOWLEDGE) | dict(profile.sources)
            covering = [key for key in cited if _covers(key, path)]
            source = cited[max(covering, key=len)] if covering else None
            found.append(Fact(path, value, source))
    return tuple(found)


def to_toml(profile: DeviceProfile) -> str:
    """The profile as the text of a device file; `load_device` reads it back."""
    return toml.dumps(_without_empty(encode(profile)))


def _folder() -> Path:
    packaged = Path(__file__).parent / "_devices"  # in an installed wheel
    return packaged if packaged.is_dir() else Path(__file__).parents[1] / "devices"


def _load(path: Path) -> DeviceProfile:
    try:
        with path.open("rb") as file:
            document = tomllib.load(file)
    except FileNotFoundError as error:
        raise DeviceProfileError(f"device file {path}: no such file") from error
    except OSError as error:
        raise DeviceProfileError(f"device file {path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DeviceProfileError(f"device file {path}: not TOML: {error}") from error
    profile = _decode(document, f"device file {path}")
    # Also keeps a file from calling itself `host` and having its limits proven wherever it is used.
    if profile.name != path.stem:
        raise DeviceProfileError(
            f"device file {path}: name: expected the file's own, {path.stem!r}, got {profile.name!r}"
        )
    return profile


def _decode(document: dict[str, Any], where: str) -> DeviceProfile:
    try:
        return decode(DeviceProfile, document)
    except CodecError as error:
        raise DeviceProfileError(f"{where}: {error}; see devices/README.md") from error


def _installed_engine(engine: Engine, info: HostInfo) -> dict[str, Any]:
    package = engine.distribution
    version = info.packages.get(package)
    wheel: dict[str, Any] = {"available": version is not None, "package": package, "last_version": version}
    if version is None:
        wheel["note"] = f"{package} is not installed here: pip install {package}"
    return wheel


def _why_not(profile: DeviceProfile, candidates: list[Engine]) -> str | None:
    reasons = []
    for engine in candidates:
        wheel = profile.engines.get(engine.name)
        if wheel is None:
            reasons.append(f"the profile of {profile.name} says nothing of {engine.name}")
        elif not wheel.available:
            reasons.append(wheel.note)
        elif missing := [f for f in wheel.requires_features if f not in profile.isa.features]:
            reasons.append(f"{wheel.package} needs {', '.join(missing)}")
        else:
            return None
    return "; ".join(reasons)


def _hardware(profile: DeviceProfile) -> tuple[object, ...]:
    return profile.cores, profile.isa, profile.caches, profile.memory_bytes


def _check_range(name: str, value: int | None) -> None:
    low, high, unit = _RANGES[name]
    if value is not None and not low <= value <= high:
        raise ValueError(f"{name}: expected {low} to {high} {unit}, got {value}")


def _leaves(profile: DeviceProfile) -> Iterator[tuple[str, object]]:
    """Path and value of what sources may cover; the clusters of `cores` share their paths."""
    described = encode(profile)
    for name in (
        "cores",
        "isa",
        "userland",
        "engines",
        "soc",
        "boards",
        "caches",
        "memory_bytes",
        "bandwidth",
    ):
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


def _without_empty(value: Any) -> Any:
    """TOML has no null; absent and None decode to the same."""
    if isinstance(value, dict):
        kept = {key: _without_empty(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in (None, [], {}, "")}
    return [_without_empty(item) for item in value] if isinstance(value, list) else value
