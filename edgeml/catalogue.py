"""The catalogue of devices for people: short texts of a profile, the list of `edgeml devices`, its JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from edgeml.device_profile import Cluster, DeviceProfile, facts
from edgeml.devices import formats
from edgeml_runtime.codec import encode

KINDS = {
    "linux": "Linux: an engine's wheel runs the bundle",
    "microcontroller": "Microcontrollers: a library of the firmware runs the bundle's artifact",
}
_HEADINGS = ("device", "cores", "clock", "memory", "formats")


def list_lines(profiles: Sequence[DeviceProfile]) -> Iterator[str]:
    """The list, grouped by kind, in columns as wide as they have to be."""
    rows = {p.name: (p.name, cores(p), clock(p), memory(p), readable(p)) for p in profiles}
    widths = [max(map(len, column)) for column in zip(_HEADINGS, *rows.values(), strict=True)]

    def line(cells: Sequence[str]) -> str:
        return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()

    for kind, heading in KINDS.items():
        members = [p for p in profiles if p.kind == kind]
        if members:
            yield heading
            yield line(_HEADINGS)
            yield from (line(rows[p.name]) for p in members)
            yield ""
    yield "edgeml devices show NAME: every number with its source"


def show_lines(profile: DeviceProfile) -> Iterator[str]:
    """What the device is and runs, why it does not run the rest, and every number with its source."""
    yield f"{profile.name}: {profile.description}"
    yield f"  cores     {cores(profile)}, {clock(profile)}"
    yield f"  memory    {memory(profile)}"
    yield f"  ISA       {' '.join((profile.isa.architecture, *profile.isa.features))}"
    if profile.userland is not None:
        libc = profile.userland.libc or "C library not known"
        yield f"  userland  {profile.userland.os}, Python {profile.userland.python}, {libc}"
    for name, obstacle in formats(profile).items():
        yield f"  {name:9} {'yes' if obstacle is None else f'no: {obstacle}'}"
    for name, wheel in profile.engines.items():
        note = f" ({wheel.note})" if wheel.note and wheel.available else ""
        first = f"{wheel.first_version} to " if wheel.first_version else ""
        if wheel.available:
            yield f"  engine    {name} {first}{wheel.last_version}{note}"
    for name, library in profile.libraries.items():
        kernels = f" with {', '.join(library.kernels)}" if library.kernels else ""
        yield f"  library   {name}{kernels}{f': {library.note}' if library.note else ''}"
    if profile.peak is not None:
        yield f"  peak      {profile.peak.how}"
    for fact in facts(profile):
        yield f"{fact.path:34} {fact.value}  [{fact.source or 'probed'}]"


def summary(profile: DeviceProfile) -> dict[str, Any]:
    """A device of the list as plain JSON values; sizes in bytes, clocks in Hz, null where not known."""
    return {
        "name": profile.name,
        "kind": profile.kind,
        "description": profile.description,
        "architecture": profile.isa.architecture,
        "cores": [{"core": c.core, "count": c.count, "clock_max_hz": c.clock_max_hz} for c in profile.cores],
        "memory_bytes": list(profile.memory_bytes),
        "flash_bytes": profile.flash_bytes,
        "sram_bytes": profile.sram_bytes,
        "formats": formats(profile),
        "engines": [name for name, wheel in profile.engines.items() if wheel.available],
        "libraries": encode(profile.libraries),
    }


def cores(profile: DeviceProfile) -> str:
    """`4x Cortex-A76 + 4x Cortex-A55`."""
    return " + ".join(_core(cluster) for cluster in profile.cores)


def clock(profile: DeviceProfile) -> str:
    """`2.4 + 1.8 GHz`, `64 MHz`; `?` for a cluster whose clock is not known."""
    known = [c.clock_max_hz for c in profile.cores]
    if not any(known):
        return "?"
    unit, name = (10**9, "GHz") if max(hz or 0 for hz in known) >= 10**9 else (10**6, "MHz")
    return " + ".join("?" if hz is None else f"{hz / unit:.4g}" for hz in known) + f" {name}"


def memory(profile: DeviceProfile) -> str:
    """`1 to 8 GiB`, `2 MiB flash, 512 KiB SRAM`, `?` where it is not known."""
    if profile.kind == "microcontroller":
        sizes = (("flash", profile.flash_bytes), ("SRAM", profile.sram_bytes))
        return ", ".join(f"{size(value)} {name}" for name, value in sizes if value is not None) or "?"
    if not profile.memory_bytes:
        return "?"
    least, most = size(profile.memory_bytes[0]), size(profile.memory_bytes[-1])
    return least if least == most else f"{least} to {most}"


def readable(profile: DeviceProfile) -> str:
    """The artifact formats that the device runs: `onnx, tflite`, or `none`."""
    return ", ".join(name for name, obstacle in formats(profile).items() if obstacle is None) or "none"


def size(value: int) -> str:
    """Bytes in the largest of KiB, MiB, GiB that leaves at least 1: `512 KiB`, `15.6 GiB`."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB")):
        if value >= unit:
            return f"{value / unit:.3g} {name}"
    return f"{value / 1024:.4g} KiB"


def _core(cluster: Cluster) -> str:
    return cluster.core if cluster.count == 1 else f"{cluster.count}x {cluster.core}"
