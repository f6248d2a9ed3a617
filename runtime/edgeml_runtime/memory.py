"""Resident memory of this process, from Linux' /proc; None where there is none.

`getrusage` is not used: its peak survives `exec`, so a child would report its parent's.
"""

from __future__ import annotations

import contextlib
from pathlib import Path


def _status_bytes(field: str) -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    return None


def resident_memory_bytes() -> int | None:
    """What is resident now."""
    return _status_bytes("VmRSS")


def peak_memory_bytes() -> int | None:
    """The most that was resident since the start, or since `reset_peak_memory`."""
    return _status_bytes("VmHWM")


def reset_peak_memory() -> None:
    """Start a new peak; where that is not allowed the old one stays."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
