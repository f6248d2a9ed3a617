"""Device profiles: the files we ship, what is refused and how, the probed host."""

from __future__ import annotations

import dataclasses
import os
import shutil
import tomllib
from pathlib import Path

import pytest

from edgeml.device_profile import LINUX_ARCHITECTURES, MCU_ARCHITECTURES
from edgeml.devices import (
    GENERAL_KNOWLEDGE,
    MIN_PYTHON,
    DeviceProfile,
    device_names,
    facts,
    formats,
    is_host,
    load_device,
    notes,
    probe,
    scheme_obstacle,
    to_toml,
)
from edgeml_converters.schemes import SCHEMES
from edgeml_runtime.errors import DeviceProfileError, UnknownNameError

FOLDER = Path(__file__).parents[1] / "devices"
SHIPPED = tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))

MINIMAL = """
name = "board"
description = "a board"

[[cores]]
core = "Cortex-A53"
count = 4
clock_max_hz = 1_000_000_000

[isa]
architecture = "aarch64"

[userland]
os = "Linux"
bits = 64
python = "3.11"
"""


MICRO = """
name = "board"
description = "a board"
kind = "microcontroller"
flash_bytes = 1_048_576
sram_bytes = 262_144

[[cores]]
core = "Cortex-M4"
count = 1
clock_max_hz = 64_000_000

[isa]
architecture = "armv7e-m"
features = ["dsp", "fpu-sp"]

[peak]
how = "derived"
int8_macs_per_cycle = 2.0

[libraries.tflite-micro]
kernels = ["cmsis-nn"]
"""


def write(tmp_path: Path, text: str, name: str = "board.toml") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(DeviceProfileError) as caught:
        load_device(path)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_the_promised_devices_are_there():
    assert set(device_names()) == {*SHIPPED, "host"}
    assert {
        "generic-armv7", "x86-64-avx2", "x86-64-avx512",
        "raspberry-pi-zero", "raspberry-pi-zero-2w", "raspberry-pi-3b-plus",
        "raspberry-pi-4", "raspberry-pi-5",
        "rock-pi-4", "rock-5b", "orange-pi-5", "rock-3a", "radxa-zero-3w", "jetson-nano", "jetson-orin-nano",
        "beaglebone-black", "imx8m-plus", "coral-dev-board", "aws-graviton2", "aws-graviton3",
        "intel-n100", "intel-atom-x5-z8350",
        "stm32l4r5", "stm32f746", "stm32f767", "stm32h743", "stm32u575", "nrf52840", "nrf5340",
        "rp2040", "rp2350", "esp32", "esp32-s3", "esp32-c3", "cortex-m55",
    } <= set(SHIPPED)  # fmt: skip


@pytest.mark.parametrize("name", SHIPPED)
def test_every_number_has_a_source(name):
    profile = load_device(name)
    numbers = facts(profile)
    assert {f.path for f in numbers} >= {"cores.count", "cores.clock_max_hz"}
    # What is called derived says from what; a source is a document that others can find.
    assert all(f.source == GENERAL_KNOWLEDGE or "://" not in (f.source or "") for f in numbers)
    assert [f.path for f in numbers if f.source is None] == []


@pytest.mark.parametrize("name", SHIPPED)
def test_a_known_package_backs_every_engine(name):
    for engine, wheel in load_device(name).engines.items():
        assert wheel.package == {"litert": "ai-edge-litert"}.get(engine, engine)
        assert wheel.available == (wheel.last_version is not None)


def test_sources_the_longer_path_wins():
    found = {(f.path, f.source) for f in facts(load_device("raspberry-pi-zero-2w"))}
    assert ("caches.l1d_bytes", GENERAL_KNOWLEDGE) in found
    assert ("caches.l2_bytes", "sbc-bench results 3E85, 3DeL") in found


def test_formats_follow_from_the_engines():
    assert formats(load_device("raspberry-pi-4")) == {"onnx": None, "tflite": None}
    assert formats(load_device("generic-armv7")) == {
        "onnx": "no onnxruntime wheel for armv7l",
        "tflite": None,
    }


def test_no_engine_has_a_wheel_for_armv6():
    assert formats(load_device("raspberry-pi-zero")) == {
        "onnx": "no onnxruntime wheel for armv6l",
        "tflite": "no ai-edge-litert wheel for armv6l; no tflite-runtime wheel for armv6l",
    }


def test_a_python_older_than_the_runtimes_rules_every_format_out(tmp_path):
    wheel = '[engines.onnxruntime]\navailable = true\npackage = "onnxruntime"\n'
    for python, expected in (("3.9", "edgeml-runtime needs Python 3.10, Linux has 3.9"), ("3.10", None)):
        path = write(tmp_path, MINIMAL.replace('"3.11"', f'"{python}"') + wheel)
        assert formats(load_device(path))["onnx"] == expected
    runtime = tomllib.loads((FOLDER.parent / "runtime" / "pyproject.toml").read_text())
    assert runtime["project"]["requires-python"] == f">={'.'.join(map(str, MIN_PYTHON))}"


def test_a_microcontroller_runs_what_its_library_reads(tmp_path):
    profile = load_device(write(tmp_path, MICRO))
    assert formats(profile) == {"onnx": "no library reads onnx (tflite-micro)", "tflite": None}
    obstacles = {scheme: scheme_obstacle(profile, "tflite", scheme) for scheme in SCHEMES}
    assert [s for s, why in obstacles.items() if why is None] == ["float32", "int8-static", "int16x8-static"]
    assert obstacles["float16"] == "TensorFlow Lite Micro does not expand float16 weights"
    assert scheme_obstacle(load_device("raspberry-pi-4"), "tflite", "float16") is None
    assert "tflite-micro with cmsis-nn" in notes(profile)[0]
    assert notes(load_device("raspberry-pi-4")) == ()
    assert not is_host(profile)
    bare = load_device(write(tmp_path, MICRO.partition("[libraries")[0]))
    assert formats(bare)["tflite"] == "no library reads tflite (no library is known there)"
    assert load_device(write(tmp_path, to_toml(profile))) == profile


def test_a_wheel_that_needs_more_than_the_isa_has_rules_its_format_out(tmp_path):
    engine = (
        '[engines.onnxruntime]\navailable = true\npackage = "onnxruntime"\nrequires_features = ["dotprod"]\n'
    )
    profile = load_device(write(tmp_path, MINIMAL + engine))
    assert formats(profile) == {
        "onnx": "onnxruntime needs dotprod",
        "tflite": "the profile of board says nothing of litert; "
        "the profile of board says nothing of tflite-runtime",
    }


def test_isa_features_for_int8_and_float16():
    assert {"dotprod", "fp16"} <= set(load_device("raspberry-pi-5").isa.features)
    assert not {"dotprod", "fp16"} & set(load_device("raspberry-pi-4").isa.features)


@pytest.mark.parametrize("name", SHIPPED)
def test_to_toml_and_back(name, tmp_path):
    profile = load_device(name)
    assert load_device(write(tmp_path, to_toml(profile), f"{name}.toml")) == profile


def test_to_toml_keeps_awkward_strings(tmp_path):
    profile = load_device(write(tmp_path, MINIMAL))
    awkward = dataclasses.replace(profile, description='a "quoted" \\ ü 🍓\n\x7f', sources={"isa": "x = [1]"})
    assert load_device(write(tmp_path, to_toml(awkward))) == awkward


def test_an_unknown_name_lists_the_nearest():
    with pytest.raises(UnknownNameError) as caught:
        load_device("raspbery-pi4")
    assert str(caught.value).startswith("unknown device 'raspbery-pi4'; did you mean raspberry-pi-4 or ")
    assert caught.value.nearest[0] == "raspberry-pi-4"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "count = 4",
            "count = 4\nclock_max_mhz = 1000",
            "cores[0].clock_max_mhz: unknown field; known: core, count, clock_max_hz",
        ),
        ("count = 4", "", "cores[0].count: missing"),
        ("count = 4", "count = 0", "cores[0]: count must be at least 1, got 0"),
        ("count = 4", 'count = "4"', "cores[0].count: expected int, got str '4'"),
        ("= 1_000_000_000", "= 1e9", "cores[0].clock_max_hz: expected int, got float '1000000000.0'"),
        (
            "= 1_000_000_000",
            "= 1000",
            "cores[0]: clock_max_hz: expected 1000000 to 100000000000 Hz, got 1000",
        ),
        ("bits = 64", "bits = 16", "userland.bits: expected one of 32, 64, got 16"),
        (
            '"aarch64"',
            '"riscv64"',
            "isa.architecture: expected one of aarch64, armv7l, armv6l, x86_64, armv6-m, ",
        ),
        (
            "[userland]",
            "[caches]\nl2_bytes = 512\n[userland]",
            "caches: l2_bytes: expected 1024 to 68719476736 bytes, got 512",
        ),
        (
            "[[cores]]",
            "memory_bytes = [512]\n[[cores]]",
            "document: memory_bytes: expected 1048576 to 1125899906842624 bytes, got 512",
        ),
        (
            "[[cores]]",
            "memory_bytes = [2147483648, 1073741824]\n[[cores]]",
            "document: memory_bytes: sizes must ascend",
        ),
        (
            "[userland]",
            '[engines.onnx]\navailable = true\npackage = "onnx"\n[userland]',
            "document: engines.onnx: not one of ",
        ),
        (
            "[userland]",
            '[engines.litert]\navailable = false\npackage = "ai-edge-litert"\n[userland]',
            "engines.litert: an engine that is not available needs a note that says why",
        ),
        (
            "[userland]",
            '[sources]\n"caches.l4_bytes" = "a guess"\n[userland]',
            "document: sources: 'caches.l4_bytes' names no field that this profile has",
        ),
        (
            "[userland]",
            "[sources]\ncores.count = 'a guess'\n[userland]",
            "sources.cores: expected str, got dict ",
        ),
    ],
)
def test_a_refused_file_names_itself_and_the_field(old, new, message, tmp_path):
    assert MINIMAL.count(old) == 1
    path = write(tmp_path, MINIMAL.replace(old, new))
    assert refusal(path).startswith(f"device file {path}: {message}")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'kind = "microcontroller"',
            'kind = "mcu"',
            "kind: expected one of linux, microcontroller, got 'mcu'",
        ),
        (
            'kind = "microcontroller"',
            "",
            "document: isa.architecture: kind linux has one of "
            f"{', '.join(LINUX_ARCHITECTURES)}, got 'armv7e-m'",
        ),
        (
            '"armv7e-m"\nfeatures = ["dsp", "fpu-sp"]',
            '"aarch64"',
            "document: isa.architecture: kind microcontroller has one of "
            f"{', '.join(MCU_ARCHITECTURES)}, got 'aarch64'",
        ),
        ("fpu-sp", "neon", "isa: feature 'neon' is not one of dsp, fpu-sp, fpu-dp, mve, mve-fp, pie"),
        ("= 1_048_576", "= 1024", "document: flash_bytes: expected 16384 to 4294967296 bytes, got 1024"),
        ("= 262_144", "= 256", "document: sram_bytes: expected 4096 to 1073741824 bytes, got 256"),
        ("= 262_144", '= "256 KiB"', "sram_bytes: expected int, got str '256 KiB'"),
        (
            "sram_bytes",
            "memory_bytes = [1_048_576]\nsram_bytes",
            "document: memory_bytes: kind microcontroller has none",
        ),
        (
            "[peak]",
            '[userland]\nos = "Linux"\nbits = 32\npython = "3.11"\n[peak]',
            "document: userland: kind microcontroller has none",
        ),
        ("int8_macs_per_cycle = 2.0", "int8_macs = 2.0", "peak.int8_macs: unknown field; known: how, "),
        ('how = "derived"', "", "peak.how: missing"),
        (
            "int8_macs_per_cycle = 2.0",
            "int8_macs_per_cycle = 12_000_000",
            "peak: int8_macs_per_cycle: expected 0.001 to 10000.0 multiply-adds a cycle, got 12000000.0",
        ),
        (
            "int8_macs_per_cycle = 2.0",
            "int8_macs_per_s = 2",
            "peak: int8_macs_per_s: expected 100000 to 1000000000000000 multiply-adds a second, got 2",
        ),
        ('"fpu-sp"', '"dsp"', "isa: feature 'dsp' is given twice"),
        (
            "flash_bytes",
            'unsourced = ["cores", "cores"]\nflash_bytes',
            "document: unsourced: 'cores' is given twice, or has a source as well",
        ),
        (
            "[libraries.tflite-micro]",
            "[libraries.tflm]",
            "document: libraries.tflm: not one of tflite-micro",
        ),
    ],
)
def test_a_refused_microcontroller_names_the_field(old, new, message, tmp_path):
    assert MICRO.count(old) == 1
    path = write(tmp_path, MICRO.replace(old, new))
    assert refusal(path).startswith(f"device file {path}: {message}")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("sram_bytes = 65536\n", "document: sram_bytes: kind linux has none"),
        ("flash_bytes = 65536\n", "document: flash_bytes: kind linux has none"),
    ],
)
def test_a_computer_has_memory_and_a_userland(more, message, tmp_path):
    path = write(tmp_path, more + MINIMAL)
    assert refusal(path).startswith(f"device file {path}: {message}")
    path = write(tmp_path, MINIMAL.partition("[userland]")[0])
    assert refusal(path).startswith(f"device file {path}: document: userland: missing")


def test_a_field_is_sourced_or_general_knowledge_not_both(tmp_path):
    text = 'unsourced = ["isa"]' + MINIMAL + '[sources]\nisa = "/proc/cpuinfo"\n'
    path = write(tmp_path, text)
    message = "document: unsourced: 'isa' is given twice, or has a source as well"
    assert refusal(path).startswith(f"device file {path}: {message}")


def test_a_wheel_needs_features_that_exist(tmp_path):
    wheel = (
        '[engines.onnxruntime]\navailable = true\npackage = "onnxruntime"\nrequires_features = ["asimddp"]\n'
    )
    path = write(tmp_path, MINIMAL + wheel)
    message = "engines.onnxruntime: requires_features: 'asimddp' is not one of neon, "
    assert refusal(path).startswith(f"device file {path}: {message}")


def test_a_number_twice_is_refused(tmp_path):
    path = write(tmp_path, MICRO.replace("[peak]\n", "[peak]\nint8_macs_per_cycle = 1.0\n"))
    assert refusal(path).startswith(f"device file {path}: not TOML: Cannot overwrite a value")


def test_an_unknown_isa_feature_lists_the_known_ones(tmp_path):
    path = write(tmp_path, MINIMAL.replace('"aarch64"', '"aarch64"\nfeatures = ["asimddp"]'))
    assert refusal(path).startswith(f"device file {path}: isa: feature 'asimddp' is not one of neon, ")


def test_a_name_must_be_the_files(tmp_path):
    path = write(tmp_path, MINIMAL, "other.toml")
    assert refusal(path) == f"device file {path}: name: expected the file's own, 'other', got 'board'"


def test_a_file_that_is_absent_or_not_toml(tmp_path):
    absent = tmp_path / "absent.toml"
    assert refusal(absent) == f"device file {absent}: no such file"
    assert refusal(tmp_path).startswith(f"device file {tmp_path}: cannot be read: ")
    broken = write(tmp_path, "name = ")
    assert refusal(broken).startswith(f"device file {broken}: not TOML: ")
    broken.write_bytes(b"name = '\xff'")
    assert refusal(broken).startswith(f"device file {broken}: not TOML: ")


def test_a_path_in_a_string(tmp_path, monkeypatch):
    write(tmp_path, MINIMAL)
    monkeypatch.chdir(tmp_path)
    assert load_device("board.toml").name == "board"
    assert load_device("./board.toml") == load_device(str(tmp_path / "board.toml"))


def test_probing_this_machine():
    profile = load_device("host")
    assert profile == probe()
    assert profile.isa.architecture == os.uname().machine
    assert sum(c.count for c in profile.cores) == os.cpu_count()
    assert profile.memory_bytes
    assert tomllib.loads(to_toml(profile))["name"] == "host"


def test_only_this_machine_is_the_host(tmp_path):
    assert is_host(load_device("host"))
    assert not any(is_host(load_device(name)) for name in SHIPPED)
    saved = load_device(write(tmp_path, to_toml(probe("here")), "here.toml"))
    assert is_host(saved)
    other = dataclasses.replace(saved, memory_bytes=(1 << 30,))
    assert not is_host(other)


def test_a_copied_file_is_the_same_device(tmp_path):
    path = Path(shutil.copy(FOLDER / "raspberry-pi-4.toml", tmp_path))
    assert load_device(path) == load_device("raspberry-pi-4")
    assert isinstance(load_device(str(path)), DeviceProfile)
