"""What crosses between processes: a job in one piece, once for each process, and a task's answer back.

Only bytes that this process and its workers pickled for each other are unpickled. Whatever process works does
one task at a time: converters patch their frameworks while they trace.
"""

from __future__ import annotations

import hashlib
import pickle
import platform
import threading
import traceback
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from edgeml.job import Job
from edgeml_runtime.errors import EdgeMLError

KEPT = 2  # jobs that a worker keeps opened
_PACKAGES = (
    *("edgeml", "edgeml-converters", "edgeml-runtime", "numpy", "scipy", "scikit-learn", "skl2onnx"),
    *("lightgbm", "xgboost", "catboost", "onnx", "onnxruntime", "ai-edge-litert"),
    *("tensorflow", "keras", "tf-keras", "tf2onnx"),
)
_one_at_a_time = threading.Lock()
_opened: OrderedDict[str, Job] = OrderedDict()


class UncrossableError(Exception):
    """A job that does not pickle; the message says why."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A pickled job: sha256 of its bytes, and the versions that it must be worked on with."""

    digest: str
    versions: Mapping[str, str]
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a worker sends back: the pickled result or exception, or why the job could not be opened there."""

    kind: Literal["result", "error", "unopened"]
    content: bytes = field(default=b"", repr=False)
    reason: str = ""

    def result(self) -> Any:
        """The result; raises what the task raised."""
        found = pickle.loads(self.content)  # noqa: S301  our own worker's
        if self.kind == "error":
            raise found
        return found


@cache
def versions_here() -> dict[str, str]:
    """Of Python and of every package that outcomes depend on; `none` where it is not installed."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "none"
    return found


def difference(theirs: Mapping[str, str], ours: Mapping[str, str]) -> str:
    """`numpy 2.3.0 there, 2.4.6 here` for every package that differs; empty where none does."""
    names = [name for name in ours if theirs.get(name, "none") != ours[name]]
    return "; ".join(f"{name} {theirs.get(name, 'none')} there, {ours[name]} here" for name in names)


def packed(job: Job) -> Parcel:
    """Raises UncrossableError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # frameworks' own, while they save what they pickle to
            content = pickle.dumps(job, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # frameworks' own ways to refuse
        raise UncrossableError(str(error)) from error
    return Parcel(hashlib.sha256(content).hexdigest(), versions_here(), content)


def serve(
    digest: str,
    versions: Mapping[str, str],
    content: bytes | str | Job,
    do: Callable[[Job, Any], Any],
    task: Any,
) -> Answer:
    """A worker's side: open the job, or take the one that is open, and do the task.

    content: the parcel's, the path of a file that holds it, or the job itself for a thread of its process.
    """
    with _one_at_a_time:
        try:
            job = content if isinstance(content, Job) else _job(digest, versions, content)
        except Exception as error:  # noqa: BLE001  told to whoever sent it
            return Answer("unopened", reason=f"{type(error).__name__}: {error}")
        try:
            found = do(job, task)
        except Exception as error:  # noqa: BLE001  raised again where it is asked for
            return Answer("error", _pickled_error(error))
        try:
            return Answer("result", pickle.dumps(found, protocol=pickle.HIGHEST_PROTOCOL))
        except Exception as error:  # noqa: BLE001  told to whoever asked
            return Answer("unopened", reason=f"its result does not pickle: {error}")


def _job(digest: str, versions: Mapping[str, str], content: bytes | str) -> Job:
    if digest not in _opened:
        differs = difference(versions_here(), versions)
        if differs:
            raise UncrossableError(f"the worker has other versions: {differs}")
        raw = Path(content).read_bytes() if isinstance(content, str) else content
        if hashlib.sha256(raw).hexdigest() != digest:
            raise UncrossableError("other bytes than were sent")
        while len(_opened) >= KEPT:
            _opened.popitem(last=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _opened[digest] = pickle.loads(raw)  # noqa: S301  the client's own, by its digest
    _opened.move_to_end(digest)
    return _opened[digest]


def _pickled_error(error: Exception) -> bytes:
    """Exceptions that cannot be made again from what they pickle to are told as text."""
    where = "".join(traceback.format_exception(error))
    if not isinstance(error, EdgeMLError):
        error.add_note(f"in a worker:\n{where}")
    try:
        content = pickle.dumps(error)
        pickle.loads(content)  # noqa: S301  pickled in the line before
    except Exception:  # noqa: BLE001  any class, any reason
        return pickle.dumps(RuntimeError(where))
    return content
