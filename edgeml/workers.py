"""Workers: the tasks of jobs in this process or in others, with the same results in the same order.

A job is sent in one piece and kept by the process that opened it. Whatever process works, it does one task
at a time: converters patch their frameworks while they trace. A worker that dies costs a retry: what it had
goes on in a process of our own, one task at a time, so that a task that kills its worker is known.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import pickle
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from edgeml.job import Job, Progress, attempt
from edgeml.judge import Outcome
from edgeml.plan import Candidate
from edgeml_runtime.errors import ConversionError, InputError

Task = TypeVar("Task")
Found = TypeVar("Found")
LAUNCHES = 2  # of a task alone, before it is given up


@dataclass(frozen=True, slots=True)
class Work(Generic[Task, Found]):
    """What is done with every task of a job.

    do: a function of a module, so that other processes find it. lost: what stands for a task that killed
    every worker it was given to. name: of a job's task, for people.
    """

    do: Callable[[Job, Task], Found]
    lost: Callable[[Task], Found]
    name: Callable[[Job, Task], str]


def _lost(candidate: Candidate) -> tuple[Outcome, ...]:
    died = f"{candidate.name}: its worker died {LAUNCHES} times: killed for memory, or a crash in native code"
    return (Outcome(candidate, "failed", error=ConversionError(f"{died}; leave its format or scheme out")),)


ATTEMPTS: Work[Candidate, tuple[Outcome, ...]] = Work(attempt, _lost, lambda _job, candidate: candidate.name)


@contextmanager
def local_pool(jobs: int) -> Iterator[Executor | None]:
    """Processes of this machine; None, which is this process itself, for one.

    Raises InputError for fewer than one.
    """
    if jobs < 1:
        raise InputError(f"jobs must be 1 or more, got {jobs}")
    if jobs == 1:
        yield None
        return
    pool = _pool(jobs)
    try:
        yield pool
    finally:
        _end(pool)


def work_through(
    work: Work[Task, Found],
    tasks: Sequence[tuple[Job, Task]],
    executor: Executor | None,
    report: Progress,
) -> tuple[list[Found], tuple[str, ...]]:
    """Results in the order of the tasks, and remarks on what was not done where it was meant to be.

    executor: None does all in this process. Raises what a task raises; KeyboardInterrupt after what waits was
    cancelled.
    """
    with tempfile.TemporaryDirectory(prefix="edgeml-") as folder:
        through = _Through(work, tasks, report, Path(folder))
        if executor is not None:
            through.send(executor)
            through.retry()
        through.finish_here()
        return [through.results[number] for number in range(len(tasks))], tuple(through.remarks)


@dataclass(slots=True)
class _Through(Generic[Task, Found]):
    """How far the tasks are, by their number."""

    work: Work[Task, Found]
    tasks: Sequence[tuple[Job, Task]]
    report: Progress
    folder: Path
    results: dict[int, Found] = field(default_factory=dict)
    lost: list[int] = field(default_factory=list)  # whose worker died
    remarks: dict[str, None] = field(default_factory=dict)
    files: dict[int, Path | None] = field(default_factory=dict)  # by a job's id; None where it cannot be sent

    def send(self, executor: Executor) -> None:
        """All to the executor; what comes of it."""
        contents: dict[Path, Any] = {}
        futures: dict[int, Future[Any]] = {}
        for number, (job, task) in enumerate(self.tasks):
            file = self._file(job)
            if file is None:
                continue
            if file not in contents:
                contents[file] = _content(file, executor)
            try:
                futures[number] = executor.submit(_open_and_do, file.stem, contents[file], self.work.do, task)
            except (BrokenExecutor, RuntimeError):  # it broke over an earlier task, or was shut down
                self.lost.append(number)
        try:
            for number, future in futures.items():
                self._take(number, future)
        except BaseException:
            for future in futures.values():
                future.cancel()
            raise

    def retry(self) -> None:
        """What died with its worker, in a process of our own, one after the other."""
        if not self.lost:
            return
        self.remarks["a worker died: what it had was done again in a process of this machine"] = None
        pool = _pool(1)
        try:
            for number in sorted(self.lost):
                job, task = self.tasks[number]
                file = self._file(job)
                if file is None:
                    continue
                for _ in range(LAUNCHES):
                    future = pool.submit(_open_and_do, file.stem, file, self.work.do, task)
                    self.lost = []
                    self._take(number, future)
                    if not self.lost:
                        break
                    _end(pool)
                    pool = _pool(1)
                else:
                    self.results[number] = self.work.lost(task)
        finally:
            _end(pool)

    def finish_here(self) -> None:
        """What nobody else has done."""
        for number, (job, task) in enumerate(self.tasks):
            if number not in self.results:
                self._tell(number)
                self.results[number] = self.work.do(job, task)

    def _take(self, number: int, future: Future[Any]) -> None:
        self._tell(number)
        job, _ = self.tasks[number]
        try:
            found = future.result()
        except (BrokenExecutor, CancelledError):
            self.lost.append(number)
        except Exception as error:
            # Dask's KilledWorker, after retries of its own, and what it raises where its scheduler is gone.
            if not type(error).__module__.startswith("distributed"):
                raise
            self.lost.append(number)
        else:
            if isinstance(found, _Unopened):
                self._keep_here(job, found.reason)
            else:
                self.results[number] = found

    def _file(self, job: Job) -> Path | None:
        """The pickled job, named by its digest."""
        if id(job) not in self.files:
            try:
                content = pickle.dumps(job, protocol=pickle.HIGHEST_PROTOCOL)
            except Exception as error:  # noqa: BLE001  of a framework's object, of any type
                self._keep_here(job, f"{type(error).__name__}: {error}")
            else:
                file = self.folder / hashlib.sha256(content).hexdigest()
                file.write_bytes(content)
                self.files[id(job)] = file
        return self.files[id(job)]

    def _keep_here(self, job: Job, reason: str) -> None:
        self.files[id(job)] = None
        name = job.gates.model.name
        self.remarks[f"{name} was worked on in this process, since workers cannot take it: {reason}"] = None

    def _tell(self, number: int) -> None:
        job, task = self.tasks[number]
        self.report(f"building and judging {self.work.name(job, task)}", number, len(self.tasks))


def _content(file: Path, executor: Executor) -> Any:
    """What a worker opens: the file on this machine, elsewhere its bytes, which Dask sends once a worker."""
    if isinstance(executor, (ProcessPoolExecutor, ThreadPoolExecutor)):
        return file
    content = file.read_bytes()
    if type(executor).__module__.startswith("distributed"):
        from distributed import default_client

        return default_client().scatter(content, hash=True)
    return content


@dataclass(frozen=True, slots=True)
class _Unopened:
    """A worker cannot make a job of what it was sent."""

    reason: str


_at_work = threading.Lock()
_opened: dict[str, Job] = {}  # the latest: one after the other, tasks are of the same job


def _open_and_do(
    digest: str, content: bytes | Path, do: Callable[[Job, Task], Found], task: Task
) -> Found | _Unopened:
    """In a worker: the task of a job, which is opened unless it is the one at hand."""
    with _at_work:
        if digest not in _opened:
            held = content.read_bytes() if isinstance(content, Path) else content
            if hashlib.sha256(held).hexdigest() != digest:
                return _Unopened("it arrived damaged")
            try:
                job = pickle.loads(held)  # noqa: S301  of the process that gave the task
            except Exception as error:  # noqa: BLE001  of a framework's object, of any type
                return _Unopened(f"{type(error).__name__}: {error}")
            _opened.clear()
            _opened[digest] = job
        return do(_opened[digest], task)


def _pool(processes: int) -> ProcessPoolExecutor:
    """Fresh processes: a fork of one that has loaded TensorFlow hangs."""
    return ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), initializer=_begin)


def _begin() -> None:
    """Ctrl-C reaches every process of a terminal; the one that gave the work ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _end(pool: ProcessPoolExecutor) -> None:
    """Now, whatever a worker is at."""
    processes = list((pool._processes or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()
    for process in processes:
        process.join()
