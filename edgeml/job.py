"""Job: all that the candidates of one model for one device are built and proven with, and the work on one.

What holds on any machine (bytes, parity, accuracy) comes of a job and a candidate alone, so it may be found
anywhere; what is measured on this host (latency, memory) is not part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edgeml.boundaries import BoundaryRows, boundary_rows
from edgeml.build import build
from edgeml.coverage import Coverage, coverage
from edgeml.data import (
    Split,
    calibration_feeds,
    check_data,
    check_enough_to_calibrate,
    digest,
    read_data,
    split,
    synthetic,
)
from edgeml.devices import DeviceProfile
from edgeml.judge import Outcome, prove
from edgeml.minimal_case import minimal_case
from edgeml.pack import golden_data, provenance_of
from edgeml.plan import Candidate, Plan, plan
from edgeml.quality import Gates
from edgeml.reference import Reference, consult, read_targets
from edgeml.refining import needs_refining, refined
from edgeml_converters.intake import describe, load_model
from edgeml_converters.model import Artifact, Data, TrainedModel
from edgeml_converters.registry import Calibration, converters
from edgeml_converters.schemes import CALIBRATED
from edgeml_runtime.errors import CalibrationError, InputError
from edgeml_runtime.manifest import Budget, Provenance
from edgeml_runtime.signature import Scalar

Progress = Callable[[str, int, int], None]  # (what is being done, steps done, steps in all)


@dataclass(frozen=True, slots=True)
class Job:
    """What candidates are built with (plan, calibration) and proven against (gates).

    calibration: real rows by input name, or the error that kept them from being used. options: of the
    compilation, as a bundle's provenance lists them.
    """

    plan: Plan
    split: Split = field(repr=False)
    calibration: Calibration | CalibrationError | None = field(repr=False)
    gates: Gates
    data_digest: str
    seed: int
    options: Mapping[str, Scalar | None]

    def provenance(self, candidate: Candidate) -> Provenance:
        """Of a candidate's bundle."""
        needed = tuple(m for converter in candidate.route for m in converters()[converter].requires)
        return provenance_of(self.gates.model, candidate.format, needed, self.data_digest, self.options)


@dataclass(frozen=True, slots=True)
class Subject:
    """A model, its rows and what it says of them, whatever the device; asked once for all devices.

    hubs: float32 artifacts that were made on the way to some format, by route; plans add theirs.
    """

    model: TrainedModel
    split: Split = field(repr=False)
    reference: Reference = field(repr=False)
    coverage: Coverage
    boundaries: BoundaryRows | None = field(repr=False)
    seed: int
    hubs: dict[tuple[str, ...], Artifact] = field(repr=False, default_factory=dict)


def prepare(
    model: Any,
    profile: DeviceProfile,
    *,
    data: Data | str | Path | None,
    target: str | None,
    budget: Budget,
    formats: Sequence[str] | None,
    schemes: Sequence[str] | None,
    objective: str,
    name: str | None,
    seed: int,
    trust_pickle: bool,
    report: Progress,
    announce: Callable[[Coverage], None] | None,
) -> tuple[Job, Coverage]:
    """Read, describe, split, ask the original, plan; the arguments are those of `edgeml.compile`."""
    subject = read(
        model, data=data, target=target, name=name, seed=seed, trust_pickle=trust_pickle, report=report
    )
    _check_budget(budget, subject)
    if announce is not None:
        announce(subject.coverage)
    job = job_for(subject, profile, budget=budget, formats=formats, schemes=schemes, objective=objective)
    return job, subject.coverage


def read(
    model: Any,
    *,
    data: Data | str | Path | None,
    target: str | None,
    name: str | None,
    seed: int,
    trust_pickle: bool,
    report: Progress,
) -> Subject:
    """Read, describe, split, ask the original: all that needs no device."""
    report("reading the model", 0, 0)
    trained = _describe(model, name, trust_pickle=trust_pickle)
    trained, rows = _rows(trained, data, target, seed)
    report("asking the original model", 0, 0)
    return Subject(
        trained,
        rows,
        consult(trained, rows.judging),
        coverage(trained),
        boundary_rows(trained, rows.judging),
        seed,
    )


def job_for(
    subject: Subject,
    profile: DeviceProfile,
    *,
    budget: Budget,
    formats: Sequence[str] | None,
    schemes: Sequence[str] | None,
    objective: str,
) -> Job:
    """The candidates for a device, and what they are held against."""
    _check_budget(budget, subject)
    trained, rows = subject.model, subject.split
    planned = plan(
        trained,
        profile,
        wanted_formats=formats,
        wanted_schemes=schemes,
        with_data=not rows.synthetic,
        hubs=subject.hubs,
    )
    gates = Gates(
        model=trained,
        device=profile,
        budget=budget,
        rows=rows.judging,
        golden=golden_data(rows.judging, subject.reference),
        reference=subject.reference,
        synthetic=rows.synthetic,
        boundaries=subject.boundaries,
    )
    return Job(
        plan=planned,
        split=rows,
        calibration=_calibration(trained, planned, rows),
        gates=gates,
        data_digest=(
            digest(rows.calibration) if rows.synthetic else digest(rows.judging) + digest(rows.calibration)
        ),
        seed=subject.seed,
        options={"seed": subject.seed, "objective": objective, "calibration_rows": len(rows.calibration)},
    )


def attempt(job: Job, candidate: Candidate, report: Progress | None = None) -> tuple[Outcome, ...]:
    """A candidate built and proven, and the best recipe too where its integers miss the budget.

    report: None in a worker, where nothing is timed either: beside other work it would be no measurement.
    """
    timed = report is not None
    report = report or (lambda _what, _done, _total: None)
    provenance = job.provenance(candidate)
    outcome = prove(build(candidate, job.gates.model, job.plan, job.calibration), job.gates, provenance)
    if outcome.disagrees and candidate.scheme == "float32":
        report(f"cutting down what {candidate.name} gets wrong", 0, 0)
        outcome = replace(outcome, minimal_case=minimal_case(job.gates.model, outcome, job.gates))
    if not isinstance(job.calibration, dict) or not needs_refining(outcome):
        return (outcome,)
    rows = job.split.calibration
    better = refined(outcome, job.plan, job.calibration, rows, job.gates, provenance, report, timed=timed)
    return (outcome,) if better is None else (outcome, better)


def _describe(model: Any, name: str | None, *, trust_pickle: bool) -> TrainedModel:
    if isinstance(model, (str, Path)):
        path = Path(model)
        return describe(load_model(path, trust_pickle=trust_pickle), name or path.stem)
    return describe(model, name or type(model).__name__.lower())


def _rows(
    model: TrainedModel, data: Data | str | Path | None, target: str | None, seed: int
) -> tuple[TrainedModel, Split]:
    if data is None:
        return model, synthetic(model, seed)
    if not isinstance(data, (Data, str, Path)):
        raise InputError(f"data must be edgeml.Data(x, y) or a file's path, got {type(data).__name__}")
    if isinstance(data, Data) and target is not None:
        raise InputError(f"target {target!r} names a column of a file; pass labels as edgeml.Data(x, y)")
    rows = data if isinstance(data, Data) else read_data(data, model, target)
    check_data(model, rows)
    model, rows = read_targets(model, rows)
    return model, split(rows, seed)


def _check_budget(budget: Budget, subject: Subject) -> None:
    rows = subject.split
    if budget.max_accuracy_drop is None or subject.reference.metric is not None:
        return
    if rows.synthetic:
        raise InputError("an accuracy limit needs data with labels: pass data (--data FILE)")
    if rows.judging.y is None:
        raise InputError(
            "an accuracy limit needs labels: give them as `y` in the data (--target NAME names the column)"
        )
    raise InputError(
        "an accuracy limit needs a classifier or a regressor; this model is judged by parity alone"
    )


def _calibration(model: TrainedModel, planned: Plan, rows: Split) -> Calibration | CalibrationError | None:
    if not any(candidate.scheme in CALIBRATED for candidate in planned.candidates):
        return None
    try:
        check_enough_to_calibrate(rows.calibration)
        return calibration_feeds(model, rows.calibration)
    except CalibrationError as error:
        return error
