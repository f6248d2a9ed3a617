"""Engines: which there are, and artifacts that they or their manifest refuse."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeml_runtime.bundle import decode_bundle
from edgeml_runtime.engines import choose_engine, engines
from edgeml_runtime.errors import (
    EngineFailedError,
    MissingDependencyError,
    UnknownNameError,
)
from edgeml_runtime.session import load
from edgeml_runtime.signature import Affine, Method, Signature, TensorSpec
from edgeml_runtime.verify import verify
from tests.bundles import (
    bundle_bytes,
    classifier_bundle,
    manifest_of,
    rebuilt,
    tflite_bundle,
    tiny_bundle_bytes,
    two_by_two,
)
from tests.conftest import require_module


@pytest.fixture(autouse=True, scope="module")
def engines_are_installed():
    require_module("onnxruntime", "ai_edge_litert")


def spec(name: str = "x", dtype: str = "float32", shape: Any = (None, 4), affine: Any = None) -> TensorSpec:
    return TensorSpec(name, dtype, shape, affine)


PROBABILITIES = TensorSpec("probabilities", "float32", (None, 3))
QUANTIZED = Affine((1.0,), (0.0,))
DISAGREEING = {
    "another name": (spec("z"), PROBABILITIES, "artifact has no input z: float32[batch, 4]; it has x"),
    "another dtype": (
        spec(dtype="int8", affine=QUANTIZED),
        PROBABILITIES,
        "artifact's input is float32[batch, 4]; the manifest says input x: int8[batch, 4]",
    ),
    "other columns": (spec(shape=(None, 5)), PROBABILITIES, "the manifest says input x: float32[batch, 5]"),
    "another rank": (
        spec(shape=(None, 2, 2)),
        PROBABILITIES,
        "the manifest says input x: float32[batch, 2, 2]",
    ),
    "another output": (spec(), TensorSpec("z", "float32", (None, 3)), "artifact has no output z: float32"),
    "another output dtype": (
        spec(),
        TensorSpec("probabilities", "int64", (None, 3)),
        "the manifest says output probabilities: int64[batch, 3]",
    ),
}


@pytest.mark.parametrize("name", DISAGREEING)
@pytest.mark.parametrize("artifact_format", ["onnx", "tflite"])
def test_artifact_that_disagrees_with_its_manifest(artifact_format: str, name: str):
    x, y, message = DISAGREEING[name]
    original = classifier_bundle()[0] if artifact_format == "onnx" else tflite_bundle()
    rows = np.zeros((1, *(d or 1 for d in x.shape[1:])), np.float32)
    outputs = {y.name: np.zeros((1, 3), y.dtype)}
    signature = Signature((x,), (y,), (Method("predict", (y.name,)),))
    content = bundle_bytes(original.artifact, artifact_format, signature, {x.name: rows}, outputs)
    with pytest.raises(EngineFailedError, match=re.escape(message)):
        load(content)


def test_an_input_that_the_manifest_does_not_list():
    bundle = two_by_two(Method("predict", ("sum",)))
    signature = Signature((TensorSpec("a", "float32", (None,)),), (TensorSpec("sum", "float32", (None,)),), (
        Method("predict", ("sum",)),
    ))  # fmt: skip
    one = np.float32([1])
    with pytest.raises(EngineFailedError, match="needs inputs that the manifest does not list: b"):
        load(bundle_bytes(bundle.artifact, "onnx", signature, {"a": one}, {"sum": one}))


@pytest.mark.parametrize("artifact_format", ["onnx", "tflite"])
@pytest.mark.parametrize("artifact", [b"", b"nonsense", None], ids=["empty", "nonsense", "cut off"])
def test_artifact_that_no_engine_takes(artifact_format: str, artifact: bytes | None):
    whole = (
        decode_bundle(tiny_bundle_bytes()).artifact if artifact_format == "onnx" else tflite_bundle().artifact
    )
    signature = Signature(
        (spec("x", shape=(None, 1)),), (spec("y", shape=(None, 1)),), (Method("predict", ("y",)),)
    )
    one = np.float32([[1]])
    content = bundle_bytes(
        whole[: len(whole) // 2] if artifact is None else artifact,
        artifact_format,
        signature,
        {"x": one},
        {"y": one},
    )
    with pytest.raises(EngineFailedError, match=r"refused the artifact|artifact has no"):
        load(content)


def test_weights_are_not_read_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The bundle's hashes would not cover them."""
    import onnx

    bundle = decode_bundle(tiny_bundle_bytes())
    model = onnx.load_from_string(bundle.artifact)
    model.graph.node[0].input[1] = "w"
    weight = model.graph.initializer.add(name="w", data_type=1, dims=[1, 1], data_location=1)
    for key, value in {"location": "secret", "offset": "0", "length": "4"}.items():
        weight.external_data.add(key=key, value=value)
    (tmp_path / "secret").write_bytes(np.float32(42).tobytes())
    monkeypatch.chdir(tmp_path)
    x = np.float32([[0]])
    content = bundle_bytes(model.SerializeToString(), "onnx", bundle.manifest.signature, {"x": x}, {"y": x})
    with pytest.raises(EngineFailedError, match="External data path"):
        load(content)


def test_engines_that_there_are():
    assert list(engines()) == ["litert", "onnxruntime", "tflite-runtime"]
    assert choose_engine("onnx").name == "onnxruntime"
    assert choose_engine("tflite", "litert").name == "litert"
    with pytest.raises(
        UnknownNameError, match="unknown engine for onnx 'onnxruntim'; did you mean onnxruntime"
    ):
        choose_engine("onnx", "onnxruntim")
    with pytest.raises(UnknownNameError, match="unknown engine for onnx 'litert'; known: onnxruntime"):
        choose_engine("onnx", "litert")
    with pytest.raises(
        MissingDependencyError, match="no engine here runs 'native' artifacts, only onnx, tflite"
    ):
        choose_engine("native")
    if not engines()["tflite-runtime"].installed():
        with pytest.raises(
            MissingDependencyError, match=r"needs tflite-runtime: pip install 'edgeml-runtime\[tfl"
        ):
            choose_engine("tflite", "tflite-runtime")


@pytest.mark.parametrize("kind", ["labels", "probabilities"])
def test_rows_of_another_class_are_drift_whatever_the_tolerance(kind):
    bundle = classifier_bundle()[0]
    manifest = bundle.manifest
    assert verify(bundle).rows_flipped == ()
    golden = {name: array.copy() for name, array in bundle.golden(manifest.fixture.outputs).items()}
    if kind == "labels":
        golden["label"][3] = (golden["label"][3] + 1) % 3
    else:
        golden["probabilities"][3] = np.roll(golden["probabilities"][3], 1)
    inputs = bundle.golden(manifest.fixture.inputs)
    changed = bundle_bytes(bundle.artifact, "onnx", manifest.signature, inputs, golden, atol=2.0)
    result = verify(decode_bundle(changed))
    assert (result.golden, result.rows_flipped) == ("drift", (3,))


def test_a_bundle_for_an_engine_of_the_future_is_verified_and_not_run():
    document = manifest_of(tiny_bundle_bytes()) | {"artifact_format": "native"}
    bundle = decode_bundle(rebuilt(tiny_bundle_bytes(), document))
    result = verify(bundle)
    assert result.golden == "not run"
    assert "no engine here runs 'native'" in result.reason
    with pytest.raises(MissingDependencyError):
        load(bundle)
