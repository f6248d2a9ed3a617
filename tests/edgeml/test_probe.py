"""Probing: what is measured, where it goes, and that nothing else pays for it."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from edgeml.cli import main
from edgeml.devices import is_host, load_device, probe
from edgeml.probing import measured
from edgeml.probing.measured import measured_profile
from edgeml_runtime.errors import InputError
from tests.conftest import require


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    exit_code = main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return exit_code, captured.out, captured.err


@pytest.mark.slow
def test_a_measured_profile_is_this_machine_with_sources(tmp_path, capsys):
    path = tmp_path / "here.toml"
    assert run(capsys, "devices", "probe", "-o", path)[:2] == (0, f"wrote {path}\n")
    profile = load_device(path)
    assert is_host(profile)
    assert 10**8 < profile.bandwidth.memcpy_bytes_per_s < 10**12
    assert profile.bandwidth.memset_bytes_per_s > profile.bandwidth.memcpy_bytes_per_s / 4
    assert profile.peak.fp32_macs_per_s > 10**8
    assert profile.sources["bandwidth"].startswith("measured by edgeml devices probe ")
    exit_code, out, _ = run(capsys, "devices", "show", path, "--json")
    assert exit_code == 0
    assert [f["path"] for f in json.loads(out)["facts"] if f["source"] is None] == []


@pytest.mark.slow
def test_with_a_compiler_the_kernel_measures_int8_too():
    require("cc", available=shutil.which("cc") is not None, reason="no C compiler is installed")
    peak = measured_profile().peak
    assert peak.how.startswith("measured, chains of instructions on registers in C (")
    assert peak.int8_macs_per_s is not None
    # One float32 multiply-add a cycle at least, and no core has 512 of them.
    assert 5 * 10**8 < peak.fp32_macs_per_s < 512 * 6 * 10**9


@pytest.mark.slow
def test_without_a_compiler_the_peak_is_what_blas_reaches(monkeypatch):
    monkeypatch.setattr(measured, "_COMPILERS", ("no-such-compiler",))
    peak = measured_profile().peak
    assert peak.how.startswith("fp32: a lower bound, numpy's BLAS reaches ")
    assert "no C compiler is here" in peak.how
    assert (peak.fp32_macs_per_s > 10**8, peak.int8_macs_per_s) == (True, None)


def test_what_the_system_tells_comes_at_once_and_without_numbers_of_today():
    begin = time.perf_counter()
    profile = probe()
    assert time.perf_counter() - begin < 5
    assert (profile.bandwidth, profile.peak) == (None, None)
    assert load_device("host") == profile


def test_quick_measures_nothing(tmp_path, capsys):
    exit_code, out, _ = run(capsys, "devices", "probe", "--quick", "--json")
    assert exit_code == 0
    assert (json.loads(out)["bandwidth"], json.loads(out)["peak"]) == (None, None)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-o", "host.toml"], "'host' is taken: expected a path such as my-board.toml"),
        (["-o", "board.txt"], "expected a path such as board.toml"),
        (["--name", "other", "-o", "board.toml"], "expected a path such as other.toml"),
        (["-o", "absent/board.toml"], "absent"),
    ],
)
def test_a_path_that_no_profile_could_be_read_from_is_refused_before_measuring(
    arguments, expected, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    exit_code, out, err = run(capsys, "devices", "probe", *arguments)
    assert (exit_code, out) == (InputError.exit_code, "")
    assert expected in err
    assert list(Path.cwd().iterdir()) == []
