"""Budgets: a TOML file, flags on top, and every refusal by name."""

from __future__ import annotations

import pytest

from edgeml.budget import read_budget
from edgeml_runtime.errors import InputError
from edgeml_runtime.manifest import Budget


def file(tmp_path, text, name="budget.toml"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_without_a_file_or_flags_there_is_no_limit():
    assert read_budget(None) == Budget()
    assert read_budget(None, max_size_kb=None) == Budget()


def test_flags_replace_the_files_limits(tmp_path):
    path = file(tmp_path, "max_accuracy_drop = 0.01\nmax_size_kb = 64\n")
    assert read_budget(path) == Budget(max_accuracy_drop=0.01, max_size_kb=64)
    assert read_budget(path, max_size_kb=32.0, max_latency_ms=None, max_memory_kb=1) == Budget(
        max_accuracy_drop=0.01, max_size_kb=32, max_memory_kb=1
    )


def test_a_limit_of_zero_is_a_limit(tmp_path):
    assert read_budget(file(tmp_path, "max_accuracy_drop = 0")).max_accuracy_drop == 0
    assert (
        read_budget(file(tmp_path, "max_accuracy_drop = 0.5"), max_accuracy_drop=0.0).max_accuracy_drop == 0
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("max_size = 3", "max_size"),
        ("max_size_kb = -1", "max_size_kb must be a finite number of at least 0, got -1"),
        ("max_size_kb = nan", "max_size_kb.*finite"),
        ("max_latency_ms = inf", "max_latency_ms.*finite"),
        ("max_memory_kb = '3 MB'", "max_memory_kb: expected float, got str '3 MB'"),
        ("max_memory_kb = true", "max_memory_kb: expected float, got bool"),
        ("[limits]\nmax_size_kb = 3", "limits"),
        ("max_size_kb = ", "Invalid value"),
    ],
)
def test_a_wrong_file_names_itself_the_field_and_what_a_budget_has(tmp_path, text, problem):
    path = file(tmp_path, text)
    expected = f"budget {path}: .*{problem}.*; a budget has max_accuracy_drop, max_latency_ms, max_size_kb,"
    with pytest.raises(InputError, match=expected):
        read_budget(path)


def test_a_file_that_is_absent_or_not_text(tmp_path):
    with pytest.raises(InputError, match=r"cannot read budget '.*absent.toml': No such file"):
        read_budget(tmp_path / "absent.toml")
    path = tmp_path / "budget.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"budget .*: 'utf-8' codec"):
        read_budget(path)


@pytest.mark.parametrize("value", [-0.5, float("nan"), float("inf")])
def test_a_wrong_flag_names_the_limit(value):
    with pytest.raises(InputError, match=r"budget: max_accuracy_drop must be a finite number of at least 0"):
        read_budget(None, max_accuracy_drop=value)
