"""The examples as a user runs them: in processes of their own, in an empty folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import is_required, require, require_program

from edgeml.emulation.platforms import PLATFORMS
from edgeml.emulation.roots import read_root
from edgeml_runtime.session import load

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[1] / "examples"
COLUMNS = ("alcohol", "proline", "colour", "strong")
FULL = {"proline": 1065, "strong": True}
# What a device does not have: the compiler and every framework.
ON_DEVICE = """
import runpy, sys
for absent in ("edgeml", "edgeml_converters", "sklearn", "tensorflow", "keras", "onnx", "pandas", "scipy"):
    sys.modules[absent] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


def test_every_example_is_run_and_listed():
    source = Path(__file__).read_text(encoding="utf-8")
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for script in EXAMPLES.glob("*.py"):
        assert f'"{script.name}"' in source
        assert f"({script.name})" in readme


def test_from_training_with_scikit_learn_to_the_device(tmp_path):
    done = run(tmp_path, str(EXAMPLES / "train_and_compile_sklearn.py"))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "chosen" in done.stdout
    bundle = load(tmp_path / "digits.edgeml").bundle
    assert bundle.manifest.scheme.startswith("int8")
    done = run(tmp_path, "-c", ON_DEVICE, str(EXAMPLES / "run_on_device.py"), "digits.edgeml", "digits.npy")
    assert done.returncode == 0, done.stderr
    assert "golden vectors: ok" in done.stdout
    assert "100 rows one by one agree with the batch: True" in done.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == ["digits.edgeml", "digits.npy"]


def test_a_table_with_text_and_gaps(tmp_path):
    done = run(tmp_path, str(EXAMPLES / "compile_a_table.py"))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "one record: barolo" in done.stdout and "100% as scikit-learn" in done.stdout
    assert load(tmp_path / "wines.edgeml").predict([dict.fromkeys(COLUMNS, None) | FULL]).tolist() == [
        "barolo"
    ]


def test_a_keras_network_for_a_raspberry_pi(tmp_path):
    done = run(tmp_path, str(EXAMPLES / "compile_keras_for_pi.py"))
    assert done.returncode == 0, done.stderr
    assert "latency: unproven" in done.stdout
    assert "accuracy-drop: passed" in done.stdout
    assert done.stdout.count("tflite/") == 5
    assert load(tmp_path / "digits-cnn.edgeml").bundle.manifest.artifact_format == "tflite"


def test_a_model_that_outgrew_its_budget_fails_the_check(tmp_path):
    script = str(EXAMPLES / "fail_ci_when_it_does_not_fit.py")
    done = run(tmp_path, script)
    assert done.returncode == 6, done.stderr
    assert "nothing fits: max_size_kb binds" in done.stdout
    assert list(tmp_path.iterdir()) == []
    done = run(tmp_path, script, "1000")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "cancer.edgeml").exists()


def test_a_model_that_costs_more_fails_the_check(tmp_path):
    require_program("qemu-aarch64", "cc")
    if is_required("emulation"):
        assert run(tmp_path, "-m", "edgeml", "devices", "setup", "raspberry-pi-4").returncode == 0
    ready = (root := read_root(PLATFORMS["aarch64"])) is not None and "onnxruntime" in root.engines
    require("emulation", available=ready, reason="not set up: edgeml devices setup raspberry-pi-4")
    script = str(EXAMPLES / "fail_ci_when_it_costs_more.py")
    for trees, exit_code, said in (
        ("20", 0, ""),
        ("20", 0, "nothing rose by more than 2%"),
        ("60", 6, "fails"),
    ):
        done = run(tmp_path, script, trees)
        assert done.returncode == exit_code, done.stderr
        assert said in done.stdout
