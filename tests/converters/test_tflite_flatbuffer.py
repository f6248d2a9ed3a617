"""The step every way to TFLite ends in, on functions of a few operators."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import require_module
from keras_zoo import run_tflite

from edgeml_converters.tensorflow_import import import_tensorflow
from edgeml_converters.to_tflite import canonical
from edgeml_converters.to_tflite.flatbuffer import compile_function
from edgeml_runtime.errors import CalibrationError, ConversionError, UnsupportedOperatorError
from edgeml_runtime.signature import Method, Signature, TensorSpec

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _installed():
    require_module("tensorflow", "ai_edge_litert")


@pytest.fixture(scope="module")
def iris():
    from sklearn.datasets import load_iris

    return load_iris().data.astype(np.float32)


def _signature(outputs, inputs=(("x", "float32", (None, 4)),)):
    return Signature(
        tuple(TensorSpec(*spec) for spec in inputs),
        tuple(TensorSpec(*spec) for spec in outputs),
        (Method("predict", (outputs[0][0],)),),
    )


def _weights(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def test_any_names_and_shared_tensors(iris):
    tf = import_tensorflow()
    outputs = [(name, "float32", (None, 4)) for name in ("b out", "a/out", "same", "petal (cm)")]
    signature = _signature(outputs, [("sepal (cm)", "float32", (None, 4)), ("2nd", "float32", (None, 4))])

    def function(inputs):
        total = inputs["sepal (cm)"] + 2 * inputs["2nd"]
        return {
            "b out": total, "a/out": tf.tanh(total), "same": total, "petal (cm)": inputs["2nd"],
        }  # fmt: skip

    artifact = compile_function(function, signature, "float32")
    got = run_tflite(artifact, {"sepal (cm)": iris, "2nd": iris[::-1].copy()})
    total = iris + 2 * iris[::-1]
    np.testing.assert_allclose(got["b out"], total, rtol=1e-6)
    np.testing.assert_allclose(got["same"], total, rtol=1e-6)
    np.testing.assert_allclose(got["a/out"], np.tanh(total), atol=1e-6)
    np.testing.assert_array_equal(got["petal (cm)"], iris[::-1])
    tree = canonical.parse(artifact.content)
    assert tree.metadata is None and tree.description is None
    assert {t.name for t in tree.subgraphs[0].tensors} <= {
        None, b"", b"sepal (cm)", b"2nd", b"b out", b"a/out", b"same", b"petal (cm)",
    }  # fmt: skip


def test_labels_stay_integers_in_int8(iris):
    tf = import_tensorflow()
    weights = _weights(4, 3)
    signature = _signature([("label", "int64", (None,)), ("scores", "float32", (None, 3))])

    def function(inputs):
        scores = inputs["x"] @ weights
        return {"scores": scores, "label": tf.argmax(scores, axis=1)}

    artifact = compile_function(function, signature, "int8-static", {"x": iris})
    label, scores = artifact.signature.outputs
    assert (label.dtype, label.affine) == ("int64", None)
    assert scores.dtype == "int8" and scores.affine is not None
    assert artifact.float_operators == ()
    got = run_tflite(artifact, {"x": iris})
    assert got["label"].dtype == np.int64
    assert (got["label"] == (iris @ weights).argmax(axis=1)).mean() > 0.95


def test_operators_without_integer_kernel_are_listed(iris):
    tf = import_tensorflow()
    signature = _signature([("y", "float32", (None, 4))])
    artifact = compile_function(
        lambda inputs: {"y": tf.sin(inputs["x"] * 0.5)}, signature, "int8-static", {"x": iris}
    )
    assert [(f.operator, f.count) for f in artifact.float_operators] == [("SIN", 1)]
    assert "no integer kernel" in artifact.float_operators[0].reason
    got = run_tflite(artifact, {"x": iris})["y"]
    assert np.abs(got - np.sin(iris * 0.5)).max() < 0.05


def test_arithmetic_on_columns_moves_into_the_affine(iris):
    """Columns of very different scale, standardized first: each keeps its digits."""
    tf = import_tensorflow()
    spread = np.array([1e-4, 1, 50, 1e4], np.float32)
    x, weights = iris * spread + spread * 3, _weights(4, 3)
    mean, deviation = x.mean(axis=0), x.std(axis=0)

    def function(inputs):
        return {"y": tf.tanh(((inputs["x"] - mean) / deviation) @ weights)}

    artifact = compile_function(function, _signature([("y", "float32", (None, 3))]), "int8-static", {"x": x})
    affine = artifact.signature.inputs[0].affine
    assert len(affine.scale) == 4
    np.testing.assert_allclose(np.array(affine.scale) / deviation, affine.scale[0] / deviation[0], rtol=1e-5)
    expected = np.tanh(((x - mean) / deviation) @ weights)
    assert np.abs(run_tflite(artifact, {"x": x})["y"] - expected).max() < 0.08


def test_arithmetic_that_is_the_whole_model_stays(iris):
    signature = _signature([("y", "float32", (None, 4))])
    artifact = compile_function(
        lambda inputs: {"y": inputs["x"] * 2 + 1}, signature, "int8-static", {"x": iris}
    )
    assert np.abs(run_tflite(artifact, {"x": iris})["y"] - (iris * 2 + 1)).max() < 0.15


def test_each_scheme_is_smaller(iris):
    weights, signature = _weights(4, 600), _signature([("y", "float32", (None, 600))])
    sizes = {}
    for scheme in ("float32", "float16", "int8-dynamic", "int8-static", "int16x8-static"):
        artifact = compile_function(
            lambda inputs: {"y": inputs["x"] @ weights}, signature, scheme, {"x": iris}
        )
        sizes[scheme] = len(artifact.content)
        model = canonical.parse(artifact.content)
        types = {t.type for t in model.subgraphs[0].tensors}
        assert (1 in types) == (scheme == "float16")  # TensorType.FLOAT16
    weight_bytes = 4 * 600
    assert sizes["float32"] - sizes["float16"] >= 2 * weight_bytes * 0.8
    assert sizes["float32"] - sizes["int8-dynamic"] >= 3 * weight_bytes * 0.9
    assert sizes["int8-static"] < sizes["float16"]


def test_buffers_are_aligned():
    """The schema wants every buffer at a multiple of 16; ARM kernels load vectors from there."""
    marks = [np.full((3, 7), 1.25 + i, np.float32) for i in range(4)]
    signature = _signature([("y", "float32", (None, 7))], [("x", "float32", (None, 7))])

    def function(inputs):
        y = inputs["x"]
        for mark in marks:
            y = y * mark[0] + mark[1:2] * 3
        return {"y": y}

    content = compile_function(function, signature, "float32").content
    found = [content.find(mark[0].tobytes()) for mark in marks]
    assert all(position > 0 and position % 16 == 0 for position in found)


def test_foreign_operators_are_named():
    tf = import_tensorflow()
    signature = _signature([("y", "float32", (None, 4))])
    with pytest.raises(UnsupportedOperatorError, match=r"TensorFlow's Erfinv"):
        compile_function(
            lambda inputs: {"y": tf.math.erfinv(inputs["x"])},
            signature,
            "float32",
        )
    with pytest.raises(ConversionError, match=r"output y: float32\[batch, 4\]: the traced function gives"):
        compile_function(lambda inputs: {"y": inputs["x"][:, :2]}, signature, "float32")


def test_nothing_to_quantize_is_said():
    weights, signature = _weights(4, 3), _signature([("y", "float32", (None, 3))])
    with pytest.raises(ConversionError, match="no layer has 1024 weights"):
        compile_function(lambda inputs: {"y": inputs["x"] @ weights}, signature, "int8-dynamic")


@pytest.mark.parametrize(
    ("calibration", "message"),
    [
        (None, "needs calibration data"),
        ({}, r"lacks input x: float32\[batch, 4\]"),
        ({"x": np.zeros((0, 4), np.float32)}, "has no values"),
        ({"x": np.array([[0, 1, np.nan, 2]], np.float32)}, "NaN or infinity"),
        ({"x": np.full((9, 4), 3, np.float32)}, r"is constant \(3.0\)"),
    ],
)
def test_calibration_data_is_checked(calibration, message):
    signature = _signature([("y", "float32", (None, 4))])
    with pytest.raises(CalibrationError, match=message):
        compile_function(lambda inputs: {"y": inputs["x"] * 2}, signature, "int8-static", calibration)
