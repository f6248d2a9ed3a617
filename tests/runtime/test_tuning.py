"""What a bundle was tuned to: used on its class of devices only, and below what is asked for."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeml_runtime import load, verify
from edgeml_runtime.bench import BenchPlan, measure
from edgeml_runtime.bundle import Bundle, decode_bundle
from edgeml_runtime.engines import engines
from edgeml_runtime.errors import InputError, UnknownNameError
from edgeml_runtime.manifest import TUNED_FORMAT
from edgeml_runtime.tuning import DEFAULTS, DeviceClass, SessionOptions, Tuning, device_class, read_option
from tests.bundles import tflite_bundle, tiny_bundle_bytes
from tests.conftest import require_module

HERE = device_class()
TUNED = SessionOptions(threads=2, graph_optimization="basic", memory_arena=False, spinning=False)


def tuned_bundle(where: DeviceClass = HERE, engine: str = "onnxruntime") -> Bundle:
    tuning = Tuning(where, engine, "1.0", TUNED)
    return decode_bundle(tiny_bundle_bytes(format=TUNED_FORMAT, tunings=(tuning,)))


def test_the_class_of_this_machine():
    assert HERE.usable_cpus >= 1
    assert HERE.machine
    assert str(HERE.usable_cpus) in HERE.describe()


def test_the_class_is_read_from_cpuinfo(tmp_path: Path):
    (tmp_path / "proc").mkdir()
    core = "processor\t: {}\nFeatures\t: fp asimd crc32\nCPU implementer\t: 0x41\nCPU part\t: {}\n\n"
    (tmp_path / "proc/cpuinfo").write_text(core.format(0, "0xd0b") + core.format(1, "0xd05") * 2)
    found = device_class(str(tmp_path))
    assert found.cores == ("Cortex-A76", "Cortex-A55")
    assert found.cpu_features == ("neon",)
    assert device_class(str(tmp_path / "nothing")).cores == ()


def test_tuned_here():
    session = load(tuned_bundle())
    assert session.opening.tuned
    assert session.options == TUNED
    assert session.threads == 2
    assert session.predict(np.float32([[1.5]])) == 3.0
    assert verify(tuned_bundle()).golden == "ok"


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"machine": "riscv64"},
        {"cores": ("Cortex-M0",)},
        {"cpu_features": ()},
        {"usable_cpus": HERE.usable_cpus + 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_not_on_another_class_of_devices(elsewhere: dict[str, Any]):
    session = load(tuned_bundle(dataclasses.replace(HERE, **elsewhere)))
    assert not session.opening.tuned
    assert session.options == DEFAULTS


def test_not_where_the_engine_is_another():
    session = load(tuned_bundle(engine="tomorrow"))
    assert (session.opening.tuned, session.options, session.engine.name) == (False, DEFAULTS, "onnxruntime")
    # An engine of another format is none for this artifact, installed or not.
    session = load(tuned_bundle(engine="litert"))
    assert (session.opening.tuned, session.engine.name) == (False, "onnxruntime")


def test_what_is_asked_for_wins():
    session = load(tuned_bundle(), threads=1, options={"spinning": True})
    assert session.opening.tuned
    assert session.options == dataclasses.replace(TUNED, threads=1, spinning=True)
    untuned = load(tuned_bundle(), tuned=False, options={"graph_optimization": "disabled"})
    assert not untuned.opening.tuned
    assert untuned.options == SessionOptions(graph_optimization="disabled")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gpu": True}, "session options: gpu: unknown field; known: threads, graph_optimization"),
        ({"xnnpack": 1}, "session options: xnnpack: expected bool, got int '1'"),
        ({"threads": 0}, "session options: threads must be 1 to 256, got 0"),
        (
            {"graph_optimization": "most"},
            "graph_optimization: expected one of all, extended, basic, disabled",
        ),
    ],
)
def test_options_that_do_not_exist(options: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        load(tiny_bundle_bytes(), options=options)


def test_an_engine_that_does_not_exist():
    with pytest.raises(UnknownNameError, match="tomorrow"):
        load(tuned_bundle(), engine="tomorrow")


def test_measurements_say_what_they_were_taken_with():
    plan = BenchPlan(warmup_seconds=0.0, seconds=1e-6, min_samples=1)
    found = measure(tuned_bundle(), plan)
    assert (found.threads, found.tuned) == (2, True)
    assert found.options == {
        "threads": 2, "graph_optimization": "basic", "memory_arena": False, "spinning": False,
    }  # fmt: skip
    found = measure(tuned_bundle(), dataclasses.replace(plan, threads=1, tuned=False))
    assert (found.threads, found.tuned, found.options["graph_optimization"]) == (1, False, "all")


def test_every_engine_lists_options_that_exist():
    names = {field.name for field in dataclasses.fields(SessionOptions)}
    for engine in engines().values():
        assert set(engine.options) <= names
        assert "threads" in engine.options


@pytest.mark.parametrize("scheme", ["float32", "int8"])
def test_litert_without_xnnpack_gives_the_golden_outputs(scheme: str):
    require_module("ai_edge_litert")
    assert verify(tflite_bundle(scheme), options={"xnnpack": False}).golden == "ok"


@pytest.mark.parametrize("level", ["all", "extended", "basic", "disabled"])
def test_every_graph_optimization_gives_the_golden_outputs(level: str):
    bundle = decode_bundle(tiny_bundle_bytes())
    assert verify(bundle, options={"graph_optimization": level, "memory_arena": False}).golden == "ok"


@pytest.mark.parametrize(
    ("text", "option"),
    [("xnnpack=off", ("xnnpack", False)), ("threads=4", ("threads", 4)), ("a=b", ("a", "b"))],
)
def test_an_option_of_the_command_line(text: str, option: tuple[str, Any]):
    assert read_option(text) == option


@pytest.mark.parametrize("text", ["xnnpack", "=off", "xnnpack="])
def test_no_option_of_the_command_line(text: str):
    with pytest.raises(ValueError, match="expected NAME=VALUE such as xnnpack=off"):
        read_option(text)
