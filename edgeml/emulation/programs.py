"""Programs of this machine that a setup runs, and what they complain about."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence

_LOOK_EVERY_S = 0.5


def run(
    command: Sequence[str],
    settings: Mapping[str, str] | None = None,
    *,
    timeout_s: float | None = None,
    watch: Callable[[], None] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run to the end, in English, with nothing to read; `watch` is called twice a second meanwhile.

    Raises TimeoutExpired (without `watch`); whatever ends the wait ends the program too.
    """
    with subprocess.Popen(  # noqa: S603  no shell; the program is one that the caller chose
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        # A lock that is meant to be inherited is held until this program ends too, were we to be killed.
        close_fds=False,
        env={**os.environ, "LC_ALL": "C", **(settings or {})},
    ) as process:
        try:
            while True:
                try:
                    output, errors = process.communicate(
                        timeout=timeout_s if watch is None else _LOOK_EVERY_S
                    )
                    break
                except subprocess.TimeoutExpired:
                    if watch is None:
                        raise
                    watch()
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """What a failed program said on stderr, on one line: its errors, or its last line."""
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    errors = [line.split(":", 1)[1].strip() for line in said if line.startswith(("E:", "ERROR:"))]
    return "; ".join(errors[:5] or said[-1:]) or f"exit code {done.returncode}"
