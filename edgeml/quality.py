"""Quality: how an artifact's answers on the judging rows stand against the original's and the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgeml.boundaries import BoundaryRows
from edgeml.devices import DeviceProfile
from edgeml.parity import Parity, compare
from edgeml.reference import Reference, as_arrays, predicted_labels, task_score
from edgeml_converters.model import Data, TrainedModel, take_rows
from edgeml_runtime.manifest import Budget, Verdict
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


@dataclass(frozen=True, slots=True)
class Quality:
    """Parity with the original and, with labelled rows, the task's accuracy; each with its verdict."""

    parity: Parity
    parity_verdict: Verdict
    accuracy: Accuracy | None
    accuracy_verdict: Verdict | None

    @property
    def suffices(self) -> bool:
        """Whether neither verdict failed and no value was lost."""
        verdicts = (self.parity_verdict, self.accuracy_verdict)
        return not self.parity.lost and all(v is None or v.status != "failed" for v in verdicts)


def quality_of(session: Session, scheme: str, gates: Gates) -> Quality:
    """Raises EngineFailedError where the engine fails on a row."""
    results, labels = answers(session, gates.model, gates.rows)
    parity = compare(gates.reference, results, labels)
    predicted = labels if labels is not None else results[gates.model.signature.methods[0].name][0]
    accuracy = _accuracy(gates, predicted)
    verdict = None if accuracy is None else _accuracy_verdict(accuracy, gates.budget)
    return Quality(parity, _parity(scheme, parity, gates), accuracy, verdict)


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


def _accuracy(gates: Gates, predicted: object) -> Accuracy | None:
    metric, original = gates.reference.metric, gates.reference.score
    if metric is None or original is None:
        return None
    score = task_score(metric, as_arrays(predicted)[0], gates.rows.y)
    return Accuracy(metric, original, score, original - score)


def limit_verdict(gate: str, value: float, limit: float | None, unit: str, detail: str = "") -> Verdict:
    """The verdict of a gate whose value holds on any machine."""
    status: Literal["passed", "failed", "measured"] = "measured"
    if limit is not None:
        # A hair of slack, so that 0.90 - 0.89 is within 0.01.
        status = "passed" if value <= limit + 1e-9 * max(1.0, abs(limit)) else "failed"
    return Verdict(gate, status, value, limit, unit, "any", detail)


def _accuracy_verdict(accuracy: Accuracy, budget: Budget) -> Verdict:
    detail = f"{accuracy.metric} {accuracy.candidate:.4f}, original {accuracy.original:.4f}"
    return limit_verdict("accuracy-drop", accuracy.drop, budget.max_accuracy_drop, "", detail)


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
        return limit_verdict("parity", 1.0 - parity.resolved_agreement, limit, "flipped", detail)
    largest = MAX_RELATIVE_DIFFERENCE.get(scheme, MAX_RELATIVE_DIFFERENCE_QUANTIZED)
    detail = f"largest difference {parity.max_difference:.3g} on {rows}{_ties(parity)}"
    limit = None if accuracy_judges else largest
    return limit_verdict("parity", parity.relative_difference, limit, "relative", detail)


def _ties(parity: Parity) -> str:
    return f"; {parity.undecided} rows hang on ties and are not counted" if parity.undecided else ""
