"""The host: parsers on recorded texts, and what this machine says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgeml_runtime.codec import decode, encode
from edgeml_runtime.host import (
    CoreCluster,
    CpuInfo,
    HostInfo,
    host_info,
    parse_cache_size,
    parse_cpuinfo,
    parse_os_release,
)


def _arm(count: int, features: str, part: str, *, head: str = "", tail: str = "", start: int = 0) -> str:
    block = (
        "processor\t: {index}\n"
        f"{head}BogoMIPS\t: 108.00\nFeatures\t: {features}\nCPU implementer\t: 0x41\nCPU architecture: 8\n"
        f"CPU variant\t: 0x0\nCPU part\t: {part}\nCPU revision\t: 3\n\n"
    )
    return "".join(block.format(index=i) for i in range(start, start + count)) + tail


# Each as its board printed it (core by core the same).
ARMV7 = "half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm crc32 "
ARMV82 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"
PI_3 = _arm(
    4,
    "fp asimd evtstrm crc32 cpuid",
    "0xd03",
    head="model name\t: ARMv8 Processor rev 4 (v8l)\n",
    tail="Hardware\t: BCM2835\nRevision\t: a02082\nModel\t\t: Raspberry Pi 3 Model B Rev 1.2\n",
)
PI_4_32_BIT = _arm(
    4,
    ARMV7,
    "0xd08",
    head="model name\t: ARMv7 Processor rev 3 (v7l)\n",
    tail="Hardware\t: BCM2711\nRevision\t: c03112\nModel\t\t: Raspberry Pi 4 Model B Rev 1.2\n",
)
PI_4 = _arm(
    4,
    "fp asimd evtstrm crc32 cpuid",
    "0xd08",
    tail="Revision\t: d03115\nModel\t\t: Raspberry Pi 4 Model B Rev 1.5\n",
)
PI_5 = _arm(
    4,
    ARMV82,
    "0xd0b",
    tail="Hardware\t: BCM2835\nRevision\t: d04170\nModel\t\t: Raspberry Pi 5 Model B Rev 1.0\n",
)
RK3588 = _arm(4, ARMV82, "0xd05") + _arm(4, ARMV82, "0xd0b", start=4, tail="Serial\t\t: 0\n")
PI_ZERO = (
    "processor\t: 0\nmodel name\t: ARMv6-compatible processor rev 7 (v6l)\nBogoMIPS\t: 697.95\n"
    "Features\t: half thumb fastmult vfp edsp java tls \nCPU implementer\t: 0x41\nCPU architecture: 7\n"
    "CPU variant\t: 0x0\nCPU part\t: 0xb76\nCPU revision\t: 7\n\nHardware\t: BCM2835\nRevision\t: 900093\n"
)
# Linux before 3.8 gave the features once, after the cores.
OLD_ARM = (
    "Processor\t: ARMv7 Processor rev 10 (v7l)\nprocessor\t: 0\nBogoMIPS\t: 1581.05\n\nprocessor\t: 1\n"
    "BogoMIPS\t: 1581.05\n\nFeatures\t: swp half thumb fastmult vfp edsp neon vfpv3 \n"
    "CPU implementer\t: 0x41\nCPU architecture: 7\nCPU variant\t: 0x2\nCPU part\t: 0xc09\n"
    "CPU revision\t: 10\n\nHardware\t: Freescale i.MX\n"
)
EPYC = "".join(
    f"processor\t: {i}\nvendor_id\t: AuthenticAMD\ncpu family\t: 23\n"
    "model name\t: AMD EPYC 7742 64-Core Processor\n"
    "cpu MHz\t\t: 2245.778\ncache size\t: 512 KB\n"
    "flags\t\t: fpu sse sse2 ht pni ssse3 fma cx16 sse4_1 sse4_2 movbe avx f16c rdrand abm avx2 sha_ni\n"
    "bugs\t\t: sysret_ss_attrs\npower management: ts ttp tm\n\n"
    for i in range(2)
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PI_3, CpuInfo(("Cortex-A53",) * 4, ("neon",), "Raspberry Pi 3 Model B Rev 1.2")),
        (PI_4, CpuInfo(("Cortex-A72",) * 4, ("neon",), "Raspberry Pi 4 Model B Rev 1.5")),
        (
            PI_4_32_BIT,
            CpuInfo(("Cortex-A72",) * 4, ("neon", "vfpv3", "vfpv4"), "Raspberry Pi 4 Model B Rev 1.2"),
        ),
        (
            PI_5,
            CpuInfo(
                ("Cortex-A76",) * 4, ("neon", "fp16", "dotprod", "lse"), "Raspberry Pi 5 Model B Rev 1.0"
            ),
        ),
        (
            RK3588,
            CpuInfo(("Cortex-A55",) * 4 + ("Cortex-A76",) * 4, ("neon", "fp16", "dotprod", "lse"), None),
        ),
        (PI_ZERO, CpuInfo(("ARM1176",), (), None)),
        (OLD_ARM, CpuInfo(("Cortex-A9",) * 2, ("neon", "vfpv3"), None)),
        (
            EPYC,
            CpuInfo(
                ("AMD EPYC 7742 64-Core Processor",) * 2,
                ("ssse3", "sse4_1", "sse4_2", "avx", "f16c", "fma", "avx2"),
                None,
            ),
        ),
        ("", CpuInfo((), (), None)),
        ("not a table", CpuInfo((), (), None)),
    ],
    ids=["pi-3", "pi-4", "pi-4-32-bit", "pi-5", "rk3588", "pi-zero", "old-arm", "epyc", "empty", "other"],
)
def test_cpuinfo(text, expected):
    assert parse_cpuinfo(text) == expected


def test_a_feature_counts_only_where_every_core_has_it():
    mixed = _arm(1, "fp asimd", "0xd03") + _arm(1, "fp asimd asimddp", "0xd0b", start=1)
    assert parse_cpuinfo(mixed).features == ("neon",)


def test_an_unknown_arm_core_is_named_by_its_numbers():
    assert parse_cpuinfo(_arm(1, "fp asimd", "0xfff")).cores == ("Arm implementer 0x41 part 0xfff",)


@pytest.mark.parametrize(
    ("text", "size"),
    [("32K\n", 32768), ("8M", 8 << 20), ("1G", 1 << 30), ("", None), ("K", None), ("12", None)],
)
def test_cache_size(text, size):
    assert parse_cache_size(text) == size


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('ID=raspbian\nPRETTY_NAME="Raspbian GNU/Linux 12 (bookworm)"\n', "Raspbian GNU/Linux 12 (bookworm)"),
        ("PRETTY_NAME='Alpine Linux v3.20'", "Alpine Linux v3.20"),
        ('PRETTY_NAME=""', None),
        ("", None),
    ],
)
def test_os_release(text, name):
    assert parse_os_release(text) == name


def test_a_board_from_its_files(tmp_path):
    cpus = tmp_path / "sys/devices/system/cpu"
    files = {
        tmp_path / "proc/cpuinfo": RK3588,
        tmp_path / "proc/device-tree/model": "Radxa ROCK 5B\0",
        tmp_path / "etc/os-release": 'PRETTY_NAME="Armbian 24.5.1 bookworm"\n',
        cpus / "cpu0/cpufreq/scaling_governor": "ondemand\n",
        **{cpus / f"cpu{i}/cpufreq/cpuinfo_max_freq": "1800000\n" for i in range(4)},
        **{cpus / f"cpu{i}/cpufreq/cpuinfo_max_freq": "2256000\n" for i in (4, 5)},
        **{cpus / f"cpu{i}/cpufreq/cpuinfo_max_freq": "2304000\n" for i in (6, 7)},
    }
    for index, level, kind, size in (
        (0, 1, "Data", "32K"),
        (1, 1, "Instruction", "48K"),
        (2, 2, "Unified", "128K"),
    ):
        folder = cpus / f"cpu0/cache/index{index}"
        files |= {folder / "level": f"{level}\n", folder / "type": f"{kind}\n", folder / "size": f"{size}\n"}
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    info = host_info(str(tmp_path))

    assert info.board == "Radxa ROCK 5B"
    assert info.cores == (
        CoreCluster("Cortex-A55", 4, 1_800_000_000),
        CoreCluster("Cortex-A76", 4, 2_304_000_000),
    )
    assert info.cpu_model == "4x Cortex-A55 + 4x Cortex-A76"
    assert info.clock_max_hz == 2_304_000_000
    assert (info.l1d_bytes, info.l2_bytes, info.l3_bytes) == (32768, 131072, None)
    assert info.governor == "ondemand"
    assert info.os == "Armbian 24.5.1 bookworm"


def test_nothing_to_read_is_not_an_error(tmp_path):
    info = host_info(str(tmp_path))
    absent = (info.board, info.clock_max_hz, info.l1d_bytes, info.l2_bytes, info.l3_bytes, info.governor)
    assert absent == (None,) * 6
    assert info.cores == ()
    assert info.cpu_model == os.uname().machine
    assert info.os == os.uname().sysname


def test_this_machine():
    info = host_info()
    assert info.machine == os.uname().machine
    assert 1 <= info.usable_cpus <= info.logical_cpus
    assert sum(c.count for c in info.cores) == info.logical_cpus
    assert info.memory_bytes is not None
    assert info.memory_bytes > 1 << 28
    assert info.python == ".".join(map(str, sys.version_info[:3]))
    assert "numpy" in info.packages


def test_usable_cpus_follow_the_affinity():
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "from edgeml_runtime.host import host_info; print(host_info().usable_cpus)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


def test_json_and_back():
    info = host_info()
    assert decode(HostInfo, json.loads(json.dumps(encode(info)))) == info


def test_parsers_know_this_kernels_files():
    text = Path("/proc/cpuinfo").read_text()
    assert len(parse_cpuinfo(text).cores) == os.cpu_count()
