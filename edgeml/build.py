"""Build: a candidate into an artifact, or the recorded reason why not."""

from __future__ import annotations

from dataclasses import dataclass

from edgeml.plan import Candidate, Plan
from edgeml_converters.model import Artifact, TrainedModel
from edgeml_converters.recipe import PLAIN
from edgeml_converters.registry import Calibration, Converter, converters
from edgeml_converters.schemes import CALIBRATED
from edgeml_runtime.errors import ConversionError


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate and what came of building it: an artifact or an error, never both."""

    candidate: Candidate
    artifact: Artifact | None
    error: ConversionError | None = None


def build(
    candidate: Candidate, model: TrainedModel, plan: Plan, calibration: Calibration | ConversionError | None
) -> Trial:
    """Convert along the candidate's route; a ConversionError is a value, anything else is a bug.

    calibration: real rows by input name, or the error that kept them from being used.
    """
    *inner, last = candidate.route
    subject = plan.hubs[tuple(inner)] if inner else model
    feeds: Calibration | None = None
    if candidate.scheme in CALIBRATED:
        if isinstance(calibration, ConversionError):
            return Trial(candidate, None, calibration)
        feeds = calibration
    try:
        return Trial(candidate, _artifact(converters()[last], candidate, subject, feeds))
    except ConversionError as error:
        return Trial(candidate, None, error)


def _artifact(
    converter: Converter, candidate: Candidate, subject: TrainedModel | Artifact, feeds: Calibration | None
) -> Artifact:
    if candidate.recipe == PLAIN:
        return converter.convert(subject, candidate.scheme, feeds)
    if candidate.scheme == "int8-static" and converter.quantizer is not None:
        return converter.quantizer(subject, feeds).artifact(candidate.recipe)
    if candidate.scheme == "int8-dynamic" and converter.dynamic is not None:
        return converter.dynamic(subject, candidate.recipe)
    raise ConversionError(f"{converter.name} makes {candidate.scheme} in one way only")
