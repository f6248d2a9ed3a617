"""Targets: what names mean, and what is refused with which words."""

from __future__ import annotations

import pytest

from edgeml.devices import load_device, probe, to_toml
from edgeml.emulation.engines_there import check_engine_name, engine_names, guest_engine
from edgeml.emulation.targets import resolve_target, resolve_targets
from edgeml_runtime.errors import (
    DeviceProfileError,
    InputError,
    MissingDependencyError,
    UnknownNameError,
)


def described(*names: str) -> list[tuple[str, str | None, int, bool]]:
    return [
        (t.name, None if t.core is None else t.core.name, t.count, t.required)
        for t in resolve_targets(",".join(names))
    ]


def test_a_device_is_its_fastest_cores():
    pi = resolve_target("raspberry-pi-4")
    assert (pi.core.name, pi.count, pi.clock_max_hz, pi.emulated) == ("cortex-a72", 4, 1_500_000_000, True)
    assert pi.describe() == "raspberry-pi-4 (emulated Cortex-A72)"
    assert resolve_target("emulated:raspberry-pi-4") == pi
    mixed = resolve_target("rock-pi-4")  # two A72 beside four A53
    assert (mixed.core.name, mixed.count) == ("cortex-a72", 2)


def test_cores_and_classes_have_the_engines_of_their_reference_device():
    assert described("cortex-a76", "armv7") == [
        ("cortex-a76", "cortex-a76", 4, True),
        ("armv7", "cortex-a7", 4, True),
    ]
    assert resolve_target("armv7").profile == load_device("generic-armv7")


def test_all_is_this_machine_and_every_class_and_asks_for_nothing_that_was_not_named():
    classes = [
        ("cortex-a53", "cortex-a53", 4, False),
        ("cortex-a72", "cortex-a72", 4, False),
        ("cortex-a76", "cortex-a76", 4, False),
        ("armv7", "cortex-a7", 4, False),
    ]
    assert described("all") == [("host", None, 1, False), *classes]
    assert described("armv7", "all", "armv7")[0] == ("armv7", "cortex-a7", 4, True)
    assert len(described("armv7", "all", "armv7")) == 5


def test_this_machine_runs_natively_whatever_it_is_called(tmp_path):
    assert not resolve_target("host").emulated
    path = tmp_path / "here.toml"
    path.write_text(to_toml(probe("here")))
    here = resolve_target(str(path))
    assert (here.name, here.emulated, here.describe()) == ("here", False, "here")


def test_a_file_is_a_device(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = to_toml(load_device("raspberry-pi-zero-2w"))
    (tmp_path / "gateway.toml").write_text(text.replace('"raspberry-pi-zero-2w"', '"gateway"', 1))
    gateway = resolve_target("emulated:gateway.toml")
    assert (gateway.name, gateway.core.name) == ("gateway", "cortex-a53")
    (tmp_path / "gateway.toml").write_text("cores = 3")
    with pytest.raises(DeviceProfileError, match=r"gateway\.toml"):
        resolve_target("./gateway.toml")


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("raspberry-pi-44", UnknownNameError, "did you mean raspberry-pi-4"),
        ("cortex-a72x", UnknownNameError, "did you mean cortex-a72 "),
        ("all", InputError, "expected one target"),
        ("host,armv7", InputError, "`edgeml verify` takes several"),
        ("emulated:host", InputError, "expected one target"),
        ("emulated:", InputError, "expected one target"),
        ("", InputError, "expected one target"),
        ("none.toml", DeviceProfileError, "no such file"),
        ("stm32h743", InputError, "armv7e-m is not emulated; emulated: aarch64, armv7l"),
        ("emulated:x86-64-avx2", InputError, "x86_64 is not emulated"),
        ("raspberry-pi-zero", InputError, "armv6l is not emulated"),
        ("aws-graviton3", InputError, "no model of a Neoverse-V1"),
    ],
)
def test_what_is_no_target_is_refused_by_name(text, error, words):
    with pytest.raises(error) as caught:
        resolve_target(text)
    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["stm32h743", "emulated:x86-64-avx2", "aws-graviton3"])
def test_a_refusal_names_the_classes_that_are_emulated(name):
    with pytest.raises(InputError, match="cortex-a53, cortex-a72, cortex-a76, armv7"):
        resolve_target(name)


@pytest.mark.parametrize("text", ["", "host,,armv7", ","])
def test_a_list_with_holes_is_refused(text):
    with pytest.raises(InputError, match="separated by commas"):
        resolve_targets(text)


def test_engines_are_those_that_the_profile_knows_wheels_of():
    assert engine_names(resolve_target("cortex-a53"), "onnx") == ("onnxruntime",)
    assert engine_names(resolve_target("raspberry-pi-4"), "tflite") == ("litert", "tflite-runtime")
    assert engine_names(resolve_target("armv7"), "tflite") == ("tflite-runtime",)
    with pytest.raises(MissingDependencyError, match="no onnxruntime wheel for armv7l"):
        engine_names(resolve_target("armv7"), "onnx")
    with pytest.raises(MissingDependencyError, match="no engine runs 'gguf'"):
        engine_names(resolve_target("cortex-a53"), "gguf")


def test_an_engine_of_another_format_or_platform_is_refused():
    check_engine_name("onnx", "onnxruntime=1.21.0")
    with pytest.raises(UnknownNameError, match="unknown engine for onnx 'litert'"):
        check_engine_name("onnx", "litert")
    with pytest.raises(MissingDependencyError, match="no litert on armv7"):
        guest_engine(resolve_target("armv7"), "tflite", "litert")


def test_what_is_not_set_up_says_the_line_that_sets_it_up(tmp_path, monkeypatch, root_of):
    root_of("aarch64")  # QEMU is here
    monkeypatch.setenv("EDGEML_CACHE", str(tmp_path))
    with pytest.raises(InputError, match="is not set up: edgeml devices setup raspberry-pi-4"):
        guest_engine(resolve_target("cortex-a53"), "onnx")


def test_a_version_that_is_not_there_says_the_line_that_adds_it(root_of):
    root_of("aarch64")
    with pytest.raises(InputError, match=r"--engine-version onnxruntime=0\.1"):
        guest_engine(resolve_target("cortex-a53"), "onnx", "onnxruntime=0.1")


def test_a_device_runs_no_engine_that_is_too_new_for_it(root_of):
    newest = root_of("aarch64").engines["litert"]
    nano = resolve_target("jetson-nano")  # its C library is too old for today's onnxruntime
    assert guest_engine(nano, "tflite") == newest
    last = nano.profile.engines["onnxruntime"].last_version
    try:
        assert guest_engine(nano, "onnx").version == last
    except InputError as error:
        assert f"--engine-version onnxruntime={last}" in str(error)


def test_without_an_emulator_the_line_that_installs_it(root_of, monkeypatch, tmp_path):
    root_of("aarch64")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependencyError, match="sudo apt-get install qemu-user"):
        guest_engine(resolve_target("cortex-a53"), "onnx")
