"""Workers: the tasks of jobs in this process or in others, with the same results in the same order.

    tasks --in flight--> answers
             | worker lost: each suspect again, alone --lost again--> what stands for a lost one
             | executor lost: the rest in a process of our own
             | cannot cross: in this process, in the end

A lost worker costs a retry, never the run.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from edgeml.crossing import Answer, UncrossableError, packed, serve
from edgeml.dask_cluster import client_of, is_at_work, is_killed_worker, keep
from edgeml.job import Job, Progress, attempt
from edgeml.judge import Outcome
from edgeml.local_pool import LocalPool, NoProcessError
from edgeml.plan import Candidate
from edgeml_runtime.errors import EngineFailedError

Task = TypeVar("Task")
Found = TypeVar("Found")
ALONE = 2  # times that a suspect is tried by itself
PATIENCE_SECONDS = 60.0  # with tasks waiting and no worker at any
_POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Work(Generic[Task, Found]):
    """What is done with every task of a job.

    do: a function of a module, so that other processes find it; nothing that is timed beside other work is a
    measurement. lost: what stands for a task that kept losing its workers. name: of a job's task, for people.
    here: the same in this process, with nothing beside it and somebody to report to.
    """

    do: Callable[[Job, Task], Found]
    lost: Callable[[Task], Found]
    name: Callable[[Job, Task], str]
    here: Callable[[Job, Task, Progress], Found] | None = None


def _lost_attempt(candidate: Candidate) -> tuple[Outcome, ...]:
    error = EngineFailedError(
        f"{candidate.name}: the process that built and judged it died, {ALONE} times with nothing beside it "
        "(out of memory, or a crash in a converter or an engine); give workers more memory, or leave this "
        "format or scheme out"
    )
    return (Outcome(candidate, "failed", error=error),)


ATTEMPTS: Work[Candidate, tuple[Outcome, ...]] = Work(
    attempt, _lost_attempt, lambda _job, candidate: f"building and judging {candidate.name}", attempt
)


def work_through(
    work: Work[Task, Found],
    tasks: Sequence[tuple[Job, Task]],
    executor: Executor | Shipping | None,
    report: Progress,
    done: Callable[[int, Found], None] | None = None,
) -> tuple[list[Found], tuple[str, ...]]:
    """Results in the order of the tasks, and remarks on what was not done where it was meant to be.

    executor: a Shipping where several calls have tasks of the same jobs. done: told of each result with its
    place as soon as it is known, in this process, in any order. Raises what a task raises, KeyboardInterrupt
    after the pending tasks were cancelled.
    """
    if isinstance(executor, Executor):
        with shipping(executor) as sent:
            return work_through(work, tasks, sent, report, done)
    running = _Run(work, tasks, report, done)
    if executor is None or executor.lost:
        running.here.extend(range(len(tasks)))
        running.finish_here()
    else:
        running.shipping = executor
        running.run()
    return [running.results[number] for number in range(len(tasks))], tuple(running.remarks)


@contextmanager
def shipping(executor: Executor | None) -> Iterator[Shipping | None]:
    """Jobs stay with the executor's workers while this is open; None, which is this process, for None."""
    if executor is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="edgeml-") as folder:
        yield Shipping(executor, Path(folder))


@dataclass(slots=True)
class Shipping:
    """An executor, and the jobs that were sent to its workers. lost: no more is sent there."""

    executor: Executor
    folder: Path
    sent: dict[int, tuple[str, Any, Any] | str] = field(default_factory=dict)
    lost: bool = False

    def submit(self, work: Work[Task, Found], job: Job, task: Task) -> Future[Answer] | str:
        """Why the job cannot be sent, where it cannot; raises BrokenExecutor or RuntimeError."""
        if id(job) not in self.sent:
            self.sent[id(job)] = self._send(job)
        sent = self.sent[id(job)]
        return sent if isinstance(sent, str) else self.executor.submit(serve, *sent, work.do, task)

    def _send(self, job: Job) -> tuple[str, Any, Any] | str:
        """What `serve` takes for the job."""
        if isinstance(self.executor, ThreadPoolExecutor):
            return "", {}, job
        try:
            parcel = packed(job)
        except UncrossableError as error:
            return str(error)
        client = client_of(self.executor)
        if client is not None:
            return parcel.digest, parcel.versions, keep(client, parcel.content)
        if isinstance(self.executor, (LocalPool, ProcessPoolExecutor)):
            path = self.folder / parcel.digest
            path.write_bytes(parcel.content)
            return parcel.digest, parcel.versions, str(path)
        return parcel.digest, parcel.versions, parcel.content

    @property
    def at_once(self) -> int | None:
        """How many tasks may be in flight: of those beside one that breaks a pool, each is a suspect."""
        return self.executor.processes if isinstance(self.executor, LocalPool) else None

    def is_idle(self) -> bool:
        """Whether this is a cluster that works on nothing: without workers, or at a standstill."""
        client = client_of(self.executor)
        return client is not None and not is_at_work(client)


@dataclass(slots=True)
class _Run(Generic[Task, Found]):
    """The state of one `work_through`; tasks go by their numbers."""

    work: Work[Task, Found]
    tasks: Sequence[tuple[Job, Task]]
    report: Progress
    done: Callable[[int, Found], None] | None = None
    shipping: Shipping | None = None
    results: dict[int, Found] = field(default_factory=dict)
    waiting: deque[int] = field(default_factory=deque)
    flying: dict[Future[Answer], int] = field(default_factory=dict)
    suspects: set[int] = field(default_factory=set)
    here: list[int] = field(default_factory=list)
    remarks: dict[str, None] = field(default_factory=dict)
    own: LocalPool | None = None  # in place of an executor that was lost

    def run(self) -> None:
        """Everything, wherever it can be done."""
        try:
            self.waiting.extend(range(len(self.tasks)))
            while self.waiting or self.flying or self.suspects:
                self._launch()
                if self.flying:
                    self._show(min(self.flying.values()))
                    self._land()
                if self.suspects and not self.flying:
                    self._try_suspects()
            self.finish_here()
        except BaseException:
            for future in self.flying:
                future.cancel()
            if self.shipping is not None and isinstance(self.shipping.executor, LocalPool):
                self.shipping.executor.renew()
            raise
        finally:
            if self.own is not None:
                self.own.shutdown()

    def finish_here(self) -> None:
        """In this process, in turn."""
        for number in sorted(self.here):
            self._show(number)
            job, task = self.tasks[number]
            here = self.work.here
            self._settle(number, self.work.do(job, task) if here is None else here(job, task, self.report))

    def _settle(self, number: int, found: Found) -> None:
        self.results[number] = found
        if self.done is not None:
            self.done(number, found)

    def _show(self, number: int, remark: str = "") -> None:
        name = self.work.name(*self.tasks[number])
        self.report(f"{name}{remark}", len(self.results), len(self.tasks))

    def _launch(self) -> None:
        while self.waiting and not self.suspects:
            at_once = None if self.shipping is None else self.shipping.at_once
            if at_once is not None and len(self.flying) >= at_once:
                return
            number = self.waiting.popleft()
            future = self._submit(number)
            if future is not None:
                self.flying[future] = number

    def _submit(self, number: int) -> Future[Answer] | None:
        """None where it waits again or is to be done here."""
        if self.shipping is None:
            self.here.append(number)
            return None
        try:
            sent = self.shipping.submit(self.work, *self.tasks[number])
        except (BrokenExecutor, RuntimeError) as error:  # broken, or shut down by somebody
            self.waiting.appendleft(number)
            self._lose_executor(error)
            return None
        if isinstance(sent, Future):
            return sent
        self._do_here(number, sent)
        return None

    def _do_here(self, number: int, reason: str) -> None:
        job, _ = self.tasks[number]
        name = job.gates.model.name
        self.remarks[f"{name} was worked on in this process: it cannot be sent to workers ({reason})"] = None
        self.here.append(number)

    def _land(self) -> None:
        for future in self._wait():
            number = self.flying.pop(future, None)  # none where the executor broke in between
            if number is not None and not self._take(number, future):
                self.suspects.add(number)

    def _wait(self) -> set[Future[Answer]]:
        """What is done first; nothing where the executor was given up."""
        waited = 0.0
        while waited < PATIENCE_SECONDS:
            done, _ = wait(self.flying, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
            if done:
                return done
            idle = self.shipping is not None and self.shipping.is_idle()
            waited = waited + _POLL_SECONDS if idle else 0.0
        self._lose_executor(f"none of its workers was at work for {PATIENCE_SECONDS:.0f} s")
        return set()

    def _take(self, number: int, future: Future[Answer]) -> bool:
        """False where its worker was lost, and maybe by its doing."""
        try:
            answer = future.result()
        except BrokenExecutor as error:
            self._break(error)
            return False
        except CancelledError:  # not by us
            self.waiting.append(number)
            self._lose_executor("it cancelled its tasks")
            return True
        except Exception as error:  # noqa: BLE001  what an executor raises is its own
            if is_killed_worker(error):
                self._remark_loss()
                return False
            self._do_here(number, f"{type(error).__name__}: {error}")
            return True
        if answer.kind == "unopened":
            self._do_here(number, answer.reason)
        else:
            self._settle(number, answer.result())
        return True

    def _remark_loss(self) -> None:
        self.remarks["a worker was lost: what it had was done again"] = None

    def _break(self, error: BrokenExecutor) -> None:
        """A pool breaks as a whole: what was in flight and is not done is suspect, every one."""
        flying, self.flying = self.flying, {}
        for future, number in flying.items():
            finished = future.done() and not future.cancelled() and future.exception() is None
            if not (finished and self._take(number, future)):
                self.suspects.add(number)
        if self.shipping is not None and isinstance(self.shipping.executor, LocalPool):
            self._remark_loss()
            self.shipping.executor.renew()
        else:
            self._replace_executor(error)

    def _lose_executor(self, reason: object) -> None:
        """Without suspects: what was in flight waits again."""
        self.waiting.extendleft(sorted(self.flying.values(), reverse=True))
        for future in self.flying:
            future.cancel()
        self.flying.clear()
        self._replace_executor(reason)

    def _replace_executor(self, reason: object) -> None:
        if self.shipping is None:
            return
        self.shipping.lost = True
        if isinstance(reason, NoProcessError):
            self.remarks[f"all was done in this process: {reason}"] = None
            self.shipping = None
            return
        self.remarks[f"the executor was lost ({reason}): the rest was done in a process of this machine"] = (
            None
        )
        self.own = LocalPool(1)
        self.shipping = Shipping(self.own, self.shipping.folder)

    def _try_suspects(self) -> None:
        """Each by itself, so that the culprit and nobody else is blamed.

        In a process of this machine: a cluster has lost several workers by then, and one whose workers die
        as soon as they start may come to a standstill.
        """
        suspects, self.suspects = sorted(self.suspects), set()
        before = self.shipping
        if before is not None and not isinstance(before.executor, LocalPool):
            self.own = self.own or LocalPool(1)
            self.shipping = Shipping(self.own, before.folder)
        for number in suspects:
            self._show(number, " again: its worker was lost")
            self._alone(number)
        if self.shipping is not None:
            self.shipping = before

    def _alone(self, number: int) -> None:
        for _ in range(ALONE):
            future = self._submit(number)
            if future is None:
                return
            self.flying[future] = number
            if not self._wait():
                return
            del self.flying[future]
            if self._take(number, future):
                return
        self._settle(number, self.work.lost(self.tasks[number][1]))
