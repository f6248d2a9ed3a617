"""The whole way of a model, top to bottom: describe, plan, build, judge, choose; `Result.save` packs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from edgeml.choose import OBJECTIVES, Choice, Explanation, choose
from edgeml.coverage import Coverage
from edgeml.data import Split
from edgeml.devices import DeviceProfile, is_host, load_device
from edgeml.emulation.targets import Target
from edgeml.isa_gate import verification_targets, verify_winners
from edgeml.job import Job, Progress, prepare
from edgeml.judge import Outcome, measured
from edgeml.pack import with_verdicts
from edgeml.plan import LeftOut, check_names
from edgeml.reference import Reference
from edgeml.runoff import RunOff, run_off
from edgeml.search.explore import explore
from edgeml.search.summary import Limits, Search, check_limits
from edgeml.tune import Tuned, tuned_content
from edgeml.tune import tune as tune_bundle
from edgeml.workers import ATTEMPTS, shipping, work_through
from edgeml_converters.model import Data, TrainedModel
from edgeml_runtime.errors import InputError, MissingDependencyError, NothingFitsError, UnknownNameError
from edgeml_runtime.files import write_atomically
from edgeml_runtime.manifest import Budget

SEARCHES = ("fast", "full")


@dataclass(frozen=True, slots=True)
class Result:
    """All that a compilation found out: every candidate with its verdicts, what was left out, the choice."""

    model: TrainedModel
    coverage: Coverage
    device: DeviceProfile
    budget: Budget
    objective: str
    reference: Reference = field(repr=False)
    split: Split = field(repr=False)
    left_out: tuple[LeftOut, ...]
    outcomes: tuple[Outcome, ...]
    choice: Choice
    run_off: RunOff | None = None
    tuned: Tuned | None = None
    search: Search | None = None
    remarks: tuple[str, ...] = ()  # on what was not done as it was asked for

    @property
    def chosen(self) -> Outcome | None:
        """The winner; None when nothing fits, see `explanation`."""
        return self.choice.chosen

    @property
    def front(self) -> tuple[Outcome, ...]:
        """The outcomes that no other beats in accuracy, latency, size and memory at once."""
        return tuple(o for o in self.outcomes if o.candidate.name in self.choice.front)

    @property
    def explanation(self) -> Explanation | None:
        """Why nothing fits: the binding limit, the nearest miss, what relaxing a limit would buy."""
        return self.choice.explanation

    def to_bytes(self) -> bytes:
        """The winner's bundle; raises NothingFitsError."""
        chosen = self.choice.chosen
        if chosen is None or chosen.bundle is None:
            raise NothingFitsError(self.explanation.summary if self.explanation else "nothing fits")
        content = with_verdicts(chosen.bundle, chosen.verdicts)
        return content if self.tuned is None else tuned_content(content, self.tuned)

    def save(self, path: str | Path) -> Path:
        """Write the winner's bundle, whole or not at all; raises NothingFitsError or InputError."""
        write_atomically(Path(path), self.to_bytes())
        return Path(path)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values; its keys are stable."""
        from edgeml.report import result_document

        return result_document(self)

    def to_frame(self) -> Any:
        """A pandas DataFrame with a row for every candidate; raises MissingDependencyError without pandas."""
        from edgeml.report import candidate_rows

        try:
            import pandas
        except ImportError as error:
            raise MissingDependencyError("to_frame needs pandas: pip install 'edgeml[tables]'") from error
        return pandas.DataFrame(candidate_rows(self))


def compile(
    model: Any,
    *,
    device: str | Path | DeviceProfile,
    data: Data | str | Path | None = None,
    target: str | None = None,
    budget: Budget | None = None,
    formats: Sequence[str] | None = None,
    schemes: Sequence[str] | None = None,
    objective: str = "latency",
    name: str | None = None,
    seed: int = 0,
    trust_pickle: bool = False,
    verify_on: str | Sequence[str] | None = None,
    tune: bool = False,
    search: str = "fast",
    trials: int | None = None,
    search_seconds: float | None = None,
    journal: str | Path | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
    announce: Callable[[Coverage], None] | None = None,
) -> Result:
    """The best artifact of a trained model for a device within a budget, with the proof.

    model: a fitted scikit-learn estimator, a Keras model, an ONNX model, or the path of a model file.
    device: a device's name, its profile or a profile's path. data: rows to calibrate and judge on (two
    disjoint parts); without it, calibrated schemes are left out and parity is judged on synthetic rows.
    objective: what to minimise among the candidates that fit, "latency" (measured on this host), "size" or
    "memory". verify_on: targets as `edgeml verify --on` names them, on which the golden vectors of what is
    chosen must hold. tune: also find the engine's fastest options for it (`edgeml.tune`), where the device is
    this machine. search: "fast" judges the plan's candidates; "full" then searches their recipes until so
    many trials or seconds are spent (200 trials if neither is given), remembers them in `journal` (by default
    in the user's cache), judges the best, and tunes what is chosen where the device is this machine; Ctrl-C
    ends the trials and keeps what they found. executor: where candidates are built and judged, in this
    process without one; what they cost is always measured in this one. announce: called with what every step
    and format is taken for, before anything is built.

    Raises the errors of `edgeml_runtime.errors`; a candidate that cannot be built, or that does not fit, is
    not an error but an Outcome.
    """
    budget = budget or Budget()
    report = progress or (lambda _what, _done, _total: None)
    if objective not in OBJECTIVES:
        raise UnknownNameError("objective", objective, OBJECTIVES)
    if not isinstance(budget, Budget):
        raise InputError(f"budget must be an edgeml.Budget, got {type(budget).__name__}")
    limits = _search_limits(search, trials, search_seconds, journal)
    check_names(formats, schemes)  # before a framework is loaded to read the model
    profile = device if isinstance(device, DeviceProfile) else load_device(device)
    targets = verification_targets(verify_on)
    if tune and not is_host(profile):
        raise InputError(
            f"tuning measures on the device itself, and this machine is not {profile.name}: run "
            "`edgeml tune` on the bundle there"
        )

    job, covered = prepare(
        model,
        profile,
        data=data,
        target=target,
        budget=budget,
        formats=formats,
        schemes=schemes,
        objective=objective,
        name=name,
        seed=seed,
        trust_pickle=trust_pickle,
        report=report,
        announce=announce,
    )
    tasks = [(job, candidate) for candidate in job.plan.candidates]
    searched = None
    with shipping(executor) as sent:
        attempts, remarks = work_through(ATTEMPTS, tasks, sent, report)
        proven = [outcome for found in attempts for outcome in found]
        if limits is not None:
            more, searched = explore(job, proven, objective, limits, journal, report, sent)
            proven += more
    return conclude(
        job,
        covered,
        proven,
        objective=objective,
        targets=targets,
        tune=tune or (limits is not None and is_host(profile)),
        search=searched,
        remarks=remarks,
        report=report,
    )


def conclude(
    job: Job,
    covered: Coverage,
    proven: Sequence[Outcome],
    *,
    objective: str,
    report: Progress,
    targets: Sequence[Target] = (),
    tune: bool = False,
    search: Search | None = None,
    remarks: tuple[str, ...] = (),
) -> Result:
    """Measure what was proven, in turn and in this process, and choose.

    Raises the first candidate's error where every one failed.
    """
    outcomes = []
    for number, outcome in enumerate(proven):
        report(f"measuring {outcome.candidate.name}", number, len(proven))
        outcomes.append(measured(outcome, job.gates))
    report("choosing", len(outcomes), len(outcomes))
    _raise_if_none_built(outcomes)
    here = job.gates.device.kind == "linux"
    found = run_off(outcomes, report) if here and objective == "latency" else None
    as_fast = () if found is None else found.equal
    pick = partial(choose, objective=objective, host_tells=here, as_fast=as_fast)
    outcomes = verify_winners(outcomes, pick, targets, report)
    choice = pick(outcomes)
    return Result(
        model=job.gates.model,
        coverage=covered,
        device=job.gates.device,
        budget=job.gates.budget,
        objective=objective,
        reference=job.gates.reference,
        split=job.split,
        left_out=job.plan.left_out,
        outcomes=tuple(outcomes),
        choice=choice,
        run_off=found,
        tuned=_tuned(choice, report) if tune else None,
        search=search,
        remarks=remarks,
    )


def _search_limits(
    search: str, trials: int | None, seconds: float | None, journal: str | Path | None
) -> Limits | None:
    """None for the fast search, which has no limits."""
    if search not in SEARCHES:
        raise UnknownNameError("search", search, SEARCHES)
    limits = Limits(trials, seconds)
    if search == "full":
        check_limits(limits)
        return limits
    if limits != Limits() or journal is not None:
        raise InputError("trials, search seconds and a journal are of the full search (--search full)")
    return None


def _tuned(choice: Choice, report: Progress) -> Tuned | None:
    chosen = choice.chosen
    return None if chosen is None or chosen.bundle is None else tune_bundle(chosen.bundle, progress=report)


def _raise_if_none_built(outcomes: Sequence[Outcome]) -> None:
    """When every candidate failed, the first failure is the answer; its kind sets the exit code."""
    errors = [o.error for o in outcomes if o.status == "failed" and o.error is not None]
    if outcomes and len(errors) == len(outcomes):
        different = {str(e): e for e in errors}
        if len(different) == 1:
            raise errors[0]
        names = "; ".join(f"{o.candidate.name}: {o.error}" for o in outcomes)
        raise type(errors[0])(f"every candidate failed: {names}") from errors[0]
