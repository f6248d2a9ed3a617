"""Cores and platforms: a runtime reads back what they describe, and what cannot be emulated is refused."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from edgeml.devices import device_names, load_device
from edgeml.emulation.cpuinfo import cpu_files, cpuinfo_text, display_name
from edgeml.emulation.platforms import (
    CLASSES,
    CORES,
    PLATFORMS,
    Core,
    core_of,
    emulated_names,
    find_core,
    platform_of,
)
from edgeml_runtime.errors import InputError, UnknownNameError
from edgeml_runtime.host import parse_cpuinfo

V7 = ("neon", "vfpv3")
V7_VE = ("neon", "vfpv3", "vfpv4")
V8_0 = ("neon",)
V8_2 = ("neon", "fp16", "dotprod", "lse")
FEATURES = {
    "cortex-a7": V7_VE,
    "cortex-a8": V7,
    "cortex-a9": V7,
    "cortex-a15": V7_VE,
    "cortex-a17": V7_VE,
    "cortex-a35": V8_0,
    "cortex-a53": V8_0,
    "cortex-a57": V8_0,
    "cortex-a72": V8_0,
    "cortex-a73": V8_0,
    "cortex-a55": V8_2,
    "cortex-a75": V8_2,
    "cortex-a76": V8_2,
    "cortex-a77": V8_2,
    "cortex-a78": V8_2,
    "cortex-a78ae": V8_2,
    "neoverse-n1": V8_2,
}


@pytest.mark.parametrize("core", CORES.values(), ids=CORES)
def test_the_runtime_reads_the_core_and_its_features_back(core: Core) -> None:
    found = parse_cpuinfo(cpuinfo_text(core, 3))
    assert found.cores == (display_name(core),) * 3
    assert found.features == FEATURES[core.name]
    assert found.board == f"{display_name(core)} emulated by QEMU"


def test_cpuinfo_is_laid_out_as_a_kernel_prints_it() -> None:
    blocks = cpuinfo_text(find_core("cortex-a72"), 2).split("\n\n")
    assert blocks[1].splitlines() == [
        "processor\t: 1",
        "BogoMIPS\t: 100.00",
        "Features\t: fp asimd aes pmull sha1 sha2 crc32 cpuid",
        "CPU implementer\t: 0x41",
        "CPU architecture: 8",
        "CPU variant\t: 0x0",
        "CPU part\t: 0xd08",
        "CPU revision\t: 3",
    ]


def test_the_processors_are_counted_and_identified_in_sys() -> None:
    files = cpu_files(find_core("cortex-a76"), 4, 2_400_000_000)
    top = "sys/devices/system/cpu"
    assert files[f"{top}/possible"] == files[f"{top}/online"] == "0-3\n"
    assert files[f"{top}/cpu3/regs/identification/midr_el1"] == "0x00000000414fd0b1\n"
    assert files[f"{top}/cpu3/cpufreq/cpuinfo_max_freq"] == "2400000\n"
    assert f"{top}/cpu4/topology/core_id" not in files
    assert cpu_files(find_core("cortex-a76"), 1, None)[f"{top}/online"] == "0\n"


def test_classes_are_one_core_of_each_instruction_set() -> None:
    cores = [find_core(name) for name in CLASSES]
    assert [core.name for core in cores] == ["cortex-a53", "cortex-a72", "cortex-a76", "cortex-a7"]
    assert [platform_of(core).name for core in cores] == ["aarch64"] * 3 + ["armv7l"]
    assert set(CLASSES) <= set(emulated_names())


def test_an_unknown_core_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown core 'cortex-a7x'; did you mean cortex-a7"):
        find_core("cortex-a7x")


def test_platforms_prove_engines_on_their_least_core() -> None:
    for platform in PLATFORMS.values():
        least = set(CORES[platform.check_core].features)
        assert load_device(platform.reference_device).isa.architecture == platform.name
        peers = [core for core in CORES.values() if core.platform == platform.name]
        assert all(least <= set(core.features) for core in peers)


def test_wheels_of_any_older_glibc_fit() -> None:
    tags = PLATFORMS["aarch64"].wheel_tags
    assert tags[0] == "manylinux_2_36_aarch64"
    assert "manylinux_2_17_aarch64" in tags
    assert tags[-1] == "manylinux2014_aarch64"


@pytest.mark.parametrize(
    ("device", "core"),
    [("raspberry-pi-4", "cortex-a72"), ("raspberry-pi-5", "cortex-a76"), ("generic-armv7", "cortex-a7")],
)
def test_a_device_is_its_fastest_core(device: str, core: str) -> None:
    profile = load_device(device)
    found, cluster = core_of(profile)
    assert found.name == core
    assert cluster == profile.cores[0]
    assert cluster.count == 4


def test_every_arm_linux_device_is_emulated_or_refused_with_its_reason() -> None:
    emulated, refused = [], {}
    for name in device_names():
        profile = load_device(name)
        try:
            core_of(profile)
            emulated.append(name)
        except InputError as error:
            refused[name] = str(error)
    assert {"raspberry-pi-4", "raspberry-pi-zero-2w"} <= set(emulated)
    reasons = r"is not emulated; emulated: aarch64, armv7l|QEMU has no model of a |QEMU's \S+ lacks "
    assert all(re.search(reasons, reason) for reason in refused.values()), refused
    assert "x86_64 is not emulated" in refused["x86-64-avx2"]


def test_features_that_the_model_lacks_are_refused() -> None:
    profile = load_device("raspberry-pi-4")
    with_dot_product = replace(profile, isa=replace(profile.isa, features=("neon", "dotprod")))
    with pytest.raises(InputError, match="raspberry-pi-4: QEMU's cortex-a72 lacks dotprod"):
        core_of(with_dot_product)
