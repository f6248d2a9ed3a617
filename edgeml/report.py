"""Report: a result as a terminal table and as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from edgeml.devices import notes
from edgeml.fits import engine_fits
from edgeml.runoff import run_off_lines
from edgeml.search.summary import search_lines
from edgeml.tune import tuned_lines
from edgeml_converters.recipe import PLAIN
from edgeml_runtime.cli import describe_verdict, printable
from edgeml_runtime.codec import encode

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from edgeml.choose import RelaxedLimit
    from edgeml.judge import Outcome
    from edgeml.mixed_precision import Refinement
    from edgeml.parity import Flip
    from edgeml.pipeline import Result

REPORT_FORMAT = 1
FLIPS_SHOWN = 5
EFFECTS_SHOWN = 5


def result_document(result: Result) -> dict[str, Any]:
    """The JSON report: every candidate with its verdicts, what was left out, the choice or its absence."""
    chosen = result.chosen
    return {
        "format": REPORT_FORMAT,
        "model": {
            "name": result.model.name,
            "kind": result.model.kind,
            "task": result.model.task,
            "digest": result.model.digest,
            "warnings": list(result.model.warnings),
        },
        "coverage": encode(result.coverage),
        "device": result.device.name,
        "device_notes": list(notes(result.device)),
        "budget": encode(result.budget),
        "objective": result.objective,
        "data": {
            "calibration_rows": len(result.split.calibration),
            "judging_rows": len(result.split.judging),
            "synthetic": result.split.synthetic,
        },
        "original": {"metric": result.reference.metric, "score": result.reference.score},
        "chosen": None if chosen is None else chosen.candidate.name,
        "passed_over": encode(result.choice.passed_over),
        "pareto_front": list(result.choice.front),
        "candidates": [_outcome_document(o) for o in result.outcomes],
        "left_out": [encode(o) for o in result.left_out],
        "fits": encode(engine_fits(result.device)),
        "explanation": encode(result.explanation),
        "run_off": encode(result.run_off),
        "tuned": encode(result.tuned),
        "search": encode(result.search),
        "remarks": list(result.remarks),
    }


def _outcome_document(outcome: Outcome) -> dict[str, Any]:
    error = outcome.error
    return {
        "name": outcome.candidate.name,
        "format": outcome.candidate.format,
        "scheme": outcome.candidate.scheme,
        "route": list(outcome.candidate.route),
        "status": outcome.status,
        "size_bytes": outcome.size_bytes,
        "accuracy": encode(outcome.accuracy),
        "parity": encode(outcome.parity),
        "boundaries": encode(outcome.boundaries),
        "minimal_case": encode(outcome.minimal_case),
        "recipe": encode(outcome.candidate.recipe),
        "refinement": _refinement_document(outcome.refinement),
        "float_operators": [] if outcome.artifact is None else encode(outcome.artifact.float_operators),
        "verdicts": encode(outcome.verdicts),
        "measurement": encode(outcome.measurement),
        "fit": encode(outcome.fit),
        "error": None if error is None else {"type": type(error).__name__, "message": str(error)},
    }


def _refinement_document(refinement: Refinement | None) -> dict[str, Any] | None:
    if refinement is None:
        return None
    return {
        "suffices": refinement.suffices,
        "tried": [{"recipe": encode(recipe), "relative_error": error} for recipe, error in refinement.errors],
        "operators": encode(refinement.effects),
    }


def _refinement_lines(outcome: Outcome) -> Iterator[str]:
    """Why this recipe: what the plain one gave, and the operators that did the harm."""
    refinement = outcome.refinement
    if refinement is None:
        return
    errors = dict(refinement.errors)
    plain = errors.get(replace(PLAIN, reduced_range=refinement.recipe.reduced_range))
    best = min(errors.values())
    if plain is not None:
        yield f"relative error on the calibration rows: {plain:.3g} plain, {best:.3g} with the best ranges"
    returned = refinement.recipe.in_float
    worst = sorted(refinement.effects, key=lambda e: e.alone or 0.0, reverse=True)
    for effect in worst[:EFFECTS_SHOWN]:
        where = "returned to float" if effect.operator.name in returned else "in integers"
        alone = "unknown" if effect.alone is None else f"{effect.alone:.3g}"
        yield f"{effect.operator.kind} {effect.operator.tensor}: error {alone} by itself, {where}"


def candidate_rows(result: Result) -> list[dict[str, Any]]:
    """One flat row a candidate: format, scheme, status, size, accuracy, parity, cost on this host, error."""
    return [
        {
            "format": o.candidate.format,
            "scheme": o.candidate.scheme,
            "status": "chosen" if o is result.chosen else o.status,
            "size_bytes": o.size_bytes,
            "accuracy": o.accuracy.candidate if o.accuracy else None,
            "accuracy_drop": o.accuracy.drop if o.accuracy else None,
            "flips": len(o.parity.flips) if o.parity else None,
            "max_difference": o.parity.max_difference if o.parity else None,
            "host_latency_ms": o.latency_ms,
            "host_peak_memory_bytes": o.memory_bytes,
            "verdict": "; ".join(f"{v.gate} {v.status}" for v in o.verdicts),
            "error": None if o.error is None else str(o.error),
        }
        for o in result.outcomes
    ]


def print_result(result: Result, console: Console) -> None:
    """The report for people: the table, why candidates lost, what was left out, the choice."""
    console.print(_table(result))
    for warning in result.model.warnings:
        _say(console, f"warning: {warning}")
    for remark in result.remarks:
        _say(console, f"remark: {remark}")
    for outcome in result.outcomes:
        broken = [v for v in outcome.verdicts if v.status == "failed"]
        for text in [describe_verdict(v) for v in broken] + ([str(outcome.error)] if outcome.error else []):
            _say(console, f"  {outcome.candidate.name}: {text}")
        for text in _refinement_lines(outcome):
            _say(console, f"  {outcome.candidate.name}: {text}")
        for text in _differing_rows(outcome):
            _say(console, f"    {text}")
    for reason, names in _by_reason(result).items():
        _say(console, f"  left out {', '.join(names)}: {reason}")
    for passed_over in result.choice.passed_over:
        _say(console, f"  passed over {passed_over.candidate}: {passed_over.reason}")
    for text in () if result.run_off is None else run_off_lines(result.run_off):
        _say(console, f"  {text}")
    for text in () if result.search is None else search_lines(result.search):
        _say(console, text)
    if len(result.choice.front) < len(result.outcomes):
        front = "accuracy, latency, size and memory"
        _say(console, f"* on the front of {front}: no other is as good in all of them and better in one")
    for note in notes(result.device):
        _say(console, note)
    chosen = result.chosen
    if chosen is None:
        explanation = result.explanation
        if explanation is not None:
            _say(console, explanation.summary)
            for r in explanation.relaxations:
                limits = " and ".join(map(_relaxed, r.limits))
                _say(console, f"  with {limits}, {r.candidate} would fit")
        return
    measured = result.device.kind == "linux" or result.objective == "size"
    order = f"by {result.objective}" if measured else "integers first"
    _say(console, f"chosen: {chosen.candidate.name}, {order}")
    for verdict in chosen.verdicts:
        _say(console, f"  {describe_verdict(verdict)}")
    for operator in chosen.artifact.float_operators if chosen.artifact else ():
        _say(console, f"  in float: {operator.count} x {operator.operator}: {operator.reason}")
    for text in () if result.tuned is None else tuned_lines(result.tuned):
        _say(console, text)
    flips = chosen.parity.flips if chosen.parity else ()
    for flip in flips[:FLIPS_SHOWN]:
        _say(console, f"  {_flip(flip)}")
    if len(flips) > FLIPS_SHOWN:
        _say(console, f"  ... and {len(flips) - FLIPS_SHOWN} more rows; --json lists all")


def _differing_rows(outcome: Outcome) -> Iterator[str]:
    """The worst boundary rows of an outcome and the least that goes wrong."""
    for flip in outcome.boundaries.flips[:FLIPS_SHOWN] if outcome.boundaries else ():
        yield f"boundary {_flip(flip)}"
    case = outcome.minimal_case
    if case is not None:
        cut = f" ({'; '.join(case.cut)})" if case.cut else ""
        values = ", ".join(f"{name} = {value}" for name, value in case.features) or "all features 0"
        rest = f", the other {case.features_in_all - len(case.features)} features 0" if case.features else ""
        yield f"minimal case: {case.kind}{cut} on the row {values}{rest}: "
        yield f"  original {case.expected}, artifact {case.got}"


def _flip(flip: Flip) -> str:
    margin = "" if flip.margin is None else f", margin {flip.margin:.3g}"
    return f"row {flip.row}: original {flip.expected}, artifact {flip.got}{margin}"


def _relaxed(limit: RelaxedLimit) -> str:
    return (
        f"{limit.limit} at {_rounded_up(limit.needed)} {limit.unit}".rstrip() + f" (now {limit.current:.6g})"
    )


def _by_reason(result: Result) -> dict[str, list[str]]:
    """What was not built, by the reason why not."""
    names: dict[str, list[str]] = {}
    for left_out in result.left_out:
        names.setdefault(left_out.reason, []).append(left_out.name)
    return names


def _rounded_up(value: float, digits: int = 6) -> str:
    """At most that many significant digits, never below: a limit set to it must let the value pass."""
    if value <= 0:
        return f"{value:.{digits}g}"
    step = 10.0 ** (math.floor(math.log10(value)) - digits + 1)
    nearest = float(f"{value:.{digits}g}")
    return f"{nearest if nearest >= value else nearest + step:.{digits}g}"


def _say(console: Console, text: str) -> None:
    console.print(printable(text), markup=False, highlight=False, soft_wrap=True)


def _table(result: Result) -> Table:
    from rich.table import Table
    from rich.text import Text

    metric = result.reference.metric
    rows = f"{len(result.split.judging)} {'synthetic ' if result.split.synthetic else ''}rows"
    original = "" if result.reference.score is None else f", original {metric} {result.reference.score:.4f}"
    title = f"{result.model.name} for {result.device.name}: judged on {rows}{original}"
    table = Table(title=Text(printable(title)), title_justify="left")
    table.add_column("candidate", min_width=20)  # a recipe's name may take several lines
    for heading in ("size kB", metric or "max diff", "flips", "latency ms (here)", "peak MB (here)"):
        table.add_column(heading, justify="right", min_width=7)
    table.add_column("verdict", min_width=12)
    for outcome in result.outcomes:
        table.add_row(*(Text(printable(cell)) for cell in _cells(outcome, result)))
    return table


def _cells(outcome: Outcome, result: Result) -> tuple[str, ...]:
    if outcome.parity is None:
        kind = type(outcome.error).__name__ if outcome.error else "failed"
        return (outcome.candidate.name, "-", "-", "-", "-", "-", f"failed: {kind}")
    quality = (
        f"{outcome.accuracy.candidate:.4f}" if outcome.accuracy else f"{outcome.parity.max_difference:.2g}"
    )
    flips = "-" if outcome.parity.label_agreement is None else str(len(outcome.parity.flips))
    memory = "-" if outcome.memory_bytes is None else f"{outcome.memory_bytes / 1e6:.1f}"
    front = " *" if outcome.candidate.name in result.choice.front else ""
    return (
        outcome.candidate.name + front,
        f"{(outcome.size_bytes or 0) / 1000:.1f}",
        quality,
        flips,
        f"{outcome.latency_ms or 0:.4f}",
        memory,
        _summary(outcome, chosen=outcome is result.chosen),
    )


def _summary(outcome: Outcome, *, chosen: bool) -> str:
    if outcome.status == "exceeds":
        return "exceeds " + ", ".join(v.gate for v in outcome.verdicts if v.status == "failed")
    unproven = [v.gate for v in outcome.verdicts if v.status == "unproven"]
    text = "chosen" if chosen else "fits"
    return f"{text}; {', '.join(unproven)} unproven" if unproven else text
