"""Memory bandwidth and multiply-adds of one core, measured in this process: `python -m edgeml.probing.rates`.

A process of its own, pinned to one CPU, with numpy's BLAS told to use one thread before it is loaded. Prints
one JSON object of rates a second.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time
from collections.abc import Callable

import numpy as np

from edgeml_runtime.signature import Array

MIN_COPY_BYTES = 64 << 20
REPEATS = 7
SHORTEST_SECONDS = 0.01  # of a timed run
# Not zero: some memories store zeros without writing them, and are three times as fast then.
_FILLING = 0xA5
# Three float32 matrices of these edges lie in a first-level or a second-level cache.
EDGES = (64, 96, 128, 192, 256)


def bandwidth(copy_bytes: int) -> dict[str, int]:
    """Bytes a second that the C library's memcpy copies (each counted once) and its memset writes.

    The convention of tinymembench, whose numbers device profiles hold; the median of several runs.
    """
    source, target = np.ones(copy_bytes, np.uint8), np.ones(copy_bytes, np.uint8)
    return {
        "memcpy": _median(
            copy_bytes, lambda: ctypes.memmove(target.ctypes.data, source.ctypes.data, copy_bytes)
        ),
        "memset": _median(copy_bytes, lambda: ctypes.memset(target.ctypes.data, _FILLING, copy_bytes)),
    }


def sgemm() -> tuple[int, int]:
    """Multiply-adds a second of numpy's float32 matrix product, and the edge of the fastest matrices."""
    best = (0, 0)
    for edge in EDGES:
        a, b = np.ones((edge, edge), np.float32), np.ones((edge, edge), np.float32)
        calls = 1
        while _products(calls, a, b) < SHORTEST_SECONDS:
            calls *= 2
        taken = min(_products(calls, a, b) for _ in range(REPEATS))
        best = max(best, (int(calls * edge**3 / taken), edge))
    return best


def _products(calls: int, a: Array, b: Array) -> float:
    """Seconds of so many matrix products."""
    out = np.empty_like(a)
    begin = time.perf_counter()
    for _ in range(calls):
        np.matmul(a, b, out=out)
    return time.perf_counter() - begin


def _median(size: int, run: Callable[[], object]) -> int:
    run()  # touches every page
    return int(size / sorted(_seconds(run) for _ in range(REPEATS))[REPEATS // 2])


def _seconds(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def main() -> int:
    """Argument: bytes to copy at a time."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    macs, edge = sgemm()
    print(json.dumps({**bandwidth(int(sys.argv[1])), "sgemm": macs, "edge": edge}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
