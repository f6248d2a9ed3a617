"""Golden rows, names, tolerances and what of a verdict goes into the bundle."""

from __future__ import annotations

import numpy as np
import pytest
from bundles import tiny_bundle_bytes
from hypothesis import given
from hypothesis import strategies as st

from edgeml.pack import GOLDEN_ROWS, bundle_name, golden_rows, with_verdicts
from edgeml.reference import Reference
from edgeml_converters.model import Data
from edgeml_runtime.archive import ENTRY_NAME
from edgeml_runtime.bundle import decode_bundle
from edgeml_runtime.manifest import Verdict


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
