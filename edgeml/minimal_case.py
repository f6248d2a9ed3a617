"""The least that a conversion gets wrong: one row, as few steps, trees and features as still differ.

A flipped label in a pipeline of twenty steps says little; the one tree and the one feature that flip it say
what to report or to change. Parts of the model are converted again and kept as long as they still differ.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from edgeml.boundaries import BoundaryRows, compare_boundaries
from edgeml.judge import Outcome
from edgeml.pack import bundle_of, provenance_of
from edgeml.parity import MinimalCase
from edgeml.quality import Gates, answers
from edgeml.reference import consult
from edgeml_converters.intake import describe, source_of
from edgeml_converters.model import Data, TrainedModel, take_rows
from edgeml_converters.registry import converters
from edgeml_runtime.errors import EdgeMLError
from edgeml_runtime.manifest import Budget
from edgeml_runtime.session import Session

MAX_SECONDS = 20.0


Attempt = Callable[[TrainedModel, Any], "tuple[str, str, float | None] | None"]


def minimal_case(model: TrainedModel, outcome: Outcome, gates: Gates) -> MinimalCase | None:
    """The least of `model` that the outcome's route gets wrong, starting from its worst row.

    None where the source cannot take its models apart, or where the row agrees in a batch of its own.
    """
    reduce = source_of(model).reductions
    row = _worst_row(outcome, gates)
    if reduce is None or row is None:
        return None
    attempt = _attempt(outcome)
    found = attempt(model, row)
    if found is None:
        return None
    cut: list[str] = []
    until = time.monotonic() + MAX_SECONDS
    smaller: TrainedModel | None = model
    while smaller is not None:
        model, smaller = smaller, None
        for reduction in reduce(model.model):
            if time.monotonic() > until:
                break
            try:
                part, part_row = describe(reduction.model, model.name), reduction.rows(row)
            except (EdgeMLError, ValueError):  # a part that nothing can be asked of
                continue
            differs = attempt(part, part_row)
            if differs is not None:
                cut.append(reduction.what)
                smaller, row, found = part, part_row, differs
                break
    row = _fewest_features(model, row, attempt, until)
    found = attempt(model, row) or found
    names, values = _named_values(model, row)
    shown = tuple((name, value) for name, value in zip(names, values, strict=True) if value != 0)
    return MinimalCase(type(model.model).__name__, tuple(cut), shown, len(values), *found)


def _worst_row(outcome: Outcome, gates: Gates) -> Any:
    """The row of the boundaries or of the data that differs most, in a batch of one; None if none does."""
    if outcome.boundaries is not None and outcome.boundaries.flips and gates.boundaries is not None:
        return take_rows(gates.boundaries.rows.x, np.array([outcome.boundaries.flips[0].row]))
    if outcome.bundle is None:
        return None
    rows = BoundaryRows(gates.rows, len(gates.rows), gates.reference)
    flips = compare_boundaries(rows, *answers(Session(outcome.bundle), gates.model, gates.rows)).flips
    return take_rows(gates.rows.x, np.array([flips[0].row])) if flips else None


def _attempt(outcome: Outcome) -> Attempt:
    candidate = outcome.candidate

    def attempt(model: TrainedModel, row: Any) -> tuple[str, str, float | None] | None:
        data = Data(row)
        try:
            subject: Any = model
            for name in candidate.route:
                subject = converters()[name].convert(subject, candidate.scheme, None)
            reference = consult(model, data)
            provenance = provenance_of(model, candidate.format, (), "", {})
            bundle = bundle_of(subject, model, data, device="", budget=Budget(), provenance=provenance)
            results, labels = answers(Session(bundle), model, data)
        except EdgeMLError:
            return None
        flips = compare_boundaries(BoundaryRows(data, 1, reference), results, labels).flips
        return (flips[0].expected, flips[0].got, flips[0].margin) if flips else None

    return attempt


def _fewest_features(model: TrainedModel, row: Any, attempt: Attempt, until: float) -> Any:
    """The row with every value at 0 that does not matter."""
    if not isinstance(row, np.ndarray) or row.ndim != 2:
        return row
    for column in np.flatnonzero(row[0]):
        if time.monotonic() > until:
            break
        without = row.copy()
        without[0, column] = 0
        if attempt(model, without) is not None:
            row = without
    return row


def _named_values(model: TrainedModel, row: Any) -> tuple[list[str], list[float]]:
    if not isinstance(row, np.ndarray):
        return [str(name) for name in row.columns], list(row.iloc[0].tolist())
    columns = model.signature.inputs[0].columns
    names = list(columns) if len(columns) == row.shape[1] else [f"feature {i}" for i in range(row.shape[1])]
    return names, row[0].tolist()
