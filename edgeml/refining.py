"""A candidate whose integers miss the budget is not the last word: the best recipe is judged too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from edgeml.build import Trial
from edgeml.judge import Outcome, prove
from edgeml.mixed_precision import refine
from edgeml.plan import Plan
from edgeml.quality import Gates
from edgeml.reference import consult
from edgeml.sensitivity import MAX_ROWS, Bench
from edgeml_converters.model import Data
from edgeml_converters.recipe import Recipe
from edgeml_converters.registry import Calibration, converters
from edgeml_runtime.errors import ConversionError
from edgeml_runtime.manifest import Provenance

Progress = Callable[[str, int, int], None]


def needs_refining(outcome: Outcome) -> bool:
    """Whether integers lost too much, and a converter has other ways to them."""
    (*_, last) = outcome.candidate.route
    return (
        outcome.candidate.scheme == "int8-static"
        and converters()[last].quantizer is not None
        and any(v.status == "failed" and v.gate in ("parity", "accuracy-drop") for v in outcome.verdicts)
    )


def refined(
    outcome: Outcome,
    plan: Plan,
    calibration: Calibration,
    rows: Data,
    gates: Gates,
    provenance: Provenance,
    report: Progress,
    *,
    timed: bool = True,
) -> Outcome | None:
    """The outcome of the best recipe; None where no other recipe gives a file.

    calibration, rows: the calibration rows as the converter takes them and as the model does. timed: see
    `Bench`.
    """
    candidate = outcome.candidate
    *inner, last = candidate.route
    quantizer_of = converters()[last].quantizer
    if quantizer_of is None:
        return None
    seen = rows.take(np.arange(min(MAX_ROWS, len(rows))))
    bench = Bench(gates.model, seen, consult(gates.model, seen), provenance, timed)

    def progress(what: str, done: int, total: int) -> None:
        report(f"{candidate.name}: {what}", done, total)

    try:
        quantizer = quantizer_of(plan.hubs[tuple(inner)] if inner else gates.model, calibration)
        found = refine(quantizer, bench, gates, progress, candidate.recipe)
    except ConversionError:  # which the candidate itself would have told
        return None
    if found is None or found.recipe == candidate.recipe:
        return None
    better = Trial(replace(candidate, recipe=found.recipe), found.artifact)
    return replace(prove(better, gates, recipe_provenance(provenance, found.recipe)), refinement=found)


def recipe_provenance(provenance: Provenance, recipe: Recipe) -> Provenance:
    """With the recipe among the options."""
    options = {**provenance.options, "recipe": recipe.describe()}
    if recipe.in_float:
        options["in_float"] = ", ".join(recipe.in_float)
    return replace(provenance, options=options)
