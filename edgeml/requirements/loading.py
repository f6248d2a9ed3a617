"""Whether a device can load an engine at all: its wheel, and the instructions in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeml.requirements.releases import comparable, engine_releases, usable_versions
from edgeml.requirements.requirement import Requirement

if TYPE_CHECKING:
    from edgeml.device_profile import DeviceProfile, EngineWheel


_EMULATED = ("aarch64", "armv7l")


@dataclass(frozen=True, slots=True)
class Loading:
    """An engine on a device: the version that pip would install there, and whether it loads."""

    engine: str
    version: str | None
    requirements: tuple[Requirement, ...]


def engine_loading(profile: DeviceProfile, engine: str) -> Loading:
    """The newest version of that engine that the device can take, and what speaks for it or against."""
    wheel = profile.engines.get(engine)
    if wheel is None:
        reason = f"the profile of {profile.name} says nothing of {engine}"
        return Loading(engine, None, (Requirement("wheel", "no", reason),))
    if not wheel.available:
        return Loading(engine, None, (Requirement("wheel", "no", wheel.note),))
    version, found = _wheel(profile, engine, wheel)
    return Loading(engine, version, (found, _instructions(profile, engine, wheel, version)))


def library_loading(profile: DeviceProfile, library: str) -> Loading:
    """A library of a microcontroller: linked into the firmware, so there is no wheel to miss."""
    linked = profile.libraries[library]
    kernels = f" with kernels of {', '.join(linked.kernels)}" if linked.kernels else ""
    reason = f"{library}{kernels} is compiled for {profile.cores[0].core} and linked into the firmware"
    known = engine_releases(library)
    version = known.releases[-1].version if known else None
    return Loading(library, version, (Requirement("library", "yes", reason),))


def _wheel(profile: DeviceProfile, engine: str, wheel: EngineWheel) -> tuple[str | None, Requirement]:
    architecture = profile.isa.architecture
    python = profile.userland.python if profile.userland else ""
    if wheel.pythons and python not in wheel.pythons:
        reason = f"{wheel.package} has wheels for Python {', '.join(wheel.pythons)}; the device has {python}"
        return None, Requirement("wheel", "no", reason)
    if wheel.first_version is None and wheel.last_version is None:
        reason = f"the profile says there is a wheel of {wheel.package}, and not of which version"
        return None, Requirement("wheel", "unproven", reason)
    libc = profile.userland.libc if profile.userland else None
    too_new: list[tuple[str, str]] = []
    for version in usable_versions(engine, wheel.first_version, wheel.last_version, wheel.broken_versions):
        needed = _glibc(engine, version, architecture)
        if needed is None or libc is None:
            known = "what glibc it needs" if needed is None else "which C library the device has"
            reason = f"{wheel.package} {version} for {architecture}, Python {python}; {known} is not known"
            answer = "yes" if profile.name == "host" else "unproven"
            return version, Requirement("wheel", answer, reason)  # type: ignore[arg-type]
        if libc.startswith("glibc ") and comparable(needed) <= comparable(libc.removeprefix("glibc ")):
            reason = f"{wheel.package} {version} for {architecture}, Python {python}, glibc {needed} or newer"
            return version, Requirement("wheel", "yes", _with_skipped(reason, too_new, libc))
        too_new.append((version, needed))
    if too_new:
        version, needed = too_new[-1]
        reason = f"every wheel of {wheel.package} needs glibc {needed} or newer; the device has {libc}"
    else:
        reason = f"every version of {wheel.package} with a wheel is broken there: {wheel.note}"
    return None, Requirement("wheel", "no", reason)


def _with_skipped(reason: str, too_new: Sequence[tuple[str, str]], libc: str) -> str:
    if not too_new:
        return reason
    version, needed = too_new[0]
    return f"{reason}; {version} needs glibc {needed} and the device has {libc}"


def _glibc(engine: str, version: str, architecture: str) -> str | None:
    known = engine_releases(engine)
    release = known.find(version) if known else None
    return release.glibc.get(architecture) if release else None


def _instructions(
    profile: DeviceProfile, engine: str, wheel: EngineWheel, version: str | None
) -> Requirement:
    features = profile.isa.features
    missing = [f for f in wheel.requires_features if f not in features]
    if missing:
        return Requirement("instructions", "no", f"{wheel.package} needs {', '.join(missing)}")
    broken = f"; {', '.join(wheel.broken_versions)} would not: {wheel.note}" if wheel.broken_versions else ""
    if wheel.requires_features:
        reason = f"the core has what the wheel needs: {', '.join(wheel.requires_features)}{broken}"
        return Requirement("instructions", "yes", reason)
    known = engine_releases(engine)
    release = known.find(version) if known and version else None
    ran_with = release.ran_with.get(profile.isa.architecture) if release else None
    if ran_with is not None and set(ran_with) <= set(features):
        reason = f"{wheel.package} {version} ran on a core with no more than {', '.join(ran_with)}{broken}"
        return Requirement("instructions", "yes", reason)
    tries = f"; edgeml verify --on {profile.name} tries it" if profile.isa.architecture in _EMULATED else ""
    reason = (
        f"{wheel.package} {version or ''} was not tried on a core with no more than "
        f"{', '.join(features) or 'the base instructions'}{tries}{broken}"
    )
    return Requirement("instructions", "unproven", reason)
