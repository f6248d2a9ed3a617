"""Shared fixtures: real data, and the rule that CI turns skips of required extras into failures."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


def require(what: str, *, available: bool, reason: str) -> None:
    """Skip where `what` is absent; fail where EDGEML_REQUIRE (comma-separated, or `all`) names it."""
    if available:
        return
    if is_required(what):
        pytest.fail(f"EDGEML_REQUIRE names {what}: {reason}", pytrace=False)
    pytest.skip(reason)


def is_required(what: str) -> bool:
    """Whether EDGEML_REQUIRE names it."""
    required = {name.strip() for name in os.environ.get("EDGEML_REQUIRE", "").split(",")}
    return what in required or "all" in required


def require_module(*modules: str) -> None:
    """Skip (or fail, see `require`) unless those modules are installed."""
    for module in modules:
        installed = importlib.util.find_spec(module) is not None
        require(module, available=installed, reason=f"{module} is not installed")


def require_program(*programs: str) -> None:
    """Skip (or fail, see `require`) unless those programs are on the path."""
    for program in programs:
        require(program, available=shutil.which(program) is not None, reason=f"{program} is not installed")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data and models beside the checkout."""
    require("shared-data", available=SHARED_DATA.is_dir(), reason="../shared/data is absent")
    return SHARED_DATA


def printed_elsewhere(test_file: str, code: str) -> list[str]:
    """The lines that `code` prints in a process with another hash seed, that test file imported as `t`.

    Anything on stderr fails the test.
    """
    file = Path(test_file)
    script = f"import sys; sys.path[:0] = sys.argv[1:3]; import {file.stem} as t\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", script, str(file.parent), str(file.parents[1])],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )
    assert done.stderr == ""
    return done.stdout.splitlines()
