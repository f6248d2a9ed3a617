"""The catalogue against independently collected facts; its list; docs/devices.md, written from it."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator

import pytest
from device_catalogue import DOCUMENT, document

from edgeml.catalogue import clock, cores, list_lines, memory, readable, size, summary
from edgeml.device_profile import Cluster, DeviceProfile, bandwidth_of, caches_of, peak_of
from edgeml.devices import HOST, device_names, load_device
from edgeml_runtime.host import parse_cpuinfo

# Rows of ../shared/data/devices/devices.csv, which other people's measurements were collected in.
ROWS = {
    "aws-graviton1": "graviton1_a72",
    "aws-graviton2": "graviton2",
    "aws-graviton3": "graviton3",
    "beaglebone-black": "beaglebone_black",
    "coral-dev-board": "coral_dev_board",
    "cortex-m55": "cortex_m55",
    "esp32": "esp32",
    "esp32-c3": "esp32c3",
    "esp32-s3": "esp32s3",
    "generic-armv7": "rpi2_v11",
    "imx8m-plus": "imx8m_plus",
    "intel-atom-x5-z8350": "intel_x5_z8350",
    "intel-n100": "intel_n100",
    "intel-n5105": "intel_n5105",
    "jetson-nano": "jetson_nano",
    "jetson-orin-nano": "jetson_orin_nano",
    "nrf52840": "nrf52840_nano33ble",
    "nrf5340": "nrf5340",
    "orange-pi-5": "orangepi5_rk3588",
    "psoc62": "psoc6",
    "ra8d1": "ra8d1_m85",
    "radxa-zero-3w": "rk3566_68",
    "raspberry-pi-3b-plus": "rpi3b_plus",
    "raspberry-pi-4": "rpi4b",
    "raspberry-pi-5": "rpi5",
    "raspberry-pi-zero": "rpi_zero_w",
    "raspberry-pi-zero-2w": "rpi_zero2w",
    "rock-3a": "rk3566_68",
    "rock-5b": "orangepi5_rk3588",
    "rock-pi-4": "rk3399",
    "rp2040": "rp2040",
    "rp2350": "rp2350",
    "stm32f746": "stm32f746",
    "stm32f767": "stm32f767",
    "stm32g0b1": "stm32g0b1",
    "stm32h743": "stm32h743",
    "stm32h7a3": "stm32h7a3",
    "stm32l4r5": "stm32l4r5zi",
    "stm32u575": "stm32u575",
    "x86-64-amx": "x86_spr_amx",
    "x86-64-avx2": "x86_avx2_zen",
    "x86-64-avx512": "x86_avx512_clx",
    "x86-64-zen4": "x86_zen4",
    "x86-64-zen5": "x86_zen5",
}
SHIPPED = tuple(name for name in device_names() if name != HOST)
TOLERANCE = 0.15


def test_every_device_has_a_row_to_be_compared_with():
    assert set(ROWS) == set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_numbers_are_those_that_were_collected(name, shared_data):
    with (shared_data / "devices" / "devices.csv").open(newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["id"] == ROWS[name])
    profile = load_device(name)
    differing = {
        f"{what} {value:g}": cell
        for what, value, cell in _comparable(profile, row)
        if cell and not _within(value, [float(n) for n in re.findall(r"\d+(?:\.\d+)?", cell)])
    }
    assert differing == {}


def _comparable(profile: DeviceProfile, row: dict[str, str]) -> Iterator[tuple[str, float, str]]:
    """What, the profile's value in the row's unit, and the row's text."""
    for cluster in profile.cores:
        yield "cores", cluster.count, row["cores"]
        if cluster.clock_max_hz is not None:
            yield "MHz", cluster.clock_max_hz / 1e6, row["freq_mhz"]
        caches = caches_of(profile, cluster)
        for value, column in (
            (caches.l1i_bytes, "l1i_kb"),
            (caches.l1d_bytes, "l1d_kb"),
            (caches.l2_bytes, "l2_kb"),
        ):
            if value:
                yield column, value / 1024, row[column]
        bandwidth = bandwidth_of(profile, cluster)
        if bandwidth is not None:
            yield "memcpy", bandwidth.memcpy_bytes_per_s / 1e6, row["bw_memcpy_1core_mb_s"]
            yield "memset", bandwidth.memset_bytes_per_s / 1e6, row["bw_memset_1core_mb_s"]
        peak = peak_of(profile, cluster)
        for value, column in (
            (peak and peak.fp32_macs_per_cycle, "fp32_mac_per_cycle_core"),
            (peak and peak.int8_macs_per_cycle, "int8_mac_per_cycle_core"),
        ):
            if value:
                yield column, value, row[column]
    for value, column in ((profile.flash_bytes, "flash_kb"), (profile.sram_bytes, "sram_kb")):
        if value is not None:
            yield column, value / 1024, row[column]


def _within(value: float, numbers: list[float]) -> bool:
    return min(numbers) * (1 - TOLERANCE) <= value <= max(numbers) * (1 + TOLERANCE)


@pytest.mark.parametrize("name", SHIPPED)
def test_arm_cores_have_the_names_that_the_host_reads(name):
    profile = load_device(name)
    if profile.isa.architecture not in ("aarch64", "armv7l", "armv6l"):
        return
    blocks = (range(0xB00, 0xB80), range(0xC00, 0xC20), range(0xD00, 0xDA0))
    parts = [f"0x{part:03x}" for block in blocks for part in block]
    text = "\n\n".join(f"processor : 0\nCPU implementer : 0x41\nCPU part : {part}" for part in parts)
    assert {cluster.core for cluster in profile.cores} <= set(parse_cpuinfo(text).cores)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_profile_is_consistent(name):
    profile = load_device(name)
    clocks = [cluster.clock_max_hz or 0 for cluster in profile.cores]
    assert clocks == sorted(clocks, reverse=True)  # the fastest cluster first
    assert len({cluster.core for cluster in profile.cores}) == len(profile.cores)
    if profile.kind == "linux":
        assert set(profile.engines) == {"onnxruntime", "litert", "tflite-runtime"}
        assert profile.userland is not None
        assert profile.userland.libc is not None
        for wheel in profile.engines.values():
            assert not wheel.available or profile.userland.python in wheel.pythons
        old = "fp16" not in profile.isa.features and profile.isa.architecture == "aarch64"
        assert (profile.engines["onnxruntime"].broken_versions == ("1.21.0",)) == old
    else:
        assert set(profile.libraries) == {"tflite-micro"}
    for cluster in profile.cores:
        peak = peak_of(profile, cluster)
        if peak is not None:
            assert "derived" in peak.how or "measured" in peak.how
            assert peak.fp16_macs_per_cycle is None or {"fp16", "mve-fp"} & set(profile.isa.features)


def test_the_document_is_up_to_date():
    assert DOCUMENT.read_text(encoding="utf-8") == document(), "run python tests/device_catalogue.py"


def test_texts_of_a_profile():
    rock, pico, host = load_device("rock-pi-4"), load_device("rp2040"), load_device(HOST)
    assert cores(rock) == "2x Cortex-A72 + 4x Cortex-A53"
    assert clock(rock) == "1.8 + 1.4 GHz"
    assert (memory(rock), readable(rock)) == ("1 GiB to 4 GiB", "onnx, tflite")
    assert (memory(pico), clock(pico)) == ("2 MiB flash, 264 KiB SRAM", "133 MHz")
    assert (memory(load_device("cortex-m55")), memory(load_device("intel-n100"))) == ("?", "?")
    assert readable(load_device("raspberry-pi-zero")) == "none"
    assert summary(host)["kind"] == "linux"
    assert [size(n) for n in (1536, 1 << 20, 12_000_000_000)] == ["1.5 KiB", "1 MiB", "11.2 GiB"]


def test_the_list_groups_by_kind_and_keeps_its_columns():
    lines = list(list_lines([load_device(name) for name in ("raspberry-pi-5", "rp2040", "rock-5b")]))
    assert [line.split("  ")[0] for line in lines] == [
        "Linux: an engine's wheel runs the bundle", "device", "raspberry-pi-5", "rock-5b", "",
        "Microcontrollers: a library of the firmware runs the bundle's artifact", "device", "rp2040", "",
        "edgeml devices show NAME: every number with its source",
    ]  # fmt: skip
    columns = {line.index("GHz") for line in lines if "GHz" in line and "+" not in line}
    assert len(columns) == 1


def test_a_later_cluster_has_its_own_caches_bandwidth_and_peak():
    board = load_device("rock-pi-4")
    big, little = board.cores
    assert caches_of(board, big) == board.caches
    assert caches_of(board, little).l2_bytes == 512 << 10
    assert (bandwidth_of(board, big), peak_of(board, big)) == (board.bandwidth, board.peak)
    assert bandwidth_of(board, little) != board.bandwidth
    bare = Cluster("Cortex-A53", 4)
    assert (bandwidth_of(board, bare), peak_of(board, bare), caches_of(board, bare).l2_bytes) == (None,) * 3
