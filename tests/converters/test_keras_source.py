"""Keras models of every kind: recognised, loaded, described; damaged files and code in files refused."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import keras_zoo
import numpy as np
import pytest
from conftest import require_module

from edgeml_converters.intake import load_model
from edgeml_converters.sources.keras import SOURCE
from edgeml_converters.tensorflow_import import import_tensorflow, quiet
from edgeml_converters.to_onnx.from_keras import CONVERTER as TO_ONNX
from edgeml_converters.to_tflite.from_keras import CONVERTER as TO_TFLITE
from edgeml_runtime.errors import InputError, SignatureError, UnsupportedModelError, UnsupportedOperatorError

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _installed():
    require_module("tensorflow", "tf_keras")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The digits net as every kind of file."""
    folder = tmp_path_factory.mktemp("digits")
    model = keras_zoo.trained("digits_cnn").model
    with quiet():
        model.save(folder / "m.keras")
        model.save(folder / "m.h5")
        model.export(folder / "saved", verbose=False)
    return folder


def _keras():
    import_tensorflow()
    import keras

    return keras


def _tf_keras():
    import_tensorflow()
    with quiet():
        import tf_keras
    return tf_keras


@pytest.mark.parametrize("file", ["m.keras", "m.h5", "saved"])
def test_files_are_the_live_model(files, file):
    trained = keras_zoo.trained("digits_cnn")
    live = SOURCE.describe(trained.model, "digits")
    loaded = SOURCE.load(files / file)
    assert SOURCE.recognises(trained.model) and SOURCE.recognises(loaded)
    model = SOURCE.describe(loaded, "digits")
    assert model.signature == live.signature
    assert model.task == live.task == "classification"
    expected = trained.model.predict(trained.x, verbose=0)
    np.testing.assert_allclose(SOURCE.predict(model, "predict", trained.x), expected, atol=1e-6)
    assert (
        TO_TFLITE.convert(model, "float32", None).content == TO_TFLITE.convert(live, "float32", None).content
    )
    if file != "saved":  # a SavedModel has a graph where the others have layers
        assert model.digest == live.digest
        assert [s.kind for s in model.steps] == [s.kind for s in live.steps]


def test_digest_sees_weights_and_structure():
    keras = _keras()

    def build(activation="relu"):
        return keras.Sequential(
            [keras.Input((3,)), keras.layers.Dense(4, activation=activation), keras.layers.Dense(1)]
        )

    first, second, other = build(), build(), build("tanh")
    second.set_weights(first.get_weights())
    other.set_weights(first.get_weights())

    def digest(model):
        return SOURCE.describe(model, "m").digest

    assert digest(first) == digest(second)
    assert digest(first) != digest(other)
    changed = first.get_weights()
    changed[0][0, 0] = np.nextafter(changed[0][0, 0], np.float32(9))
    second.set_weights(changed)
    assert digest(first) != digest(second)


def test_tasks_and_scores():
    expected = {
        "digits_cnn": "classification",
        "cancer_mlp": "classification",
        "token_embedding": "classification",  # logits, known by the loss
        "two_by_two": "tensor",
        "digits_autoencoder": "tensor",
    }
    for name, task in expected.items():
        trained = keras_zoo.trained(name)
        model = SOURCE.describe(trained.model, name)
        assert model.task == task
        scores = SOURCE.scores(model, trained.x)
        if task == "classification":
            assert scores.ndim == 2 and (scores.argmax(axis=1) == trained.y).mean() > 0.8
        else:
            assert scores is None
    keras = _keras()
    regression = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    assert SOURCE.describe(regression, "m").task == "regression"


def test_names_are_the_users_or_plain():
    trained = keras_zoo.trained("two_by_two")
    model = SOURCE.describe(trained.model, "two")
    assert [s.name for s in model.signature.inputs] == ["upper", "lower"]
    assert [s.name for s in model.signature.outputs] == ["digit", "odd"]
    assert model.signature.methods[0].returns == "mapping"
    prediction = SOURCE.predict(model, "predict", trained.x)
    own = trained.model.predict([trained.x["upper"], trained.x["lower"]], verbose=0)
    for key, value in own.items():
        np.testing.assert_allclose(prediction[key], value, atol=1e-6)
    tf_keras = _tf_keras()
    inputs = tf_keras.layers.Input((4,))
    heads = [tf_keras.layers.Dense(2)(inputs), tf_keras.layers.Dense(3, name="top-3")(inputs)]
    model = SOURCE.describe(tf_keras.Model(inputs, heads), "heads")
    assert [s.describe() for s in model.signature.inputs] == ["x: float32[batch, 4]"]
    assert [s.name for s in model.signature.outputs] == ["y_0", "top-3"]
    assert [p.shape for p in SOURCE.predict(model, "predict", np.ones((5, 4)))] == [(5, 2), (5, 3)]
    with pytest.raises(SignatureError, match="axis 1 must be 4"):
        SOURCE.predict(model, "predict", np.ones((5, 3)))


def test_saved_model_of_several_tensors(tmp_path):
    trained = keras_zoo.trained("two_by_two")
    with quiet():
        trained.model.export(tmp_path / "saved", verbose=False)
    model = SOURCE.describe(SOURCE.load(tmp_path / "saved"), "saved")
    assert {s.name for s in model.signature.inputs} == {"upper", "lower"}
    got = SOURCE.predict(model, "predict", trained.x)
    own = SOURCE.predict(SOURCE.describe(trained.model, "live"), "predict", trained.x)
    assert set(got) == set(own) == {"digit", "odd"}
    np.testing.assert_allclose(got["digit"], own["digit"], atol=1e-6)


@pytest.mark.parametrize("library", [_keras, _tf_keras])
def test_subclassed_models_need_one_call(library):
    keras = library()

    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(3, activation="softmax")

        def call(self, x):
            return self.dense(x)

    net = Net()
    with pytest.raises(UnsupportedModelError, match=r"call it once on an array"):
        SOURCE.describe(net, "net")
    with pytest.raises(UnsupportedModelError, match=r"call it once on an array"):
        SOURCE.describe(keras.Sequential([keras.layers.Dense(3)]), "net")
    net(np.ones((2, 5), np.float32))
    model = SOURCE.describe(net, "net")
    assert model.task == "classification"
    assert [s.describe() for s in model.signature.inputs] == ["x: float32[batch, 5]"]
    x = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    artifact = TO_TFLITE.convert(model, "float32", None)
    np.testing.assert_allclose(
        keras_zoo.run_tflite(artifact, {"x": x})["y"], SOURCE.predict(model, "predict", x), atol=1e-6
    )


@pytest.mark.parametrize("size", [0, 3, 100, 0.5, -10])
@pytest.mark.parametrize("file", ["m.keras", "m.h5"])
def test_truncated_files(files, tmp_path, file, size):
    content = (files / file).read_bytes()
    path = tmp_path / file
    path.write_bytes(content[: int(len(content) * size) if isinstance(size, float) else size])
    with pytest.raises(InputError, match=f"{file}: .*(not a Keras model, or damaged)"):
        SOURCE.load(path)


def test_what_is_not_a_model(files, tmp_path):
    (tmp_path / "text.keras").write_text("hello")
    with zipfile.ZipFile(tmp_path / "zip.keras", "w") as archive:
        archive.writestr("a", "b")
    (tmp_path / "empty").mkdir()
    shutil.copytree(files / "saved", tmp_path / "cut")
    graph = (tmp_path / "cut" / "saved_model.pb").read_bytes()
    (tmp_path / "cut" / "saved_model.pb").write_bytes(graph[: len(graph) // 2])
    shutil.copytree(files / "saved", tmp_path / "short")
    for data in (tmp_path / "short" / "variables").glob("*.data*"):
        data.write_bytes(data.read_bytes()[:100])
    with quiet():
        keras_zoo.trained("digits_cnn").model.save_weights(tmp_path / "only.weights.h5")
    for name, message in {
        "absent.keras": "no such file",
        "text.keras": "neither a .keras archive nor an HDF5 file",
        "zip.keras": "config.json",
        "empty": "no saved_model.pb",
        "cut": "damaged",
        "short": "damaged",
        "only.weights.h5": "weights without a model",
    }.items():
        with pytest.raises(InputError, match=f"{name}: .*{message}"):
            SOURCE.load(tmp_path / name)


@pytest.mark.parametrize("file", ["m.keras", "m.h5"])
@pytest.mark.parametrize("library", [_keras, _tf_keras])
def test_code_in_files_is_refused(tmp_path, library, file):
    keras = library()
    ran = str(tmp_path / "ran")

    class Mine(keras.layers.Layer):
        def call(self, x):
            return x * 2

    models = {
        "Lambda": keras.layers.Lambda(lambda x: (open(ran, "w").close(), x)[1]),  # noqa: PTH123
        "Mine": Mine(),
    }
    for kind, layer in models.items():
        with quiet():
            keras.Sequential([keras.layers.Input((4,)), layer]).save(tmp_path / file)
        Path(ran).unlink(missing_ok=True)
        with pytest.raises(UnsupportedModelError, match=rf"{kind}.*trust-pickle|custom \w+, whose code"):
            load_model(tmp_path / file)
        assert not Path(ran).exists()
        if kind == "Mine":  # its module cannot be imported
            with pytest.raises(UnsupportedModelError, match="Mine is a custom"):
                load_model(tmp_path / file, trust_pickle=True)
        else:
            load_model(tmp_path / file, trust_pickle=True)(np.ones((1, 4), np.float32))
            assert Path(ran).exists()


def test_live_models_are_refused_by_path_and_class():
    keras = _keras()
    tf_keras = _tf_keras()
    for steps in (None, 200):
        endless = tf_keras.Sequential(
            [tf_keras.layers.Input((steps, 3)), tf_keras.layers.LSTM(4, name="rnn")]
        )
        model = SOURCE.describe(endless, "net")
        reason = f"(LSTM) runs over {steps or 'any number of'} steps"
        assert all(reason in offered for offered in TO_TFLITE.offers(model).values())
        assert reason in TO_TFLITE.steps(model)["rnn"]
        assert TO_ONNX.offers(model) == {"float32": None}
    inputs = keras.Input((4,))
    foreign = SOURCE.describe(keras.Model(inputs, keras.ops.erfinv(inputs)), "net")
    for converter in (TO_TFLITE, TO_ONNX):
        with pytest.raises(UnsupportedOperatorError, match="Erfinv"):
            converter.convert(foreign, "float32", None)


def test_unrolling_leaves_the_model_as_it_was():
    trained = keras_zoo.trained("row_lstm")
    (layer,) = (layer for layer in trained.model.layers if hasattr(layer, "unroll"))
    TO_TFLITE.convert(SOURCE.describe(trained.model, "rows"), "float32", None)
    assert layer.unroll is False
