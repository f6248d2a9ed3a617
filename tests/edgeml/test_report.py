"""The report for people: advice that holds, and text of a model or a file that cannot steer the terminal."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from sklearn.datasets import load_wine
from sklearn.naive_bayes import GaussianNB

import edgeml
from edgeml.report import _rounded_up, print_result
from edgeml_runtime.errors import ConversionError

X, Y = load_wine(return_X_y=True)


@given(st.floats(1e-9, 1e9))
def test_the_limit_that_is_advised_is_never_below_what_is_needed(value):
    printed = float(_rounded_up(value))
    assert value <= printed <= value * (1 + 2e-5)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (-0.01, "-0.01"), (53.936, "53.936"), (1 / 75, "0.0133334"), (1234.5678, "1234.57")],
)
def test_advice_is_short(value, text):
    assert _rounded_up(value) == text


def printed(result) -> str:
    stream = io.StringIO()
    print_result(result, Console(file=stream, width=120))
    return stream.getvalue()


def test_what_a_model_or_an_error_is_called_cannot_steer_the_terminal():
    model = GaussianNB().fit(X, np.array(["[red]a", "b\x1b[2J", "c"])[Y])
    result = edgeml.compile(
        model, device="host", formats=["onnx"], schemes=["float32"], name="[bold]\x1b[31mwine"
    )
    failed = replace(
        result.outcomes[0], status="failed", error=ConversionError("no [/bold]\x1b[0m"), parity=None
    )
    text = printed(replace(result, outcomes=(result.outcomes[0], failed)))
    assert "\x1b" not in text
    assert "[bold]\\x1b[31mwine" in text
    assert "onnx/float32: no [/bold]\\x1b[0m" in text
    assert "failed: ConversionError" in text
