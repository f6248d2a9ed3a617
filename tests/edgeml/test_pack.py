"""Golden rows, names, tolerances and what of a verdict goes into the bundle."""

from __future__ import annotations

import numpy as np
import pytest
from bundles import TABLE_ROWS, node, onnx_graph, table_bundle_bytes, tiny_bundle_bytes
from hypothesis import given
from hypothesis import strategies as st

from edgeml import pack
from edgeml.pack import GOLDEN_ROWS, bundle_name, bundle_of, golden_rows, with_verdicts
from edgeml.reference import Reference
from edgeml_converters.model import Artifact, Data, TrainedModel
from edgeml_runtime.archive import ENTRY_NAME
from edgeml_runtime.bundle import Bundle, decode_bundle
from edgeml_runtime.encodings import HashedWords
from edgeml_runtime.errors import InputError
from edgeml_runtime.manifest import Budget, Verdict
from edgeml_runtime.signature import Method, Signature, TensorSpec
from edgeml_runtime.verify import verify


def reference(margins=None) -> Reference:
    return Reference({}, None, margins, None, None)


@given(st.integers(1, 500))
def test_golden_rows_are_spread_and_never_twice(count):
    chosen = golden_rows(Data(np.arange(count)), reference())
    assert len(chosen) == min(GOLDEN_ROWS, count) == len(set(chosen.tolist()))
    assert chosen[0] == 0
    assert count <= GOLDEN_ROWS or chosen[-1] == count - 1


def test_golden_rows_are_those_whose_label_no_rounding_changes():
    margins = np.linspace(0, 1, 100)
    margins[10] = np.nan
    chosen = golden_rows(Data(np.arange(100)), reference(margins))
    assert len(chosen) == GOLDEN_ROWS
    assert margins[chosen].min() >= np.nanmedian(margins) - 0.02


def packed(rows: Data, signature: Signature | None = None, content: bytes | None = None) -> Bundle:
    """The table of `tests/bundles.py`, packed with those golden rows."""
    table = decode_bundle(table_bundle_bytes())
    signature = signature or table.manifest.signature
    return bundle_of(
        Artifact("onnx", "float32", content or table.artifact, signature),
        TrainedModel("sklearn", "toy", object(), "regression", signature, (), "0" * 64),
        rows,
        device="host",
        budget=Budget(),
        provenance=table.manifest.provenance,
    )


def test_golden_rows_of_a_table_are_packed_as_callers_give_them():
    import pandas

    unused = {name: values for name, values in TABLE_ROWS.items() if name != "unused"}
    bundles = [packed(Data(x)) for x in (TABLE_ROWS, unused, pandas.DataFrame(TABLE_ROWS))]
    assert bundles[0].digest == bundles[1].digest
    assert all(bundle.golden_rows() == unused for bundle in bundles)  # 41 and 41.0 are spelled differently
    assert bundles[0].golden(bundles[0].manifest.fixture.inputs)["c1"].tolist() == [[1], [0], [2]]
    assert verify(bundles[0]).golden == "ok"


def test_wide_encodings_get_fewer_golden_rows(monkeypatch: pytest.MonkeyPatch):
    spec = {"x": ("float32", [None, 64])}
    content = onnx_graph([node("Add", "x x", "y")], spec, {"y": spec["x"]}, {})
    x = TensorSpec("x", "float32", (None, 64), encoding=HashedWords(64))
    outputs = (TensorSpec("y", "float32", (None, 64)),)
    signature = Signature((x,), outputs, (Method("transform", ("y",)),))
    documents = Data(["some words", "others", "and more", "of them"])
    assert len(packed(documents, signature, content).golden_rows()) == 4
    monkeypatch.setattr(pack, "GOLDEN_BYTES", 2 * 4 * 64)
    assert packed(documents, signature, content).golden_rows() == documents.x[:2]
    monkeypatch.setattr(pack, "MAX_BYTES", 15)  # of one document, its quotes and brackets
    assert packed(documents, signature, content).golden_rows() == documents.x[:1]
    monkeypatch.setattr(pack, "MAX_BYTES", 4)
    with pytest.raises(InputError, match="a single row has more than 4 bytes"):
        packed(documents, signature, content)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("digits-forest", "digits-forest"),
        ("My Model (v2).KERAS", "my-model-v2-.keras"),
        ("../../etc/passwd", "etc-passwd"),
        ("żółw", "w"),
        ("模型", "model"),
        ("", "model"),
        ("a" * 100, "a" * 64),
    ],
)
def test_any_text_becomes_a_bundles_name(text, name):
    assert bundle_name(text) == name


@given(st.text())
def test_a_bundles_name_is_always_a_file_name(text):
    assert ENTRY_NAME.fullmatch(bundle_name(text))


def test_what_varies_from_run_to_run_stays_out_of_the_bundle():
    bundle = decode_bundle(tiny_bundle_bytes())

    def packed(latency_ms: float) -> bytes:
        verdicts = (
            Verdict("size", "passed", 1.0, 2.0, "kB", "any", "kept"),
            Verdict("latency", "unproven", latency_ms, 5.0, "ms", "this host", f"median {latency_ms}"),
            Verdict("memory", "measured", 1e5 * latency_ms, None, "kB", "this host", "peak"),
        )
        return with_verdicts(bundle, verdicts)

    assert packed(1.0) == packed(2.0)
    kept = decode_bundle(packed(1.0)).manifest.verdicts
    assert [(v.gate, v.status, v.value, v.limit, v.detail) for v in kept] == [
        ("size", "passed", 1.0, 2.0, "kept"),
        ("latency", "unproven", None, 5.0, ""),
        ("memory", "measured", None, None, ""),
    ]
