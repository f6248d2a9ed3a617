"""Compiling for a microcontroller: what is proved, where, and which limits are the chip's."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from keras_zoo import trained
from rich.console import Console

import edgeml
from edgeml.cli import main
from edgeml.devices import load_device, to_toml
from edgeml.report import print_result
from edgeml_runtime.bundle import read_bundle
from edgeml_runtime.errors import NothingFitsError
from edgeml_runtime.session import load

pytestmark = pytest.mark.slow

SCHEMES = {"tflite/float32", "tflite/int8-static", "tflite/int16x8-static"}


def test_keyword_spotting_for_a_cortex_m7_says_what_it_proved_and_where(
    shared_data, tmp_path, capfd, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    model, data = shared_data / "kws/kws_ds_cnn.h5", shared_data / "kws/kws.npz"
    command = ["compile", str(model), "--data", str(data), "--device", "stm32h743", "-o", "kws.edgeml"]
    exit_code = main([*command, "--max-accuracy-drop", "0.01", "--max-latency-ms", "100", "--json"])
    document = json.loads(capfd.readouterr().out)
    assert exit_code == 0
    assert {c["name"] for c in document["candidates"]} == SCHEMES
    assert document["chosen"] == "tflite/int8-static"
    chosen = next(c for c in document["candidates"] if c["name"] == document["chosen"])
    verdicts = {v["gate"]: v for v in chosen["verdicts"]}
    assert verdicts["accuracy-drop"]["status"] == "passed"
    assert (verdicts["latency"]["status"], verdicts["latency"]["measured_on"]) == ("unproven", "this host")
    assert verdicts["fits"]["status"] in ("passed", "unproven")
    first, second = document["device_notes"]
    assert "is a microcontroller without Python: the answers are those of an engine of this host" in first
    assert "the firmware links tflite-micro with cmsis-nn" in first
    assert "integers are chosen before floats" in second

    bundle = read_bundle(tmp_path / "kws.edgeml")
    assert bundle.manifest.artifact_format == "tflite"
    assert bundle.artifact[4:8] == b"TFL3"
    with np.load(data) as arrays:
        assert load(tmp_path / "kws.edgeml").predict(arrays["x"][:5]).shape == (5, 12)


def test_a_scikit_learn_model_for_a_chip_without_a_floating_point_unit(tmp_path):
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    x, y = load_digits(return_X_y=True)
    fitted = LogisticRegression(max_iter=300).fit(x / 16, y)
    result = edgeml.compile(fitted, device="rp2040", data=edgeml.Data(x / 16, y))
    assert {o.candidate.name for o in result.outcomes} == SCHEMES
    assert result.chosen is not None
    assert result.chosen.candidate.scheme == "int8-static"
    text = io.StringIO()
    print_result(result, Console(file=text, width=120))
    assert "chosen: tflite/int8-static, integers first\n" in text.getvalue()
    assert "rp2040 is a microcontroller without Python" in text.getvalue()


def test_an_artifact_larger_than_the_flash_does_not_fit(tmp_path):
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    x, y = load_digits(return_X_y=True)
    fitted = MLPClassifier((96,), early_stopping=True, random_state=0).fit(x / 16, y)
    small = to_toml(load_device("stm32g0b1")).replace("= 524288", "= 20000").replace("stm32g0b1", "small")
    (tmp_path / "small.toml").write_text(small)
    result = edgeml.compile(fitted, device=tmp_path / "small.toml", data=edgeml.Data(x / 16, y))
    fits = {o.candidate.scheme: v for o in result.outcomes for v in o.verdicts if v.gate == "fits"}
    assert fits["float32"].status == "failed"
    assert "flash" in fits["float32"].detail
    assert fits["int8-static"].status != "failed"
    assert result.chosen is not None
    assert result.chosen.candidate.scheme == "int8-static"


def test_a_format_that_no_library_reads_is_refused_before_anything_is_built(tmp_path):
    network = trained("digits_cnn")
    with pytest.raises(NothingFitsError, match=r"no library reads onnx \(tflite-micro\)"):
        edgeml.compile(network.model, device="esp32-s3", formats=["onnx"])
