"""Several models for several devices: each read once, all candidates one queue, then every pair decided."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeml.choose import OBJECTIVES
from edgeml.devices import DeviceProfile, load_device
from edgeml.job import Job, Progress, Subject, job_for, read
from edgeml.judge import Outcome
from edgeml.pipeline import Result, conclude
from edgeml.plan import check_names
from edgeml.workers import ATTEMPTS, work_through
from edgeml_converters.model import Data
from edgeml_runtime.errors import EdgeMLError, InputError, NothingFitsError, UnknownNameError
from edgeml_runtime.manifest import Budget


@dataclass(frozen=True, slots=True)
class Entry:
    """A model, with those arguments of `edgeml.compile` that are its own; `name` is unique among entries."""

    model: Any = field(repr=False)
    name: str
    data: Data | str | Path | None = field(default=None, repr=False)
    target: str | None = None
    budget: Budget = field(default_factory=Budget)
    trust_pickle: bool = False


@dataclass(frozen=True, slots=True)
class Compiled:
    """What came of a model for a device: a result, in which nothing may fit, or an error."""

    model: str
    device: str
    result: Result | None = field(default=None, repr=False)
    error: EdgeMLError | None = None

    @property
    def exit_code(self) -> int:
        """0 where something fits."""
        if self.error is not None:
            return self.error.exit_code
        fits = self.result is not None and self.result.chosen is not None
        return 0 if fits else NothingFitsError.exit_code


@dataclass(frozen=True, slots=True)
class Compilations:
    """Every pair, model by model, and remarks on what was not done where it was meant to be."""

    pairs: tuple[Compiled, ...]
    remarks: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 where all fit, else 6 where one did not, else the first error's."""
        codes = [pair.exit_code for pair in self.pairs if pair.exit_code]
        return NothingFitsError.exit_code if NothingFitsError.exit_code in codes else next(iter(codes), 0)


def compile_many(
    entries: Sequence[Entry],
    devices: Sequence[str | Path | DeviceProfile],
    *,
    formats: Sequence[str] | None = None,
    schemes: Sequence[str] | None = None,
    objective: str = "latency",
    seed: int = 0,
    executor: Executor | None = None,
    progress: Progress | None = None,
    done: Callable[[Compiled], None] | None = None,
) -> Compilations:
    """Every entry for every device, as `edgeml.compile` does it.

    executor: where candidates are built and judged, those of all pairs in one queue; in this process without
    one. What they cost is measured in this process, in turn. done: told of each pair once it is decided. An
    EdgeMLError of one model or pair is its own result. Raises InputError for names that are not unique,
    UnknownNameError.
    """
    report = progress or (lambda _what, _done, _total: None)
    if objective not in OBJECTIVES:
        raise UnknownNameError("objective", objective, OBJECTIVES)
    check_names(formats, schemes)
    profiles = [d if isinstance(d, DeviceProfile) else load_device(d) for d in devices]
    _check_unique("model", [entry.name for entry in entries])
    _check_unique("device", [profile.name for profile in profiles])
    prepared: list[tuple[str, str, _Prepared | EdgeMLError]] = []
    for number, entry in enumerate(entries):
        report(f"reading {entry.name}", number, len(entries))
        found = _jobs(entry, profiles, formats, schemes, objective, seed)
        prepared += [(entry.name, profile.name, one) for profile, one in zip(profiles, found, strict=True)]
    jobs = [one.job for _, _, one in prepared if not isinstance(one, EdgeMLError)]
    tasks = [(job, candidate) for job in jobs for candidate in job.plan.candidates]
    attempts, remarks = work_through(ATTEMPTS, tasks, executor, report)
    proven: dict[int, list[Outcome]] = {id(job): [] for job in jobs}
    for (job, _), outcomes in zip(tasks, attempts, strict=True):
        proven[id(job)] += outcomes
    pairs = []
    for number, (model, device, one) in enumerate(prepared):
        report(f"measuring {model} for {device}", number, len(prepared))
        pair = (
            Compiled(model, device, error=one)
            if isinstance(one, EdgeMLError)
            else _concluded(model, one, proven[id(one.job)], objective)
        )
        pairs.append(pair)
        if done is not None:
            done(pair)
    return Compilations(tuple(pairs), remarks)


@dataclass(frozen=True, slots=True)
class _Prepared:
    job: Job
    subject: Subject


def _jobs(
    entry: Entry,
    profiles: Sequence[DeviceProfile],
    formats: Sequence[str] | None,
    schemes: Sequence[str] | None,
    objective: str,
    seed: int,
) -> list[_Prepared | EdgeMLError]:
    """For each device what is to be done, or why nothing is."""
    try:
        subject = read(
            entry.model,
            data=entry.data,
            target=entry.target,
            name=entry.name,
            seed=seed,
            trust_pickle=entry.trust_pickle,
            report=_silent,
        )
    except EdgeMLError as error:
        return [error] * len(profiles)
    found: list[_Prepared | EdgeMLError] = []
    for profile in profiles:
        try:
            job = job_for(
                subject,
                profile,
                budget=entry.budget,
                formats=formats,
                schemes=schemes,
                objective=objective,
            )
        except EdgeMLError as error:
            found.append(error)
        else:
            found.append(_Prepared(job, subject))
    return found


def _concluded(model: str, one: _Prepared, proven: Sequence[Outcome], objective: str) -> Compiled:
    device = one.job.gates.device.name
    try:
        result = conclude(one.job, one.subject.coverage, proven, objective=objective, report=_silent)
    except EdgeMLError as error:
        return Compiled(model, device, error=error)
    return Compiled(model, device, result)


def _check_unique(what: str, names: Sequence[str]) -> None:
    if not names:
        raise InputError(f"no {what} to compile for" if what == "device" else f"no {what} to compile")
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise InputError(f"{what} {twice[0]!r} comes twice; every one needs a name of its own")


def _silent(_what: str, _done: int, _total: int) -> None:
    """Steps within a model or pair are not shown: the line shows which pair."""
