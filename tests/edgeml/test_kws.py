"""The headline: a Keras 2 file of MLPerf Tiny becomes int8 within its accuracy; Keras models in memory."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from keras_zoo import trained

import edgeml
from edgeml.cli import main
from edgeml.data import split
from edgeml_runtime.bundle import decode_bundle
from edgeml_runtime.errors import UnsupportedModelError
from edgeml_runtime.session import Session, load

pytestmark = pytest.mark.slow

REFERENCE_BYTES = 53_936  # of the benchmark's own int8 file
MAX_DROP = 0.01


def test_a_legacy_h5_becomes_int8_of_the_benchmarks_size_within_its_accuracy(
    shared_data, tmp_path, capfd, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    model, data = shared_data / "kws/kws_ds_cnn.h5", shared_data / "kws/kws.npz"
    command = ["compile", str(model), "--data", str(data), "--device", "raspberry-pi-4", "-o", "kws.edgeml"]
    exit_code = main([*command, "--max-accuracy-drop", str(MAX_DROP), "--objective", "size", "--json"])
    document = json.loads(capfd.readouterr().out)  # nothing of TensorFlow's on stdout
    assert exit_code == 0
    chosen = {c["name"]: c for c in document["candidates"]}[document["chosen"]]
    assert chosen["scheme"] == "int8-static"
    assert chosen["size_bytes"] <= REFERENCE_BYTES
    assert {c["name"] for c in document["candidates"] if c["status"] == "failed"} == set()
    assert len(document["candidates"]) == 9

    # On the device's side: the bundle on the rows that judged it, against tf-keras and against y.
    import tf_keras

    with np.load(data) as arrays:
        rows = split(edgeml.Data(arrays["x"], arrays["y"]), seed=0)
    original = (
        tf_keras.models.load_model(model, compile=False).predict(rows.judging.x, verbose=0).argmax(axis=1)
    )
    labels = load("kws.edgeml").predict(rows.judging.x).argmax(axis=1)
    drop = np.mean(original == rows.judging.y) - np.mean(labels == rows.judging.y)
    assert drop <= MAX_DROP + 1e-9
    assert chosen["accuracy"]["drop"] == pytest.approx(drop)
    assert len(chosen["parity"]["flips"]) == np.sum(original != labels)
    assert np.mean(original == rows.judging.y) > 0.9


COMPILE = ["--device", "raspberry-pi-4", "--formats", "tflite", "--schemes", "int8-static,int8-dynamic"]


def test_the_same_keras_compile_gives_the_same_bytes_in_two_processes(shared_data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, data = shared_data / "kws/kws_ds_cnn.h5", shared_data / "kws/kws.npz"
    command = ["compile", str(model), "--data", str(data), *COMPILE, "--objective", "size", "-o"]
    done = subprocess.run(
        [sys.executable, "-m", "edgeml", *command, "there.edgeml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert main([*command, "here.edgeml"]) == 0
    assert (tmp_path / "there.edgeml").read_bytes() == (tmp_path / "here.edgeml").read_bytes()


def test_a_network_in_memory(tmp_path):
    network = trained("digits_cnn")
    result = edgeml.compile(
        network.model,
        device="generic-armv7",  # no ONNX Runtime there
        data=edgeml.Data(network.x, network.y),
        budget=edgeml.Budget(max_accuracy_drop=0.02),
        objective="size",
        name="digits",
    )
    assert {o.candidate.format for o in result.outcomes} == {"tflite"}
    assert [o.format for o in result.left_out if o.scheme is None] == ["onnx"]
    by_scheme = {o.candidate.scheme: o for o in result.outcomes}
    assert len(by_scheme) == 5
    assert by_scheme["float32"].parity.flips == ()
    assert result.chosen.candidate.scheme.startswith("int8")
    expected = network.model.predict(network.x, verbose=0)
    session = load(result.save(tmp_path / "digits.edgeml"))
    assert np.mean(session.predict(network.x).argmax(1) == expected.argmax(1)) > 0.97
    float32 = Session(by_scheme["float32"].bundle)
    assert np.allclose(float32.predict(network.x), expected, atol=1e-5)


def test_a_network_of_several_inputs_and_outputs_without_labels():
    network = trained("two_by_two")
    result = edgeml.compile(
        network.model, device="raspberry-pi-4", data=edgeml.Data(network.x), schemes=["float32", "float16"]
    )
    assert {o.candidate.name: o.status for o in result.outcomes} == {
        f"{name}/{scheme}": "fits" for name in ("onnx", "tflite") for scheme in ("float32", "float16")
    }
    expected = network.model.predict([network.x["upper"], network.x["lower"]], verbose=0)
    got = Session(decode_bundle(result.to_bytes())).predict(network.x)
    assert set(got) == set(expected) == {"digit", "odd"}
    assert all(np.allclose(got[name], expected[name], atol=2e-3) for name in got)


def test_a_network_to_onnx_and_a_sigmoid_unit_with_labels():
    network = trained("cancer_mlp")
    result = edgeml.compile(
        network.model, device="x86-64-avx2", data=edgeml.Data(network.x, network.y), formats=["onnx"]
    )
    by_scheme = {o.candidate.scheme: o for o in result.outcomes}
    expected = (network.model.predict(network.x, verbose=0)[:, 0] > 0.5).astype(int)
    score = np.mean(
        expected[np.isin(network.x, result.split.judging.x).all(axis=1)] == result.split.judging.y
    )
    assert result.reference.score == pytest.approx(score)
    assert by_scheme["float32"].accuracy.drop == 0
    assert set(by_scheme) == {"float32", "float16", "int8-dynamic", "int8-static"}


def test_a_layer_that_nothing_takes_is_named_before_any_conversion(monkeypatch):
    import keras

    monkeypatch.setattr("edgeml.job.build", lambda *_: pytest.fail("something was built"))
    model = keras.Sequential(
        [keras.Input((4,), dtype="int32"), keras.layers.Hashing(8, name="bins"), keras.layers.Embedding(8, 3)]
    )
    with pytest.raises(
        UnsupportedModelError, match=r"bins \(Hashing\) hashes strings; hash before the model"
    ):
        edgeml.compile(model, device="raspberry-pi-4")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_truncated_or_foreign_file_is_no_model(suffix, shared_data, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole = (shared_data / "kws/kws_ds_cnn.h5").read_bytes()
    for name, content in (("half", whole[: len(whole) // 2]), ("text", b"not a model\n"), ("empty", b"")):
        (tmp_path / f"{name}{suffix}").write_bytes(content)
        exit_code = main(["compile", f"{name}{suffix}", "--device", "host", "-o", "out.edgeml"])
        err = capfd.readouterr().err
        assert exit_code == 2, err
        [line] = [line for line in err.splitlines() if line.startswith("error: ")]
        assert re.search(rf"{name}{suffix}", line)
    assert not (tmp_path / "out.edgeml").exists()
