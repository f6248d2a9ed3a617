"""Judge: every gate's verdict on a built candidate, cheapest gate first.

Size, parity and accuracy hold on any machine. Latency and memory are measured here, so for a device that is
not this machine a limit on them stays *unproven*: only `edgeml bench` on the device proves it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from edgeml.boundaries import BoundaryParity, compare_boundaries
from edgeml.build import Trial
from edgeml.cost import measure_apart
from edgeml.devices import is_host
from edgeml.fits import Fit, artifact_fit, fit_verdict
from edgeml.latency.bundles import estimate_artifact
from edgeml.mixed_precision import Refinement
from edgeml.pack import bundle_of
from edgeml.parity import MinimalCase, Parity
from edgeml.plan import Candidate
from edgeml.quality import Accuracy, Gates, answers, limit_verdict, quality_of
from edgeml_converters.model import Artifact
from edgeml_converters.to_tflite.float_edges import with_float_edges
from edgeml_runtime.bench import Measurement, percentile_ns
from edgeml_runtime.bundle import Bundle
from edgeml_runtime.errors import ConversionError, EdgeMLError, EngineError
from edgeml_runtime.manifest import Budget, Provenance, Verdict
from edgeml_runtime.session import Session


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
    refinement: Refinement | None = None
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


def prove(trial: Trial, gates: Gates, provenance: Provenance) -> Outcome:
    """The verdicts that hold on any machine: size, parity, boundaries, accuracy.

    An artifact that an engine refuses or crashes on is a failed outcome.
    """
    if trial.artifact is None:
        return Outcome(trial.candidate, "failed", error=trial.error)
    artifact = with_float_edges(trial.artifact) if gates.device.kind == "linux" else trial.artifact
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
        quality = quality_of(session, artifact.scheme, gates)
        if quality.parity.lost:
            return Outcome(
                trial.candidate, "failed", artifact=artifact, error=_lost(artifact, quality.parity)
            )
        boundaries = _at_boundaries(session, artifact, gates)
    except EngineError as error:
        return Outcome(trial.candidate, "failed", artifact=artifact, error=error)
    size_bytes = len(artifact.content)
    verdicts = (
        _size(size_bytes, gates.budget),
        quality.parity_verdict,
        *(() if boundaries is None else (_boundary_verdict(boundaries),)),
        *(() if quality.accuracy_verdict is None else (quality.accuracy_verdict,)),
    )
    return Outcome(
        trial.candidate,
        _status(verdicts),
        verdicts,
        quality.parity,
        boundaries,
        quality.accuracy,
        size_bytes,
        artifact=artifact,
        bundle=bundle,
    )


def measured(outcome: Outcome, gates: Gates) -> Outcome:
    """A proven outcome with what it costs here, and whether the device can take it."""
    artifact, bundle = outcome.artifact, outcome.bundle
    if artifact is None or bundle is None:
        return outcome
    try:
        measurement = measure_apart(bundle)
    except EngineError as error:
        return Outcome(outcome.candidate, "failed", artifact=artifact, error=error)
    fit = artifact_fit(
        artifact.content,
        artifact.format,
        artifact.scheme,
        gates.device,
        versions=bundle.manifest.provenance.versions,
        peak_bytes=measurement.peak_memory_bytes,
    )
    verdicts = (fit_verdict(fit), *outcome.verdicts, *_cost(measurement, gates, artifact))
    return replace(outcome, status=_status(verdicts), verdicts=verdicts, measurement=measurement, fit=fit)


def _status(verdicts: Sequence[Verdict]) -> Literal["fits", "exceeds"]:
    return "exceeds" if any(v.status == "failed" for v in verdicts) else "fits"


def _lost(artifact: Artifact, parity: Parity) -> ConversionError:
    where = ", ".join(f"{m.lost} of {m.method}" for m in parity.methods if m.lost)
    return ConversionError(
        f"{artifact.format}/{artifact.scheme} loses values on {parity.rows} rows ({where}): NaN or infinity "
        "where the original has numbers, or the reverse; do values exceed what the scheme can hold?"
    )


def _at_boundaries(session: Session, artifact: Artifact, gates: Gates) -> BoundaryParity | None:
    if gates.boundaries is None or artifact.scheme != "float32":
        return None
    return compare_boundaries(gates.boundaries, *answers(session, gates.model, gates.boundaries.rows))


def _boundary_verdict(boundaries: BoundaryParity) -> Verdict:
    taken = f"{boundaries.rows}" + ("" if boundaries.rows == boundaries.total else f" of {boundaries.total}")
    detail = f"{len(boundaries.flips)} of {taken} rows on thresholds, edges and missing values differ"
    return limit_verdict("boundaries", len(boundaries.flips) / boundaries.rows, 0.0, "of rows", detail)


def _size(size_bytes: int, budget: Budget) -> Verdict:
    return limit_verdict("size", size_bytes / 1000, budget.max_size_kb, "kB")


def _cost(measurement: Measurement, gates: Gates, artifact: Artifact) -> tuple[Verdict, ...]:
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
            f"median of {len(measurement.samples_ns)} calls, p90 {p90_ms:.4f} ms, {engine}, 1 thread, 1 row"
            + ("" if here else f"; on {gates.device.name} {_estimated(artifact, gates)}"),
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
            verdict = limit_verdict(gate, value, limit, unit, detail)
            verdicts.append(Verdict(gate, verdict.status, value, limit, unit, machine, detail))
    return tuple(verdicts)


def _estimated(artifact: Artifact, gates: Gates) -> str:
    """What is known of the latency on the device, which proves nothing."""
    try:
        return estimate_artifact(artifact.format, artifact.content, gates.device).describe()
    except EdgeMLError as error:
        return f"no estimate: {error}"
