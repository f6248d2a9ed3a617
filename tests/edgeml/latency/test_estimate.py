import dataclasses
import math

import pytest

from edgeml.devices import load_device
from edgeml.latency.estimate import COVERAGE, Estimate, NoEstimate, estimate
from edgeml.latency.features import Features
from edgeml.latency.published import load_networks

NETWORKS = load_networks()
MOBILENET = NETWORKS["mobilenet-v1-1.0-224"]


def on(device, features=MOBILENET, **changes):
    options = {"engine": "litert", "dtype": "float32", "threads": 1} | changes
    profile = load_device(device) if isinstance(device, str) else device
    return estimate(features, profile, **options)


def test_an_estimate_has_an_interval_a_basis_and_no_look_of_a_measurement():
    found = on("raspberry-pi-4")
    assert isinstance(found, Estimate)
    assert found.low_ms < found.median_ms < found.high_ms
    assert found.coverage == COVERAGE == 0.90
    assert found.boards and found.core == "Cortex-A72" and found.library == "xnnpack"
    assert found.describe().startswith("~")
    assert "estimate from" in found.describe() and "boards with Cortex-A72" in found.describe()


@pytest.mark.parametrize(
    ("device", "network", "threads", "latency_ms"),
    [  # XNNPACK's README, 2022-02-08, Raspberry Pi 4 in 64 bit; MLPerf Inference v3.0, AWS a1
        ("raspberry-pi-4", "mobilenet-v1-1.0-224", 4, 77),
        ("raspberry-pi-4", "mobilenet-v2-1.0-224", 4, 46),
        ("raspberry-pi-4", "mobilenet-v3-large-1.0-224", 4, 40),
        ("raspberry-pi-4", "mobilenet-v3-small-1.0-224", 4, 15),
        ("aws-graviton1", "mobilenet-v1-1.0-224", 1, 86.5),
    ],
)
def test_the_published_latency_is_within_the_interval(device, network, threads, latency_ms):
    found = on(device, NETWORKS[network], threads=threads)
    assert isinstance(found, Estimate)
    assert found.low_ms < latency_ms < found.high_ms


def test_one_thread_goes_by_the_clock():
    slow = load_device("raspberry-pi-4")
    fast = dataclasses.replace(
        slow, cores=(dataclasses.replace(slow.cores[0], clock_max_hz=2 * slow.cores[0].clock_max_hz),)
    )
    assert on(slow).median_ms == pytest.approx(2 * on(fast).median_ms)


def test_all_cores_go_by_clock_cores_and_memory():
    slow = load_device("raspberry-pi-4")
    memory = dataclasses.replace(
        slow.bandwidth,
        memcpy_bytes_per_s=4 * slow.bandwidth.memcpy_bytes_per_s,
        memset_bytes_per_s=4 * slow.bandwidth.memset_bytes_per_s,
    )
    with_memory, without = (
        on(slow, threads=4),
        on(dataclasses.replace(slow, bandwidth=None, sources={}), threads=4),
    )
    assert on(dataclasses.replace(slow, bandwidth=memory), threads=4).median_ms == pytest.approx(
        with_memory.median_ms / 2
    )
    assert without.median_ms == pytest.approx(with_memory.median_ms, rel=0.5)


@pytest.mark.parametrize(
    ("device", "changes", "reason"),
    [
        ("aws-graviton3", {}, "no published latencies of any library on Neoverse-V1"),
        ("radxa-zero-3w", {}, "no published latencies from which to tell XNNPACK in float32 on Cortex-A55"),
        ("raspberry-pi-4", {"threads": 3}, "published are one thread and all 4 cores, not 3 threads"),
        ("raspberry-pi-4", {"engine": "native"}, "nobody publishes latencies of native"),
        ("esp32", {"engine": "tflite-micro", "dtype": "int8"}, "no published latencies"),
    ],
)
def test_where_nothing_is_published_there_is_no_number(device, changes, reason):
    found = on(device, **changes)
    assert isinstance(found, NoEstimate)
    assert reason in found.describe()
    assert found.describe().startswith("no estimate: ")


def test_a_network_far_smaller_than_any_published_one_has_no_number():
    found = on("raspberry-pi-4", NETWORKS["mlperf-tiny-ad"])
    assert isinstance(found, NoEstimate)
    assert "264,192 multiply-adds are too few" in found.reason
    assert "edgeml devices calibrate" in found.reason


def test_a_network_somewhat_smaller_has_a_wider_interval():
    small = on("raspberry-pi-4", NETWORKS["mlperf-tiny-kws"])
    usual = on("raspberry-pi-4")
    assert isinstance(small, Estimate) and isinstance(usual, Estimate)
    assert small.high_ms / small.low_ms > usual.high_ms / usual.low_ms
    assert any("smaller than every published network" in note for note in small.notes)


def test_a_device_whose_clock_is_not_known_has_no_number():
    profile = load_device("raspberry-pi-4")
    cluster = dataclasses.replace(profile.cores[0], clock_max_hz=None)
    found = on(dataclasses.replace(profile, cores=(cluster,)))
    assert isinstance(found, NoEstimate)
    assert "does not tell the clock of Cortex-A72" in found.reason


def test_a_microcontroller_goes_by_cycles_of_its_core_and_library():
    kws = NETWORKS["mlperf-tiny-kws"]
    found = on("stm32l4r5", kws, engine="tflite-micro", dtype="int8")
    assert isinstance(found, Estimate)
    # MLPerf Tiny v1.0 and v1.1, microTVM with CMSIS-NN on this board: 4.5 cycles a multiply-add.
    assert found.low_ms < 4.51 * kws.macs / 120e6 * 1e3 < found.high_ms
    half = on("nrf52840", kws, engine="tflite-micro", dtype="int8")
    assert half.median_ms == pytest.approx(found.median_ms * 120 / 64)


def test_more_work_of_any_kind_takes_no_less():
    base = on("raspberry-pi-4").median_ms
    for name in Features.__slots__:
        if name != "winograd_macs":  # a part of conv_macs, so more of it is less of the rest
            more = dataclasses.replace(MOBILENET, **{name: 2 * getattr(MOBILENET, name) + 1})
            assert on("raspberry-pi-4", more).median_ms >= base


def test_numbers_are_printed_with_the_digits_they_have():
    found = dataclasses.replace(on("raspberry-pi-4"), median_ms=1.9312, low_ms=0.0214, high_ms=2716.4)
    assert found.describe().startswith("~1.9 ms (0.021 to 2,720, ")
    assert math.isfinite(found.median_ms)
