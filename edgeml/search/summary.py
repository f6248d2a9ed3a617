"""What a search may spend and what it did, for people and in JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from edgeml.search.evaluate import Worth
from edgeml_runtime.errors import InputError, MissingDependencyError

TRIALS = 200
EndedBy = Literal["trials", "time", "exhausted", "interrupt"]
_ENDED = {
    "trials": "as many as were asked for",
    "time": "the time was up",
    "exhausted": "there are no more",
    "interrupt": "interrupted",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """When a search ends. `trials` counts those of earlier runs; `seconds` are this run's own."""

    trials: int | None = None
    seconds: float | None = None

    @property
    def most(self) -> int | None:
        """Trials at most; None where only time ends it."""
        return TRIALS if self.trials is None and self.seconds is None else self.trials


@dataclass(frozen=True, slots=True)
class OnFront:
    """A recipe on the front of the trials, with what the calibration rows say of it."""

    candidate: str
    trial: int
    worth: Worth


@dataclass(frozen=True, slots=True)
class Search:
    """What a search did.

    known: trials that the journal held already. recipes: how many there are in all. artifacts: different
    files among the trials. journal: None where there was nothing to search. untuned: why engine options were
    not searched, None where they are (`Result.tuned`). remarks: on workers.
    """

    trials: int
    known: int
    recipes: int
    artifacts: int
    seconds: float
    ended_by: EndedBy
    journal: str | None
    untuned: str | None
    remarks: tuple[str, ...] = ()
    front: tuple[OnFront, ...] = ()


def check_limits(limits: Limits) -> None:
    """Raises InputError for limits that are none, MissingDependencyError without Optuna."""
    if limits.trials is not None and limits.trials < 1:
        raise InputError(f"trials must be at least 1, got {limits.trials}")
    if limits.seconds is not None and not 0 < limits.seconds < float("inf"):
        raise InputError(f"the search's seconds must be positive and finite, got {limits.seconds}")
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError("the full search needs optuna: pip install 'edgeml[search]'") from error


def search_lines(search: Search) -> Iterator[str]:
    """For people."""
    if search.journal is None:
        yield "search: no candidate has recipes to try"
    else:
        known = f", {search.known} of them known from the journal" if search.known else ""
        yield (
            f"search: {search.trials} of {search.recipes} recipes tried in {search.seconds:.1f} s{known} "
            f"({_ENDED[search.ended_by]}): {search.artifacts} different files, "
            f"{len(search.front)} on their front"
        )
        yield f"  journal: {search.journal}"
        yield from (f"  {remark}" for remark in search.remarks)
    if search.untuned is not None:
        yield search.untuned


def duration(seconds: float) -> str:
    """`40 s`, `3 min`."""
    seconds = max(0.0, seconds)
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
