"""Tuning: what is tried, what is written, and for whom."""

from __future__ import annotations

import dataclasses
import json
from functools import partial
from pathlib import Path

import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

import edgeml
from edgeml.choose import choose
from edgeml.cli import main
from edgeml.contest import Comparison
from edgeml.runoff import RunOff, run_off, run_off_lines
from edgeml.tune import Tuned, tune, tuned_bundle, tuned_content, tuned_lines
from edgeml_runtime.bundle import decode_bundle
from edgeml_runtime.errors import InputError
from edgeml_runtime.manifest import TUNED_FORMAT
from edgeml_runtime.session import load
from edgeml_runtime.tuning import DEFAULTS, DeviceClass, SessionOptions, Tuning, device_class
from edgeml_runtime.verify import verify
from tests.bundles import tiny_bundle_bytes
from tests.edgeml.test_choose import outcome

HERE = device_class()
ELSEWHERE = DeviceClass("riscv64", ("C906",), (), 1)
FASTER = Comparison(0.8, 0.78, 0.82, "faster")


def tuned(options: SessionOptions | None) -> Tuned:
    """As `tune` gives it, for options that were adopted, or for none."""
    tuning = None if options is None else Tuning(HERE, "onnxruntime", "1.0", options)
    return Tuned(HERE, "onnxruntime", tuning, (), None if tuning is None else FASTER, 1000.0, 800.0)


def test_a_tuning_is_written_and_used():
    content = tiny_bundle_bytes()
    written = tuned_content(content, tuned(SessionOptions(memory_arena=False)))
    before, after = decode_bundle(content).manifest, decode_bundle(written).manifest
    assert after.format == TUNED_FORMAT
    assert dataclasses.replace(after, format=1, tunings=()) == before
    assert verify(decode_bundle(written)).golden == "ok"
    session = load(written)
    assert session.opening.tuned
    assert not session.options.memory_arena


def test_defaults_that_stay_leave_the_bytes_as_they_were():
    content = tiny_bundle_bytes()
    assert tuned_content(content, tuned(None)) == content
    # And take back what was found here before.
    assert tuned_content(tuned_content(content, tuned(SessionOptions(threads=2))), tuned(None)) == content


def test_another_class_of_devices_keeps_its_tuning():
    other = Tuning(ELSEWHERE, "onnxruntime", "1.0", SessionOptions(threads=4))
    bundle = decode_bundle(tiny_bundle_bytes(format=TUNED_FORMAT, tunings=(other,)))
    both = tuned_bundle(bundle, tuned(SessionOptions(threads=2))).manifest.tunings
    assert other in both
    assert len(both) == 2
    assert tuned_bundle(bundle, tuned(None)).manifest.tunings == (other,)


def test_the_lines_for_people():
    lines = list(tuned_lines(tuned(SessionOptions(threads=2, xnnpack=False))))
    assert lines[-1] == (
        "best: onnxruntime, threads 2, graph_optimization all, memory_arena on, spinning on: 0.8 us, "
        "0.800 (0.780 to 0.820) of the defaults' 1.0 us"
    )
    assert list(tuned_lines(tuned(None)))[-1] == "the defaults stay: 1.0 us"


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("inf"), float("nan")])
def test_seconds_of_nothing(seconds: float):
    with pytest.raises(InputError, match="seconds must be positive and finite"):
        tune(decode_bundle(tiny_bundle_bytes()), seconds=seconds)


def test_compile_does_not_tune_for_another_machine():
    with pytest.raises(InputError, match="this machine is not raspberry-pi-zero: run `edgeml tune`"):
        edgeml.compile("no-such-file.onnx", device="raspberry-pi-zero", tune=True)


@pytest.mark.slow
def test_tune_from_the_command_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    path, out = tmp_path / "tiny.edgeml", tmp_path / "tuned.edgeml"
    path.write_bytes(tiny_bundle_bytes())
    assert main(["tune", str(path), "--seconds", "0.3", "-o", str(out), "--json"]) == 0
    document = json.loads(capfd.readouterr().out)
    tried = {(one["option"], one["value"]) for one in document["tried"]}
    assert {("graph_optimization", "basic"), ("memory_arena", False)} <= tried
    assert not any(option == "xnnpack" for option, _ in tried)  # of another engine
    assert any(option == "threads" for option, _ in tried) == (HERE.usable_cpus > 1)
    for one in document["tried"]:
        comparison = one["comparison"]
        assert comparison["low"] <= comparison["ratio"] <= comparison["high"]
        assert not one["adopted"] or comparison["high"] < 1.0
    written = decode_bundle(out.read_bytes())
    assert document["digest"] == written.digest
    assert bool(written.manifest.tunings) == (document["tuning"] is not None)
    assert verify(written).golden == "ok"
    assert path.read_bytes() == tiny_bundle_bytes()
    assert main(["tune", str(out), "--seconds", "0.1"]) == 0
    assert f"wrote {out}" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["none.edgeml"], 2, "none.edgeml"),
        (["half.edgeml"], 3, "half.edgeml"),
        (["tiny.edgeml", "--seconds", "0"], 2, "seconds must be positive and finite, got 0.0"),
        (["tiny.edgeml", "-o", "nowhere/tuned.edgeml"], 2, "nowhere"),
    ],
)
def test_what_cannot_be_tuned(arguments, exit_code, message, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    content = tiny_bundle_bytes()
    Path("tiny.edgeml").write_bytes(content)
    Path("half.edgeml").write_bytes(content[: len(content) // 2])
    assert main(["tune", *arguments]) == exit_code
    assert message in capfd.readouterr().err
    assert Path("tiny.edgeml").read_bytes() == content


def test_who_came_through_a_run_off_wins_by_size():
    outcomes = [
        outcome("tflite/float32", size=4000, latency_ms=1.0),
        outcome("tflite/int8-static", size=2000, latency_ms=1.05),
        outcome("tflite/int8-dynamic", size=1000, latency_ms=1.02),
    ]
    names = ("tflite/float32", "tflite/int8-static")
    chosen = choose(outcomes, "latency", as_fast=names).chosen
    assert chosen is not None
    assert chosen.candidate.name == "tflite/int8-static"
    by_size = choose(outcomes, "size", as_fast=names).chosen
    assert by_size is not None
    assert by_size.candidate.name == "tflite/int8-dynamic"


def test_of_those_as_fast_and_about_as_small_the_fastest_wins():
    outcomes = [
        outcome("tflite/int8-dynamic", size=1000, latency_ms=1.0),
        outcome("tflite/int8-static", size=1010, latency_ms=1.01),
        outcome("tflite/float16", size=1900, latency_ms=1.0),
    ]
    for names in (
        ("tflite/float16", "tflite/int8-static", "tflite/int8-dynamic"),
        ("tflite/int8-static", "tflite/int8-dynamic"),
    ):
        chosen = choose(outcomes, "latency", as_fast=names).chosen
        assert chosen is not None
        assert chosen.candidate.name == "tflite/int8-static"


def test_nobody_near_the_fastest_needs_no_run_off():
    assert (
        run_off([outcome("tflite/float32", latency_ms=1.0), outcome("onnx/float32", latency_ms=9.0)]) is None
    )
    assert run_off([]) is None


@pytest.mark.slow
def test_a_run_off_and_tuning_of_a_real_compilation(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("edgeml.pipeline.tune_bundle", partial(tune, seconds=0.2))
    x, y = load_digits(return_X_y=True)
    result = edgeml.compile(
        LogisticRegression(max_iter=2000).fit(x / 16, y),
        device="host",
        data=edgeml.Data(x / 16, y),
        formats=["onnx"],
        schemes=["float32", "float16"],
        budget=edgeml.Budget(max_accuracy_drop=1.0),  # both fit
        tune=True,
    )
    assert result.tuned is not None
    assert result.to_dict()["tuned"]["default_engine"] == "onnxruntime"
    content = result.to_bytes()
    assert load(content).options == (DEFAULTS if result.tuned.tuning is None else result.tuned.tuning.options)
    # As if they had been equally fast when they were judged: only then is there one.
    measurement = result.outcomes[0].measurement
    found = run_off([dataclasses.replace(o, measurement=measurement) for o in result.outcomes])
    assert isinstance(found, RunOff)
    names = {o.candidate.name for o in result.outcomes}
    (fastest, none), *others = found.ratios
    assert none is None
    assert fastest in found.equal
    assert {fastest, *(name for name, _ in others)} <= names
    assert len(list(run_off_lines(found))) == len(found.ratios)
