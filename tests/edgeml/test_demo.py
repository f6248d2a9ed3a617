"""The demo as the README has it, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from edgeml_runtime.session import load
from edgeml_runtime.verify import verify

pytestmark = pytest.mark.slow


def test_the_demo_does_the_main_job_with_two_models(tmp_path):
    command = [sys.executable, "-m", "edgeml", "demo", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["folder"] == "edgeml-demo"
    assert [m["model"]["name"] for m in document["models"]] == ["digits-forest", "digits-cnn"]
    for model in document["models"]:
        assert model["device"] == "raspberry-pi-4"
        assert {c["format"] for c in model["candidates"]} == {"onnx", "tflite"}
        assert all(c["verdicts"] for c in model["candidates"]), [c["error"] for c in model["candidates"]]
        assert model["golden"] == "ok"
        assert model["held_out_accuracy"] > 0.94
        assert model["host_latency_ms"] > 0
        assert verify(load(tmp_path / model["bundle"]).bundle).golden == "ok"
    written = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert written == ["edgeml-demo/digits-cnn.edgeml", "edgeml-demo/digits-forest.edgeml"]
