"""What can be emulated: the two ARM Linux platforms and the cores that QEMU has a model of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeml_runtime.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from edgeml.device_profile import Cluster, DeviceProfile


@dataclass(frozen=True, slots=True)
class Platform:
    """A userland: Debian 12's of that architecture, whose Python 3.11 decides which wheels fit."""

    name: str  # as Python names the machine: "aarch64", "armv7l"
    qemu: str  # the program; QEMU's static build has another name and no plugins
    debian: str  # Debian's name of the architecture
    triplet: str  # the folder below usr/lib that holds its libraries
    reference_device: str  # whose profile says which engine versions are today's
    check_core: str  # the least of its cores: what runs there runs on all
    packages: tuple[str, ...]  # of Debian; what they depend on comes with them
    python: str = "3.11"
    glibc: tuple[int, int] = (2, 36)

    @property
    def wheel_tags(self) -> tuple[str, ...]:
        """The platform tags that pip may take, every glibc from the oldest of that architecture on."""
        major, minor = self.glibc
        tags = [f"manylinux_{major}_{n}_{self.name}" for n in range(minor, 16, -1)]
        return (*tags, f"manylinux2014_{self.name}")


@dataclass(frozen=True, slots=True)
class Core:
    """A core as `/proc/cpuinfo` describes it and the QEMU model that executes its instructions.

    `features` are the kernel's words for what the QEMU model offers, so that both of a program's ways to ask
    (this file, the auxiliary vector) agree. Cores of which QEMU 7.2 has no model run on one with the same
    instructions; engines still pick the kernels of the core, because they go by the part number.
    """

    name: str
    platform: str
    qemu_model: str
    part: int  # of the main ID register, as Arm's reference manuals assign it
    variant: int
    revision: int
    features: tuple[str, ...]
    implementer: int = 0x41  # Arm

    @property
    def midr(self) -> int:
        """The main ID register: implementer, variant, architecture 0xf (by feature), part, revision."""
        return self.implementer << 24 | self.variant << 20 | 0xF << 16 | self.part << 4 | self.revision


_PYTHON = ("base-files", "libc-bin", "libstdc++6", "libpython3.11-stdlib", "python3.11-minimal")

PLATFORMS = {
    platform.name: platform
    for platform in (
        Platform(
            name="aarch64",
            qemu="qemu-aarch64",
            debian="arm64",
            triplet="aarch64-linux-gnu",
            reference_device="raspberry-pi-4",
            check_core="cortex-a53",
            packages=_PYTHON,
        ),
        Platform(
            name="armv7l",
            qemu="qemu-arm",
            debian="armhf",
            triplet="arm-linux-gnueabihf",
            reference_device="generic-armv7",
            check_core="cortex-a8",
            # NumPy has no armv7l wheel.
            packages=(*_PYTHON, "python3-numpy"),
        ),
    )
}

_V7 = "swp half thumb fastmult vfp edsp thumbee neon vfpv3 tls vfpd32"
_V7_VE = "swp half thumb fastmult vfp edsp thumbee neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae"
_V8_0 = "fp asimd aes pmull sha1 sha2 crc32 cpuid"
_V8_2 = "fp asimd aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"

CORES = {
    name: Core(name, platform, qemu_model, part, variant, revision, tuple(words.split()))
    for name, platform, qemu_model, part, variant, revision, words in (
        ("cortex-a7", "armv7l", "cortex-a7", 0xC07, 0, 5, _V7_VE),
        ("cortex-a8", "armv7l", "cortex-a8", 0xC08, 0, 0, _V7),
        ("cortex-a9", "armv7l", "cortex-a9", 0xC09, 0, 0, _V7),
        ("cortex-a15", "armv7l", "cortex-a15", 0xC0F, 4, 0, _V7_VE),
        ("cortex-a17", "armv7l", "cortex-a15", 0xC0D, 1, 1, _V7_VE),
        ("cortex-a35", "aarch64", "cortex-a35", 0xD04, 1, 0, _V8_0),
        ("cortex-a53", "aarch64", "cortex-a53", 0xD03, 0, 4, _V8_0),
        ("cortex-a57", "aarch64", "cortex-a57", 0xD07, 1, 0, _V8_0),
        ("cortex-a72", "aarch64", "cortex-a72", 0xD08, 0, 3, _V8_0),
        ("cortex-a73", "aarch64", "cortex-a72", 0xD09, 0, 2, _V8_0),
        ("cortex-a55", "aarch64", "cortex-a76", 0xD05, 2, 0, _V8_2),
        ("cortex-a75", "aarch64", "cortex-a76", 0xD0A, 3, 1, _V8_2),
        ("cortex-a76", "aarch64", "cortex-a76", 0xD0B, 4, 1, _V8_2),
        ("cortex-a77", "aarch64", "cortex-a76", 0xD0D, 1, 1, _V8_2),
        ("cortex-a78", "aarch64", "cortex-a76", 0xD41, 1, 1, _V8_2),
        ("cortex-a78ae", "aarch64", "cortex-a76", 0xD42, 0, 1, _V8_2),
        ("neoverse-n1", "aarch64", "neoverse-n1", 0xD0C, 4, 1, _V8_2),
    )
}

# The core classes of the ISA matrix: Armv8.0 in order and out of order, Armv8.2 with dot product, 32 bits.
CLASSES = ("cortex-a53", "cortex-a72", "cortex-a76", "armv7")
_ALIASES = {"armv7": "cortex-a7"}


def emulated_names() -> tuple[str, ...]:
    """Every core that can be emulated by name, classes included."""
    return tuple(sorted({*CORES, *_ALIASES}))


def find_core(name: str) -> Core:
    """The core or class of that name; raises UnknownNameError with the nearest ones."""
    try:
        return CORES[_ALIASES.get(name, name)]
    except KeyError:
        raise UnknownNameError("core", name, emulated_names()) from None


def platform_of(core: Core) -> Platform:
    """The userland that programs of that core run in."""
    return PLATFORMS[core.platform]


def core_of(profile: DeviceProfile) -> tuple[Core, Cluster]:
    """The fastest cluster of a device and the core that stands for it.

    One inference runs on one kind of core; of a mixed chip that is the fastest one here. Raises InputError
    where QEMU has no such core, or none with the instructions that the profile promises.
    """
    from edgeml_runtime.host import parse_cpuinfo

    architecture = profile.isa.architecture
    if architecture not in PLATFORMS:
        raise InputError(
            f"device {profile.name}: {architecture} is not emulated; emulated: {', '.join(sorted(PLATFORMS))}"
        )
    cluster = max(profile.cores, key=lambda cluster: cluster.clock_max_hz or 0)
    core = CORES.get(re.sub(r"[^a-z0-9]+", "-", cluster.core.lower()))
    if core is None or core.platform != architecture:
        known = ", ".join(name for name, c in CORES.items() if c.platform == architecture)
        raise InputError(
            f"device {profile.name}: QEMU has no model of a {cluster.core} in {architecture}; it has {known}"
        )
    from edgeml.emulation.cpuinfo import cpuinfo_text

    offered = parse_cpuinfo(cpuinfo_text(core, 1)).features
    if missing := [feature for feature in profile.isa.features if feature not in offered]:
        raise InputError(
            f"device {profile.name}: QEMU's {core.qemu_model} lacks {', '.join(missing)}, so the engine "
            f"would not run the kernels that it runs on the device"
        )
    return core, cluster
