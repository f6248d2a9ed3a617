"""Programs of this machine that a setup runs, and what they complain about."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence


def run(
    command: Sequence[str], settings: Mapping[str, str] | None = None, timeout_s: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run to the end, in English, with nothing to read; raises TimeoutExpired."""
    return subprocess.run(  # noqa: S603  no shell; the program is one that the caller chose
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=timeout_s,
        env={**os.environ, "LC_ALL": "C", **(settings or {})},
    )


def complaint(done: subprocess.CompletedProcess[str], marks: tuple[str, ...] = ("E:", "ERROR:")) -> str:
    """What a failed program said on stderr, on one line: its errors, or its last line."""
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    errors = [line.split(":", 1)[1].strip() for line in said if line.startswith(marks)]
    return "; ".join(errors[:5] or said[-1:]) or f"exit code {done.returncode}"
