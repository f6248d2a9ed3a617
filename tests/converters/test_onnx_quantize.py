"""onnx-to-onnx: every scheme against the float graph on real data, and that it does what it says."""

from __future__ import annotations

import functools
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import require_module
from keras_zoo import run_onnx
from zoo import ZOO

from edgeml_converters.intake import describe
from edgeml_converters.model import Artifact
from edgeml_converters.onnx_graph import constants, parse
from edgeml_converters.registry import converters
from edgeml_converters.to_onnx.quantization.float_operators import operators_left_in_float
from edgeml_converters.to_onnx.quantization.plan import INTEGER_KERNELS, SAME_SCALE
from edgeml_converters.to_onnx.quantization.simplify import simplify
from edgeml_converters.to_onnx.quantize import CONVERTER
from edgeml_runtime.errors import CalibrationError, ConversionError
from edgeml_runtime.signature import Method, Signature, TensorSpec

# Share of equal labels, and root mean square difference over that of the float graph, at least and at most.
TOLERANCES = {"float16": (1.0, 2e-3), "int8-dynamic": (0.98, 0.03), "int8-static": (0.98, 0.04)}
SKLEARN = (
    "logistic-regression-digits",
    "logistic-regression-strings",
    "mlp-digits",
    "mlp-binary-tanh",
    "svr",
    "linear-regression",
    "multi-output-classifier",
)


@pytest.fixture(autouse=True)
def _installed():
    require_module("onnx", "onnxruntime", "sklearn", "skl2onnx")


@functools.cache
def _sklearn_artifact(name):
    specimen = ZOO[name]()
    artifact = converters()["sklearn-to-onnx"].convert(describe(specimen.model, name), "float32", None)
    return artifact, specimen.x.astype(np.float32)


@functools.cache
def _digits():
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return (x / 16).astype(np.float32), y


def _artifact(nodes, weights, inputs, outputs, opset=17):
    """An artifact of float32 tensors; inputs and outputs: name -> shape without the batch."""
    from onnx import TensorProto, helper, numpy_helper

    def values(shapes):
        return [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", *s]) for n, s in shapes.items()]

    graph = helper.make_graph(
        [helper.make_node(op, reads, writes, **attributes) for op, reads, writes, attributes in nodes],
        "test",
        values(inputs),
        values(outputs),
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    specs = [
        tuple(TensorSpec(n, "float32", (None, *s)) for n, s in side.items()) for side in (inputs, outputs)
    ]
    signature = Signature(*specs, (Method("predict", (next(iter(outputs)),)),))
    return Artifact("onnx", "float32", model.SerializeToString(), signature)


@functools.cache
def _conv_net():
    """A residual net on digits: principal patches as kernels, a classifier fitted on what they give.

    conv - batch norm - relu - depthwise - relu6 - 1x1 - add - pool - dense - softmax.
    """
    from sklearn.decomposition import PCA
    from sklearn.linear_model import RidgeClassifier

    x, y = _digits()
    images = x.reshape(-1, 1, 8, 8)
    windows = np.lib.stride_tricks.sliding_window_view(images[:400, 0], (3, 3), axis=(1, 2))
    patches = PCA(8, random_state=0).fit(windows.reshape(-1, 9)).components_.astype(np.float32)
    rng = np.random.default_rng(0)
    weights = {
        "kernels": patches.reshape(8, 1, 3, 3),
        "gamma": rng.uniform(0.5, 4, 8).astype(np.float32),
        "beta": rng.uniform(-0.1, 0.3, 8).astype(np.float32),
        "mean": rng.uniform(-0.1, 0.1, 8).astype(np.float32),
        "variance": rng.uniform(0.5, 2, 8).astype(np.float32),
        "depthwise": rng.normal(0, 0.3, (8, 1, 3, 3)).astype(np.float32),
        "mix": rng.normal(0, 0.4, (8, 8, 1, 1)).astype(np.float32),
        "mix_bias": rng.uniform(-0.2, 0.2, 8).astype(np.float32),
        "zero": np.float32(0),
        "six": np.float32(6),
        "flat": np.array([0, -1], np.int64),
    }
    same = {"pads": [1, 1, 1, 1]}
    body = [
        ("Conv", ["image", "kernels"], ["a"], same),
        ("BatchNormalization", ["a", "gamma", "beta", "mean", "variance"], ["b"], {}),
        ("Relu", ["b"], ["c"], {}),
        ("Conv", ["c", "depthwise"], ["d"], {**same, "group": 8}),
        ("Clip", ["d", "zero", "six"], ["e"], {}),
        ("Conv", ["e", "mix", "mix_bias"], ["f"], {}),
        ("Add", ["f", "c"], ["g"], {}),
        ("Relu", ["g"], ["h"], {}),
        ("MaxPool", ["h"], ["i"], {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("Reshape", ["i", "flat"], ["features"], {}),
    ]
    trunk = _artifact(body, weights, {"image": (1, 8, 8)}, {"features": (128,)})
    features = run_onnx(trunk, {"image": images})["features"]
    head = RidgeClassifier(0.1).fit(features[:1200], y[:1200])
    tail = [
        ("MatMul", ["features", "dense"], ["j"], {}),
        ("Add", ["j", "bias"], ["k"], {}),
        ("Softmax", ["k"], ["probabilities"], {"axis": -1}),
    ]
    weights |= {"dense": head.coef_.T.astype(np.float32), "bias": head.intercept_.astype(np.float32)}
    return _artifact(body + tail, weights, {"image": (1, 8, 8)}, {"probabilities": (10,)}), images, y


def _relative(expected, got):
    return float(np.sqrt(np.mean(np.square(got - expected)) / np.mean(np.square(expected))))


def _operators(content):
    return [node.op_type for node in parse(content).graph.node]


def _optimized(content, folder):
    """Operators after onnxruntime fused what it can."""
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return [node.op_type for node in onnx.load(folder / "optimized.onnx").graph.node]


@pytest.mark.parametrize("scheme", TOLERANCES)
@pytest.mark.parametrize("name", SKLEARN)
def test_agrees_with_the_float_graph(name, scheme):
    artifact, x = _sklearn_artifact(name)
    reason = CONVERTER.offers(artifact)[scheme]
    if reason is not None:
        assert scheme == "float16" and "the graph has no matrix of 64" in reason
        return
    quantized = CONVERTER.convert(artifact, scheme, {"x": x[:80]})
    expected, got = run_onnx(artifact, {"x": x}), run_onnx(quantized, {"x": x})
    agreement, difference = TOLERANCES[scheme]
    for output, values in expected.items():
        if values.dtype == np.int64:
            assert np.mean(values == got[output]) >= (agreement if scheme == "float16" else 0.96)
        else:
            assert _relative(values, got[output]) <= difference
    assert quantized.signature == artifact.signature
    assert quantized.scheme == scheme


@pytest.mark.parametrize("scheme", TOLERANCES)
def test_conv_net_keeps_its_accuracy(scheme):
    artifact, images, y = _conv_net()
    quantized = CONVERTER.convert(artifact, scheme, {"image": images[:150]})
    expected = run_onnx(artifact, {"image": images})["probabilities"]
    got = run_onnx(quantized, {"image": images})["probabilities"]
    held_out = slice(1200, None)
    accuracy = [np.mean(p.argmax(axis=1)[held_out] == y[held_out]) for p in (expected, got)]
    assert accuracy[0] > 0.9
    assert accuracy[1] >= accuracy[0] - 0.01
    assert np.mean(expected.argmax(axis=1) == got.argmax(axis=1)) >= TOLERANCES[scheme][0]
    assert len(quantized.content) < len(artifact.content)


def test_static_runs_in_integers_from_end_to_end(tmp_path):
    artifact, images, _ = _conv_net()
    quantized = CONVERTER.convert(artifact, "int8-static", {"image": images[:150]})
    operators = _optimized(quantized.content, tmp_path)
    assert not set(operators) & {"Conv", "Gemm", "MatMul", "Add", "Relu", "Clip", "BatchNormalization"}
    assert operators.count("QLinearConv") == 3
    assert operators.count("QLinearAdd") == 1
    assert [(o.operator, o.count) for o in quantized.float_operators] == [("Softmax", 1)]


def test_weights_are_int8_for_each_channel_and_biases_int32():
    artifact, images, _ = _conv_net()
    quantized = CONVERTER.convert(artifact, "int8-static", {"image": images[:150]})
    graph = parse(quantized.content).graph
    held = constants(graph)
    found = [
        (held[n.input[0]].dtype.name, held[n.input[0]].shape, held[n.input[1]].shape)
        for n in graph.node
        if n.op_type == "DequantizeLinear" and n.input[0] in held
    ]
    kernels = [("int8", shape, (8,)) for shape in ((8, 1, 3, 3), (8, 1, 3, 3), (8, 8, 1, 1))]
    biases = [("int32", (8,), (8,)), ("int32", (8,), (8,)), ("int32", (10,), (10,))]
    assert sorted(found) == sorted([*kernels, ("int8", (128, 10), (10,)), *biases])
    stored = {held[n.input[2]].dtype.name for n in graph.node if n.op_type == "QuantizeLinear"}
    assert stored == {"uint8"}
    weights = [v for v in held.values() if v.dtype == np.int8 and v.ndim >= 2]
    assert all(v.min() >= -127 and np.abs(v.astype(int)).max() == 127 for v in weights)


def test_dynamic_holds_no_float_matrix():
    artifact, _, _ = _conv_net()
    quantized = CONVERTER.convert(artifact, "int8-dynamic", None)
    held = constants(parse(quantized.content).graph)
    large = [v.dtype.name for v in held.values() if v.ndim >= 2 and v.size > 16]
    assert sorted(set(large)) == ["int8", "uint8"]
    assert _operators(quantized.content).count("ConvInteger") == 3
    assert {o.operator for o in quantized.float_operators} >= {"Relu", "Softmax", "Add"}


@pytest.mark.parametrize("name", sorted(INTEGER_KERNELS - {"Conv", "Gemm", "MatMul", "Clip", "Gather"}))
def test_operators_called_integer_are_run_so(name, tmp_path):
    images = _digits()[0].reshape(-1, 1, 8, 8)
    reads, attributes, weights = ["a"], {}, {}
    if name in ("Add", "Mul", "Concat"):
        reads = ["a", "a"]
    if name == "Concat":
        attributes = {"axis": 1}
    if name in ("MaxPool", "AveragePool"):
        attributes = {"kernel_shape": [2, 2], "strides": [2, 2]}
    if name == "Split":
        attributes = {"axis": 1}
    if name == "Transpose":
        attributes = {"perm": [0, 2, 3, 1]}
    if name == "DepthToSpace":
        attributes = {"blocksize": 2}
    for operand, value in {
        "Reshape": [0, 4, 36], "Unsqueeze": [1], "Tile": [1, 1, 1, 2], "Slice": [0],
    }.items():  # fmt: skip
        if name == operand:
            reads = ["a", "operand"]
            weights["operand"] = np.array(value, np.int64)
    if name == "Slice":
        reads = ["a", "operand", "end", "axis"]
        weights |= {"end": np.array([3], np.int64), "axis": np.array([1], np.int64)}
    writes = ["b", "b2"] if name == "Split" else ["b"]
    weights |= {
        "first": np.random.default_rng(0).normal(size=(4, 1, 3, 3)).astype(np.float32),
        "flat": np.array([0, -1], np.int64),
    }
    if name == "Squeeze":
        weights["first"] = weights["first"][:1]
        reads, weights["axes"] = ["a", "axes"], np.array([1], np.int64)
    nodes = [
        ("Conv", ["x", "first"], ["a"], {}),
        (name, reads, writes, attributes),
        ("Flatten" if name == "Flatten" else "Reshape", ["b"] + ["flat"] * (name != "Flatten"), ["c"], {}),
    ]
    probe = _artifact(nodes, weights, {"x": (1, 8, 8)}, {"c": (None,)})
    width = run_onnx(probe, {"x": images[:1]})["c"].shape[1]
    weights["dense"] = np.random.default_rng(1).normal(size=(width, 8)).astype(np.float32)
    nodes.append(("MatMul", ["c", "dense"], ["y"], {}))
    artifact = _artifact(nodes, weights, {"x": (1, 8, 8)}, {"y": (8,)})
    quantized = CONVERTER.convert(artifact, "int8-static", {"x": images[:64]})
    assert quantized.float_operators == ()
    operators = _optimized(quantized.content, tmp_path)
    integer = SAME_SCALE | {"QuantizeLinear", "DequantizeLinear", "QGemm", "NhwcMaxPool"}
    assert {o for o in operators if not o.startswith("QLinear")} <= integer
    assert _relative(run_onnx(artifact, {"x": images})["y"], run_onnx(quantized, {"x": images})["y"]) < 0.05


def test_columns_of_very_different_scale():
    artifact, x = _sklearn_artifact("lda")  # on raw columns from 0.1 to 1700
    quantized = CONVERTER.convert(artifact, "int8-static", {"x": x[:80]})
    expected, got = run_onnx(artifact, {"x": x}), run_onnx(quantized, {"x": x})
    assert np.mean(expected["label"] == got["label"]) >= 0.98
    assert {"Sub", "Mul"} <= {o.operator for o in quantized.float_operators}


def test_simplifying_keeps_the_function():
    artifact, images, _ = _conv_net()
    simple = simplify(parse(artifact.content))
    operators = [node.op_type for node in simple.graph.node]
    assert "BatchNormalization" not in operators and "Gemm" in operators
    changed = Artifact("onnx", "float32", simple.SerializeToString(), artifact.signature)
    expected, got = (run_onnx(a, {"image": images})["probabilities"] for a in (artifact, changed))
    np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize(("opset", "keepdims"), [(17, 0), (18, 1)])
def test_a_mean_over_the_image_is_a_pool(opset, keepdims):
    x, _ = _digits()
    images = x.reshape(-1, 1, 8, 8)
    rng = np.random.default_rng(0)
    weights = {
        "k": rng.normal(size=(16, 1, 3, 3)).astype(np.float32),
        "w": rng.normal(size=(16, 10)).astype(np.float32),
        "axes": np.array([2, -1], np.int64),
    }
    axes = (["a", "axes"], {}) if opset >= 18 else (["a"], {"axes": [2, -1]})
    nodes = [
        ("Conv", ["x", "k"], ["a"], {}),
        ("ReduceMean", axes[0], ["m"], {"keepdims": keepdims, **axes[1]}),
        ("Flatten", ["m"], ["f"], {}),
        ("MatMul", ["f", "w"], ["y"], {}),
    ]
    artifact = _artifact(nodes, weights, {"x": (1, 8, 8)}, {"y": (10,)}, opset)
    quantized = CONVERTER.convert(artifact, "int8-static", {"x": images[:100]})
    assert quantized.float_operators == ()
    assert "GlobalAveragePool" in _operators(quantized.content)
    assert _relative(run_onnx(artifact, {"x": images})["y"], run_onnx(quantized, {"x": images})["y"]) < 0.05


def test_old_opsets_are_raised():
    x, _ = _digits()
    weights = {"w": np.random.default_rng(0).normal(size=(64, 10)).astype(np.float32)}
    nodes = [("MatMul", ["x", "w"], ["h"], {}), ("Softmax", ["h"], ["y"], {"axis": 1})]
    artifact = _artifact(nodes, weights, {"x": (64,)}, {"y": (10,)}, opset=9)
    quantized = CONVERTER.convert(artifact, "int8-static", {"x": x[:100]})
    assert _relative(run_onnx(artifact, {"x": x})["y"], run_onnx(quantized, {"x": x})["y"]) < 0.05


def test_tables_are_looked_up_in_int8():
    from onnx import TensorProto

    rng = np.random.default_rng(0)
    weights = {
        "table": rng.normal(size=(17, 8)).astype(np.float32),
        "dense": rng.normal(size=(512, 10)).astype(np.float32),
        "flat": np.array([0, -1], np.int64),
    }
    nodes = [
        ("Cast", ["x"], ["tokens"], {"to": TensorProto.INT64}),
        ("Gather", ["table", "tokens"], ["e"], {}),
        ("Reshape", ["e", "flat"], ["f"], {}),
        ("MatMul", ["f", "dense"], ["y"], {}),
    ]
    artifact = _artifact(nodes, weights, {"x": (64,)}, {"y": (10,)})
    x = np.rint(_digits()[0] * 16)
    for scheme in ("int8-dynamic", "int8-static"):
        quantized = CONVERTER.convert(artifact, scheme, {"x": x[:100]})
        assert all(
            v.dtype == np.int8 for v in constants(parse(quantized.content).graph).values() if v.size > 64
        )
        assert _relative(run_onnx(artifact, {"x": x})["y"], run_onnx(quantized, {"x": x})["y"]) < 0.03


@pytest.mark.parametrize(
    ("name", "scheme", "reason"),
    [
        ("random-forest", "float16", "attributes, which ONNX defines in float32 only"),
        ("random-forest", "int8-static", "have no int8 form"),
        ("k-means", "int8-dynamic", "no convolution or matrix product"),
        ("min-max-clip", "float16", "no matrix of 64 or more"),
        ("stacking", "int8-static", "bytes of its constants"),
    ],
)
def test_what_cannot_be_honoured_is_not_offered(name, scheme, reason):
    artifact, x = _sklearn_artifact(name)
    offered = CONVERTER.offers(artifact)
    assert set(offered) == {"float16", "int8-dynamic", "int8-static"}
    assert reason in offered[scheme]
    with pytest.raises(ConversionError, match="cannot be honoured"):
        CONVERTER.convert(artifact, scheme, {"x": x})


def test_a_quantized_artifact_is_not_quantized_again():
    artifact, images, _ = _conv_net()
    quantized = CONVERTER.convert(artifact, "int8-static", {"image": images[:50]})
    assert all("only float32" in reason for reason in CONVERTER.offers(quantized).values())


def test_float16_refuses_what_it_cannot_hold():
    x, _ = _digits()
    weights = {
        "large": np.full((64, 8), 1e5, np.float32) * np.linspace(-1, 1, 8, dtype=np.float32),
        "small": np.random.default_rng(0).normal(size=(8, 16)).astype(np.float32) * 1e-7,
        "good": np.random.default_rng(0).normal(size=(16, 16)).astype(np.float32),
    }
    nodes = [
        ("MatMul", ["x", "large"], ["a"], {}),
        ("MatMul", ["a", "small"], ["b"], {}),
        ("MatMul", ["b", "good"], ["y"], {}),
    ]
    artifact = _artifact(nodes, weights, {"x": (64,)}, {"y": (16,)})
    half = CONVERTER.convert(artifact, "float16", None)
    reasons = [o.reason for o in half.float_operators]
    assert any(r.startswith("large: it holds 100000") for r in reasons)
    assert any(r.startswith("small: its values") for r in reasons)
    assert _relative(run_onnx(artifact, {"x": x})["y"], run_onnx(half, {"x": x})["y"]) < 1e-3
    only_large = _artifact(nodes[:1], {"large": weights["large"]}, {"x": (64,)}, {"a": (8,)})
    assert "float16 ends at 65504" in CONVERTER.offers(only_large)["float16"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (None, "needs rows of real data"),
        ({}, "needs rows of real data"),
        ({"y": np.ones((3, 64), np.float32)}, "missing: x"),
        ({"x": np.ones((3, 63), np.float32)}, "axis 1 must be 64"),
        ({"x": np.ones((0, 64), np.float32)}, "at least one row"),
        ({"x": np.full((3, 64), np.nan, np.float32)}, "finite values only"),
        ({"x": np.full((3, 64), 2.0, np.float32)}, "is 2 everywhere; pass rows that vary"),
    ],
)
def test_unusable_calibration_data(rows, message):
    artifact, _ = _sklearn_artifact("mlp-digits")
    with pytest.raises(CalibrationError, match=message):
        CONVERTER.convert(artifact, "int8-static", rows)


def test_calibration_that_overflows_names_the_tensor():
    weights = {"w": np.full((64, 8), 3e38, np.float32), "v": np.ones((8, 8), np.float32)}
    nodes = [("MatMul", ["x", "w"], ["hidden"], {}), ("MatMul", ["hidden", "v"], ["y"], {})]
    artifact = _artifact(nodes, weights, {"x": (64,)}, {"y": (8,)})
    with pytest.raises(CalibrationError, match=r"tensor 'hidden' to .*inf"):
        CONVERTER.convert(artifact, "int8-static", {"x": _digits()[0][:40]})


def test_float_operators_of_somebody_elses_file(tmp_path):
    """A graph quantized by onnxruntime's own tool."""
    import logging

    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    artifact, _, _ = _conv_net()
    logging.disable(logging.WARNING)
    try:
        quantize_dynamic(
            onnx.load_from_string(artifact.content), tmp_path / "q.onnx", weight_type=QuantType.QUInt8
        )
    finally:
        logging.disable(logging.NOTSET)
    found = {o.operator: o.count for o in operators_left_in_float(onnx.load(tmp_path / "q.onnx"))}
    assert found["Softmax"] == 1 and found["MaxPool"] == 1
    assert not {"Conv", "MatMul", "Cast"} & set(found)


_DIGESTS = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
import test_onnx_quantize as t
artifact, images, _ = t._conv_net()
for scheme in t.TOLERANCES:
    made = t.CONVERTER.convert(artifact, scheme, {"image": images[:60]})
    print(hashlib.sha256(made.content).hexdigest())
"""


@pytest.mark.slow  # a fresh process
def test_another_process_makes_the_same_bytes_and_is_quiet(tmp_path):
    artifact, images, _ = _conv_net()
    here = [
        hashlib.sha256(CONVERTER.convert(artifact, s, {"image": images[:60]}).content).hexdigest()
        for s in TOLERANCES
    ]
    tests = Path(__file__).parent
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "7",
        "PYTHONPATH": str(tests.parent),
        "TMPDIR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", _DIGESTS, str(tests)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == here
    assert done.stderr == ""
    left = [path.name for path in tmp_path.iterdir() if path.name != ".ses"]  # importing onnxruntime makes it
    assert left == []


@pytest.mark.slow
def test_keyword_spotting_keeps_its_accuracy(shared_data):
    require_module("tensorflow", "tf_keras", "tf2onnx")
    from edgeml_converters.intake import load_model

    model = describe(load_model(shared_data / "kws" / "kws_ds_cnn.h5"), "kws")
    artifact = converters()["keras-to-onnx"].convert(model, "float32", None)
    with np.load(shared_data / "kws" / "kws.npz") as data:
        x, y = data["x"], data["y"]
    name, output = artifact.signature.inputs[0].name, artifact.signature.outputs[0].name
    expected = run_onnx(artifact, {name: x})[output].argmax(axis=1)
    for scheme, drop in (("float16", 0.002), ("int8-dynamic", 0.015), ("int8-static", 0.01)):
        quantized = CONVERTER.convert(artifact, scheme, {name: x[:150]})
        got = run_onnx(quantized, {name: x})[output].argmax(axis=1)
        assert np.mean(got[150:] == y[150:]) >= np.mean(expected[150:] == y[150:]) - drop
        if scheme == "int8-static":
            assert len(quantized.content) <= 53936
            assert [o.operator for o in quantized.float_operators] == ["Softmax"]
