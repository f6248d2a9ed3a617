"""Coverage: what each step of a model and each format says to each other, before anything is built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edgeml.plan import FORMATS
from edgeml_converters.intake import missing_modules, with_pip_line
from edgeml_converters.model import TrainedModel
from edgeml_converters.registry import Route, routes

STEPS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class StepCoverage:
    """One step; `formats`: by format None where it is supported, else why not."""

    path: str
    kind: str
    formats: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Coverage:
    """The whole model by format, and its steps in their order."""

    formats: Mapping[str, str | None]
    steps: tuple[StepCoverage, ...]


def coverage(model: TrainedModel) -> Coverage:
    """What can become of the model, in float32 at least; converts nothing."""
    ways = {target: _way(model, target) for target in FORMATS}
    wholes = {target: _obstacle(model, target, way) for target, way in ways.items()}
    reasons = {target: _step_reasons(model, way) for target, way in ways.items()}
    steps = [
        StepCoverage(s.path, s.kind, {target: reasons[target].get(s.path) for target in FORMATS})
        for s in model.steps
    ]
    return Coverage(wholes, tuple(steps))


def _way(model: TrainedModel, target: str) -> Route:
    """The shortest route whose packages are installed, else the shortest."""
    found = routes(model.kind, target)
    usable = [route for route in found if not missing_modules(tuple(m for c in route for m in c.requires))]
    return (usable or found or [()])[0]


def _obstacle(model: TrainedModel, target: str, way: Route) -> str | None:
    """Why no converter takes the model to `target`; None where one does."""
    if not way:
        return f"no converter leads from {model.kind} to {target}"
    missing = missing_modules(tuple(m for c in way for m in c.requires))
    if missing:
        return f"needs {with_pip_line(missing, *(c.extra for c in way))}"
    offers = way[0].offers(model)
    if all(reason is not None for reason in offers.values()):
        return next(iter(offers.values()))
    return None


def _step_reasons(model: TrainedModel, way: Route) -> Mapping[str, str | None]:
    if not way or way[0].steps is None or missing_modules(way[0].requires):
        return {}
    return way[0].steps(model)


def coverage_lines(found: Coverage) -> Iterator[tuple[str, str]]:
    """(heading, text) for people: every step with the formats that take it, and why others do not."""
    unsupported = [step for step in found.steps if any(step.formats.values())]
    shown = found.steps if len(found.steps) <= STEPS_SHOWN else unsupported
    if len(shown) < len(found.steps):
        yield (
            "steps",
            f"{len(found.steps) - len(shown)} of {len(found.steps)} supported in {', '.join(FORMATS)}",
        )
    for step in shown:
        taking = [name for name, reason in step.formats.items() if reason is None]
        yield "step", f"{step.path} ({step.kind}): {', '.join(taking) or 'no format'}"
        for reason in dict.fromkeys(filter(None, step.formats.values())):
            lacking = [name for name, other in step.formats.items() if other == reason]
            yield "", f"not in {', '.join(lacking)}: {reason}"
    for name, obstacle in found.formats.items():
        yield name, "supported" if obstacle is None else obstacle
