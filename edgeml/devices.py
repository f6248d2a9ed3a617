"""Devices: what a named target is and which artifacts it can run.

A device is one TOML file whose name is the device's; `devices/README.md` explains every field. `host` has no
file: it is probed. The types are those of `edgeml/device_profile.py`.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from edgeml import toml
from edgeml.device_profile import GENERAL_KNOWLEDGE, DeviceProfile, Fact, facts, linked_libraries
from edgeml.requirements.loading import engine_loading
from edgeml_runtime.codec import CodecError, decode, encode
from edgeml_runtime.engines import Engine, engines
from edgeml_runtime.errors import DeviceProfileError, UnknownNameError
from edgeml_runtime.host import HostInfo, host_info

__all__ = [
    "GENERAL_KNOWLEDGE",
    "HOST",
    "DeviceProfile",
    "Fact",
    "device_names",
    "facts",
    "formats",
    "is_host",
    "load_device",
    "notes",
    "probe",
    "scheme_obstacle",
    "to_toml",
]

HOST = "host"
MIN_PYTHON = (3, 10)  # of edgeml-runtime, which opens the bundle on the device


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
            "bits": 32 if info.machine in ("armv7l", "armv6l") else 64,
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
    """Every artifact format: None where the device can run it, or the reason why it cannot.

    A microcontroller runs what a library of its firmware reads; no engine of ours runs there.
    """
    known = engines().values()
    targets = sorted({target for engine in known for target in engine.formats})
    if profile.kind == "microcontroller":
        readable = {f for library in linked_libraries(profile).values() for f in library.formats}
        names = ", ".join(profile.libraries) or "no library is known there"
        return {t: None if t in readable else f"no library reads {t} ({names})" for t in targets}
    if (old := _old_python(profile)) is not None:
        return dict.fromkeys(targets, old)
    return {t: _why_not(profile, [e for e in known if t in e.formats]) for t in targets}


def scheme_obstacle(profile: DeviceProfile, target: str, scheme: str) -> str | None:
    """Why no library of a microcontroller runs that scheme of a format it reads; None where one does.

    Engines run every scheme that their formats have.
    """
    reading = [entry for entry in linked_libraries(profile).values() if target in entry.formats]
    if not reading or any(scheme in library.schemes for library in reading):
        return None
    return "; ".join(library.refused[scheme] for library in reading)


def notes(profile: DeviceProfile) -> tuple[str, ...]:
    """What a reader of results for this device has to know: where an artifact for it was judged."""
    if profile.kind == "linux":
        return ()
    reading = ", ".join(
        name + (f" with {', '.join(library.kernels)}" if library.kernels else "")
        for name, library in profile.libraries.items()
    )
    return (
        f"{profile.name} is a microcontroller without Python: the answers are those of an engine of this "
        f"host; the firmware links {reading or 'a library'}, whose kernels may round otherwise",
        "its speed and memory are not those of this host, so integers are chosen before floats",
    )


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
        asked = engine_loading(profile, engine.name).requirements
        refused = [r.reason for r in asked if r.answer == "no"]
        if not refused:
            return None
        reasons.append(refused[0])
    return "; ".join(reasons)


def _old_python(profile: DeviceProfile) -> str | None:
    userland = profile.userland
    parts = userland.python.split(".") if userland is not None else []
    if userland is None or not all(part.isdigit() for part in parts) or tuple(map(int, parts)) >= MIN_PYTHON:
        return None
    needed = ".".join(map(str, MIN_PYTHON))
    return f"edgeml-runtime needs Python {needed}, {userland.os} has {userland.python}"


def _hardware(profile: DeviceProfile) -> tuple[object, ...]:
    cores = [(cluster.core, cluster.count, cluster.clock_max_hz) for cluster in profile.cores]
    return cores, profile.isa, profile.caches, profile.memory_bytes


def _without_empty(value: Any) -> Any:
    """TOML has no null; absent and None decode to the same."""
    if isinstance(value, dict):
        kept = {key: _without_empty(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in (None, [], {}, "")}
    return [_without_empty(item) for item in value] if isinstance(value, list) else value
