"""Keras to TFLite and ONNX, against what Keras itself predicts on rows it was not trained on."""

from __future__ import annotations

import keras_zoo
import numpy as np
import pytest
from conftest import require_module
from keras_zoo import by_name, run_onnx, run_tflite

from edgeml_converters.model import as_feeds
from edgeml_converters.schemes import SCHEMES
from edgeml_converters.sources.keras import SOURCE
from edgeml_converters.to_onnx.from_keras import CONVERTER as TO_ONNX
from edgeml_converters.to_tflite.from_keras import CONVERTER as TO_TFLITE
from edgeml_runtime.errors import ConversionError

pytestmark = pytest.mark.slow

# Greatest difference of an output, and mean difference: single rows near a boundary err widely.
TOLERANCES = {
    "float32": (1e-5, 1e-6),
    "float16": (5e-3, 5e-4),
    "int8-dynamic": (0.1, 0.01),
    "int8-static": (0.4, 0.02),
    "int16x8-static": (0.2, 0.01),
}
# What TensorFlow's converter cannot do, as the converter says it.
REFUSED = {
    ("token_embedding", "int16x8-static"): "takes no integer inputs",
    ("row_gru", "int16x8-static"): "does not run",
    ("digits_autoencoder", "int8-dynamic"): "no layer has 1024 weights",
}


@pytest.fixture(autouse=True)
def _installed():
    require_module("tensorflow", "tf_keras", "tf2onnx", "ai_edge_litert", "onnxruntime")


def _described(name):
    trained = keras_zoo.trained(name)
    model = SOURCE.describe(trained.model, name)
    return model, as_feeds(model, trained.x), by_name(model, SOURCE.predict(model, "predict", trained.x))


def _first(feeds, rows):
    return {name: value[:rows] for name, value in feeds.items()}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", keras_zoo.MODELS)
def test_tflite_agrees_with_keras(name, scheme):
    model, feeds, expected = _described(name)
    calibration = _first(feeds, 100)
    offered = TO_TFLITE.offers(model)[scheme]
    if (name, scheme) in REFUSED:
        try:
            TO_TFLITE.convert(model, scheme, calibration)
        except ConversionError as error:
            assert REFUSED[name, scheme] in (offered or str(error))
            return
        pytest.fail("converts now: take it off the list")
    assert offered is None
    artifact = TO_TFLITE.convert(model, scheme, calibration)
    greatest, mean = TOLERANCES[scheme]
    for rows in (1, 7, 64, 150):
        got = run_tflite(artifact, _first(feeds, rows))
        for output, value in got.items():
            wanted = expected[output][:rows]
            scale = max(1.0, float(np.abs(wanted).max()))
            assert value.shape == wanted.shape and value.dtype == wanted.dtype
            assert np.abs(value - wanted).max() <= greatest * scale
            if rows > 1:
                assert np.abs(value - wanted).mean() <= mean * scale


@pytest.mark.parametrize("name", keras_zoo.MODELS)
def test_static_schemes_leave_nothing_in_float(name):
    model, feeds, _ = _described(name)
    artifact = TO_TFLITE.convert(model, "int8-static", _first(feeds, 50))
    assert artifact.float_operators == ()
    for spec in (*artifact.signature.inputs, *artifact.signature.outputs):
        assert spec.dtype in ("int8", "int32")
        assert (spec.affine is None) == (spec.dtype == "int32")


@pytest.mark.parametrize("name", keras_zoo.MODELS)
def test_onnx_agrees_with_keras(name):
    import onnx

    model, feeds, expected = _described(name)
    assert TO_ONNX.offers(model) == {"float32": None}
    artifact = TO_ONNX.convert(model, "float32", None)
    proto = onnx.load_from_string(artifact.content)
    onnx.checker.check_model(proto, full_check=True)
    assert [i.name for i in proto.graph.input] == [s.name for s in model.signature.inputs]
    for rows in (1, 7, 64):
        for output, value in run_onnx(artifact, _first(feeds, rows)).items():
            np.testing.assert_allclose(value, expected[output][:rows], rtol=1e-4, atol=1e-5)


def test_reshapes_of_a_free_batch_are_constant():
    import onnx

    model, _, _ = _described("digits_cnn")
    proto = onnx.load_from_string(TO_ONNX.convert(model, "float32", None).content)
    assert "Shape" not in {node.op_type for node in proto.graph.node}
    from edgeml_converters.to_tflite import canonical

    tree = canonical.parse(TO_TFLITE.convert(model, "float32", None).content)
    operators = [canonical.operator_name(tree, op) for op in tree.subgraphs[0].operators]
    assert "RESHAPE" in operators and not {"SHAPE", "PACK"} & set(operators)


@pytest.fixture(scope="module")
def keyword_spotting(shared_data):
    rows = np.load(shared_data / "kws" / "kws.npz")
    model = SOURCE.describe(SOURCE.load(shared_data / "kws" / "kws_ds_cnn.h5"), "kws")
    return model, rows["x"], rows["y"]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_legacy_keyword_spotting_net(keyword_spotting, scheme):
    model, x, y = keyword_spotting
    expected = (SOURCE.scores(model, x).argmax(axis=1) == y).mean()
    artifact = TO_TFLITE.convert(model, scheme, {"x": x[:100]})
    scores = run_tflite(artifact, {"x": x})["y"]
    assert abs((scores.argmax(axis=1) == y)[100:].mean() - expected) <= 0.015
    if scheme == "int8-static":
        assert len(artifact.content) <= 53_936
        assert (scores.argmax(axis=1) == y).mean() >= expected - 0.0101
        assert artifact.signature.inputs[0].dtype == artifact.signature.outputs[0].dtype == "int8"


def test_legacy_keyword_spotting_net_as_onnx(keyword_spotting):
    model, x, _ = keyword_spotting
    artifact = TO_ONNX.convert(model, "float32", None)
    np.testing.assert_allclose(
        run_onnx(artifact, {"x": x})["y"], SOURCE.predict(model, "predict", x), atol=1e-5
    )


def test_anomaly_detection_autoencoder(shared_data):
    """640 spectrogram values: real inputs are not shared, so rows are spread as its batch norms expect."""
    import onnx

    model = SOURCE.describe(SOURCE.load(shared_data / "models" / "ad_autoencoder.h5"), "ad")
    x = np.load(shared_data / "kws" / "kws.npz")["x"].reshape(500, 490)
    x = np.tile(x, 2)[:64, :640] / 4
    expected = SOURCE.predict(model, "predict", x)
    got = run_tflite(TO_TFLITE.convert(model, "float32", None), {"x": x})["y"]
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-3)
    graph = TO_ONNX.convert(model, "float32", None)
    np.testing.assert_allclose(run_onnx(graph, {"x": x})["y"], expected, rtol=1e-4, atol=1e-3)
    operators = [node.op_type for node in onnx.load_from_string(graph.content).graph.node]
    assert operators == ["MatMul", "Add", "Relu"] * 9 + ["MatMul", "Add"]  # batch norms are in the weights
    quantized = TO_TFLITE.convert(model, "int8-static", {"x": x})
    got = run_tflite(quantized, {"x": x})["y"]
    assert np.abs(got - expected).mean() <= 0.025 * np.ptp(expected)
    # 269,992 parameters, most of them weights of one byte, and no scale for each unit.
    assert len(quantized.content) <= 290_000
