"""Judge: every gate's verdict on a built candidate, cheapest gate first.

Size, parity and accuracy hold on any machine. Latency and memory are measured here, so for a device that is
not this machine a limit on them stays *unproven*: only `edgeml bench` on the device proves it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from edgeml.boundaries import BoundaryParity, BoundaryRows, compare_boundaries
from edgeml.build import Trial
from edgeml.cost import measure_apart
from edgeml.devices import DeviceProfile, is_host
from edgeml.fits import Fit, artifact_fit, fit_verdict
from edgeml.pack import bundle_of
from edgeml.parity import MinimalCase, Parity, compare
from edgeml.plan import Candidate
from edgeml.reference import Reference, as_arrays, predicted_labels, task_score
from edgeml_converters.model import Artifact, Data, TrainedModel, take_rows
from edgeml_runtime.bench import Measurement, percentile_ns
from edgeml_runtime.bundle import Bundle
from edgeml_runtime.errors import ConversionError, EdgeMLError, EngineError
from edgeml_runtime.manifest import Budget, Provenance, Verdict
from edgeml_runtime.session import Session
from edgeml_runtime.signature import Array

# Without an accuracy limit on labelled data, parity itself is the proof of quality.
MIN_LABEL_AGREEMENT = {"float32": 1.0, "float16": 0.99}
MAX_RELATIVE_DIFFERENCE = {"float32": 1e-3, "float16": 1e-2}
MIN_LABEL_AGREEMENT_QUANTIZED = 0.99
BATCH_ROWS = 64
MAX_RELATIVE_DIFFERENCE_QUANTIZED = 5e-2


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Task quality on the judging rows; `drop` = original - candidate."""

    metric: str
    original: float
    candidate: float
    drop: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """A judged candidate. `fits`: no verdict failed (unproven ones do not count as failed)."""

    candidate: Candidate
    status: Literal["fits", "exceeds", "failed"]
    verdicts: tuple[Verdict, ...] = ()
    parity: Parity | None = None
    boundaries: BoundaryParity | None = None
    accuracy: Accuracy | None = None
    size_bytes: int | None = None
    measurement: Measurement | None = field(default=None, repr=False)
    artifact: Artifact | None = field(default=None, repr=False)
    bundle: Bundle | None = field(default=None, repr=False)
    error: EdgeMLError | None = None
    minimal_case: MinimalCase | None = None
    fit: Fit | None = None

    @property
    def disagrees(self) -> bool:
        """Whether it does something else than the original, which float32 never should."""
        return any(v.gate in ("parity", "boundaries") and v.status == "failed" for v in self.verdicts)

    @property
    def latency_ms(self) -> float | None:
        """Median latency of one row on this machine."""
        return None if self.measurement is None else percentile_ns(self.measurement.samples_ns, 50) / 1e6

    @property
    def memory_bytes(self) -> int | None:
        """Peak resident memory of a process that holds the runtime, the engine and this artifact."""
        return None if self.measurement is None else self.measurement.peak_memory_bytes


@dataclass(frozen=True, slots=True)
class Gates:
    """What a candidate is judged on and against."""

    model: TrainedModel
    device: DeviceProfile
    budget: Budget
    rows: Data
    golden: Data
    reference: Reference
    synthetic: bool
    boundaries: BoundaryRows | None = None


def judge(trial: Trial, gates: Gates, provenance: Provenance) -> Outcome:
    """Every verdict on a trial; an artifact that an engine refuses or crashes on is a failed outcome."""
    artifact = trial.artifact
    if artifact is None:
        return Outcome(trial.candidate, "failed", error=trial.error)
    try:
        bundle = bundle_of(
            artifact,
            gates.model,
            gates.golden,
            device=gates.device.name,
            budget=gates.budget,
            provenance=provenance,
        )
        session = Session(bundle)
        results, labels = answers(session, gates.model, gates.rows)
        parity = compare(gates.reference, results, labels)
        if parity.lost:
            return Outcome(trial.candidate, "failed", artifact=artifact, error=_lost(artifact, parity))
        boundaries = _at_boundaries(session, artifact, gates)
        measurement = measure_apart(bundle)
    except EngineError as error:
        return Outcome(trial.candidate, "failed", artifact=artifact, error=error)
    predicted = labels if labels is not None else results[gates.model.signature.methods[0].name][0]
    accuracy = _accuracy(gates, predicted)
    size_bytes = len(artifact.content)
    fit = artifact_fit(
        artifact.content,
        artifact.format,
        artifact.scheme,
        gates.device,
        versions=provenance.versions,
        peak_bytes=measurement.peak_memory_bytes,
    )
    verdicts = (
        fit_verdict(fit),
        _size(size_bytes, gates.budget),
        _parity(artifact.scheme, parity, gates),
        *(() if boundaries is None else (_boundary_verdict(boundaries),)),
        *(() if accuracy is None else (_accuracy_verdict(accuracy, gates.budget),)),
        *_cost(measurement, gates),
    )
    failed = any(v.status == "failed" for v in verdicts)
    return Outcome(
        trial.candidate,
        "exceeds" if failed else "fits",
        verdicts,
        parity,
        boundaries,
        accuracy,
        size_bytes,
        measurement,
        artifact,
        bundle,
        fit=fit,
    )


def answers(session: Session, model: TrainedModel, data: Data) -> tuple[dict[str, list[Array]], Array | None]:
    """Every method's results on every row, and the labels they imply."""
    methods = model.signature.methods
    results = {m.name: _answers(session, m.name, data) for m in methods}
    return results, predicted_labels(model, results[methods[0].name])


def _answers(session: Session, method: str, data: Data) -> list[Array]:
    """One method's results, in batches: activations for all rows at once may not fit."""
    batches = np.array_split(np.arange(len(data)), -(-len(data) // BATCH_ROWS))
    parts = [as_arrays(session.call(method, take_rows(data.x, rows))) for rows in batches]
    return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]


def _at_boundaries(session: Session, artifact: Artifact, gates: Gates) -> BoundaryParity | None:
    if gates.boundaries is None or artifact.scheme != "float32":
        return None
    return compare_boundaries(gates.boundaries, *answers(session, gates.model, gates.boundaries.rows))


def _boundary_verdict(boundaries: BoundaryParity) -> Verdict:
    taken = f"{boundaries.rows}" + ("" if boundaries.rows == boundaries.total else f" of {boundaries.total}")
    detail = f"{len(boundaries.flips)} of {taken} rows on thresholds, edges and missing values differ"
    return _limit("boundaries", len(boundaries.flips) / boundaries.rows, 0.0, "of rows", detail)


def _lost(artifact: Artifact, parity: Parity) -> ConversionError:
    where = ", ".join(f"{m.lost} of {m.method}" for m in parity.methods if m.lost)
    return ConversionError(
        f"{artifact.format}/{artifact.scheme} loses values on {parity.rows} rows ({where}): NaN or infinity "
        "where the original has numbers, or the reverse; do values exceed what the scheme can hold?"
    )


def _accuracy(gates: Gates, predicted: object) -> Accuracy | None:
    metric, original = gates.reference.metric, gates.reference.score
    if metric is None or original is None:
        return None
    score = task_score(metric, as_arrays(predicted)[0], gates.rows.y)
    return Accuracy(metric, original, score, original - score)


def _limit(gate: str, value: float, limit: float | None, unit: str, detail: str = "") -> Verdict:
    """The verdict of a gate whose value holds on any machine."""
    status: Literal["passed", "failed", "measured"] = "measured"
    if limit is not None:
        # A hair of slack, so that 0.90 - 0.89 is within 0.01.
        status = "passed" if value <= limit + 1e-9 * max(1.0, abs(limit)) else "failed"
    return Verdict(gate, status, value, limit, unit, "any", detail)


def _size(size_bytes: int, budget: Budget) -> Verdict:
    return _limit("size", size_bytes / 1000, budget.max_size_kb, "kB")


def _accuracy_verdict(accuracy: Accuracy, budget: Budget) -> Verdict:
    detail = f"{accuracy.metric} {accuracy.candidate:.4f}, original {accuracy.original:.4f}"
    return _limit("accuracy-drop", accuracy.drop, budget.max_accuracy_drop, "", detail)


def _parity(scheme: str, parity: Parity, gates: Gates) -> Verdict:
    """Disagreement with the original; a limit where no accuracy limit judges the scheme."""
    rows = f"{parity.rows} {'synthetic ' if gates.synthetic else ''}rows"
    accuracy_judges = (
        gates.budget.max_accuracy_drop is not None
        and gates.reference.metric is not None
        and scheme != "float32"
    )
    if parity.resolved_agreement is not None:
        lowest = MIN_LABEL_AGREEMENT.get(scheme, MIN_LABEL_AGREEMENT_QUANTIZED)
        detail = f"{len(parity.flips)} of {rows} change their label"
        if parity.methods:
            detail += f", values differ by at most {parity.max_difference:.3g}"
        detail += _ties(parity)
        limit = None if accuracy_judges else 1.0 - lowest
        return _limit("parity", 1.0 - parity.resolved_agreement, limit, "flipped", detail)
    largest = MAX_RELATIVE_DIFFERENCE.get(scheme, MAX_RELATIVE_DIFFERENCE_QUANTIZED)
    detail = f"largest difference {parity.max_difference:.3g} on {rows}{_ties(parity)}"
    limit = None if accuracy_judges else largest
    return _limit("parity", parity.relative_difference, limit, "relative", detail)


def _ties(parity: Parity) -> str:
    return f"; {parity.undecided} rows hang on ties and are not counted" if parity.undecided else ""


def _cost(measurement: Measurement, gates: Gates) -> tuple[Verdict, ...]:
    here = is_host(gates.device)
    machine = gates.device.name if here else "this host"
    verdicts = []
    median_ms = percentile_ns(measurement.samples_ns, 50) / 1e6
    p90_ms = percentile_ns(measurement.samples_ns, 90) / 1e6
    peak, idle = measurement.peak_memory_bytes, measurement.idle_memory_bytes
    engine = f"{measurement.engine} {measurement.engine_version}"
    for gate, value, limit, unit, detail in (
        (
            "latency",
            median_ms,
            gates.budget.max_latency_ms,
            "ms",
            f"median of {len(measurement.samples_ns)} calls, p90 {p90_ms:.4f} ms, {engine}, 1 thread, 1 row",
        ),
        (
            "memory",
            None if peak is None else peak / 1000,
            gates.budget.max_memory_kb,
            "kB",
            ""
            if peak is None or idle is None
            else f"peak of the whole process, {(peak - idle) / 1000:.0f} kB above numpy and {engine}",
        ),
    ):
        if limit is not None and (not here or value is None):
            verdicts.append(Verdict(gate, "unproven", value, limit, unit, machine, detail))
        elif value is not None:
            verdict = _limit(gate, value, limit, unit, detail)
            verdicts.append(Verdict(gate, verdict.status, value, limit, unit, machine, detail))
    return tuple(verdicts)
