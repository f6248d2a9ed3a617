"""Several models for several devices: every pair as `compile` has it, a failing one beside those that fit."""

from __future__ import annotations

import json

import numpy as np
import pytest
from conftest import require_module

import edgeml
from edgeml.cli import main
from edgeml.pipeline import conclude
from edgeml_runtime import load, read_bundle
from edgeml_runtime.errors import InputError

JOBS = """
devices = ["raspberry-pi-4", "raspberry-pi-5"]
formats = ["onnx"]
schemes = ["float32"]
objective = "size"

[[models]]
model = "iris.skops"
data = "iris.npz"
"""


@pytest.fixture
def files(tmp_path):
    """Iris, its model and a jobs file."""
    require_module("sklearn", "skl2onnx", "skops", "onnxruntime")
    import skops.io
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    x, y = load_iris(return_X_y=True)
    x = x.astype(np.float32)
    skops.io.dump(LogisticRegression(max_iter=500).fit(x, y), tmp_path / "iris.skops")
    np.savez(tmp_path / "iris.npz", x=x, y=y)
    (tmp_path / "jobs.toml").write_text(JOBS)
    return tmp_path


def compiled(capsys, files, *more):
    """Exit code and what is printed."""
    exit_code = main(["compile-many", str(files / "jobs.toml"), "-o", str(files / "out"), *more])
    return exit_code, capsys.readouterr()


@pytest.mark.slow
def test_every_pair_is_what_compile_makes_of_it(files, capsys):
    exit_code, printed = compiled(capsys, files)
    assert exit_code == 0
    assert "wrote 2 of 2 bundles" in printed.out
    for device in ("raspberry-pi-4", "raspberry-pi-5"):
        alone = edgeml.compile(
            files / "iris.skops",
            device=device,
            data=files / "iris.npz",
            formats=["onnx"],
            schemes=["float32"],
            objective="size",
        )
        assert (files / "out" / f"iris-{device}.edgeml").read_bytes() == alone.to_bytes()
    assert load(files / "out" / "iris-raspberry-pi-4.edgeml").predict(np.zeros((1, 4), np.float32)).shape == (
        1,
    )


@pytest.mark.slow
def test_a_pool_writes_the_same_bundles(files, capsys):
    compiled(capsys, files)
    before = {path.name: path.read_bytes() for path in (files / "out").iterdir()}
    assert compiled(capsys, files, "--jobs", "2")[0] == 0
    assert {path.name: path.read_bytes() for path in (files / "out").iterdir()} == before


@pytest.mark.slow
def test_what_fails_or_does_not_fit_is_told_and_the_others_are_written(files, capsys):
    (files / "broken.skops").write_bytes(b"no model")
    with (files / "jobs.toml").open("a") as jobs:
        jobs.write('[[models]]\nmodel = "broken.skops"\n')
    exit_code, printed = compiled(capsys, files, "--json")
    document = json.loads(printed.out)
    broken = [c for c in document["compiled"] if c["model"] == "broken"]
    assert [c["error"]["type"] for c in broken] == ["InputError"] * 2
    assert exit_code == 2
    with (files / "jobs.toml").open("a") as jobs:
        jobs.write('[[models]]\nmodel = "iris.skops"\nname = "tiny"\nbudget = { max_size_kb = 0.01 }\n')
    exit_code, printed = compiled(capsys, files)
    assert exit_code == 6
    assert "wrote 2 of 6 bundles" in printed.out
    assert sorted(p.name for p in (files / "out").iterdir()) == [
        "iris-raspberry-pi-4.edgeml",
        "iris-raspberry-pi-5.edgeml",
    ]
    assert read_bundle(files / "out" / "iris-raspberry-pi-5.edgeml").manifest.name == "iris"


@pytest.mark.slow
def test_an_interruption_leaves_what_was_written(files, capsys, monkeypatch):
    decided = []

    def interrupted(*arguments, **named):
        if decided:
            raise KeyboardInterrupt
        decided.append(conclude(*arguments, **named))
        return decided[0]

    monkeypatch.setattr("edgeml.many.conclude", interrupted)
    assert compiled(capsys, files)[0] == 130
    assert [path.name for path in (files / "out").iterdir()] == ["iris-raspberry-pi-4.edgeml"]
    read_bundle(files / "out" / "iris-raspberry-pi-4.edgeml")


def test_a_file_in_the_folders_place_is_refused_first(tmp_path, capsys):
    (tmp_path / "jobs.toml").write_text(JOBS)
    (tmp_path / "out").write_bytes(b"")
    exit_code, printed = compiled(capsys, tmp_path)
    assert exit_code == 2
    assert f"cannot write to {tmp_path / 'out'}: File exists" in printed.err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "devices: missing"),
        (JOBS.replace("model =", "modle ="), "modle: unknown field"),
        (JOBS + "budget = { max_size_kb = -1 }\n", "max_size_kb"),
        (JOBS + 'name = "../up"\n', "the name '../up' cannot be part of a file's name"),
        (JOBS + '[[models]]\nmodel = "other/iris.onnx"\n', "model 'iris' comes twice"),
        (JOBS.replace("raspberry-pi-5", "raspberry-pi-4"), "device 'raspberry-pi-4' comes twice"),
        (JOBS.replace("raspberry-pi-5", "raspberry-pi-55"), "unknown device 'raspberry-pi-55'; did you mean"),
        (JOBS.replace('"size"', '"speed"'), "unknown objective 'speed'"),
        ("devices = [", "jobs file"),
    ],
)
def test_a_wrong_jobs_file_is_refused_by_its_field(tmp_path, capsys, text, message):
    (tmp_path / "jobs.toml").write_text(text)
    exit_code, printed = compiled(capsys, tmp_path, "--json")
    assert exit_code == 2
    assert message in json.loads(printed.out)["error"]["message"]


def test_nothing_to_compile_is_an_error():
    with pytest.raises(InputError, match="no model to compile"):
        edgeml.compile_many([], ["raspberry-pi-4"])
    with pytest.raises(InputError, match="no device to compile for"):
        edgeml.compile_many([edgeml.Entry("m.onnx", "m")], [])
