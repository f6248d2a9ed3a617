"""What to try next: a function of the finished trials, the seed and the trial's number, and of nothing else.

So a search that was interrupted goes on exactly as it would have, and how many workers evaluate a batch
changes nothing: a batch is proposed from what was finished before it began.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from edgeml.search.journal import OBJECTIVES, Tried, frozen_trial, quiet_optuna
from edgeml.search.space import CANDIDATE, Point, Space

BATCH = 8  # trials that are proposed together
STARTUP_TRIALS = 16  # at random, before the sampler has enough to learn from


def propose(
    space: Space, first: Sequence[Point], tried: Mapping[int, Tried], numbers: Iterable[int], seed: int
) -> list[Point]:
    """A point for each of a batch's numbers, none of them tried before; fewer where the space ends.

    first: what the first numbers try. tried: the trials before the batch.
    """
    known = {trial.point for trial in tried.values()}
    study: Any = None
    points: list[Point] = []
    for number in numbers:
        point = first[number] if number < len(first) else None
        if point is None:
            study = study or _study_of(space, tried)
            point = _nearest_untried(space, known, _sampled(space, study, _seed(seed, number)))
        if point is None:
            break
        known.add(point)
        points.append(point)
    return points


def _study_of(space: Space, tried: Mapping[int, Tried]) -> Any:
    import optuna

    with quiet_optuna():
        study = optuna.create_study(directions=["minimize"] * len(OBJECTIVES))
    for number in sorted(tried):
        study.add_trial(frozen_trial(space, tried[number]))
    return study


def _sampled(space: Space, study: Any, seed: int) -> Point:
    """What the tree-structured Parzen estimator (Bergstra et al. 2011) proposes."""
    from optuna.samplers import TPESampler

    study.sampler = TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS)
    trial = study.ask()
    name = trial.suggest_categorical(CANDIDATE, tuple(space.families))
    family = space.families[name]
    chosen = {
        parameter: (
            trial.suggest_int(parameter, 0, len(choices) - 1)
            if family.is_ordered(parameter)
            else trial.suggest_categorical(parameter, choices)
        )
        for parameter, choices in family.choices().items()
    }
    return Point(name, family.recipe(chosen))


def _nearest_untried(space: Space, known: set[Point], wanted: Point) -> Point | None:
    """What was wanted, or the nearest to it: in a finite space the sampler soon wants what is known."""
    if wanted not in known:
        return wanted
    left = (point for point in space.points() if point not in known)
    return min(left, key=lambda point: space.distance(wanted, point), default=None)


def _seed(seed: int, number: int) -> int:
    """Of 32 bits, unrelated from trial to trial."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{number}".encode()).digest()[:4], "big")
