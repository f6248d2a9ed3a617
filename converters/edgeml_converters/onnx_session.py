"""onnxruntime on the build host: to prove graphs, to calibrate, and as the oracle of ONNX files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeml_runtime.errors import EngineFailedError, UnsupportedModelError
from edgeml_runtime.signature import Array

BATCH_ROWS = 256  # rows that one call takes at most: whole data sets stay within memory
_FATAL = 4  # log level: errors are raised, so they need not be printed too


def open_session(content: bytes, name: str, threads: int = 1, *, frugal: bool = False) -> Any:
    """A session on the CPU (threads 0: as many as there are cores).

    frugal: memory is given back after each call, and no tensor is held in two layouts at once.

    Raises UnsupportedModelError where onnxruntime does not take the graph of that name.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = _FATAL
    if frugal:
        options.enable_cpu_mem_arena = options.enable_mem_pattern = False
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise UnsupportedModelError(
            f"{name}: onnxruntime {onnxruntime.__version__} does not run this graph: {error}"
        ) from error


def run_rows(session: Any, rows: Mapping[str, Array], batch: int | None) -> list[Any]:
    """All outputs for all rows, `batch` (or up to 256) of them at a time; ZipMap's dictionaries as a list.

    A graph for a fixed batch gets its last rows repeated until they fill it. Raises EngineFailedError.
    """
    size = batch or BATCH_ROWS
    total = len(next(iter(rows.values())))
    parts: list[list[Any]] = []
    for start in range(0, total, size):
        indices = np.arange(start, start + size if batch else min(start + size, total))
        chosen = np.minimum(indices, total - 1)
        try:
            results = session.run(None, {name: for_engine(array[chosen]) for name, array in rows.items()})
        except Exception as error:
            raise EngineFailedError(f"onnxruntime failed on rows from {start}: {error}") from error
        parts.append([result[: min(size, total - start)] for result in results])
    return [_joined(list(pieces)) for pieces in zip(*parts, strict=True)]


def for_engine(rows: Array) -> Array:
    """Strings as objects, which is how onnxruntime takes them."""
    return rows.astype(np.object_) if rows.dtype.kind == "U" else np.ascontiguousarray(rows)


def _joined(pieces: list[Any]) -> Any:
    if isinstance(pieces[0], list):
        return [item for piece in pieces for item in piece]
    whole = np.concatenate(pieces)
    return whole.astype(np.str_) if whole.dtype.kind == "O" else whole
