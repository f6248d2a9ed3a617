"""What is set up here, set up or removed by name: the documents and lines of the command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgeml.emulation.platforms import PLATFORMS, Platform, platform_of
from edgeml.emulation.roots import platform_folder, read_root, remove, setup_line, size_bytes
from edgeml.emulation.setup import Progress, setup
from edgeml.emulation.targets import ALL, EMULATED, Target, resolve_target
from edgeml_runtime.errors import InputError, UnknownNameError


def set_up(
    name: str,
    progress: Progress | None = None,
    *,
    versions: Mapping[str, str] | None = None,
    apt_sources: Path | None = None,
) -> dict[str, Any]:
    """Set up what a device, a core or `all` needs; a document of what was done and what it took."""
    targets = _targets(name)
    documents = []
    for platform in _platforms(targets):
        done = setup(platform, progress, versions=versions, apt_sources=apt_sources)
        for target in targets:
            if target.core is not None and target.core.platform == platform.name:
                done.root.for_core(target.core, target.count, target.clock_max_hz)
        documents.append(
            {
                **_inventory(platform),
                "seconds": round(done.seconds, 1),
                "steps": [{"name": step.name, "seconds": round(step.seconds, 1)} for step in done.steps],
                "notes": list(done.notes),
            }
        )
    return {"name": name, "platforms": documents}


def removed(name: str) -> dict[str, Any]:
    """Delete what a device, a core or `all` needs, which others of that platform need too; bytes freed."""
    platforms = _platforms(_targets(name))
    return {"name": name, "platforms": [{"platform": p.name, "freed_bytes": remove(p)} for p in platforms]}


def inventory() -> list[dict[str, Any]]:
    """Every platform that takes room here, whole or not."""
    return [_inventory(platform) for platform in PLATFORMS.values() if platform_folder(platform).is_dir()]


def set_up_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """What `set_up` did, for people."""
    for platform in document["platforms"]:
        took = f"took {platform['seconds']} s" if platform["steps"] else "nothing was missing"
        yield f"{inventory_line(platform)}; {took}"
        for step in platform["steps"]:
            yield f"  {step['seconds']:6.1f} s  {step['name']}"
        for note in platform["notes"]:
            yield f"  note: {note}"
    yield f"`edgeml devices remove {document['name']}` deletes it"


def removed_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """What `removed` did, for people."""
    for platform in document["platforms"]:
        freed = (
            f"{platform['freed_bytes'] / 1e6:,.0f} MB freed" if platform["freed_bytes"] else "was not set up"
        )
        yield f"emulated {platform['platform']}: {freed}"


def inventory_lines() -> Iterator[str]:
    """A line for each platform that takes room here."""
    yield from map(inventory_line, inventory())


def inventory_line(entry: Mapping[str, Any]) -> str:
    """One platform: whether it is ready, what it holds, how much room it takes, where."""
    size = f"{entry['size_bytes'] / 1e6:,.0f} MB in {entry['folder']}"
    if not entry["ready"]:
        return f"emulated {entry['platform']}: half set up, {size}; {entry['command']} goes on"
    engines = ", ".join(f"{engine['package']} {engine['version']}" for engine in entry["engines"])
    return f"emulated {entry['platform']}: Python {entry['python']}, {engines}; {size}"


def _inventory(platform: Platform) -> dict[str, Any]:
    root = read_root(platform)
    engines = () if root is None else root.versions
    return {
        "platform": platform.name,
        "ready": bool(engines),
        "folder": str(platform_folder(platform)),
        "size_bytes": size_bytes(platform_folder(platform)),
        "python": platform.python,
        "packages": 0 if root is None else len(root.packages),
        "engines": [
            {"name": e.name, "package": e.package, "version": e.version, "numpy": e.numpy} for e in engines
        ],
        "command": setup_line(platform.reference_device),
    }


def _targets(name: str) -> list[Target]:
    if name == ALL:
        return [resolve_target(EMULATED + platform.reference_device) for platform in PLATFORMS.values()]
    try:
        return [resolve_target(name if name.startswith(EMULATED) else EMULATED + name)]
    except UnknownNameError:
        raise
    except InputError as error:
        raise InputError(f"nothing to set up for {name}: {error}") from error


def _platforms(targets: Sequence[Target]) -> list[Platform]:
    cores = [target.core for target in targets if target.core is not None]
    return list({core.platform: platform_of(core) for core in cores}.values())
