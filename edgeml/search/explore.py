"""Explore: trials one after the other until a limit, the end of the space or Ctrl-C; the best are kept."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from edgeml.build import Trial
from edgeml.job import Job, Progress
from edgeml.judge import Outcome, prove
from edgeml.plan import Candidate
from edgeml.refining import recipe_provenance
from edgeml.search.evaluate import Laboratory, Worth, laboratory, rank
from edgeml.search.front import best_of, front_of, to_judge
from edgeml.search.journal import Journal, Tried, journal_path, open_journal
from edgeml.search.propose import BATCH, propose
from edgeml.search.space import Family, Point, Space, ladder_of
from edgeml_runtime.codec import encode
from edgeml_runtime.errors import ConversionError, InputError, MissingDependencyError

VERSION = 1  # of the space and of how trials are proposed: another one repeats nothing of this
TRIALS = 200
EndedBy = Literal["trials", "time", "exhausted", "interrupt"]


@dataclass(frozen=True, slots=True)
class Limits:
    """When a search ends. `trials` counts those of earlier runs; `seconds` are this run's own."""

    trials: int | None = None
    seconds: float | None = None

    @property
    def most(self) -> int | None:
        """Trials at most; None where only time ends it."""
        return TRIALS if self.trials is None and self.seconds is None else self.trials


@dataclass(frozen=True, slots=True)
class OnFront:
    """A recipe on the front of the trials, with what the calibration rows say of it."""

    candidate: str
    trial: int
    worth: Worth


@dataclass(frozen=True, slots=True)
class Search:
    """What a search did. `known`: trials that the journal held already; `space`: recipes there are.

    artifacts: different files among the trials. journal: None where there was nothing to search.
    """

    trials: int
    known: int
    space: int
    artifacts: int
    seconds: float
    ended_by: EndedBy
    journal: str | None
    front: tuple[OnFront, ...] = ()


def check_limits(limits: Limits) -> None:
    """Raises InputError for limits that are none, MissingDependencyError without Optuna."""
    if limits.trials is not None and limits.trials < 1:
        raise InputError(f"trials must be at least 1, got {limits.trials}")
    if limits.seconds is not None and not 0 < limits.seconds < float("inf"):
        raise InputError(f"the search's seconds must be positive and finite, got {limits.seconds}")
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError("the full search needs optuna: pip install 'edgeml[search]'") from error


def explore(
    job: Job,
    outcomes: Sequence[Outcome],
    objective: str,
    limits: Limits,
    journal: str | Path | None,
    report: Progress,
) -> tuple[list[Outcome], Search]:
    """Outcomes beside those of the plan, for what is on the front of the trials; and what the search did.

    outcomes: of the plan, proven; their recipes are tried first. Ctrl-C ends the trials and keeps what they
    found. Raises InputError where the journal cannot be used.
    """
    started = time.monotonic()
    candidates = [c for c in job.plan.candidates if c.scheme == "int8-static"]
    if not isinstance(job.calibration, Mapping) or not candidates:
        return [], Search(0, 0, 0, 0, 0.0, "exhausted", None)
    bench = laboratory(job)
    known_identity = identity(job)
    path = journal_path(known_identity) if journal is None else Path(journal)
    with open_journal(path, known_identity) as opened:
        search = _Search(job, bench, opened, objective, limits, started, report)
        with _stoppable():
            try:
                space = search.space(candidates, outcomes)
                ended_by = search.run(space, first_points(space, outcomes))
            except KeyboardInterrupt:
                space, ended_by = search.known_space, "interrupt"
        tried = {n: t for n, t in opened.tried.items() if t.family in space.families}
    front = front_of(tried.values())
    found = Search(
        trials=len(tried),
        known=search.known,
        space=len(space),
        artifacts=len({t.worth.digest for t in tried.values() if t.worth is not None}),
        seconds=time.monotonic() - started,
        ended_by=ended_by,
        journal=str(path),
        front=tuple(
            OnFront(space.candidate(t.point).name, t.number, t.worth) for t in front if t.worth is not None
        ),
    )
    return list(_proven(job, bench, space, front, outcomes, report)), found


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
        "kind": job.gates.device.kind,
        "budget": encode(job.gates.budget),
        "candidates": [[c.name, *c.route] for c in job.plan.candidates],
        "seed": job.seed,
        "calibration rows": len(job.split.calibration),
        "versions": versions,
    }


def first_points(space: Space, outcomes: Sequence[Outcome]) -> list[Point]:
    """The recipes of the plan and those that met the budget where it did not."""
    found = []
    for name, family in space.families.items():
        recipes = [o.candidate.recipe for o in outcomes if _family_name(o.candidate) == name]
        found += [Point(name, recipe) for recipe in dict.fromkeys(recipes) if family.holds(recipe)]
    return found


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
    known: int = 0
    known_space: Space = field(default_factory=lambda: Space({}))

    def __post_init__(self) -> None:
        self.known = len(self.journal.tried)

    def space(self, candidates: Sequence[Candidate], outcomes: Sequence[Outcome]) -> Space:
        """Every candidate's recipes; what its operators do to the answers is measured once and remembered."""
        families: dict[str, Family] = {}
        for candidate in candidates:
            self.report(f"search: calibrating {candidate.name}", 0, 0)
            name = _family_name(candidate)
            try:
                self.laboratory.quantizer(candidate)
            except ConversionError:  # which the candidate's own outcome tells
                continue
            if name not in self.journal.ladders:
                self.journal.add_ladder(name, self._ladder(candidate, outcomes))
            families[name] = self.laboratory.family(candidate, self.journal.ladders[name])
        self.known_space = Space(families)
        return self.known_space

    def _ladder(self, candidate: Candidate, outcomes: Sequence[Outcome]) -> tuple[tuple[str, ...], ...]:
        own = [o for o in outcomes if _family_name(o.candidate) == _family_name(candidate)]
        measured = [o.refinement.effects for o in own if o.refinement is not None and o.refinement.effects]

        def progress(done: int, total: int) -> None:
            self.report(f"search: what each operator of {candidate.name} does", done, total)

        ranked = rank(measured[0]) if measured else self.laboratory.ranked(candidate, progress)
        return ladder_of(ranked, [o.candidate.recipe.in_float for o in own])

    def run(self, space: Space, first: Sequence[Point]) -> EndedBy:
        """Batch after batch; what the journal holds is not tried again."""
        most = min(len(space), self.limits.most or len(space))
        tried, ran, began = self.journal.tried, 0, time.monotonic()
        start = 0
        while start < most:
            numbers = range(start, min(start + BATCH, most))
            if any(number not in tried for number in numbers):
                before = {number: trial for number, trial in tried.items() if number < start}
                points = propose(space, first, before, numbers, self.job.seed)
                for number, point in zip(numbers, points, strict=True):
                    if number in tried:
                        continue
                    if self._out_of_time():
                        return "time"
                    self._show(most, ran, began)
                    self._try(space, number, point)
                    ran += 1
            start += BATCH
        return "exhausted" if most == len(space) else "trials"

    def _try(self, space: Space, number: int, point: Point) -> None:
        began = time.monotonic()
        worth = self.laboratory.worth(space, point)
        seconds = round(time.monotonic() - began, 4)
        self.journal.add(space, Tried(number, point.family, point.recipe, worth, seconds))

    def _out_of_time(self) -> bool:
        return self.limits.seconds is not None and time.monotonic() - self.started > self.limits.seconds

    def _show(self, most: int, ran: int, began: float) -> None:
        done = len(self.journal.tried)
        text = "search"
        best = best_of(self.journal.tried.values(), self.objective)
        if best is not None:
            trial, worth = best
            recipe = trial.recipe.describe() or "plain"
            text += (
                f": best {trial.family} ({recipe}), {worth.size_bytes / 1000:.1f} kB, off by {worth.loss:.3g}"
            )
            text += "" if worth.feasible else ", beyond the budget"
        if ran:
            left = (time.monotonic() - began) / ran * (most - done)
            if self.limits.seconds is not None:
                left = min(left, self.limits.seconds - (time.monotonic() - self.started))
            text += f"; {_duration(left)} left"
        self.report(text, done, most)


def _proven(
    job: Job,
    bench: Laboratory,
    space: Space,
    front: Sequence[Tried],
    outcomes: Sequence[Outcome],
    report: Progress,
) -> Iterator[Outcome]:
    """The front on the judging rows, without what the plan's outcomes are already."""
    names = {o.candidate.name for o in outcomes}
    contents = {o.artifact.content for o in outcomes if o.artifact is not None}
    chosen = [t for t in to_judge(front) if space.candidate(t.point).name not in names]
    for number, trial in enumerate(chosen):
        candidate = space.candidate(trial.point)
        report(f"judging {candidate.name}", number, len(chosen))
        artifact = bench.artifact(candidate)
        if artifact.content not in contents:
            contents.add(artifact.content)
            provenance = recipe_provenance(job.provenance(candidate), candidate.recipe)
            yield prove(Trial(candidate, artifact), job.gates, provenance)


def _family_name(candidate: Candidate) -> str:
    return f"{candidate.format}/{candidate.scheme}"


def _duration(seconds: float) -> str:
    seconds = max(0.0, seconds)
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


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
        signal.signal(signal.SIGTERM, before)
