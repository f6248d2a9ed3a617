"""ONNX's Loop on LiteRT against ONNX Runtime: conditions, limits, nesting, what bodies read from outside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import require_module

from edgeml_converters.model import Artifact
from edgeml_converters.to_tflite.from_onnx import CONVERTER
from edgeml_runtime.errors import UnsupportedOperatorError
from edgeml_runtime.signature import Method, Signature, TensorSpec
from edgeml_runtime.tuning import DEFAULTS

pytestmark = pytest.mark.slow

X = np.random.default_rng(0).uniform(0.5, 3, (7, 3)).astype(np.float32)
_HEAD = '<ir_version: 8, opset_import: ["" : 18]> g (float[n, 3] x) => (float[n, 3] y)'

LOOPS = {
    "until-large": """<float[1] limit = {100}, int64 often = {50}> {
        doubled = Add(x, x)
        y = Loop (often, "", doubled) <body = b (int64 i, bool c, float[m, 3] v) => (bool go, float[m, 3] w) {
            w = Add(v, x)
            axes = Constant <value = int64[2] {0, 1}> ()
            least = ReduceMin <keepdims = 0> (w, axes)
            flat = Constant <value = int64[0] {}> ()
            small = Less(least, limit)
            go = Reshape(small, flat)
        }>
    }""",
    "limit-first": """<int64 often = {4}> {
        y = Loop (often, "", x) <body = b (int64 i, bool c, float[m, 3] v) => (bool go, float[m, 3] w) {
            number = Cast <to = 1> (i)
            w = Add(v, number)
            go = Identity(c)
        }>
    }""",
    "never": """<int64 often = {0}> {
        z = Loop (often, "", x) <body = b (int64 i, bool c, float[m, 3] v) => (bool go, float[m, 3] w) {
            w = Add(v, v)
            go = Identity(c)
        }>
        y = Neg(z)
    }""",
    "stopped-before": """<int64 often = {9}, bool start = {0}> {
        z = Loop (often, start, x) <body = b (int64 i, bool c, float[m, 3] v) => (bool go, float[m, 3] w) {
            w = Add(v, v)
            go = Identity(c)
        }>
        y = Neg(z)
    }""",
    "nested": """<int64 often = {3}, int64 one = {1}> {
        half = Sqrt(x)
        y = Loop (often, "", x) <body = b (int64 i, bool c, float[m, 3] v) => (bool go, float[m, 3] w) {
            more = Add(i, one)
            w = Loop (more, "", v) <body = d (int64 j, bool e, float[m, 3] p) => (bool f, float[m, 3] q) {
                whole = Add(i, j)
                number = Cast <to = 1> (whole)
                part = Mul(half, number)
                q = Add(p, part)
                f = Identity(e)
            }>
            go = Identity(c)
        }>
    }""",
}


@pytest.fixture(autouse=True)
def _installed():
    require_module("onnx", "onnxruntime", "tensorflow", "ai_edge_litert")


def subject(text: str) -> Artifact:
    from onnx import parser

    content = parser.parse_model(f"{_HEAD} {text}").SerializeToString()
    x, y = (TensorSpec(name, "float32", (None, 3)) for name in "xy")
    return Artifact("onnx", "float32", content, Signature((x,), (y,), (Method("call", ("y",)),)))


def reference(artifact: Artifact, x: Any) -> Any:
    import onnxruntime

    session = onnxruntime.InferenceSession(artifact.content, providers=["CPUExecutionProvider"])
    return session.run(["y"], {"x": x})[0]


def run(artifact: Artifact, x: Any) -> Any:
    from edgeml_runtime.engines.litert import ENGINE

    return ENGINE.open(artifact.content, artifact.signature, DEFAULTS).run(("y",), [x])[0]


@pytest.mark.parametrize("name", LOOPS)
def test_loops(name):
    graph = subject(LOOPS[name])
    made = CONVERTER.convert(graph, "float32", None)
    for rows in (X, X[:1], X[2:4] * 40):
        np.testing.assert_allclose(run(made, rows), reference(graph, rows), rtol=1e-6)


def test_only_float32_is_offered():
    offers = CONVERTER.offers(subject(LOOPS["nested"]))
    assert offers["float32"] is None
    assert all(reason is not None and "Loop" in reason for s, reason in offers.items() if s != "float32")


def test_operators_in_bodies_without_a_lowering_are_named():
    text = LOOPS["limit-first"].replace("w = Add(v, number)", "a = Add(v, number) w = Gelu(a)")
    graph = subject(text.replace("Gelu", "Hardmax"))
    assert CONVERTER.offers(graph)["float32"] == "TFLite: no lowering for the ONNX operators Hardmax"


def test_a_value_of_every_iteration_is_refused():
    text = """<int64 often = {2}> {
        y, all = Loop (often, "", x)
            <body = b (int64 i, bool c, float[m, 3] v) => (bool go, float[m, 3] w, float[m, 3] each) {
            w = Add(v, v)
            each = Neg(v)
            go = Identity(c)
        }>
    }"""
    with pytest.raises(UnsupportedOperatorError, match=r"Loop \(y\) .* collects a value of every iteration"):
        CONVERTER.convert(subject(text), "float32", None)
