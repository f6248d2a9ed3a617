"""What a recipe is worth, on rows that never judge: how far its answers are off, its bytes, its float work.

Everything here is the same on any machine. The calibration rows choose, as they do in `mixed_precision`; the
judging rows only ever see what is on the front in the end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from edgeml.job import Job
from edgeml.mixed_precision import cost_in_float
from edgeml.pack import bundle_of
from edgeml.plan import Candidate
from edgeml.quality import Gates, quality_of
from edgeml.reference import consult
from edgeml.sensitivity import MAX_ROWS, Bench, Effect
from edgeml_converters.model import Artifact, Data, take_rows
from edgeml_converters.recipe import Quantizer
from edgeml_converters.registry import converters
from edgeml_converters.to_tflite.float_edges import with_float_edges
from edgeml_runtime.errors import ConversionError, EngineError
from edgeml_runtime.manifest import Verdict
from edgeml_runtime.session import Session


@dataclass(frozen=True, slots=True)
class Worth:
    """What a recipe gives.

    loss: relative root mean square difference from the original's answers, or the share of other labels where
    there are no values. float_macs: multiply-adds of one row that stay in float. quality_excess, size_excess:
    by how much the budget is exceeded, as a share of its limit; at most 0 where it holds. digest: sha256 of
    the file.
    """

    loss: float
    size_bytes: int
    float_macs: int
    quality_excess: float
    size_excess: float
    digest: str

    @property
    def feasible(self) -> bool:
        """Whether the budget holds on the calibration rows."""
        return self.quality_excess <= 0 and self.size_excess <= 0


@dataclass(slots=True)
class Laboratory:
    """Recipes of a job's candidates, made and tried; a candidate is calibrated when it is first asked for."""

    job: Job
    gates: Gates = field(repr=False)
    bench: Bench = field(repr=False)
    quantizers: dict[str, Quantizer] = field(default_factory=dict, repr=False)
    known: dict[str, Worth | None] = field(default_factory=dict, repr=False)  # by digest

    def quantizer(self, candidate: Candidate) -> Quantizer:
        """Raises ConversionError where the candidate cannot be calibrated."""
        if candidate.format not in self.quantizers:
            *inner, last = candidate.route
            make = converters()[last].quantizer
            if make is None or not isinstance(self.job.calibration, Mapping):
                raise ConversionError(f"{candidate.name} is made in one way only")
            subject = self.job.plan.hubs[tuple(inner)] if inner else self.job.gates.model
            self.quantizers[candidate.format] = make(subject, self.job.calibration)
        return self.quantizers[candidate.format]

    def artifact(self, candidate: Candidate) -> Artifact:
        """The artifact as it would be judged; raises ConversionError."""
        made = self.quantizer(candidate).artifact(candidate.recipe)
        return with_float_edges(made) if self.gates.device.kind == "linux" else made

    def macs(self, candidate: Candidate) -> dict[str, int]:
        """Multiply-adds of one row, by operator."""
        return {operator.name: operator.macs for operator in self.quantizer(candidate).operators}

    def worth(self, candidate: Candidate) -> Worth | None:
        """None where the recipe gives no file, or one that does not run or loses values."""
        try:
            artifact = self.artifact(candidate)
        except ConversionError:
            return None
        digest = hashlib.sha256(artifact.content).hexdigest()
        if digest not in self.known:
            self.known[digest] = self._tried(artifact, digest)
        found = self.known[digest]
        if found is None:
            return None
        macs = self.macs(candidate)
        return replace(found, float_macs=sum(macs[name] for name in candidate.recipe.in_float))

    def _tried(self, artifact: Artifact, digest: str) -> Worth | None:
        gates = self.gates
        try:
            session = Session(
                bundle_of(
                    artifact,
                    gates.model,
                    gates.golden,
                    device=gates.device.name,
                    budget=gates.budget,
                    provenance=self.bench.provenance,
                )
            )
            quality = quality_of(session, artifact.scheme, gates)
        except EngineError:
            return None
        parity = quality.parity
        loss = parity.relative_difference or 1.0 - (parity.label_agreement or 1.0)
        if parity.lost or not np.isfinite(loss):
            return None
        limit = gates.budget.max_size_kb
        size_bytes = len(artifact.content)
        verdicts = (quality.parity_verdict, quality.accuracy_verdict)
        return Worth(
            loss=loss,
            size_bytes=size_bytes,
            float_macs=0,
            quality_excess=max(map(_excess, verdicts)),
            size_excess=0.0 if limit is None else size_bytes / 1000 / limit - 1.0,
            digest=digest,
        )

    def know(self, worths: Iterable[Worth | None]) -> None:
        """Files that were tried in an earlier run."""
        self.known |= {worth.digest: worth for worth in worths if worth is not None}

    def without_error(self, candidate: Candidate, errors: Mapping[str, float | None]) -> list[str]:
        """Operators whose error alone is not known yet."""
        return [o.name for o in self.quantizer(candidate).operators if o.name not in errors]

    def error_alone(self, candidate: Candidate, operator: str) -> float | None:
        """The answers' relative error where it alone is in integers; None where that gives no file."""
        quantizer = self.quantizer(candidate)
        others = tuple(o.name for o in quantizer.operators if o.name != operator)
        try:
            artifact = quantizer.artifact(replace(candidate.recipe, in_float=others))
        except ConversionError:
            return None
        error = self.bench.error(artifact)
        return error if np.isfinite(error) else None

    def ranked(self, candidate: Candidate, errors: Mapping[str, float | None]) -> tuple[str, ...]:
        """Operators that do harm alone, the most harm for the cost of float first."""
        operators = self.quantizer(candidate).operators
        effects = tuple(Effect(o, errors.get(o.name), None, None) for o in operators)
        harmful = [effect for effect in effects if effect.alone]
        harmful.sort(key=lambda e: (e.alone or 0.0) / cost_in_float(e, effects), reverse=True)
        return tuple(effect.operator.name for effect in harmful)


_at_hand: list[Laboratory] = []  # that of the latest job: to calibrate takes longer than to try a recipe


def laboratory(job: Job) -> Laboratory:
    """Where recipes of the job are tried in this process, until `leave_laboratory`."""
    if not _at_hand or _at_hand[0].job is not job:
        _at_hand[:] = [_laboratory(job)]
    return _at_hand[0]


def leave_laboratory() -> None:
    """The job's model and rows are not held any longer."""
    _at_hand.clear()


def worth_of(job: Job, candidate: Candidate) -> Worth | None:
    """What a recipe gives; None where it gives nothing that runs."""
    return laboratory(job).worth(candidate)


def error_alone_of(job: Job, task: tuple[Candidate, str]) -> float | None:
    """The answers' relative error where that operator alone is in integers; None where that gives no file."""
    return laboratory(job).error_alone(*task)


def _laboratory(job: Job) -> Laboratory:
    """With the judges' gates, on the calibration rows."""
    gates, rows = job.gates, job.split.calibration
    golden = Data(take_rows(rows.x, np.arange(min(2, len(rows)))))
    own = replace(gates, rows=rows, golden=golden, reference=consult(gates.model, rows), boundaries=None)
    fewer = rows.take(np.arange(min(MAX_ROWS, len(rows))))
    provenance = job.provenance(job.plan.candidates[0])
    return Laboratory(job, own, Bench(gates.model, fewer, consult(gates.model, fewer), provenance))


def _excess(verdict: Verdict | None) -> float:
    if verdict is None or verdict.limit is None or verdict.value is None:
        return 0.0
    if verdict.status == "passed":
        return min(0.0, verdict.value - verdict.limit)
    return (verdict.value - verdict.limit) / max(verdict.limit, 1e-3)
