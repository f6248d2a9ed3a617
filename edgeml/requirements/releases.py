"""What each release of an engine accepts: the files `devices/engines/NAME.toml`."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgeml_runtime.codec import CodecError, decode
from edgeml_runtime.errors import DeviceProfileError

_VERSION = re.compile(r"\d+(\.\d+)*")


@dataclass(frozen=True, slots=True)
class Release:
    """A release of an engine: the glibc of its wheels, what it reads, the weakest cores it ran on.

    `opsets`: newest by domain. `operators`: TFLite's, as written in the file by their newest version.
    `ran_with`: by architecture, all the ISA features of a core on which it was seen to run.
    """

    version: str
    glibc: Mapping[str, str] = field(default_factory=dict)
    ir_version: int | None = None
    opsets: Mapping[str, int] = field(default_factory=dict)
    operators: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ran_with: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EngineReleases:
    """The releases of an engine or a library, oldest first, and where the numbers come from."""

    name: str
    package: str
    sources: tuple[str, ...]
    releases: tuple[Release, ...]
    oldest_opset: int | None = None

    def find(self, version: str) -> Release | None:
        """That release, or the newest one before it with what it reads; None where all are newer."""
        found = None
        for release in self.releases:
            if version == release.version:
                return release
            if comparable(release.version) <= comparable(version):
                found = replace(release, glibc={}, ran_with={})
        return found

    def newest_versions(self, version: str) -> Mapping[str, int]:
        """TFLite operators of a release and the newest version of each that it has; empty where unknown."""
        found: dict[str, int] = {}
        for release in self.releases:
            if version != release.version and comparable(release.version) > comparable(version):
                break
            for number, names in release.operators.items():
                found |= dict.fromkeys(names, int(number))
        return found


def comparable(version: str) -> tuple[int, ...]:
    """`1.15.0` as (1, 15, 0); what is no such number is older than everything."""
    found = _VERSION.match(version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


@functools.cache
def engine_releases(name: str) -> EngineReleases | None:
    """What is known of that engine's releases; None for an engine without a file (a third party's)."""
    path = _folder() / f"{name}.toml"
    if not path.is_file():
        return None
    try:
        found = decode(EngineReleases, tomllib.loads(path.read_text(encoding="utf-8")))
    except (CodecError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DeviceProfileError(f"engine file {path}: {error}") from error
    versions = [comparable(r.version) for r in found.releases]
    if found.name != name or versions != sorted(versions):
        raise DeviceProfileError(f"engine file {path}: name must be {name!r}, releases the oldest first")
    return found


def usable_versions(name: str, first: str | None, last: str | None, broken: tuple[str, ...]) -> Iterator[str]:
    """Versions between those two that are known and not broken, the newest first."""
    known = engine_releases(name)
    versions = {r.version for r in known.releases} if known else set()
    versions |= {v for v in (first, last) if v is not None}
    for version in sorted(versions, key=comparable, reverse=True):
        early = first is not None and comparable(version) < comparable(first)
        late = last is not None and comparable(version) > comparable(last)
        if not (early or late or version in broken):
            yield version


def _folder() -> Path:
    packaged = Path(__file__).parents[1] / "_devices"  # in an installed wheel
    return (packaged if packaged.is_dir() else Path(__file__).parents[2] / "devices") / "engines"
