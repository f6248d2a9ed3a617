"""What machine is this: CPU, clock, caches, memory, system and packages, all that decides a latency.

Read from `/proc`, `/sys` and `/etc`; what a container, a board's old kernel or another operating system does
not tell is None, never an error. Each source has a parser that takes its text.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("numpy", "onnxruntime", "ai-edge-litert", "tflite-runtime", "edgeml-runtime")

# What changes the kernels an engine picks, by the name that Linux prints. Arm's two names for its 128-bit
# SIMD (neon on 32 bits, asimd on 64) are one feature here.
_FEATURES = {
    "neon": "neon", "asimd": "neon", "vfpv3": "vfpv3", "vfpv4": "vfpv4",
    "asimdhp": "fp16", "asimdfhm": "fp16fml", "asimddp": "dotprod", "i8mm": "i8mm", "bf16": "bf16",
    "atomics": "lse", "sve": "sve", "sve2": "sve2", "sme": "sme", "sme2": "sme2",
    "ssse3": "ssse3", "sse4_1": "sse4_1", "sse4_2": "sse4_2", "avx": "avx", "f16c": "f16c", "fma": "fma",
    "avx2": "avx2", "avx_vnni": "avx_vnni", "avx512f": "avx512f", "avx512bw": "avx512bw",
    "avx512vl": "avx512vl", "avx512_vnni": "avx512_vnni", "avx512_bf16": "avx512_bf16",
    "avx512_fp16": "avx512_fp16", "amx_tile": "amx_tile", "amx_int8": "amx_int8", "amx_bf16": "amx_bf16",
}  # fmt: skip
FEATURES = tuple(dict.fromkeys(_FEATURES.values()))

# (implementer, part) of the main ID register, as Arm's reference manuals and Linux' asm/cputype.h list them.
# Kryo: Qualcomm's names of Cortex-A73 and A53 (2xx), A75 and A55 (3xx), A76 and A55 (4xx).
_ARM_CORES = {
    ("0x41", "0xb36"): "ARM1136", ("0x41", "0xb56"): "ARM1156", ("0x41", "0xb76"): "ARM1176",
    ("0x41", "0xb02"): "ARM11-MPCore",
    ("0x41", "0xc05"): "Cortex-A5", ("0x41", "0xc07"): "Cortex-A7", ("0x41", "0xc08"): "Cortex-A8",
    ("0x41", "0xc09"): "Cortex-A9", ("0x41", "0xc0d"): "Cortex-A17", ("0x41", "0xc0e"): "Cortex-A17",
    ("0x41", "0xc0f"): "Cortex-A15",
    ("0x41", "0xd01"): "Cortex-A32", ("0x41", "0xd02"): "Cortex-A34", ("0x41", "0xd03"): "Cortex-A53",
    ("0x41", "0xd04"): "Cortex-A35", ("0x41", "0xd05"): "Cortex-A55", ("0x41", "0xd06"): "Cortex-A65",
    ("0x41", "0xd07"): "Cortex-A57", ("0x41", "0xd08"): "Cortex-A72", ("0x41", "0xd09"): "Cortex-A73",
    ("0x41", "0xd0a"): "Cortex-A75", ("0x41", "0xd0b"): "Cortex-A76", ("0x41", "0xd0c"): "Neoverse-N1",
    ("0x41", "0xd0d"): "Cortex-A77", ("0x41", "0xd0e"): "Cortex-A76AE",
    ("0x41", "0xd40"): "Neoverse-V1", ("0x41", "0xd41"): "Cortex-A78", ("0x41", "0xd42"): "Cortex-A78AE",
    ("0x41", "0xd43"): "Cortex-A65AE", ("0x41", "0xd44"): "Cortex-X1", ("0x41", "0xd46"): "Cortex-A510",
    ("0x41", "0xd47"): "Cortex-A710", ("0x41", "0xd48"): "Cortex-X2", ("0x41", "0xd49"): "Neoverse-N2",
    ("0x41", "0xd4a"): "Neoverse-E1", ("0x41", "0xd4b"): "Cortex-A78C", ("0x41", "0xd4c"): "Cortex-X1C",
    ("0x41", "0xd4d"): "Cortex-A715", ("0x41", "0xd4e"): "Cortex-X3", ("0x41", "0xd4f"): "Neoverse-V2",
    ("0x41", "0xd80"): "Cortex-A520", ("0x41", "0xd81"): "Cortex-A720", ("0x41", "0xd82"): "Cortex-X4",
    ("0x41", "0xd84"): "Neoverse-V3", ("0x41", "0xd85"): "Cortex-X925", ("0x41", "0xd87"): "Cortex-A725",
    ("0x41", "0xd8e"): "Neoverse-N3",
    ("0x4e", "0x003"): "Denver-2", ("0x4e", "0x004"): "Carmel",
    ("0x51", "0x800"): "Kryo-2xx-Gold", ("0x51", "0x801"): "Kryo-2xx-Silver",
    ("0x51", "0x802"): "Kryo-3xx-Gold", ("0x51", "0x803"): "Kryo-3xx-Silver",
    ("0x51", "0x804"): "Kryo-4xx-Gold", ("0x51", "0x805"): "Kryo-4xx-Silver",
    ("0x61", "0x022"): "Icestorm", ("0x61", "0x023"): "Firestorm",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class CoreCluster:
    """Cores of one kind. `clock_max_hz`: the fastest any of them may run, None where nothing tells."""

    core: str  # "Cortex-A72", or the model name of an x86 CPU
    count: int
    clock_max_hz: int | None = None

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"count must be at least 1, got {self.count}")


@dataclass(frozen=True, slots=True)
class HostInfo:
    """A machine as its operating system tells. Caches are what the first core reaches.

    `machine` is what this Python was built for: a 32-bit Python on a 64-bit kernel (a usual Raspberry Pi
    set-up) is `armv7l`, and that decides which wheels fit.
    """

    machine: str  # "x86_64", "aarch64", "armv7l"
    board: str | None  # "Raspberry Pi 4 Model B Rev 1.5"
    cpu_model: str
    cores: tuple[CoreCluster, ...]
    cpu_features: tuple[str, ...]  # of FEATURES, those that every core has
    logical_cpus: int
    usable_cpus: int  # those the scheduler may put this process on
    clock_max_hz: int | None
    memory_bytes: int | None
    l1d_bytes: int | None
    l2_bytes: int | None
    l3_bytes: int | None
    governor: str | None
    os: str
    kernel: str
    libc: str | None  # "glibc 2.36"
    python: str
    packages: Mapping[str, str]  # of PACKAGES, those installed


@dataclass(frozen=True, slots=True)
class CpuInfo:
    """What `/proc/cpuinfo` says: the core of each logical CPU in order, and the features they share."""

    cores: tuple[str, ...]
    features: tuple[str, ...]
    board: str | None


def host_info(root: str = "/") -> HostInfo:
    """The machine this runs on; `root` is where its file system is mounted."""
    top = Path(root)
    cpu = cpu_info(top)
    clusters = _clusters(top, cpu.cores)
    clocks = [c.clock_max_hz for c in clusters if c.clock_max_hz is not None]
    caches = _caches(top)
    system = os.uname()
    return HostInfo(
        machine=userland_machine(),
        board=_read(top / "proc/device-tree/model") or cpu.board,
        cpu_model=_describe(clusters) or system.machine,
        cores=clusters,
        cpu_features=cpu.features,
        logical_cpus=os.cpu_count() or 1,
        usable_cpus=usable_cpus(),
        clock_max_hz=max(clocks, default=None),
        memory_bytes=_memory_bytes(),
        l1d_bytes=caches.get(1),
        l2_bytes=caches.get(2),
        l3_bytes=caches.get(3),
        governor=_read(top / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        os=parse_os_release(_read(top / "etc/os-release") or "") or system.sysname,
        kernel=f"{system.sysname} {system.release}",
        libc=_libc(top),
        python=".".join(map(str, sys.version_info[:3])),
        packages=_installed(PACKAGES),
    )


def cpu_info(root: Path) -> CpuInfo:
    """What `/proc/cpuinfo` below that root says; nothing where there is none."""
    return parse_cpuinfo(_read(root / "proc/cpuinfo") or "")


def parse_cpuinfo(text: str) -> CpuInfo:
    """Reads x86's, Arm's and old Arm kernels' layout (features once for all cores, at the end)."""
    shared: dict[str, str] = {}
    cpus: list[dict[str, str]] = []
    for block in text.split("\n\n"):
        fields = {
            key.strip(): value.strip()
            for key, separator, value in (line.partition(":") for line in block.splitlines())
            if separator
        }
        if "processor" in fields:
            cpus.append(fields)
        else:
            shared |= fields
    described = [shared | fields for fields in cpus]
    words = [set((c.get("flags") or c.get("Features") or "").split()) for c in described]
    common = set.intersection(*words) if words else set()
    found = {_FEATURES[word] for word in common if word in _FEATURES}
    return CpuInfo(
        cores=tuple(_core_name(c) for c in described),
        features=tuple(f for f in FEATURES if f in found),
        board=shared.get("Model"),
    )


def parse_cache_size(text: str) -> int | None:
    """Bytes of what `/sys/devices/system/cpu/cpu0/cache/index*/size` holds: `32K`, `8M`."""
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    digits, unit = text.strip()[:-1], text.strip()[-1:]
    return int(digits) * units[unit] if digits.isdigit() and unit in units else None


def parse_os_release(text: str) -> str | None:
    """The PRETTY_NAME of `/etc/os-release`."""
    for line in text.splitlines():
        key, _, value = line.partition("=")
        if key == "PRETTY_NAME":
            return value.strip().strip("\"'") or None
    return None


def _core_name(cpu: Mapping[str, str]) -> str:
    implementer, part = cpu.get("CPU implementer"), cpu.get("CPU part")
    if implementer is not None and part is not None:
        # An Arm kernel's "model name" is the architecture, not the core.
        return _ARM_CORES.get((implementer, part), f"Arm implementer {implementer} part {part}")
    return cpu.get("model name") or cpu.get("Processor") or "unknown"


def _clusters(root: Path, cores: tuple[str, ...]) -> tuple[CoreCluster, ...]:
    clocks: dict[str, list[int]] = {}
    for index, core in enumerate(cores):
        limit = _read(root / f"sys/devices/system/cpu/cpu{index}/cpufreq/cpuinfo_max_freq") or ""
        known = clocks.setdefault(core, [])
        if limit.isdigit():
            known.append(int(limit) * 1000)  # the file counts in kHz
    return tuple(
        CoreCluster(core, cores.count(core), max(known, default=None)) for core, known in clocks.items()
    )


def _describe(clusters: tuple[CoreCluster, ...]) -> str:
    if len(clusters) == 1:
        return clusters[0].core
    return " + ".join(f"{c.count}x {c.core}" for c in clusters)


def _caches(root: Path) -> dict[int, int]:
    """Bytes by level, data and unified caches only."""
    sizes: dict[int, int] = {}
    for index in sorted((root / "sys/devices/system/cpu/cpu0/cache").glob("index[0-9]*")):
        level = _read(index / "level") or ""
        size = parse_cache_size(_read(index / "size") or "")
        if level.isdigit() and size is not None and _read(index / "type") != "Instruction":
            sizes[int(level)] = size
    return sizes


def userland_machine() -> str:
    """What this Python was built for, as `HostInfo.machine` names it."""
    kernel_machine = os.uname().machine
    if sys.maxsize > 1 << 32:
        return "aarch64" if kernel_machine == "arm64" else kernel_machine
    return {"aarch64": "armv7l", "armv8l": "armv7l", "x86_64": "i686"}.get(kernel_machine, kernel_machine)


def usable_cpus() -> int:
    """How many CPUs the scheduler may put this process on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def _libc(root: Path) -> str | None:
    try:
        version = os.confstr("CS_GNU_LIBC_VERSION")
    except (ValueError, OSError):
        version = None
    if version is None and next((root / "lib").glob("ld-musl-*"), None) is not None:
        return "musl"
    return version


def _installed(packages: tuple[str, ...]) -> dict[str, str]:
    # Costs several times the rest of this module, so only who asks pays.
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _read(path: Path) -> str | None:
    try:
        # The device tree ends its strings with a NUL.
        return path.read_text(encoding="utf-8", errors="replace").strip("\0 \n") or None
    except OSError:
        return None
