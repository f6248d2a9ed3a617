"""Build: a candidate into an artifact, or the recorded reason why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgeml.plan import Candidate, Plan
from edgeml_converters.model import Artifact, TrainedModel
from edgeml_converters.registry import Calibration, converters
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
    feeds: Mapping[str, object] | None = None
    if candidate.scheme in CALIBRATED:
        if isinstance(calibration, ConversionError):
            return Trial(candidate, None, calibration)
        feeds = calibration
    try:
        return Trial(candidate, converters()[last].convert(subject, candidate.scheme, feeds))  # type: ignore[arg-type]
    except ConversionError as error:
        return Trial(candidate, None, error)
