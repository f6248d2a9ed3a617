"""Small bundles for tests, without TensorFlow: ONNX graphs written by hand, .tflite files from `golden/`.

Golden outputs are computed with numpy from the same weights or, for the .tflite files, were predicted by the
Keras model they were converted from (`golden/make_golden.py`).
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgeml_runtime.archive import write_archive
from edgeml_runtime.bundle import Bundle, decode_bundle, encode_bundle, file_entries, npy_bytes
from edgeml_runtime.encodings import Categories, Words
from edgeml_runtime.feeds import tensors_of
from edgeml_runtime.golden_rows import plain_rows
from edgeml_runtime.manifest import (
    FORMAT,
    Budget,
    Fixture,
    FloatOperator,
    GoldenTensor,
    Manifest,
    Provenance,
    Tolerance,
    Verdict,
)
from edgeml_runtime.signature import Affine, ClassLabels, Method, Signature, TensorSpec
from edgeml_runtime.strict_json import dump
from tests.conftest import require_module

GOLDEN = Path(__file__).parent / "golden"
Array = np.ndarray[Any, Any]


def bundle_bytes(
    artifact: bytes,
    artifact_format: str,
    signature: Signature,
    inputs: Mapping[str, Array],
    outputs: Mapping[str, Array],
    *,
    atol: float = 1e-5,
    rows: Any = None,
    **changes: Any,
) -> bytes:
    """A bundle of that artifact and golden vectors; `changes` replace fields of the manifest.

    `rows`: the golden inputs as callers give them, where the runtime encodes.
    """
    files = {f"model.{artifact_format}": artifact}
    golden: dict[str, list[GoldenTensor]] = {"in": [], "out": []}
    for direction, tensors in (("in", inputs), ("out", outputs)):
        for number, (name, array) in enumerate(tensors.items()):
            file = f"golden-{direction}-{number}.npy"
            files[file] = npy_bytes(array)
            golden[direction].append(GoldenTensor(name, file))
    if rows is not None:
        files["golden-rows.json"] = dump(rows)
    exact = {name: 0.0 if array.dtype.kind != "f" else atol for name, array in outputs.items()}
    fields: dict[str, Any] = {
        "format": FORMAT,
        "name": "test",
        "artifact": f"model.{artifact_format}",
        "artifact_format": artifact_format,
        "scheme": "float32",
        "signature": signature,
        "float_operators": (),
        "fixture": Fixture(
            tuple(golden["in"]),
            tuple(golden["out"]),
            tuple(Tolerance(n, a, 0.0) for n, a in exact.items()),
            None if rows is None else "golden-rows.json",
        ),
        "device": "host",
        "budget": Budget(),
        "verdicts": (),
        "provenance": Provenance("test", "onnx-model", "0" * 64, "0" * 64, {"numpy": "2.0"}, {"seed": 0}),
        "files": file_entries(files),
    }
    return encode_bundle(Manifest(**fields | changes), files)


def onnx_graph(
    nodes: Sequence[Any], inputs: Mapping[str, Any], outputs: Mapping[str, Any], weights: Mapping[str, Array]
) -> bytes:
    """A serialized model; inputs and outputs as name -> (dtype, shape), nodes made by `node`."""
    from onnx import TensorProto, helper, numpy_helper

    types = {"float32": TensorProto.FLOAT, "str": TensorProto.STRING, "float64": TensorProto.DOUBLE}
    types |= {
        n: getattr(TensorProto, n.upper()) for n in ("bool", "int8", "int32", "int64", "uint8", "int16")
    }

    def values(specs: Mapping[str, Any]) -> list[Any]:
        return [helper.make_tensor_value_info(n, types[t], list(shape)) for n, (t, shape) in specs.items()]

    graph = helper.make_graph(
        list(nodes),
        "g",
        values(inputs),
        values(outputs),
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    content: bytes = helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    return content


def node(operator: str, inputs: str, outputs: str, **attributes: Any) -> Any:
    """An ONNX node; names separated by spaces."""
    require_module("onnx")
    from onnx import helper

    return helper.make_node(operator, inputs.split(), outputs.split(), **attributes)


def tiny_bundle_bytes(**changes: Any) -> bytes:
    """The smallest useful bundle: y = 2x for x: float32[batch, 1]."""
    spec = {"x": ("float32", [None, 1])}
    artifact = onnx_graph([node("Add", "x x", "y")], spec, {"y": ("float32", [None, 1])}, {})
    signature = Signature(
        (TensorSpec("x", "float32", (None, 1)),),
        (TensorSpec("y", "float32", (None, 1)),),
        (Method("predict", ("y",)),),
    )
    x = np.float32([[0.5]])
    return bundle_bytes(artifact, "onnx", signature, {"x": x}, {"y": 2 * x}, **changes)


TABLE_ROWS = {
    "age": [41, None, 3.5],
    "city": ["Oslo", "Bern", "2"],
    "unused": [0, 0, 0],
    "note": ["good good", "bad", "é?"],
}


TABLE = Signature(
    (
        TensorSpec("c0", "float32", (None, 1), allow_nan=True, source="age"),
        TensorSpec("c1", "float32", (None, 1), source="city", encoding=Categories(("Bern", "Oslo", "2"))),
        TensorSpec("c3", "float32", (None, 2), source="note", encoding=Words(("good", "bad"))),
    ),
    (TensorSpec("y", "float32", (None, 1)),),
    (Method("predict", ("y",)),),
    tuple(TABLE_ROWS),
)


def table_bundle_bytes(**changes: Any) -> bytes:
    """y = age + 10 * (index of the city) + 100 * (good - bad), an input a column; a missing age gives NaN."""
    inputs = tensors_of(TABLE, TABLE_ROWS)
    weights = {"ten": np.float32([10]), "words": np.float32([[100], [-100]])}
    artifact = onnx_graph(
        [
            node("Mul", "c1 ten", "city"),
            node("MatMul", "c3 words", "note"),
            node("Add", "c0 city", "both"),
            node("Add", "both note", "y"),
        ],
        {name: ("float32", [None, tensor.shape[1]]) for name, tensor in inputs.items()},
        {"y": ("float32", [None, 1])},
        weights,
    )
    y = inputs["c0"] + inputs["c1"] * weights["ten"] + inputs["c3"] @ weights["words"]
    rows = plain_rows(TABLE, TABLE_ROWS)
    return bundle_bytes(artifact, "onnx", TABLE, inputs, {"y": y}, **{"rows": rows} | changes)


@functools.cache
def classifier_bundle(
    labels: tuple[Any, ...] = ("setosa", "versicolor", "virginica"), dtype: str = "str"
) -> tuple[Bundle, Any, Array]:
    """A bundle of a fitted LogisticRegression on iris, the model itself, and the rows it was fitted on."""
    require_module("sklearn")
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    x, y = load_iris(return_X_y=True)
    x = x.astype(np.float32)
    model = LogisticRegression(max_iter=1000).fit(x, np.array(labels)[y])
    weights = {"w": model.coef_.T.astype(np.float32), "b": model.intercept_.astype(np.float32)}
    artifact = onnx_graph(
        [
            node("Gemm", "x w b", "scores"),
            node("ArgMax", "scores", "label", axis=1, keepdims=0),
            node("Softmax", "scores", "probabilities", axis=1),
        ],
        {"x": ("float32", [None, 4])},
        {"label": ("int64", [None]), "probabilities": ("float32", [None, 3])},
        weights,
    )
    classes = tuple(model.classes_.tolist())
    signature = Signature(
        (TensorSpec("x", "float32", (None, 4)),),
        (TensorSpec("label", "int64", (None,)), TensorSpec("probabilities", "float32", (None, 3))),
        (
            Method("predict", ("label",), (ClassLabels(dtype, classes),)),
            Method("predict_proba", ("probabilities",)),
        ),
    )
    rows = x[::20]
    outputs = {
        "label": model.predict_proba(rows).argmax(axis=1),
        "probabilities": model.predict_proba(rows).astype(np.float32),
    }
    return decode_bundle(bundle_bytes(artifact, "onnx", signature, {"x": rows}, outputs)), model, x


def two_by_two(*methods: Method, **changes: Any) -> Bundle:
    """sum = a + b, pick = index of the larger of the two, for a, b: float32[batch]."""
    spec = ("float32", [None])
    artifact = onnx_graph(
        [
            node("Add", "a b", "sum"),
            node("Less", "a b", "less"),
            node("Cast", "less", "pick", to=7),
            node("Unsqueeze", "pick axis", "column"),
            node("Concat", "column column", "picks", axis=1),
        ],
        {"a": spec, "b": spec},
        {"sum": spec, "pick": ("int64", [None]), "picks": ("int64", [None, 2])},
        {"axis": np.array([1])},
    )
    signature = Signature(
        (TensorSpec("a", "float32", (None,)), TensorSpec("b", "float32", (None,))),
        (
            TensorSpec("sum", "float32", (None,)),
            TensorSpec("pick", "int64", (None,)),
            TensorSpec("picks", "int64", (None, 2)),
        ),
        methods,
    )
    a, b = np.float32([1, 4]), np.float32([2, 3])
    pick = (a < b).astype(np.int64)
    outputs = {"sum": a + b, "pick": pick, "picks": np.stack([pick, pick], axis=1)}
    return decode_bundle(bundle_bytes(artifact, "onnx", signature, {"a": a, "b": b}, outputs, **changes))


def iris_rows() -> Array:
    """float32[150, 4]."""
    require_module("sklearn")
    from sklearn.datasets import load_iris

    return load_iris().data.astype(np.float32)


def tflite_bundle(scheme: str = "float32") -> Bundle:
    """The Keras network of `golden/`, scheme float32 or int8; golden outputs are what Keras predicted."""
    quantized = scheme == "int8"
    x = Affine((0.030980393290519714,), (-128.0,)) if quantized else None
    y = Affine((0.00390625,), (-128.0,)) if quantized else None
    dtype = "int8" if quantized else "float32"
    signature = Signature(
        (TensorSpec("x", dtype, (None, 4), x),),
        (TensorSpec("probabilities", dtype, (None, 3), y),),
        (Method("predict", ("probabilities",)),),
    )
    rows, expected = iris_rows()[::20], np.load(GOLDEN / "iris_keras.npy")[::20]
    artifact = (GOLDEN / f"iris_{scheme}.tflite").read_bytes()
    content = bundle_bytes(
        artifact,
        "tflite",
        signature,
        {"x": rows},
        {"probabilities": expected},
        atol=0.05 if quantized else 1e-5,
        scheme="int8-static" if quantized else "float32",
    )
    return decode_bundle(content)


def describing_everything() -> dict[str, Any]:
    """Fields of a manifest that `bundle_bytes` leaves empty, filled."""
    return {
        "float_operators": (FloatOperator("SOFTMAX", 1, "its int8 kernel is not exact"),),
        "budget": Budget(max_accuracy_drop=0.01, max_latency_ms=5),
        "verdicts": (
            Verdict("size", "passed", 1.5, 64.0, "kB", "any"),
            Verdict("latency", "unproven", 0.01, 5.0, "ms", "host", "only the device can tell"),
        ),
    }


def rebuilt(content: bytes, manifest: Mapping[str, Any] | bytes | None = None, **files: bytes) -> bytes:
    """The bundle with another manifest document or other files (CRCs right, nothing else adjusted)."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    if manifest is not None:
        entries["manifest.json"] = manifest if isinstance(manifest, bytes) else canonical(manifest)
    return write_archive(entries | {name.replace("__", "."): body for name, body in files.items()})


def manifest_of(content: bytes) -> dict[str, Any]:
    """The manifest document, to be changed by a test."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        document: dict[str, Any] = json.loads(archive.read("manifest.json"))
    return document


def canonical(document: Any) -> bytes:
    """JSON as a manifest spells it."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def sha256(content: bytes) -> str:
    """Hexadecimal."""
    return hashlib.sha256(content).hexdigest()
