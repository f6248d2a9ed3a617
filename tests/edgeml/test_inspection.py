"""What a file is: bundles, artifacts and models, for people and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from bundles import GOLDEN, describing_everything, node, onnx_graph, tiny_bundle_bytes
from zoo import ZOO

from edgeml.cli import main
from edgeml.inspection import inspect_file, inspection_lines
from edgeml_runtime.errors import BundleError, InputError


def lines(path: Path) -> list[str]:
    return list(inspection_lines(inspect_file(path)))


@pytest.fixture
def skops(tmp_path) -> Path:
    from skops import io

    io.dump(ZOO["logistic-regression-strings"]().model, tmp_path / "wine.skops")
    return tmp_path / "wine.skops"


def test_a_bundle(tmp_path):
    path = tmp_path / "toy.edgeml"
    path.write_bytes(tiny_bundle_bytes(**describing_everything()))
    document = inspect_file(path)
    assert document["what"] == "bundle"
    assert document["size_bytes"] == path.stat().st_size
    assert document["manifest"]["scheme"] == "float32"
    text = "\n".join(lines(path))
    for expected in (
        "artifact   onnx float32, made for host",
        "input      x: float32[batch, 1]",
        "in float   1 x SOFTMAX: its int8 kernel is not exact",
        "verdict    size passed: 1.5 kB (limit 64 kB), measured on any",
        "verdict    latency unproven: 0.01 ms (limit 5 ms), measured on host; only the device can tell",
    ):
        assert expected in text


def test_a_tflite_file():
    document = inspect_file(GOLDEN / "iris_int8.tflite")
    assert document["what"] == "tflite"
    assert json.loads(json.dumps(document)) == document
    assert lines(GOLDEN / "iris_int8.tflite")[0] == "what       tflite"


def test_an_onnx_file(tmp_path):
    path = tmp_path / "double.onnx"
    spec = {"x": ("float32", [None, 1])}
    path.write_bytes(onnx_graph([node("Add", "x x", "y")], spec, {"y": ("float32", [None, 1])}, {}))
    document = inspect_file(path)
    assert (document["what"], document["kind"], document["task"]) == ("model", "onnx-model", "regression")
    assert document["formats"]["onnx"] is None


def test_a_scikit_learn_model(skops):
    document = inspect_file(skops)
    assert (document["what"], document["kind"], document["task"]) == ("model", "sklearn", "classification")
    assert [step["kind"] for step in document["steps"]][-1] == "LogisticRegression"
    assert document["formats"] == {"onnx": None, "tflite": None}
    assert "onnx       supported" in lines(skops)


def test_an_unsupported_step_is_told_without_converting(tmp_path):
    import joblib
    from scipy.spatial.distance import euclidean
    from sklearn.datasets import load_wine
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = load_wine(return_X_y=True)
    model = make_pipeline(StandardScaler(), KNeighborsClassifier(metric=euclidean)).fit(x[::4], y[::4])
    joblib.dump(model, tmp_path / "own.joblib")
    document = inspect_file(tmp_path / "own.joblib", trust_pickle=True)
    scaler, neighbors = document["steps"]
    assert (scaler["kind"], scaler["formats"]) == ("StandardScaler", {"onnx": None, "tflite": None})
    for name in ("onnx", "tflite"):
        assert "pipeline.kneighborsclassifier (KNeighborsClassifier): metric" in document["formats"][name]
        assert neighbors["formats"][name].startswith("metric")
    assert "step       pipeline.standardscaler (StandardScaler): onnx, tflite" in inspection_lines(document)


def test_a_model_of_another_scikit_learn_version(tmp_path, capsys):
    import joblib
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit([[0.0], [1.0]])
    state = scaler.__getstate__() | {"_sklearn_version": "1.7.0"}
    path = tmp_path / "old.joblib"
    joblib.dump(_Saved(state), path)
    assert main(["inspect", str(path), "--trust-pickle"]) == 0
    assert "1.7.0" in next(
        line for line in capsys.readouterr().out.splitlines() if line.startswith("warning")
    )
    arguments = ["compile", str(path), "--trust-pickle", "--device", "x86-64-avx2", "--formats", "onnx"]
    assert main([*arguments, "-o", str(tmp_path / "old.edgeml"), "--json"]) == 0
    (warning,) = json.loads(capsys.readouterr().out)["model"]["warnings"]
    assert "1.7.0" in warning


class _Saved:
    """Pickles as a StandardScaler with that state."""

    def __init__(self, state) -> None:
        self.state = state

    def __reduce__(self):
        import sklearn.preprocessing

        return sklearn.preprocessing.StandardScaler, (), self.state


@pytest.mark.slow
def test_a_keras_model(tmp_path, capsys):
    import keras

    from edgeml_converters.tensorflow_import import quiet

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax", name="out")])
    with quiet():
        model.save(tmp_path / "iris.keras")
    assert main(["inspect", str(tmp_path / "iris.keras"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["kind"], document["task"]) == ("keras", "classification")
    assert document["steps"][-1]["kind"] == "Dense"
    assert document["formats"] == {"onnx": None, "tflite": None}


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("empty.edgeml", b"", BundleError),
        ("text.edgeml", b"not a bundle", BundleError),
        ("empty.tflite", b"", InputError),
        ("text.tflite", b"not a model at all", InputError),
        ("half.tflite", (GOLDEN / "iris_int8.tflite").read_bytes()[:500], InputError),
        ("text.onnx", b"not a model", InputError),
        ("rows.npz", b"", InputError),
        ("README", b"", InputError),
    ],
)
def test_what_is_nothing_of_that_kind(name, content, error, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(error, match=name):
        inspect_file(path)


def test_names_in_a_file_cannot_steer_the_terminal(tmp_path):
    path = tmp_path / "x.onnx"
    spec = {"x\x1b[2J": ("float32", [None, 1])}
    path.write_bytes(onnx_graph([node("Neg", "x\x1b[2J", "y")], spec, {"y": ("float32", [None, 1])}, {}))
    assert not any("\x1b" in line for line in lines(path))


def test_a_digest_follows_the_parameters(tmp_path, skops):
    import copy

    from skops import io

    model = copy.deepcopy(ZOO["logistic-regression-strings"]().model)
    model[-1].coef_ = np.nextafter(model[-1].coef_, np.inf)
    io.dump(model, tmp_path / "other.skops")
    assert inspect_file(tmp_path / "other.skops")["digest"] != inspect_file(skops)["digest"]
