"""docs/devices.md: every device of `devices/` in tables, and where its numbers come from.

Written by `python tests/device_catalogue.py`; a test fails when the file is out of date.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from edgeml.catalogue import clock, cores, memory, readable, size
from edgeml.device_profile import (
    GENERAL_KNOWLEDGE,
    Bandwidth,
    Caches,
    DeviceProfile,
    EngineWheel,
    Peak,
    bandwidth_of,
    caches_of,
    peak_of,
)
from edgeml.devices import HOST, device_names, load_device
from edgeml.libraries import LIBRARIES

DOCUMENT = Path(__file__).parent.parent / "docs" / "devices.md"

_INTRODUCTION = """# Devices

Written by `python tests/device_catalogue.py` from the files of [devices/](../devices/README.md), which
explains every field. `?` is not known: nothing here is a guess. Where boards of one name differ, the number
is the one that promises less.

- **Peak**: multiply-adds a cycle of one core at best, float32 / float16 / int8 (`-`: no such instruction, or
  not known). No program reaches it.
- **Bandwidth**: of memory, copied / written by one core, in GB (10^9 bytes) a second.
- **Caches**: first level for data / second / third, as one core reaches them (`-`: there is none).
- `+` separates clusters of different cores, in the same order in every column.
"""

_ENGINES = """## Engines

What a wheel exists for: architecture, Python and C library of the userland decide. The versions are the first
and the last one with such a wheel on the package index; when it was asked stands under the sources.
"""

_MICROCONTROLLERS = """## Microcontrollers

No Python and no engine of ours: the firmware links a library that reads the bundle's `model.tflite` (a bundle
is a zip file: `unzip -p m.edgeml model.tflite`). `edgeml compile` offers what that library reads, judges it
in an engine of this host, and says so; integers are chosen before floats, a latency limit stays unproven.
SRAM is the largest block where a chip has it in parts: activations have to lie in one piece.
"""

_SOURCES = """## Sources

By field; the more specific field wins. What is *general knowledge* was not looked up in a document.
"""


def document() -> str:
    """The text of docs/devices.md."""
    profiles = [load_device(name) for name in device_names() if name != HOST]
    linux = [p for p in profiles if p.kind == "linux"]
    micro = [p for p in profiles if p.kind == "microcontroller"]
    return "\n".join(
        [
            _INTRODUCTION,
            f"## Linux ({len(linux)})\n",
            *_table(
                ("device", "", "cores", "clock", "caches", "memory", "ISA", "peak", "bandwidth", "formats"),
                [_linux_row(p) for p in linux],
            ),
            "",
            _ENGINES,
            *_table(
                ("device", "userland", "Python", "C library", "onnxruntime", "LiteRT", "tflite-runtime"),
                [_engine_row(p) for p in linux],
            ),
            "",
            *_notes(linux),
            "",
            _MICROCONTROLLERS,
            *_table(
                ("device", "", "cores", "clock", "flash", "SRAM", "ISA", "peak", "library and kernels"),
                [_micro_row(p) for p in micro],
            ),
            "",
            *(f"- `{name}`: {library.description}." for name, library in LIBRARIES.items()),
            *(
                f"  {scheme} is left out: {reason}."
                for library in LIBRARIES.values()
                for scheme, reason in library.refused.items()
            ),
            "",
            "## How the peaks were found\n",
            *_peaks(profiles),
            "",
            _SOURCES,
            *(line for profile in profiles for line in _sources(profile)),
        ]
    )


def _linux_row(profile: DeviceProfile) -> tuple[str, ...]:
    return (
        f"`{profile.name}`",
        profile.description,
        cores(profile),
        clock(profile),
        _joined(_caches(caches_of(profile, c)) for c in profile.cores),
        memory(profile),
        " ".join((profile.isa.architecture, *profile.isa.features)),
        _joined(_peak(peak_of(profile, c)) for c in profile.cores),
        _joined(_bandwidth(bandwidth_of(profile, c)) for c in profile.cores),
        readable(profile),
    )


def _micro_row(profile: DeviceProfile) -> tuple[str, ...]:
    libraries = [
        f"{name}: {', '.join(library.kernels) or 'reference'}" for name, library in profile.libraries.items()
    ]
    return (
        f"`{profile.name}`",
        profile.description,
        cores(profile),
        clock(profile),
        "?" if profile.flash_bytes is None else size(profile.flash_bytes),
        "?" if profile.sram_bytes is None else size(profile.sram_bytes),
        " ".join((profile.isa.architecture, *profile.isa.features)),
        _peak(profile.peak),
        "; ".join(libraries),
    )


def _engine_row(profile: DeviceProfile) -> tuple[str, ...]:
    userland = profile.userland
    assert userland is not None, profile.name
    wheels = (profile.engines.get(name) for name in ("onnxruntime", "litert", "tflite-runtime"))
    return (
        f"`{profile.name}`",
        userland.os,
        userland.python,
        userland.libc or "?",
        *(_wheel(wheel) for wheel in wheels),
    )


def _wheel(wheel: EngineWheel | None) -> str:
    if wheel is None:
        return "?"
    if not wheel.available:
        return "none"
    broken = f", not {', '.join(wheel.broken_versions)}" if wheel.broken_versions else ""
    versions = sorted({wheel.first_version or "", wheel.last_version or ""})
    return f"{' to '.join(versions) if versions[0] != versions[-1] else versions[0]}{broken}"


def _notes(profiles: Sequence[DeviceProfile]) -> Iterator[str]:
    """What a person has to know of the wheels, once for the devices it holds for."""
    devices: dict[str, list[str]] = {}
    for profile in profiles:
        for wheel in profile.engines.values():
            if wheel.note:
                devices.setdefault(f"{wheel.package}: {wheel.note}", []).append(f"`{profile.name}`")
    for note, names in devices.items():
        yield f"- {note} ({', '.join(names)})"


def _caches(caches: Caches) -> str:
    levels = (caches.l1d_bytes, caches.l2_bytes, caches.l3_bytes)
    return " / ".join("?" if level is None else size(level) if level else "-" for level in levels)


def _peak(peak: Peak | None) -> str:
    if peak is None:
        return "?"
    values = (peak.fp32_macs_per_cycle, peak.fp16_macs_per_cycle, peak.int8_macs_per_cycle)
    return " / ".join("-" if value is None else f"{value:g}" for value in values)


def _bandwidth(bandwidth: Bandwidth | None) -> str:
    if bandwidth is None:
        return "?"
    rates = (bandwidth.memcpy_bytes_per_s, bandwidth.memset_bytes_per_s)
    return " / ".join(f"{rate / 1e9:.2f}" for rate in rates)


def _peaks(profiles: Sequence[DeviceProfile]) -> Iterator[str]:
    found: dict[tuple[str, str], list[str]] = {}
    for profile in profiles:
        for cluster in profile.cores:
            peak = peak_of(profile, cluster)
            if peak is not None:
                found.setdefault((cluster.core, peak.how), []).append(f"`{profile.name}`")
    for core, how in sorted(found):
        yield f"- {core}: {how} ({', '.join(found[core, how])})"


def _sources(profile: DeviceProfile) -> Iterator[str]:
    yield f"- `{profile.name}`"
    cited: dict[str, list[str]] = {}
    for field, source in profile.sources.items():
        cited.setdefault(source, []).append(field)
    for source, fields in cited.items():
        yield f"  - {', '.join(fields)}: {source}"
    if profile.unsourced:
        yield f"  - {', '.join(profile.unsourced)}: *{GENERAL_KNOWLEDGE}*"


def _joined(texts: Iterator[str]) -> str:
    return " + ".join(texts)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield "|" + "---|" * len(headings)
    yield from (f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    """Write the document."""
    DOCUMENT.write_text(document(), encoding="utf-8")


if __name__ == "__main__":
    main()
