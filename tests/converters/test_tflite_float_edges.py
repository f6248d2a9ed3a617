"""Float edges of int8 artifacts: the same answers to the last bit, without numpy in front of the engine."""

from __future__ import annotations

from dataclasses import replace

import keras_zoo
import numpy as np
import pytest
from conftest import require_module
from keras_zoo import run_tflite

from edgeml_converters.model import Artifact, as_feeds
from edgeml_converters.sources.keras import SOURCE
from edgeml_converters.to_tflite.float_edges import with_float_edges
from edgeml_converters.to_tflite.from_keras import CONVERTER as TO_TFLITE
from edgeml_runtime.signature import Affine

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _installed():
    require_module("tensorflow", "ai_edge_litert")


def quantized(name):
    trained = keras_zoo.trained(name)
    model = SOURCE.describe(trained.model, name)
    feeds = as_feeds(model, trained.x)
    return TO_TFLITE.convert(model, "int8-static", {n: x[:50] for n, x in feeds.items()}), feeds


@pytest.mark.parametrize("name", ["digits_cnn", "two_by_two", "digits_autoencoder", "row_gru"])
@pytest.mark.parametrize("rows", [1, 20])
def test_the_same_answers(name, rows):
    artifact, feeds = quantized(name)
    freed = with_float_edges(artifact)
    feeds = {n: np.ascontiguousarray(x[:rows]) for n, x in feeds.items()}
    before, after = run_tflite(artifact, feeds), run_tflite(freed, feeds)
    assert list(after) == list(before)
    for output, values in before.items():
        np.testing.assert_array_equal(after[output], values)
    specs = (*freed.signature.inputs, *freed.signature.outputs)
    assert {s.dtype for s in specs if s.affine is None} <= {"float32", "int32", "int64"}
    assert any(s.affine is not None for s in (*artifact.signature.inputs, *artifact.signature.outputs))
    assert all(s.affine is None for s in specs)
    assert len(freed.content) - len(artifact.content) < 400 * len(specs)


def test_made_once():
    freed = with_float_edges(quantized("digits_cnn")[0])
    assert with_float_edges(freed) is freed


def test_what_no_operator_computes_stays():
    artifact, _ = quantized("cancer_mlp")  # standardizes its columns: one affine a column
    (given,) = artifact.signature.inputs
    assert given.affine is not None
    assert len(given.affine.scale) > 1
    assert with_float_edges(artifact).signature.inputs == artifact.signature.inputs
    off_grid = replace(given, affine=Affine((given.affine.scale[0],), (0.5,)))
    moved = replace(artifact, signature=replace(artifact.signature, inputs=(off_grid,)))
    assert with_float_edges(moved).signature.inputs == (off_grid,)


def test_other_artifacts_are_left_alone():
    artifact, _ = quantized("digits_cnn")
    for other in (replace(artifact, scheme="int16x8-static"), replace(artifact, format="onnx")):
        assert isinstance(other, Artifact)
        assert with_float_edges(other) is other
