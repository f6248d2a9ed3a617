"""The manifest: strict, bounded, canonical, and in agreement with the golden vectors beside it."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeml_runtime.bundle import decode_bundle
from edgeml_runtime.codec import CodecError, decode, encode
from edgeml_runtime.encodings import (
    Analyzer,
    Categories,
    Encoding,
    HashedRecords,
    HashedWords,
    Records,
    Sets,
    Words,
)
from edgeml_runtime.errors import ManifestError
from edgeml_runtime.manifest import (
    MAX_MANIFEST_BYTES,
    TUNED_FORMAT,
    Manifest,
    dump_manifest,
    parse_manifest,
    with_tuning,
)
from edgeml_runtime.npy import npy_bytes
from edgeml_runtime.signature import Affine, ClassLabels, Method, Signature, TensorSpec
from edgeml_runtime.tuning import DeviceClass, SessionOptions, Tuning
from tests.bundles import canonical, describing_everything, manifest_of, rebuilt, sha256, tiny_bundle_bytes

Document = dict[str, Any]
Edit = Callable[[Document], object]


@functools.cache
def content() -> bytes:
    return tiny_bundle_bytes(**describing_everything())


def text() -> str:
    return canonical(manifest_of(content())).decode()


def put(path: str, value: Any) -> Edit:
    """Sets `a.0.b` of a document."""

    def edit(document: Any) -> None:
        *parents, last = path.split(".")
        for key in parents:
            document = document[int(key) if isinstance(document, list) else key]
        document[int(last) if isinstance(document, list) else last] = value

    return edit


def drop(path: str) -> Edit:
    def edit(document: Any) -> None:
        *parents, last = path.split(".")
        for key in parents:
            document = document[key]
        del document[last]

    return edit


def test_the_canonical_text_is_what_a_bundle_holds():
    manifest = decode_bundle(content()).manifest
    assert dump_manifest(manifest) == text().encode()
    assert parse_manifest(text().encode()) == manifest


LABELS = {"dtype": "int64", "values": [0, 1]}
SPEC = "signature.inputs.0"
ENCODING = f"{SPEC}.encoding"


def encoded(**changes: Any) -> dict[str, Any]:
    """A Words encoding as the manifest spells it."""
    return encode(Words(("a",))) | changes


TUNING: dict[str, Any] = encode(
    Tuning(
        DeviceClass("x86_64", ("Some CPU",), ("avx2",), 4), "onnxruntime", "1.2.3", SessionOptions(threads=4)
    )
)
ANOTHER = TUNING | {"device_class": TUNING["device_class"] | {"machine": "aarch64"}}


def tuned(*tunings: Document) -> Edit:
    """Makes it a bundle of format 2."""
    return lambda document: document.update(format=TUNED_FORMAT, tunings=list(tunings))


def test_tunings_make_a_bundle_of_format_2():
    document = json.loads(text())
    assert document["format"] == 1
    assert "tunings" not in document
    document.update(format=2, tunings=[ANOTHER, TUNING])
    manifest = parse_manifest(canonical(document))
    assert [encode(tuning) for tuning in manifest.tunings] == [ANOTHER, TUNING]
    assert dump_manifest(manifest) == canonical(document)


def test_a_tuning_replaces_that_of_its_class():
    one, other = (decode(Tuning, document) for document in (TUNING, ANOTHER))
    both = with_tuning((one,), other)
    assert both == (other, one)
    better = dataclasses.replace(one, options=SessionOptions(threads=2))
    assert with_tuning(both, better) == (other, better)


MALFORMED: dict[str, tuple[Edit, str]] = {
    "unknown field": (put("extra", 1), "manifest: extra: unknown field; known: format, name,"),
    "unknown field inside": (put(f"{SPEC}.unit", "m"), "signature.inputs[0].unit: unknown field"),
    "missing field": (drop("device"), "manifest: device: missing"),
    "newer format": (put("format", 3), "bundle format 3 is newer than this runtime reads (2); upgrade"),
    "older format": (put("format", 0), "bundle format 0 is unknown; this runtime reads 1 to 2"),
    "untuned in format 2": (put("format", 2), "format 2 has some tunings"),
    "tuned in format 1": (put("tunings", [TUNING]), "format 1 has no tunings"),
    "tuned to nothing in format 1": (put("tunings", []), "not in canonical form"),
    "tuned to nothing in format 2": (tuned(), "format 2 has some tunings"),
    "tuned twice": (tuned(TUNING, TUNING), "tunings must be sorted by device class, each once"),
    "tunings unsorted": (tuned(TUNING, ANOTHER), "tunings must be sorted by device class, each once"),
    "tuned to no thread": (
        tuned(TUNING | {"options": TUNING["options"] | {"threads": 0}}),
        "tunings[0].options: threads must be 1 to 256, got 0",
    ),
    "tuned to what does not exist": (
        tuned(TUNING | {"options": TUNING["options"] | {"gpu": True}}),
        "tunings[0].options.gpu: unknown field; known: threads, graph_optimization,",
    ),
    "tuned for no CPU": (
        tuned(TUNING | {"device_class": TUNING["device_class"] | {"usable_cpus": 0}}),
        "tunings[0].device_class: usable_cpus must be at least 1, got 0",
    ),
    "bool for int": (put("format", True), "manifest: format: expected int, got bool 'True'"),
    "float for int": (put("files.0.size_bytes", 1.0), "files[0].size_bytes: expected int, got float '1.0'"),
    "int for float": (put("fixture.tolerances.0.rtol", 0), "not in canonical form"),
    "int for text": (put("name", 1), "manifest: name: expected str, got int '1'"),
    "null for text": (put("name", None), "manifest: name: expected str, got nothing"),
    "list for table": (put("signature", []), "manifest: signature: expected a table, got list '[]'"),
    "table for list": (put("files", {}), "manifest: files: expected a list, got dict '{}'"),
    "empty name": (put("name", ""), "name, artifact_format and scheme must not be empty"),
    "lone surrogate": (put("name", "\ud800"), r"name: expected text, got a lone surrogate in '\ud800'"),
    "lone surrogate in a key": (
        put("provenance.versions", {"\udfff": "1"}),
        "provenance.versions: expected text, got a lone surrogate",
    ),
    "integer of 65 bits": (put("provenance.options.seed", 1 << 64), "expected an integer of at most 64 bits"),
    "huge integer": (put("provenance.options.seed", 10**30), "number 1000000000000000000000000000000 is not"),
    "long text": (put("device", "a" * 4097), "a string has 4097 characters, at most 4096 are read"),
    "long key": (put("provenance.options", {"a" * 4097: 1}), "a string has 4097 characters"),
    "long list": (put(f"{SPEC}.shape", [1] * 524289), "a list longer than 524288"),
    "deep": (put("device", functools.reduce(lambda x, _: [x], range(12), 0)), "nested deeper than 12"),
    "unknown dtype": (put(f"{SPEC}.dtype", "float16"), "signature.inputs[0]: dtype 'float16' is not one of"),
    "nameless tensor": (put(f"{SPEC}.name", ""), "signature.inputs[0]: a tensor needs a name"),
    "negative size": (put(f"{SPEC}.shape", [None, -1]), "shape (None, -1) has more than 8 axes, or one out"),
    "nine axes": (put(f"{SPEC}.shape", [1] * 9), "has more than 8 axes"),
    "fixed batch": (put(f"{SPEC}.shape", [1, 1]), "the first axis of 'x' must be the batch (null)"),
    "affine of a float": (
        put(f"{SPEC}.affine", {"scale": [1.0], "zero_point": [0.0]}),
        "dtype 'float32' with affine is not one of int8, uint8, int16",
    ),
    "scale of nothing": (put(f"{SPEC}.affine", {"scale": [], "zero_point": []}), "at least 1"),
    "scale of zero": (put(f"{SPEC}.affine", {"scale": [0.0], "zero_point": [0.0]}), "scale must be positive"),
    "scale too small": (put(f"{SPEC}.affine", {"scale": [1e-45], "zero_point": [0.0]}), "normal in float32"),
    "two inputs of a name": (
        lambda d: d["signature"]["inputs"].append(d["signature"]["inputs"][0]),
        "signature: input names must be unique and at least one, got ['x', 'x']",
    ),
    "no outputs": (put("signature.outputs", []), "output names must be unique and at least one, got []"),
    "no methods": (put("signature.methods", []), "signature has no methods"),
    "two methods of a name": (
        lambda d: d["signature"]["methods"].append(d["signature"]["methods"][0]),
        "method names must be unique, got ['predict', 'predict']",
    ),
    "method of no output": (put("signature.methods.0.outputs", ["z"]), "outputs that do not exist: ['z']"),
    "labels of a float": (put("signature.methods.0.labels", [LABELS]), "needs class indices, 'y' is float32"),
    "labels of no dtype": (
        put("signature.methods.0.labels", [LABELS | {"dtype": "object"}]),
        "signature.methods[0].labels[0]: label dtype 'object' is not one of int8,",
    ),
    "labels mixed": (put("signature.methods.0.labels", [LABELS | {"values": [0, "1"]}]), "all be"),
    "label out of range": (
        put("signature.methods.0.labels", [{"dtype": "int8", "values": [128]}]),
        "labels must all be int8",
    ),
    "label twice": (put("signature.methods.0.labels", [LABELS | {"values": [1, 1]}]), "different from each"),
    "unknown way to return": (
        put("signature.methods.0.returns", "tuple"),
        "signature.methods[0].returns: expected one of array, list, mapping, got 'tuple'",
    ),
    "golden of another input": (put("fixture.inputs.0.tensor", "z"), "fixture.inputs must be ['x'] as"),
    "no golden output": (put("fixture.outputs", []), "fixture.outputs must be ['y'] as"),
    "no tolerance": (put("fixture.tolerances", []), "fixture.tolerances must be ['y'] as"),
    "negative tolerance": (put("fixture.tolerances.0.atol", -1.0), "must be finite and at least 0"),
    "artifact that is not there": (put("artifact", "other.onnx"), "'other.onnx' is not among the files"),
    "artifact that is a golden vector": (put("artifact", "golden-in-0.npy"), "need a file of their own"),
    "file name with a path": (put("files.0.name", "../a"), "files[0]: file name '../a' is reserved"),
    "file name of the manifest": (put("files.0.name", "manifest.json"), "'manifest.json' is reserved"),
    "file name of its signature": (put("files.0.name", "manifest.sig"), "'manifest.sig' is reserved"),
    "file size below zero": (put("files.0.size_bytes", -1), "has a malformed size or sha256"),
    "short hash": (put("files.0.sha256", "0" * 63), "has a malformed size or sha256"),
    "hash in capitals": (put("files.0.sha256", "A" * 64), "has a malformed size or sha256"),
    "files in another order": (lambda d: d["files"].reverse(), "files must be sorted by name, each once"),
    "verdict of no status": (put("verdicts.0.status", "maybe"), "verdicts[0].status: expected one of"),
    "budget below zero": (put("budget.max_size_kb", -1.0), "max_size_kb must be a finite number"),
}  # fmt: skip
MALFORMED |= {
    "columns twice": (put("signature.columns", ["x", "x"]), "signature: columns must be different from each"),
    "columns without the input's": (
        put("signature.columns", ["a"]),
        "input 'x' is made of 'x', which is not",
    ),
    "columns of a matrix": (
        lambda d: (put("signature.columns", ["x"])(d), put(f"{SPEC}.shape", [None, 2])(d)),
        "input x: float32[batch, 2] is not one column of a table",
    ),
    "columns without golden rows": (put("signature.columns", ["x"]), "fixture.rows must name a file where"),
    "golden rows of tensors": (put("fixture.rows", "golden-in-0.npy"), "fixture.rows must name a file where"),
    "source of an output": (put("signature.outputs.0.source", "x"), "output 'y' has a source or an encoding"),
    "encoding of no kind": (
        put(ENCODING, {}),
        "signature.inputs[0].encoding.kind: expected one of categories,",
    ),
    "encoding of a list": (
        put(ENCODING, []),
        "signature.inputs[0].encoding: expected a table, got list '[]'",
    ),
    "encoding of another kind": (
        put(ENCODING, encoded(kind="pickle")),
        "encoding.kind: expected one of categories",
    ),
    "encoding of a kind that is no text": (
        put(ENCODING, encoded(kind=["words"])),
        "encoding.kind: expected one",
    ),
    "encoding with a field too many": (put(ENCODING, encoded(idf=[1.0])), "encoding.idf: unknown field"),
    "encoding without a field": (put(ENCODING, {"kind": "words"}), "encoding.vocabulary: missing"),
    "encoding of another width": (
        put(ENCODING, encoded(vocabulary=["a", "b"])),
        "signature.inputs[0]: words make float32[batch, 2] without names of columns, not float32[batch, 1]",
    ),
    "terms that are no text": (
        put(ENCODING, encoded(vocabulary=[1])),
        "encoding.vocabulary[0]: expected str",
    ),
    "terms twice": (put(ENCODING, encoded(vocabulary=["a", "a"])), "encoding: terms of a vocabulary must be"),
    "term of a lone surrogate": (
        put(ENCODING, encoded(vocabulary=["\ud800"])),
        "vocabulary[0]: expected text",
    ),
    "three sizes of n-grams": (
        put(ENCODING, encoded(analyzer=encode(Analyzer()) | {"ngram_range": [1, 1, 1]})),
        "encoding.analyzer.ngram_range: expected 2 items, got 3",
    ),
    "a pattern that is none": (
        put(ENCODING, encoded(analyzer=encode(Analyzer()) | {"token_pattern": "("})),
        "encoding.analyzer: token_pattern is not a regular expression",
    ),
    "huge vocabulary": (put(ENCODING, encoded(vocabulary=["a"] * 524289)), "a list longer than 524288"),
    "a category of categories": (
        put(ENCODING, {"kind": "categories", "values": [["a"]], "unknown": "code"}),
        "encoding.values[0]: expected str, got list",
    ),
    "unknown way with the unknown": (
        put(ENCODING, {"kind": "categories", "values": ["a"], "unknown": "zero"}),
        "encoding.unknown: expected one of code, refuse, got 'zero'",
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_manifest(name: str):
    edit, message = MALFORMED[name]
    document = manifest_of(content())
    edit(document)
    with pytest.raises(ManifestError, match=re.escape(message)):
        decode_bundle(rebuilt(content(), document))


SPELLED = {
    "space": (lambda t: t.replace(":", ": ", 1), "not in canonical form"),
    "trailing space": (lambda t: t + " ", "not in canonical form"),
    "trailing newline": (lambda t: t + "\n", "not in canonical form"),
    "key twice": (lambda t: t.replace("{", '{"artifact":"model.onnx",', 1), "not in canonical form"),
    "key twice with two values": (lambda t: t.replace("{", '{"artifact":"z",', 1), "not in canonical form"),
    "key order": (lambda t: json.dumps(dict(reversed(json.loads(t).items()))), "not in canonical form"),
    "escaped slash": (lambda t: t.replace('"host"', '"\\u0068ost"', 1), "not in canonical form"),
    "exponent": (lambda t: t.replace("1.5}", "15e-1}", 1), "not in canonical form"),
    "trailing zero": (lambda t: t.replace("1.5}", "1.50}", 1), "not in canonical form"),
    "infinity by overflow": (lambda t: t.replace("1.5}", "1e999}", 1), "number 1e999 is not finite"),
    "minus infinity by overflow": (lambda t: t.replace("1.5}", "-1e999}", 1), "number -1e999 is not finite"),
    "NaN": (lambda t: t.replace("1.5}", "NaN}", 1), "number NaN is not finite"),
    "Infinity": (lambda t: t.replace("1.5}", "Infinity}", 1), "number Infinity is not finite"),
    "many digits": (lambda t: t.replace("1.5}", "1" * 5000 + "}", 1), "is not finite or too long"),
    "a comment": (lambda t: "//" + t, "manifest is not JSON in ASCII"),
    "cut off": (lambda t: t[:-1], "manifest is not JSON in ASCII"),
    "two documents": (lambda t: t + t, "manifest is not JSON in ASCII: Extra data"),
    "not ASCII": (lambda t: t.replace('"host"', '"hóst"', 1), "manifest is not JSON in ASCII"),
    "byte order mark": (lambda t: "\ufeff" + t, "manifest is not JSON in ASCII"),
    "nested a million deep": (lambda _: "[" * (MAX_MANIFEST_BYTES - 1), "manifest is not JSON in ASCII"),
    "a list": (lambda _: "[]", "manifest: document: expected a table, got list '[]'"),
    "a number": (lambda _: "1", "manifest: document: expected a table, got int '1'"),
    "nothing": (lambda _: "", "manifest is not JSON in ASCII"),
    "too long": (lambda t: t + " " * MAX_MANIFEST_BYTES, "at most 8388608 are read"),
}  # fmt: skip


@pytest.mark.parametrize("name", SPELLED)
def test_misspelled_manifest(name: str):
    respell, message = SPELLED[name]
    changed = respell(text())
    assert changed != text()
    with pytest.raises(ManifestError, match=re.escape(message)):
        parse_manifest(changed.encode())


def with_golden(file: str, body: bytes) -> bytes:
    """The bundle with another golden file, its size and hash mended."""
    document = manifest_of(content())
    entry = next(f for f in document["files"] if f["name"] == file)
    entry["size_bytes"], entry["sha256"] = len(body), sha256(body)
    return rebuilt(content(), document, **{file.replace(".", "__"): body})


HEADER = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1), }"


def npy(header: str, data: bytes = bytes(4)) -> bytes:
    """A .npy file of that header, padded as it should be."""
    padded = header + " " * (-(10 + len(header) + 1) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded.encode() + data


IN, OUT = "golden-in-0.npy", "golden-out-0.npy"
GOLDEN = {
    "dtype": (IN, npy_bytes(np.zeros((1, 1))), "expected real numbers as float32, got float64"),
    "rank": (IN, npy_bytes(np.zeros(1, np.float32)), "expected rank 2, got shape [1]; for one row"),
    "columns": (IN, npy_bytes(np.zeros((1, 2), np.float32)), "axis 1 must be 1, got shape [1, 2]"),
    "no rows": (IN, npy_bytes(np.zeros((0, 1), np.float32)), "expected at least one row, got shape [0, 1]"),
    "NaN": (IN, npy_bytes(np.float32([[np.nan]])), "nan at index [0, 0]; this model takes finite"),
    "text": (IN, npy_bytes(np.array([["a"]])), "expected real numbers as float32, got str"),
    "output dtype": (OUT, npy_bytes(np.zeros((1, 1), np.int64)), "1 rows of output y: float32[batch, 1]"),
    "output rank": (OUT, npy_bytes(np.zeros(1, np.float32)), "got float32[1]"),
    "output columns": (OUT, npy_bytes(np.zeros((1, 2), np.float32)), "got float32[1, 2]"),
    "output rows": (OUT, npy_bytes(np.zeros((2, 1), np.float32)), "got float32[2, 1]"),
    "nothing": (IN, b"", "not a plain .npy file"),
    "not a .npy": (IN, b"hello" * 40, "not a plain .npy file"),
    "cut off": (IN, npy(HEADER)[:-1], "shape [1, 1] of float32 needs 4 bytes, got 3"),
    "too long": (IN, npy(HEADER) + b"\0", "shape [1, 1] of float32 needs 4 bytes, got 5"),
    "another version": (IN, npy(HEADER).replace(b"\x01\x00", b"\x02\x00", 1), "not the canonical header"),
    "pickled": (IN, npy(HEADER.replace("<f4", "|O")), "not a plain .npy file"),
    "big-endian": (IN, npy(HEADER.replace("<", ">")), "not a plain .npy file"),
    "Fortran order": (IN, npy(HEADER.replace("False", "True")), "not a plain .npy file"),
    "structured": (IN, npy(HEADER.replace("'<f4'", "[('a', '<f4')]")), "not a plain .npy file"),
    "unknown dtype": (IN, npy(HEADER.replace("<f4", "<f3")), "unknown dtype '<f3'"),
    "code": (IN, npy("__import__('os').system('true')"), "not a plain .npy file"),
    "a giant": (IN, npy(HEADER.replace("(1, 1)", "(1000000000, 1)")), "needs 4000000000 bytes, got 4"),
    "a giant of giants": (IN, npy(HEADER.replace("(1, 1)", "(99999999999, 1)")), "malformed shape"),
    "leading zero": (IN, npy(HEADER.replace("(1, 1)", "(01, 1)")), "malformed shape"),
    "no comma": (IN, npy(HEADER.replace("(1, 1)", "(1)")), "not the canonical header"),
    "other padding": (IN, npy(HEADER + " " * 64), "not the canonical header"),
}  # fmt: skip


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_vector_that_does_not_fit(name: str):
    file, body, message = GOLDEN[name]
    with pytest.raises(ManifestError, match=re.escape(message)):
        decode_bundle(with_golden(file, body))


def test_golden_vector_that_fits():
    bundle = decode_bundle(with_golden(IN, npy(HEADER)))
    assert bundle.golden(bundle.manifest.fixture.inputs)["x"].tolist() == [[0.0]]


finite = st.floats(allow_nan=False, allow_infinity=False)
words = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | finite | words


@given(st.dictionaries(words, scalars, max_size=5), words.filter(bool), finite)
def test_manifest_round_trip(options: dict[str, Any], name: str, value: float):
    manifest = decode_bundle(content()).manifest
    changed = dataclasses.replace(
        manifest,
        name=name,
        provenance=dataclasses.replace(manifest.provenance, options=options),
        verdicts=(dataclasses.replace(manifest.verdicts[0], value=value),),
    )
    again = parse_manifest(dump_manifest(changed))
    assert again == changed
    assert list(map(type, again.provenance.options.values())) == list(
        map(type, dict(sorted(options.items())).values())
    )
    assert str(again.verdicts[0].value) == str(value)  # -0.0 too


labels = st.one_of(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, unique=True).map(lambda v: ("int64", v)),
    st.lists(st.booleans(), min_size=1, unique=True).map(lambda v: ("bool", v)),
    st.lists(finite, min_size=1, unique=True).map(lambda v: ("float64", v)),
    st.lists(words.filter(lambda w: "\0" not in w), min_size=1, unique=True).map(lambda v: ("str", v)),
)


@given(
    st.builds(lambda d: ClassLabels(d[0], tuple(d[1])), labels),
    st.lists(st.integers(1, 2**31 - 1) | st.none(), max_size=6),
    st.lists(st.floats(1e-30, 1e30), min_size=1, max_size=3),
    st.booleans(),
)
def test_signature_round_trip(table: ClassLabels, shape: list[int | None], scale: list[float], nan: bool):
    affine = Affine(tuple(scale), tuple(-s for s in scale))
    x = TensorSpec("x", "int8", (None, *shape, len(scale)), affine, nan)
    signature = Signature((x,), (TensorSpec("y", "int64", (None,)),), (Method("predict", ("y",), (table,)),))
    again = decode(Signature, json.loads(json.dumps(encode(signature))))
    assert again == signature
    assert again.methods[0].labels[0].array().tolist() == list(table.values)


terms = st.lists(words, min_size=1, unique=True).map(tuple)
analyzers = st.builds(Analyzer, lowercase=st.booleans(), stop_words=terms, ngram_range=st.just((1, 3)))
values = st.lists(st.none() | st.booleans() | st.integers(-5, 5) | finite | words, min_size=1, unique=True)
hashed = st.integers(1, 2**31 - 1)
encodings = st.one_of(
    st.builds(Categories, values.map(tuple), st.sampled_from(["code", "refuse"])),
    st.builds(Words, terms, analyzers, st.booleans()),
    st.builds(HashedWords, hashed, analyzers, st.booleans(), st.booleans()),
    st.builds(Records, terms, words),
    st.builds(HashedRecords, hashed, st.sampled_from(["dict", "pair", "string"]), st.booleans()),
    st.builds(Sets, terms),
)


@given(encodings)
def test_encoding_round_trip(encoding: Encoding):
    x = TensorSpec("x", "float32", (None, encoding.width), source="s", encoding=encoding)
    outputs = (TensorSpec("y", "float32", (None,)),)
    signature = Signature((x,), outputs, (Method("predict", ("y",)),), ("s", "t"))
    again = decode(Signature, json.loads(json.dumps(encode(signature))))
    assert again == signature
    if isinstance(encoding, Categories):  # 1, 1.0 and True are equal, and are not the same
        assert repr(again.inputs[0].encoding) == repr(encoding)


@given(st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(words, inner), max_leaves=8))
def test_codec_raises_nothing_but_its_own_error(value: Any):
    with pytest.raises(CodecError):
        decode(Manifest, value)


@dataclasses.dataclass(frozen=True)
class _Record:
    number: float
    choice: Literal["a", "b"] = "a"
    maybe: int | None = None
    items: tuple[int, ...] = ()


def test_a_large_vocabulary_fits():
    vocabulary = tuple(f"wörterbuch {i}" for i in range(50_000))
    x = TensorSpec("x", "float32", (None, len(vocabulary)), encoding=Words(vocabulary))
    manifest = decode_bundle(content()).manifest
    signature = dataclasses.replace(manifest.signature, inputs=(x,))
    fixture = dataclasses.replace(manifest.fixture, rows=manifest.fixture.inputs[0].file + ".json")
    entry = dataclasses.replace(manifest.files[0], name=fixture.rows)
    files = tuple(sorted((*manifest.files, entry), key=lambda f: f.name))
    large = dataclasses.replace(manifest, signature=signature, fixture=fixture, files=files)
    written = dump_manifest(large)
    assert parse_manifest(written) == large
    assert len(written) < MAX_MANIFEST_BYTES / 5


def test_codec_fills_in_defaults_and_widens_integers():
    record = decode(_Record, {"number": 1})
    assert record == _Record(1.0)
    assert type(record.number) is float
    assert decode(_Record, encode(_Record(2.0, "b", 3, (4,)))) == _Record(2.0, "b", 3, (4,))
    for value, message in (
        ({"number": True}, "number: expected float, got bool 'True'"),
        ({"number": float("nan")}, "number: expected a finite number, got nan"),
        ({"number": 10**400}, "number: expected float, got int"),
        ({"number": 1, "choice": "c"}, "choice: expected one of a, b, got 'c'"),
        ({"number": 1, "items": [1, "2"]}, "items[1]: expected int, got str '2'"),
        ({"number": 1, "maybe": 1.0}, "maybe: expected int, got float '1.0'"),
    ):
        with pytest.raises(CodecError, match=re.escape(message)):
            decode(_Record, value)
