"""Golden rows: what callers give, beside the golden inputs made of it; verified, measured, or refused."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import pytest

from edgeml_runtime.bench import BenchPlan, measure
from edgeml_runtime.bundle import decode_bundle, encode_bundle
from edgeml_runtime.cli import DRIFT_EXIT_CODE, main
from edgeml_runtime.encodings import HashedRecords, Records, Sets, Words
from edgeml_runtime.errors import InputError, ManifestError
from edgeml_runtime.feeds import tensors_of
from edgeml_runtime.golden_rows import MAX_BYTES, parse_rows, plain_rows, select_rows
from edgeml_runtime.session import Session
from edgeml_runtime.signature import Method, Signature, TensorSpec
from edgeml_runtime.strict_json import dump
from edgeml_runtime.verify import verify
from tests.bundles import TABLE, TABLE_ROWS, table_bundle_bytes, tiny_bundle_bytes
from tests.conftest import require_module

NAN = float("nan")


@pytest.fixture(autouse=True, scope="module")
def engine_is_installed():
    require_module("onnxruntime")


def of(encoding: Any) -> Signature:
    x = TensorSpec("x", "float32", (None, encoding.width), encoding=encoding)
    return Signature((x,), (TensorSpec("y", "float32", (None,)),), (Method("predict", ("y",)),))


def test_a_bundle_shows_how_to_call_it():
    bundle = decode_bundle(table_bundle_bytes())
    rows = bundle.golden_rows()
    assert rows == {name: values for name, values in TABLE_ROWS.items() if name != "unused"}
    y = Session(bundle).predict(rows)
    np.testing.assert_array_equal(y, np.float32([[251], [NAN], [23.5]]))
    assert select_rows(rows, [2, 0])["city"] == ["2", "Oslo"]


def test_what_is_not_encoded_needs_no_rows():
    bundle = decode_bundle(tiny_bundle_bytes())
    assert bundle.manifest.fixture.rows is None
    assert bundle.golden_rows().tolist() == [[0.5]]


def test_verify_encodes_the_rows():
    result = verify(decode_bundle(table_bundle_bytes()))
    assert (result.golden, result.rows_encoded_differently) == ("ok", ())


def test_rows_that_are_encoded_differently_are_drift(tmp_path, capsys):
    other = {**TABLE_ROWS, "city": ["Oslo", "Oslo", "2"], "note": ["good good", "bad", "bad"]}
    rows = {name: values for name, values in other.items() if name != "unused"}
    content = table_bundle_bytes(rows=rows)
    result = verify(decode_bundle(content))
    assert (result.golden, result.rows_encoded_differently) == ("drift", (1, 2))
    assert not any(check.rows_outside for check in result.outputs)
    (tmp_path / "b.edgeml").write_bytes(content)
    assert main(["verify", str(tmp_path / "b.edgeml")]) == DRIFT_EXIT_CODE
    assert "rows encoded differently here: 1, 2" in capsys.readouterr().out


def test_rows_that_the_signature_refuses():
    rows = {"age": [1, 2, 3], "city": ["Oslo", "Riga", "2"], "note": ["", "", ""]}
    with pytest.raises(ManifestError, match="golden rows do not fit the signature: column 'city': 'Riga'"):
        verify(decode_bundle(table_bundle_bytes(rows=rows)))


@pytest.mark.parametrize("batch", [1, 4])
def test_what_is_measured_is_the_callers_call(batch: int):
    plan = BenchPlan(threads=1, batch=batch, warmup_seconds=0.0, seconds=1e-6, min_samples=3)
    assert len(measure(decode_bundle(table_bundle_bytes()), plan).samples_ns) == 3


@pytest.mark.parametrize(
    ("encoding", "x", "plain"),
    [
        (Words(("a",)), np.array(["a", "b"]), ["a", "b"]),
        (
            Records(("a",)),
            [{"a": np.float32(0.5), "n": NAN, "t": ("x",)}, {}],
            [{"a": 0.5, "n": None, "t": ["x"]}, {}],
        ),
        (HashedRecords(4), [{b"n\xc3\xbc": np.int64(2)}], [{"n\u00fc": 2}]),
        (HashedRecords(4, "pair"), [[("a", True)]], [[["a", True]]]),
        (Sets(("a", "b")), [{"b", "a"}, np.array(["b"])], [["a", "b"], ["b"]]),
    ],
)
def test_rows_as_json(encoding: Any, x: Any, plain: Any):
    signature = of(encoding)
    assert plain_rows(signature, x) == plain
    assert parse_rows(dump(plain), signature, len(plain)) == plain
    for name, tensor in tensors_of(signature, plain).items():
        finite = (
            [{k: v for k, v in row.items() if v == v} for row in x] if isinstance(encoding, Records) else x
        )
        np.testing.assert_array_equal(tensor, tensors_of(signature, finite)[name])


def test_rows_that_json_cannot_hold():
    with pytest.raises(InputError, match="a row holds object <object"):
        plain_rows(of(Sets((1,))), [[object()]])
    with pytest.raises(InputError, match="a row has int 1 for the name of a feature"):
        plain_rows(of(Records(("a",))), [{1: 2}])


DAMAGED: dict[str, tuple[Signature, bytes, str]] = {
    "no JSON": (TABLE, b"[", "golden rows is not JSON in ASCII"),
    "spacing": (TABLE, b"{ }", "not in canonical form"),
    "a list for a table": (TABLE, b"[1,2,3]", "golden rows must be a table of age, city, note"),
    "another column": (TABLE, dump({"age": [1, 2, 3]}), "golden rows must be a table of age, city, note"),
    "a row too few": (
        TABLE,
        dump({"age": [1, 2], "city": [1, 2, 3], "note": [1, 2, 3]}),
        "lists of 3 items",
    ),
    "no list": (TABLE, dump({"age": 1, "city": [1, 2, 3], "note": [1, 2, 3]}), "lists of 3 items"),
    "a table for a list": (of(Words(("a",))), b'{"x":[1,2,3]}', "golden rows must be lists of 3 items"),
    "a long document": (of(Words(("a",))), dump(["a" * (1 << 21), "", ""]), "at most 1048576 are read"),
    "many bytes": (of(Words(("a",))), b" " * (MAX_BYTES + 1), "at most 8388608 are read"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_rows_that_are_refused(name: str):
    signature, content, message = DAMAGED[name]
    with pytest.raises(ManifestError, match=re.escape(message)):
        parse_rows(content, signature, 3)


def test_a_bundle_with_damaged_rows_is_refused():
    bundle = decode_bundle(table_bundle_bytes())
    with pytest.raises(ManifestError, match="golden rows must be a table of age, city, note"):
        encode_bundle(bundle.manifest, {**bundle.files, "golden-rows.json": b"[]"})


def test_rows_are_there_exactly_where_the_runtime_encodes():
    for content, rows in ((table_bundle_bytes(), None), (tiny_bundle_bytes(), "golden-in-0.npy")):
        bundle = decode_bundle(content)
        with pytest.raises(ValueError, match="must name a file where inputs are columns or encoded"):
            dataclasses.replace(
                bundle.manifest, fixture=dataclasses.replace(bundle.manifest.fixture, rows=rows)
            )
