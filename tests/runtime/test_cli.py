"""`edgeml-runtime info | verify | run | bench`: text and JSON, exit codes, bad input, interruptions."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeml_runtime.bench import BenchPlan, Measurement, measure, percentile_ns
from edgeml_runtime.bundle import decode_bundle, encode_bundle
from edgeml_runtime.cli import main, printable
from edgeml_runtime.codec import decode
from edgeml_runtime.errors import InputError
from edgeml_runtime.verify import verify
from tests.bundles import (
    bundle_bytes,
    canonical,
    classifier_bundle,
    describing_everything,
    iris_rows,
    manifest_of,
    rebuilt,
    sha256,
    table_bundle_bytes,
    tflite_bundle,
    tiny_bundle_bytes,
)
from tests.conftest import require_module


@pytest.fixture(autouse=True, scope="module")
def engines_are_installed():
    require_module("onnxruntime", "ai_edge_litert")


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.edgeml"
    path.write_bytes(tiny_bundle_bytes(**describing_everything()))
    return path


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text("x\n1\n2.5\n")
    return path


def edgeml_runtime(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "edgeml_runtime", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def answered(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, Any]:
    """Exit code and the one JSON document on stdout."""
    exit_code = main([*map(str, arguments), "--json"])
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 1
    return exit_code, json.loads(captured.out)


def test_info(tiny: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["info", str(tiny)]) == 0
    text = capsys.readouterr().out
    for line in (
        "artifact  onnx float32, ",
        "input     x: float32[batch, 1]\n",
        "output    y: float32[batch, 1]\n",
        "methods   predict\n",
        "in float  1 x SOFTMAX: its int8 kernel is not exact\n",
        "verdict   size passed: 1.5 kB (limit 64 kB), measured on any\n",
        "verdict   latency unproven: 0.01 ms (limit 5 ms), measured on host; only the device can tell\n",
    ):
        assert line in text
    exit_code, document = answered(capsys, "info", tiny)
    assert exit_code == 0
    assert document["manifest"] == manifest_of(tiny.read_bytes())
    assert document["size_bytes"] == tiny.stat().st_size


def test_names_that_would_steer_the_terminal_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert printable("a\x1b[31m\u202e\r\n\x7f") == r"a\x1b[31m\u202e\r\n\x7f"
    content = tiny_bundle_bytes()
    evil = manifest_of(content) | {"name": "\x1b]0;owned\x07", "device": "a\nb"}
    path = tmp_path / "evil.edgeml"
    path.write_bytes(rebuilt(content, evil))
    for command in ("info", "verify"):
        assert main([command, str(path)]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert r"bundle    \x1b]0;owned\x07," in text
    assert r"made for  a\nb" in text


def test_what_is_encoded_says_so_and_cannot_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    content = table_bundle_bytes()
    path = tmp_path / "table.edgeml"
    path.write_bytes(content)
    assert main(["info", str(path)]) == 0
    text = capsys.readouterr().out
    assert "input     c0: float32[batch, 1], of 'age'" in text
    assert "input     c1: float32[batch, 1], categories of 'city': " in text
    assert "input     c3: float32[batch, 2], counts of terms of 'note': " in text
    evil = manifest_of(content)
    evil["signature"]["columns"][1] = evil["signature"]["inputs"][1]["source"] = "\x1b]0;city"
    rows = decode_bundle(content).golden_rows()
    rows["\x1b]0;city"] = rows.pop("city")
    entry = next(f for f in evil["files"] if f["name"] == "golden-rows.json")
    rebuilt_rows = canonical(rows)
    entry |= {"size_bytes": len(rebuilt_rows), "sha256": sha256(rebuilt_rows)}
    path.write_bytes(rebuilt(content, evil, **{"golden-rows__json": rebuilt_rows}))
    (tmp_path / "rows.json").write_bytes(canonical(rows | {"\x1b]0;city": ["\x1b[31m"] * 3}))
    assert main(["info", str(path)]) == 0
    assert main(["run", str(path), "--input", str(tmp_path / "rows.json")]) == 2
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err
    assert r"\x1b]0;city" in captured.err


@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_run_on_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str):
    (tmp_path / "t.edgeml").write_bytes(table_bundle_bytes())
    (tmp_path / "rows.csv").write_text("city,age,note\nOslo,41,good\n2,,bad\n")
    (tmp_path / "rows.json").write_text(
        '[{"city": "Oslo", "age": 41, "note": "good"}, {"city": "2", "note": "bad", "age": null}]'
    )
    exit_code, document = answered(
        capsys, "run", tmp_path / "t.edgeml", "--input", tmp_path / f"rows.{suffix}"
    )
    assert (exit_code, document["output"]) == (0, [[151.0], [None]])
    (tmp_path / "rows.csv").write_text("city,age,note\nRiga,41,good\n")
    exit_code, document = answered(capsys, "run", tmp_path / "t.edgeml", "--input", tmp_path / "rows.csv")
    assert exit_code == 2
    assert "column 'city': 'Riga' in row 0 is not one of its categories" in document["error"]["message"]


def test_verify(tiny: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["verify", str(tiny)]) == 0
    assert "golden vectors ok: 1 rows on onnxruntime " in capsys.readouterr().out
    exit_code, document = answered(capsys, "verify", tiny)
    assert (exit_code, document["integrity"], document["golden"]) == (0, "ok", "ok")
    assert document["outputs"][0]["rows_outside"] == []


@pytest.mark.parametrize("wrong", [2.0, float("nan"), float("inf")], ids=["value", "NaN", "infinity"])
def test_drift(tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: float):
    bundle = decode_bundle(tiny_bundle_bytes())
    x, y = np.float32([[0.5], [1.0]]), np.float32([[1.0], [wrong + 1]])
    path = tmp_path / "drift.edgeml"
    path.write_bytes(bundle_bytes(bundle.artifact, "onnx", bundle.manifest.signature, {"x": x}, {"y": y}))
    assert main(["verify", str(path)]) == 4
    assert "golden vectors drift" in capsys.readouterr().out
    exit_code, document = answered(capsys, "verify", path)
    assert exit_code == 4
    assert document["outputs"][0]["rows_outside"] == [1]
    assert document["outputs"][0]["max_abs_difference"] == (1.0 if wrong == 2.0 else None)


def test_integrity_is_verified_where_no_engine_is(tiny: Path, tmp_path: Path):
    """numpy and the runtime alone, as in a clean environment on a board."""
    site = tmp_path / "site"
    site.mkdir()
    for package in (np, sys.modules["edgeml_runtime"]):
        folder = Path(str(package.__file__)).parent
        (site / folder.name).symlink_to(folder)
        libraries = folder.parent / f"{folder.name}.libs"
        if libraries.is_dir():
            (site / libraries.name).symlink_to(libraries)
    script = (
        f"import sys; sys.path[:0] = [{str(site)!r}]; from edgeml_runtime.cli import main; sys.exit(main())"
    )

    def alone(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", "-S", "-c", script, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert alone("info", tiny).returncode == 0
    verified = alone("verify", tiny)
    assert verified.returncode == 0
    assert "integrity ok" in verified.stdout
    assert "golden vectors not run: running onnx needs onnxruntime: pip install" in verified.stdout
    assert json.loads(alone("verify", tiny, "--json").stdout)["golden"] == "not run"
    ran = alone("run", tiny, "--input", tiny)
    assert ran.returncode == 4
    assert "pip install 'edgeml-runtime[onnx]'" in ran.stderr
    assert alone("verify", tiny, "--engine", "onnxruntime").returncode == 4


def test_run(tiny: Path, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["run", str(tiny), "--input", str(rows)]) == 0
    assert json.loads(capsys.readouterr().out) == [[2.0], [5.0]]
    assert answered(capsys, "run", tiny, "--input", rows) == (
        0,
        {"method": "predict", "output": [[2.0], [5.0]]},
    )
    for suffix, read in {
        ".npy": lambda p: np.load(p).tolist(),
        ".npz": lambda p: np.load(p)["output"].tolist(),
        ".csv": lambda p: [[float(c) for c in line.split(",")] for line in p.read_text().split()],
        ".json": lambda p: json.loads(p.read_text()),
    }.items():
        path = tmp_path / f"out{suffix}"
        assert main(["run", str(tiny), "--input", str(rows), "-o", str(path)]) == 0
        assert read(path) == [[2.0], [5.0]]
    assert capsys.readouterr().out.startswith("wrote ")
    exit_code, document = answered(capsys, "run", tiny, "--input", rows, "-o", tmp_path / "a.npy")
    assert (exit_code, document) == (0, {"method": "predict", "output_file": str(tmp_path / "a.npy")})


def test_run_returns_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    bundle, model, x = classifier_bundle()
    path, data = tmp_path / "iris.edgeml", tmp_path / "x.npy"
    path.write_bytes(encode_bundle(bundle.manifest, bundle.files))
    np.save(data, x[::10])
    exit_code, document = answered(capsys, "run", path, "--input", data)
    assert (exit_code, document["output"]) == (0, model.predict(x[::10]).tolist())
    exit_code, document = answered(capsys, "run", path, "--input", data, "--method", "predict_proba")
    np.testing.assert_allclose(document["output"], model.predict_proba(x[::10]), atol=1e-5)


BAD = {
    "no such bundle": (["info", "absent.edgeml"], 2, "InputError", "cannot read bundle 'absent.edgeml'"),
    "not a bundle": (["info", "{rows}"], 3, "IntegrityError", "not an edgeml bundle"),
    "no such data": (["run", "{tiny}", "--input", "no.npy"], 2, "InputError", "cannot read data file"),
    "suffix": (["run", "{tiny}", "--input", "{tiny}"], 2, "InputError", "expected .npy, .npz, .csv"),
    "no such engine": (["verify", "{tiny}", "--engine", "ort"], 2, "UnknownNameError", "unknown engine"),
    "no such method": (
        ["run", "{tiny}", "--input", "{rows}", "--method", "fit"],
        2,
        "SignatureError",
        "this model has no fit; it has predict",
    ),
    "no threads": (["bench", "{tiny}", "--threads", "0"], 2, "InputError", "must be at least 1"),
    "many threads": (["run", "{tiny}", "--input", "{rows}", "--threads", "999"], 2, "InputError", "1 to"),
    "option of no engine": (["bench", "{tiny}", "--option", "gpu=on"], 2, "InputError", "gpu: unknown field"),
    "option without a value": (["bench", "{tiny}", "--option", "gpu"], 2, "InputError", "NAME=VALUE"),
    "threads of letters": (["bench", "{tiny}", "--threads", "a"], 2, "InputError", "expected whole numbers"),
    "seconds of nothing": (["bench", "{tiny}", "--seconds", "nan"], 2, "InputError", "must be positive"),
    "no command": ([], 2, "InputError", "the following arguments are required: COMMAND"),
    "no such command": (["fly"], 2, "InputError", "invalid choice: 'fly'"),
    "no such option": (["info", "{tiny}", "--fast"], 2, "InputError", "unrecognized arguments: --fast"),
    "no such folder": (
        ["run", "{tiny}", "--input", "{rows}", "-o", "no/such/a.npy"],
        2,
        "InputError",
        "cannot write no/such/a.npy: folder",
    ),
    "folder": (["run", "{tiny}", "--input", "{rows}", "-o", "{folder}.npy"], 2, "InputError", "is a folder"),
    "a device": (["run", "{tiny}", "--input", "{rows}", "-o", "{fifo}"], 2, "InputError", "not a regular"),
    "output suffix": (
        ["run", "{tiny}", "--input", "{rows}", "-o", "{folder}/a.txt"],
        2,
        "InputError",
        "expected .npy, .npz, .csv, .json, got '.txt'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name: str, tiny: Path, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    template, exit_code, kind, message = BAD[name]
    folder, fifo = tmp_path / "folder", tmp_path / "fifo.npy"
    folder.mkdir()
    (tmp_path / "folder.npy").mkdir()
    os.mkfifo(fifo)
    arguments = [a.format(tiny=tiny, rows=rows, folder=folder, fifo=fifo) for a in template]
    assert main(arguments) == exit_code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert message in captured.err
    given, document = answered(capsys, *arguments)
    assert given == exit_code
    assert document["error"]["type"] == kind
    assert document["error"]["exit_code"] == exit_code
    assert message in document["error"]["message"]
    assert list(folder.iterdir()) == []


def test_bench(tiny: Path, capsys: pytest.CaptureFixture[str]):
    quick = ["--seconds", "0.01", "--warmup", "0"]
    exit_code, document = answered(capsys, "bench", tiny, "--threads", "1,2", "--batch", "1,3", *quick)
    assert exit_code == 0
    results = [decode(Measurement, m) for m in document["measurements"]]
    assert [(r.threads, r.batch) for r in results] == [(1, 1), (1, 3), (2, 1), (2, 3)]
    for result, summary in zip(results, document["summaries"], strict=True):
        ordered = sorted(result.samples_ns)
        assert summary["summary_ns"]["min"] == ordered[0]
        assert summary["summary_ns"]["p50"] == ordered[(len(ordered) + 1) // 2 - 1]
        assert (summary["threads"], summary["batch"]) == (result.threads, result.batch)
        assert len(result.samples_ns) >= 10
        assert result.warmup_calls >= 1
        assert min(result.samples_ns) > 0
        assert result.bundle_digest == decode_bundle(tiny.read_bytes()).digest
    assert main(["bench", str(tiny), str(tiny), *quick]) == 0
    heading, *lines, last, options = capsys.readouterr().out.splitlines()
    assert (
        " ".join(heading.split()) == "bundle engine threads batch min us p50 us p90 us p99 us samples peak MB"
    )
    assert [line.split()[:4] for line in lines] == [["test", "onnxruntime", "1", "1"]] * 2
    assert last.startswith("measured on this machine: ")
    assert options == "test: threads 1, graph_optimization all, memory_arena on, spinning on"
    assert main(["bench", str(tiny), *quick, "--option", "memory_arena=off", "--untuned"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("memory_arena off, spinning on")


def test_measure_takes_rows_of_the_golden_vectors():
    result = measure(
        tflite_bundle("int8"), BenchPlan(batch=20, seconds=0.01, warmup_seconds=0, min_samples=3)
    )
    assert (result.engine, result.batch, result.scheme) == ("litert", 20, "int8-static")
    assert len(result.samples_ns) >= 3


def test_percentiles_are_samples():
    samples = (5, 1, 3, 2, 4)
    assert [percentile_ns(samples, p) for p in (0, 1, 20, 21, 50, 90, 99, 100)] == [1, 1, 1, 2, 3, 5, 5, 5]


@pytest.mark.parametrize(
    "change", [{"batch": 0}, {"seconds": 0.0}, {"seconds": float("inf")}, {"min_samples": 0}]
)
def test_plan_that_measures_nothing(change: dict[str, Any]):
    with pytest.raises(InputError, match="must be"):
        dataclasses.replace(BenchPlan(), **change)


def test_golden_vectors_of_the_converted_network():
    for scheme in ("float32", "int8"):
        result = verify(tflite_bundle(scheme))
        assert (result.golden, result.rows, result.engine) == ("ok", len(iris_rows()[::20]), "litert")


# Processes: help, pipes, full disks, interruptions.


def test_module_and_help(tiny: Path):
    done = edgeml_runtime("--help")
    assert done.returncode == 0
    assert all(word in done.stdout for word in ("info", "verify", "run", "bench"))
    assert edgeml_runtime("info", tiny).returncode == 0
    assert edgeml_runtime("info", tiny, "--jsn").returncode == 2


def test_letters_that_the_terminal_lacks(tmp_path: Path):
    content = tiny_bundle_bytes()
    path = tmp_path / "umlaut.edgeml"
    path.write_bytes(rebuilt(content, manifest_of(content) | {"device": "Gerät"}))
    done = edgeml_runtime("info", path, env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")
    assert r"Ger\xe4t" in done.stdout


@pytest.mark.skipif(os.name != "posix", reason="pipes as POSIX has them")
def test_a_reader_that_leaves(tiny: Path):
    command = f"{sys.executable} -m edgeml_runtime info {tiny} --json; echo exit $? >&2"
    done = subprocess.run(["bash", "-c", f"({command}) | true"], capture_output=True, text=True, check=False)
    assert done.stderr in ("exit 141\n", "exit 0\n")  # 0 where it was done before the reader left
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "edgeml_runtime", "info", str(tiny)],
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk(tiny: Path):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "edgeml_runtime", "info", str(tiny)],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.decode().startswith("error: cannot write the output: No space left on device")
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize("as_json", [False, True])
def test_interruption(tiny: Path, as_json: bool):
    arguments = ["bench", str(tiny), "--seconds", "60", "--warmup", "0", *(["--json"] if as_json else [])]
    process = subprocess.Popen(
        [sys.executable, "-m", "edgeml_runtime", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while "onnxruntime" not in Path(f"/proc/{process.pid}/maps").read_text():
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    if as_json:
        assert json.loads(out)["error"]["exit_code"] == 130
    else:
        assert err == "error: interrupted; nothing was written\n"
