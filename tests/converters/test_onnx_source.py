"""ONNX files as a source: what they say of themselves, their answers, and damaged or hostile ones."""

from __future__ import annotations

import functools
import hashlib

import numpy as np
import pytest
from conftest import require_module
from keras_zoo import run_onnx

from edgeml_converters.intake import describe, load_model
from edgeml_converters.registry import routes
from edgeml_converters.sources.onnx import SOURCE
from edgeml_converters.to_onnx.from_onnx_model import CONVERTER
from edgeml_converters.to_onnx.quantize import CONVERTER as QUANTIZER
from edgeml_runtime.errors import ConversionError, InputError, UnsupportedModelError


@pytest.fixture(autouse=True)
def _installed():
    require_module("onnx", "onnxruntime", "sklearn", "skl2onnx")


@functools.cache
def _wine():
    from sklearn.datasets import load_wine

    x, y = load_wine(return_X_y=True)
    return (x / x.max(axis=0)).astype(np.float32), y


LABELS = {
    "counting": lambda y: y,
    "sparse": lambda y: np.array([-3, 5, 40])[y],
    "strings": lambda y: np.array(["a", "bé", "c"])[y],
}
ESTIMATORS = {
    "linear": ("linear_model.LogisticRegression", {"max_iter": 1000}),
    "forest": ("ensemble.RandomForestClassifier", {"n_estimators": 3, "random_state": 0}),
    "neighbors": ("neighbors.KNeighborsClassifier", {}),
    "mlp": ("neural_network.MLPClassifier", {"hidden_layer_sizes": (8,), "random_state": 0, "tol": 0.05}),
}


@functools.cache
def _fitted(estimator, labels):
    import importlib

    path, parameters = ESTIMATORS[estimator]
    module, _, name = path.rpartition(".")
    x, y = _wine()
    return getattr(importlib.import_module(f"sklearn.{module}"), name)(**parameters).fit(x, LABELS[labels](y))


@functools.cache
def _exported(estimator, labels, zipmap):
    from skl2onnx import to_onnx

    return to_onnx(_fitted(estimator, labels), _wine()[0][:1], options={"zipmap": zipmap})


def _model(nodes, weights, inputs, outputs, opset=17, **more):
    """A ModelProto; inputs and outputs: name -> (element type, shape)."""
    from onnx import helper, numpy_helper

    def values(side):
        return [helper.make_tensor_value_info(n, kind, shape) for n, (kind, shape) in side.items()]

    graph = helper.make_graph(
        [helper.make_node(op, reads, writes, **attributes) for op, reads, writes, attributes in nodes],
        "test",
        values(inputs),
        values(outputs),
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8, **more)


FLOAT, INT64, STRING, FLOAT16, DOUBLE = 1, 7, 8, 10, 11


def _dense(batch="n", kind=FLOAT, dtype=np.float32, extra=()):
    weights = {"w": np.random.default_rng(0).normal(size=(13, 8)).astype(dtype)}
    nodes = [("MatMul", ["x", "w"], ["y" if not extra else "h"], {}), *extra]
    return _model(nodes, weights, {"x": (kind, [batch, 13])}, {"y": (kind, [batch, 8])})


@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_classifiers_answer_as_scikit_learn(estimator, labels, zipmap):
    x, _ = _wine()
    fitted = _fitted(estimator, labels)
    model = describe(_exported(estimator, labels, zipmap), "wine")
    assert model.kind == "onnx-model" and model.task == "classification"
    assert [m.name for m in model.signature.methods] == ["predict", "predict_proba"]
    expected = fitted.predict(x)
    assert np.array_equal(SOURCE.predict(model, "predict", x), expected)
    probabilities = SOURCE.predict(model, "predict_proba", x)
    np.testing.assert_allclose(probabilities, fitted.predict_proba(x), atol=1e-5)
    assert np.array_equal(SOURCE.scores(model, x), probabilities)

    artifact = CONVERTER.convert(model, "float32", None)
    assert CONVERTER.offers(model) == {"float32": None}
    names = [spec.name for spec in artifact.signature.outputs]
    assert names == [value.name for value in model.model.graph.output]
    got = run_onnx(artifact, {"X": x})
    (table,) = model.signature.method("predict").labels
    assert table.dtype == ("str" if labels == "strings" else "int64")
    assert np.array_equal(table.array()[got[names[0]]], expected)
    np.testing.assert_allclose(got[names[1]], probabilities, atol=1e-6)


def test_a_network_from_a_file(tmp_path):
    import onnx

    x, _ = _wine()
    proto = _dense(extra=[("Softmax", ["h"], ["y"], {"axis": -1})])
    onnx.save(proto, tmp_path / "net.onnx")
    model = describe(load_model(tmp_path / "net.onnx"), "net")
    assert model.task == "classification"
    assert [s.describe() for s in model.signature.inputs] == ["x: float32[batch, 13]"]
    assert [s.describe() for s in model.signature.outputs] == ["y: float32[batch, 8]"]
    assert [(s.path, s.kind) for s in model.steps] == [("h", "MatMul"), ("y", "Softmax")]
    assert model.digest == hashlib.sha256(proto.SerializeToString(deterministic=True)).hexdigest()
    artifact = CONVERTER.convert(model, "float32", None)
    assert artifact.content == CONVERTER.convert(model, "float32", None).content
    assert np.array_equal(run_onnx(artifact, {"x": x})["y"], SOURCE.predict(model, "predict", x))


def test_bytes_are_a_model():
    content = _dense().SerializeToString()
    assert describe(content, "net").digest == describe(_dense(), "net").digest
    with pytest.raises(InputError, match="net is not an ONNX file"):
        describe(b"\x08\x01 not a model", "net")


def test_routes_reach_quantized_onnx():
    names = [tuple(c.name for c in route) for route in routes("onnx-model", "onnx")]
    assert names == [("onnx-model-to-onnx",), ("onnx-model-to-onnx", "onnx-to-onnx")]
    x, _ = _wine()
    model = describe(_exported("mlp", "strings", True), "wine")
    artifact = CONVERTER.convert(model, "float32", None)
    quantized = QUANTIZER.convert(artifact, "int8-static", {"X": x[:60]})
    labels = model.signature.outputs[0].name
    agree = run_onnx(quantized, {"X": x})[labels] == run_onnx(artifact, {"X": x})[labels]
    assert agree.mean() >= 0.97


def test_constants_that_old_files_list_as_inputs():
    from onnx import helper

    proto = _dense()
    proto.ir_version = 3
    proto.graph.input.append(helper.make_tensor_value_info("w", FLOAT, [13, 8]))
    model = describe(proto, "old")
    assert [spec.name for spec in model.signature.inputs] == ["x"]
    artifact = CONVERTER.convert(model, "float32", None)
    x, _ = _wine()
    for made in (artifact, *(QUANTIZER.convert(artifact, s, {"x": x}) for s in QUANTIZER.offers(artifact))):
        got = run_onnx(made, {"x": x})["y"]  # which takes x alone
        assert np.abs(got - SOURCE.predict(model, "predict", x)).max() < 0.1


@pytest.mark.parametrize("batch", [1, 4])
def test_a_fixed_batch_is_freed_where_nothing_depends_on_it(batch):
    x, _ = _wine()
    free = SOURCE.predict(describe(_dense(), "net"), "predict", x)
    fixed = _dense(
        batch,
        extra=[("Reshape", ["h", "shape"], ["y"], {})],
    )
    from onnx import numpy_helper

    fixed.graph.initializer.append(numpy_helper.from_array(np.array([batch, -1], np.int64), "shape"))
    model = describe(fixed, "net")
    assert model.signature.inputs[0].shape == (None, 13)
    np.testing.assert_allclose(SOURCE.predict(model, "predict", x), free, rtol=1e-6)  # row by row
    artifact = CONVERTER.convert(model, "float32", None)
    np.testing.assert_allclose(run_onnx(artifact, {"x": x})["y"], free, rtol=1e-6)


def test_a_fixed_batch_that_operators_depend_on_is_refused():
    over_rows = [("Softmax", ["h"], ["y"], {"axis": 0})]
    with pytest.raises(UnsupportedModelError, match=r"net was exported for 1 row at once .* dynamic batch"):
        describe(_dense(1, extra=over_rows), "net")


def test_strings_and_missing_values_as_input():
    nodes = [
        ("LabelEncoder", ["x"], ["y"], {"domain": "ai.onnx.ml", "keys_strings": ["a", "b"],
                                        "values_int64s": [1, 2], "default_int64": -1}),
    ]  # fmt: skip
    model = describe(_model(nodes, {}, {"x": (STRING, ["n", 2])}, {"y": (INT64, ["n", 2])}), "codes")
    assert model.signature.inputs[0].dtype == "str"
    rows = np.array([["a", "b"], ["z", "a"]])
    assert SOURCE.predict(model, "predict", rows).tolist() == [[1, 2], [-1, 1]]
    imputer = [
        (
            "Imputer",
            ["x"],
            ["y"],
            {"domain": "ai.onnx.ml", "imputed_value_floats": [3.0], "replaced_value_float": np.nan},
        )
    ]
    model = describe(_model(imputer, {}, {"x": (FLOAT, ["n", 2])}, {"y": (FLOAT, ["n", 2])}), "gaps")
    assert SOURCE.predict(model, "predict", np.array([[np.nan, 1]], np.float32)).tolist() == [[3, 1]]


def test_several_outputs_are_a_mapping():
    proto = _dense(extra=[("Relu", ["h"], ["y"], {}), ("Neg", ["h"], ["z"], {})])
    proto.graph.output.add().CopyFrom(proto.graph.output[0])
    proto.graph.output[1].name = "z"
    model = describe(proto, "net")
    assert model.task == "tensor"
    result = SOURCE.predict(model, "predict", _wine()[0])
    assert list(result) == ["y", "z"]
    assert np.array_equal(result["y"], np.maximum(-result["z"], 0))


def test_functions_of_the_file_are_put_in_place():
    from onnx import helper

    body = [helper.make_node("Relu", ["a"], ["b"]), helper.make_node("Neg", ["b"], ["c"])]
    function = helper.make_function("mine", "Folded", ["a"], ["c"], body, [helper.make_opsetid("", 17)])
    proto = _dense(extra=[("Folded", ["h"], ["y"], {"domain": "mine"})])
    proto.opset_import.append(helper.make_opsetid("mine", 1))
    proto.functions.append(function)
    model = describe(proto, "net")
    artifact = CONVERTER.convert(model, "float32", None)
    assert b"Folded" not in artifact.content
    x, _ = _wine()
    assert np.array_equal(run_onnx(artifact, {"x": x})["y"], SOURCE.predict(model, "predict", x))


def test_what_is_not_float32_is_refused_before_conversion():
    model = describe(_dense(kind=DOUBLE, dtype=np.float64), "wide")
    reason = CONVERTER.offers(model)["float32"]
    assert "it computes in float64 (x: float64[batch, 13])" in reason and "'w' are float64" in reason
    with pytest.raises(UnsupportedModelError, match="wide cannot be converted: it computes in float64"):
        CONVERTER.convert(model, "float32", None)
    with pytest.raises(UnsupportedModelError, match="input 'x' is float16"):
        describe(_dense(kind=FLOAT16, dtype=np.float16), "half")
    quantized = [
        ("QuantizeLinear", ["h", "s", "z"], ["q"], {}),
        ("DequantizeLinear", ["q", "s", "z"], ["y"], {}),
    ]
    proto = _dense(extra=quantized)
    from onnx import numpy_helper

    proto.graph.initializer.extend(
        [numpy_helper.from_array(np.float32(0.1), "s"), numpy_helper.from_array(np.uint8(3), "z")]
    )
    reason = CONVERTER.offers(describe(proto, "small"))["float32"]
    assert "QuantizeLinear (q) shows that the graph is quantized already" in reason
    with pytest.raises(ConversionError, match="makes float32"):
        CONVERTER.convert(describe(_dense(), "net"), "int8-static", None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: g.input[0].type.tensor_type.ClearField("shape"), "has no shape with a batch axis"),
        (lambda g: g.node[0].__setattr__("domain", "com.example"), "does not run this graph"),
    ],
)
def test_graphs_that_nothing_can_be_said_of(change, message):
    proto = _dense()
    change(proto.graph)
    if proto.graph.node[0].domain:
        proto.opset_import.add(domain="com.example", version=1)
    with pytest.raises(UnsupportedModelError, match=message):
        describe(proto, "odd")


def test_an_output_without_a_row_for_each_row_is_refused():
    proto = _dense(extra=[("ReduceSum", ["h"], ["y"], {"keepdims": 1})])
    with pytest.raises(UnsupportedModelError, match="it has no row for each"):
        describe(proto, "sum")


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x00" * 64, b"PK\x03\x04" + bytes(60)])
def test_files_that_are_no_models(content, tmp_path):
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(InputError, match=r"m\.onnx is not an ONNX file, or is damaged"):
        load_model(tmp_path / "m.onnx")


def test_weights_in_another_file_are_refused(tmp_path):
    import onnx

    onnx.save(
        _dense(), tmp_path / "m.onnx", save_as_external_data=True, size_threshold=0, location="weights.bin"
    )
    with pytest.raises(InputError, match="tensor 'w' lies in another file"):
        load_model(tmp_path / "m.onnx")


@pytest.mark.parametrize("estimator", ["linear", "forest", "mlp"])
def test_truncated_files(estimator, tmp_path):
    whole = _exported(estimator, "strings", True).SerializeToString()
    path = tmp_path / "m.onnx"
    refused = 0
    cuts = range(0, len(whole), 997 if len(whole) > 9970 else 97)
    for end in cuts:
        path.write_bytes(whole[:end])
        try:
            describe(load_model(path), "m")
        except (InputError, UnsupportedModelError):
            refused += 1
    assert refused == len(cuts)


def test_flipped_bytes_are_refused_or_loaded(tmp_path):
    whole = bytearray(_exported("mlp", "strings", True).SerializeToString())
    path = tmp_path / "m.onnx"
    refused = 0
    for place in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[place] ^= 0x41
        path.write_bytes(damaged)
        try:
            load_model(path)
        except InputError:
            refused += 1
    assert refused > 20
