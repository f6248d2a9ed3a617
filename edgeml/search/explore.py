"""Explore: trials one after the other until a limit, the end of the space or Ctrl-C; the best are kept."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from edgeml.build import Trial
from edgeml.devices import is_host
from edgeml.job import Job, Progress
from edgeml.judge import Outcome, prove
from edgeml.plan import Candidate
from edgeml.refining import recipe_provenance
from edgeml.search.evaluate import Laboratory, Worth, error_alone_of, laboratory, leave_laboratory, worth_of
from edgeml.search.front import best_of, front_of, to_judge
from edgeml.search.journal import Journal, Tried, journal_path, open_journal
from edgeml.search.propose import BATCH, propose
from edgeml.search.space import Family, Point, Space, ladder_of
from edgeml.search.summary import EndedBy, Limits, OnFront, Search, duration
from edgeml.workers import Shipping, Work, work_through
from edgeml_runtime.codec import encode
from edgeml_runtime.errors import ConversionError, InputError

Task = TypeVar("Task")
Found = TypeVar("Found")
_WORTHS: Work[Candidate, Worth | None] = Work(worth_of, lambda _: None, lambda _job, task: task.name)
_ERRORS: Work[tuple[Candidate, str], float | None] = Work(
    error_alone_of, lambda _: None, lambda _job, task: task[0].name
)
# What each operator does alone takes as long as that many trials and more: until then, none is in float.
RANKED_AFTER = 3 * BATCH
VERSION = 1  # of the space and of how trials are proposed: another one repeats nothing of this


def explore(
    job: Job,
    outcomes: Sequence[Outcome],
    objective: str,
    limits: Limits,
    journal: str | Path | None,
    report: Progress,
    sent: Shipping | None = None,
) -> tuple[list[Outcome], Search]:
    """Outcomes beside those of the plan, for what is on the front of the trials; and what the search did.

    outcomes: of the plan, proven; their recipes are tried first. sent: where trials are made, this process
    without it. Ctrl-C ends the trials and keeps what they found. Raises InputError where the journal cannot
    be used.
    """
    started = time.monotonic()
    candidates = [c for c in job.plan.candidates if c.scheme == "int8-static"]
    if not isinstance(job.calibration, Mapping) or not candidates:
        return [], Search(0, 0, 0, 0, 0.0, "exhausted", None, _untuned(job))
    facts = identity(job)
    path = journal_path(facts) if journal is None else Path(journal)
    try:
        with open_journal(path, facts) as opened:
            search = _Search(job, laboratory(job), opened, objective, limits, started, report, sent=sent)
            with _stoppable():
                ended_by = search.run(candidates, outcomes)
        return list(search.proven(outcomes)), search.summary(ended_by)
    finally:
        leave_laboratory()


def identity(job: Job) -> dict[str, Any]:
    """What the trials depend on, in JSON values: any of it changed makes another search."""
    versions: dict[str, str] = {"optuna": version("optuna")}
    for candidate in job.plan.candidates:
        versions |= job.provenance(candidate).versions
    return {
        "search": VERSION,
        "model": job.gates.model.digest,
        "data": job.data_digest,
        "device": job.gates.device.name,
        "kind of device": job.gates.device.kind,
        "budget": encode(job.gates.budget),
        "candidates": [[c.name, *c.route] for c in job.plan.candidates],
        "seed": job.seed,
        "calibration rows": len(job.split.calibration),
        "versions": versions,
    }


class _TimeUpError(Exception):
    """The search's seconds are spent."""


@dataclass(slots=True)
class _Search:
    """A running search."""

    job: Job
    laboratory: Laboratory
    journal: Journal
    objective: str
    limits: Limits
    started: float
    report: Progress
    space: Space = field(default_factory=lambda: Space({}))
    sent: Shipping | None = None
    known: int = 0
    known_before: frozenset[int] = frozenset()
    seconds: float = 0.0
    remarks: list[str] = field(default_factory=list)

    def run(self, candidates: Sequence[Candidate], outcomes: Sequence[Outcome]) -> EndedBy:
        """Batch after batch; what the journal holds is not tried again."""
        try:
            self.laboratory.know(t.worth for t in self.journal.tried.values())
            self.known_before = frozenset(self.journal.tried)
            self.space = Space(dict(self._families(candidates, outcomes, ranked=False)))
            first = _first_points(self.space, outcomes)
            unranked = min(RANKED_AFTER, len(self.space))
            self._batches(first, range(min(unranked, self._most())))
            self.space = Space(dict(self._families(candidates, outcomes, ranked=True)))
            self._batches(first, range(unranked, self._most()))
        except _TimeUpError:
            return "time"
        except KeyboardInterrupt:
            return "interrupt"
        finally:
            self.known = sum(trial.number in self.known_before for trial in self.counted())
            self.seconds = time.monotonic() - self.started
        return "exhausted" if self._most() == len(self.space) else "trials"

    def summary(self, ended_by: EndedBy) -> Search:
        """Of the trials within the limit."""
        tried = self.counted()
        return Search(
            trials=len(tried),
            known=self.known,
            recipes=len(self.space),
            artifacts=len({t.worth.digest for t in tried if t.worth is not None}),
            seconds=self.seconds,
            ended_by=ended_by,
            journal=str(self.journal.path),
            untuned=_untuned(self.job),
            remarks=tuple(self.remarks),
            front=tuple(
                OnFront(self.space.candidate(t.point).name, t.number, t.worth)
                for t in front_of(tried)
                if t.worth is not None
            ),
        )

    def counted(self) -> list[Tried]:
        """The trials within the limit: a longer search's journal gives a shorter one's result."""
        found, most = self.journal.tried, self._most()
        return [found[number] for number in sorted(found) if number < most]

    def proven(self, outcomes: Sequence[Outcome]) -> Iterator[Outcome]:
        """The front on the judging rows, without what the plan's outcomes are already."""
        names = {o.candidate.name for o in outcomes}
        contents = {o.artifact.content for o in outcomes if o.artifact is not None}
        front = to_judge(front_of(self.counted()))
        chosen = [t for t in front if self.space.candidate(t.point).name not in names]
        for number, trial in enumerate(chosen):
            candidate = self.space.candidate(trial.point)
            self.report(f"judging {candidate.name}", number, len(chosen))
            artifact = self.laboratory.artifact(candidate)
            if artifact.content not in contents:
                contents.add(artifact.content)
                provenance = recipe_provenance(self.job.provenance(candidate), candidate.recipe)
                yield prove(Trial(candidate, artifact), self.job.gates, provenance)

    def _most(self) -> int:
        most = self.limits.most
        return len(self.space) if most is None else min(most, len(self.space))

    def _families(
        self, candidates: Sequence[Candidate], outcomes: Sequence[Outcome], *, ranked: bool
    ) -> Iterator[tuple[str, Family]]:
        """Without a ranking, only sets of operators in float that the outcomes have."""
        for candidate in candidates:
            self.report(f"search: calibrating {candidate.name}", 0, 0)
            try:
                quantizer = self.laboratory.quantizer(candidate)
            except ConversionError:  # which the candidate's own outcome tells
                continue
            name = _family_name(candidate)
            own = [o for o in outcomes if _family_name(o.candidate) == name]
            ranks = ranked and "in_float" in quantizer.varies
            names = self._ranked(candidate, name, own) if ranks else ()
            macs = self.laboratory.macs(candidate)
            ladder = ladder_of(names, [o.candidate.recipe.in_float for o in own], macs)
            yield name, Family(candidate, quantizer.varies, ladder, macs)

    def _ranked(self, candidate: Candidate, name: str, own: Sequence[Outcome]) -> tuple[str, ...]:
        """Operators by what float would do for them; measured once, and where refining has not done so."""
        errors = dict(self.journal.errors_alone(name))
        for outcome in own:
            if outcome.refinement is not None:
                errors |= {effect.operator.name: effect.alone for effect in outcome.refinement.effects}
        missing = self.laboratory.without_error(candidate, errors)

        def known(number: int, error: float | None) -> None:
            errors[missing[number]] = error
            self.journal.add_error_alone(name, missing[number], error)

        def show(number: int) -> None:
            self.report(f"search: what each operator of {name} does", number, len(missing))

        self._do(_ERRORS, [(candidate, operator) for operator in missing], show, known)
        return self.laboratory.ranked(candidate, errors)

    def _check_journal(self, before: int) -> None:
        for tried in self.journal.tried.values():
            family = self.space.families.get(tried.family)
            if tried.number >= before:
                continue
            if family is None or not family.holds(tried.recipe):
                raise InputError(
                    f"{self.journal.path}: trial {tried.number} is none of this search's recipes; remove the "
                    "file or name another journal"
                )

    def _batches(self, first: Sequence[Point], every: range) -> None:
        """The trials of those numbers that were not made yet."""
        self._check_journal(every.stop)
        tried = self.journal.tried
        ran, began = 0, time.monotonic()

        def show(_number: int) -> None:
            self._show(ran, began)

        for start in every[::BATCH]:
            numbers = range(start, min(start + BATCH, every.stop))
            if all(number in tried for number in numbers):
                continue
            before = {number: trial for number, trial in tried.items() if number < start}
            proposed = zip(numbers, propose(self.space, first, before, numbers, self.job.seed), strict=True)
            new = [(number, point) for number, point in proposed if number not in tried]

            def known(place: int, worth: Worth | None, new: Sequence[tuple[int, Point]] = new) -> None:
                nonlocal ran
                number, point = new[place]
                self.journal.add(self.space, Tried(number, point.family, point.recipe, worth))
                ran += 1

            self._do(_WORTHS, [self.space.candidate(point) for _, point in new], show, known)

    def _do(
        self,
        work: Work[Task, Found],
        tasks: Sequence[Task],
        show: Callable[[int], None],
        known: Callable[[int, Found], None],
    ) -> None:
        """Tasks of the job; each result is told as soon as it is there."""
        if self.sent is not None and tasks:
            self._check_time()
            jobs = [(self.job, task) for task in tasks]
            _, said = work_through(work, jobs, self.sent, lambda _what, done, _total: show(done), known)
            self.remarks += [remark for remark in said if remark not in self.remarks]
            return
        for number, task in enumerate(tasks):
            self._check_time()
            show(number)
            known(number, work.do(self.job, task))

    def _check_time(self) -> None:
        if self.limits.seconds is not None and time.monotonic() - self.started > self.limits.seconds:
            raise _TimeUpError

    def _show(self, ran: int, began: float) -> None:
        counted = self.counted()
        text = "search" + (f", {self._left(ran, began, len(counted))} left" if ran else "")
        best = best_of(counted, self.objective)
        if best is not None:
            trial, worth = best
            name = f"{trial.family} ({trial.recipe.describe() or 'plain'})"
            text += f": best {name}, {worth.size_bytes / 1000:.1f} kB, off by {worth.loss:.3g}"
            text += "" if worth.feasible else ", beyond the budget"
        self.report(text, len(counted), self._most())

    def _left(self, ran: int, began: float, done: int) -> str:
        left = (time.monotonic() - began) / ran * (self._most() - done)
        if self.limits.seconds is not None:
            left = min(left, self.limits.seconds - (time.monotonic() - self.started))
        return duration(left)


def _first_points(space: Space, outcomes: Sequence[Outcome]) -> list[Point]:
    """The recipes of the plan and those that met the budget where it did not."""
    found = []
    for name, family in space.families.items():
        recipes = [o.candidate.recipe for o in outcomes if _family_name(o.candidate) == name]
        found += [Point(name, recipe) for recipe in dict.fromkeys(recipes) if family.holds(recipe)]
    return found


def _family_name(candidate: Candidate) -> str:
    return f"{candidate.format}/{candidate.scheme}"


def _untuned(job: Job) -> str | None:
    device = job.gates.device
    if is_host(device):
        return None
    where = "the firmware sets them" if device.kind != "linux" else "run `edgeml tune` on the bundle there"
    return (
        "engine options, graph optimizations and threads are measured on the device itself, and this "
        f"machine is not {device.name}: {where}"
    )


@contextmanager
def _stoppable() -> Iterator[None]:
    """A request to terminate ends the trials as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)
