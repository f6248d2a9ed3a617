"""Choose: the winner for an objective, the Pareto front, or why nothing fits and what would have to give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeml.judge import Outcome
from edgeml_runtime.errors import UnknownNameError
from edgeml_runtime.manifest import Verdict

OBJECTIVES = ("latency", "size", "memory")
# Candidates whose cost is within this share of the lowest are equal, and the tie-break decides: latency and
# memory vary that much from run to run, and a file that much smaller is not worth a slower one.
EQUAL = 0.10
# A saving in size or memory that makes the model this many times slower than the fastest candidate is a
# trap, as onnxruntime's dynamic int8 convolutions are; such a candidate wins only where no other fits.
TOO_SLOW = 5.0
_LEAST_DEMANDING = ("int8-static", "int8-dynamic", "float16", "float32", "int16x8-static")
_LIMITS = {
    "size": "max_size_kb",
    "accuracy-drop": "max_accuracy_drop",
    "latency": "max_latency_ms",
    "memory": "max_memory_kb",
}


@dataclass(frozen=True, slots=True)
class RelaxedLimit:
    """A limit and the value it would need: a budget's field, or "parity" for the built-in agreement gate."""

    limit: str
    current: float
    needed: float
    unit: str


@dataclass(frozen=True, slots=True)
class Relaxation:
    """What moving limits would buy: with all of `limits` at their needed values, `candidate` fits."""

    candidate: str
    limits: tuple[RelaxedLimit, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why nothing fits: the limits that the nearest miss breaks, its name and its broken verdicts."""

    summary: str
    binding: tuple[str, ...]
    nearest: str | None
    nearest_verdicts: tuple[Verdict, ...]
    relaxations: tuple[Relaxation, ...]


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A candidate that fits and costs less, and the reason why it was not chosen."""

    candidate: str
    reason: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The winner, or None with an explanation; `front`: names no other outcome beats in every respect."""

    chosen: Outcome | None
    front: tuple[str, ...]
    explanation: Explanation | None
    passed_over: tuple[PassedOver, ...] = ()


def choose(
    outcomes: Sequence[Outcome],
    objective: str,
    *,
    host_tells: bool = True,
    as_fast: Sequence[str] = (),
) -> Choice:
    """The best outcome that fits; raises UnknownNameError for an objective that does not exist.

    as_fast: names of those that a run-off could not tell from the fastest, fastest first, in place of the
    latencies that were measured one after the other.
    host_tells: whether what is fast here is fast on the device. It is not on a microcontroller, which has
    other kernels and no operating system: there integers come first, then the smallest file.
    """
    if objective not in OBJECTIVES:
        raise UnknownNameError("objective", objective, OBJECTIVES)
    fitting = [o for o in outcomes if o.status == "fits"]
    front = pareto_front([o for o in outcomes if o.status != "failed"])
    if fitting and not host_tells:
        by_scheme = min(fitting, key=_least_demanding)
        return Choice(_best(fitting, objective) if objective == "size" else by_scheme, front, None)
    if fitting:
        fastest = min(o.latency_ms or 0.0 for o in fitting)
        usable = [o for o in fitting if (o.latency_ms or 0.0) <= TOO_SLOW * fastest]
        names = as_fast if objective == "latency" else ()
        finalists = [o for name in names for o in usable if o.candidate.name == name]
        chosen = _clearly_smallest(finalists) if finalists else _best(usable, objective)
        slow = [o for o in fitting if o not in usable and _cost(o, objective) < _cost(chosen, objective)]
        return Choice(chosen, front, None, tuple(_passed_over(o, fastest, objective) for o in slow))
    return Choice(None, front, _explain(outcomes))


def _best(outcomes: Sequence[Outcome], objective: str) -> Outcome:
    """Lowest cost; among those that are as good as equal the tie-break of the objective."""
    lowest = min(_cost(o, objective) for o in outcomes)
    equal = [o for o in outcomes if _cost(o, objective) <= lowest * (1.0 + EQUAL)]
    if objective == "size":  # what costs the same asks as little as possible of the device: integers first
        return min(equal, key=_least_demanding)
    return min(equal, key=_by_size)


def _clearly_smallest(outcomes: Sequence[Outcome]) -> Outcome:
    """The first of those whose size is as good as equal to the smallest."""
    smallest = min(_cost(o, "size") for o in outcomes)
    return next(o for o in outcomes if _cost(o, "size") <= smallest * (1.0 + EQUAL))


def _cost(outcome: Outcome, objective: str) -> float:
    values = {"latency": outcome.latency_ms, "memory": outcome.memory_bytes, "size": outcome.size_bytes}
    return float(values[objective] or 0)


def _passed_over(outcome: Outcome, fastest_ms: float, objective: str) -> PassedOver:
    times = (outcome.latency_ms or 0.0) / fastest_ms
    reason = f"less {objective}, but {times:.1f} times slower here than the fastest that fits"
    return PassedOver(outcome.candidate.name, reason)


def _least_demanding(outcome: Outcome) -> tuple[int, int, float, str]:
    return (_LEAST_DEMANDING.index(outcome.candidate.scheme), *_by_size(outcome))


def _by_size(outcome: Outcome) -> tuple[int, float, str]:
    """Smallest, then closest to the original, then by name."""
    return (outcome.size_bytes or 0, _disagreement(outcome), outcome.candidate.name)


def pareto_front(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """Names of outcomes that no other beats or equals in all of quality, latency, size and memory."""
    points = {o.candidate.name: _point(o) for o in outcomes}
    return tuple(
        name
        for name, point in points.items()
        if not any(
            all(a <= b for a, b in zip(other, point, strict=True)) and other != point
            for other in points.values()
        )
    )


def _point(outcome: Outcome) -> tuple[float, ...]:
    return (
        _disagreement(outcome),
        outcome.latency_ms or 0.0,
        float(outcome.size_bytes or 0),
        float(outcome.memory_bytes or 0),
    )


def _disagreement(outcome: Outcome) -> float:
    """How far from the original: the loss of accuracy where it is known, else the answers' difference."""
    if outcome.accuracy is not None:
        return outcome.accuracy.drop
    return 0.0 if outcome.parity is None else outcome.parity.relative_difference


def _broken(outcome: Outcome) -> tuple[Verdict, ...]:
    return tuple(v for v in outcome.verdicts if v.status == "failed")


def _excess(verdict: Verdict) -> float:
    value, limit = verdict.value or 0.0, verdict.limit or 0.0
    return value / limit - 1.0 if limit > 0 else float("inf") if value > 0 else 0.0


def _distance(outcome: Outcome) -> tuple[int, float, float, str]:
    """How far from fitting: broken limits, the largest excess, the largest value, then by name."""
    broken = _broken(outcome)
    # The excess over a limit of zero is infinite for everybody; the value still tells them apart.
    return (
        len(broken),
        max(map(_excess, broken)),
        max(v.value or 0.0 for v in broken),
        outcome.candidate.name,
    )


def _explain(outcomes: Sequence[Outcome]) -> Explanation:
    judged = [o for o in outcomes if o.status == "exceeds"]
    if not judged:
        errors = "; ".join(f"{o.candidate.name}: {o.error}" for o in outcomes)
        return Explanation(f"no artifact could be judged: {errors}", (), None, (), ())
    nearest = min(judged, key=_distance)
    binding = tuple(_LIMITS.get(v.gate, v.gate) for v in _broken(nearest))
    relaxations = _relaxations(judged)
    misses = ", ".join(map(_miss, _broken(nearest)))
    bind = f"{' and '.join(binding)} {'binds' if len(binding) == 1 else 'bind'}"
    summary = f"nothing fits: {bind}; nearest is {nearest.candidate.name} with {misses}"
    # Of the candidates that the device cannot take, each may name something else that it could.
    others = dict.fromkeys(text for o in judged if o.fit is not None for text in o.fit.fallback)
    if "fits" in binding and others:
        summary += f"; would fit: {', '.join(others)}"
    return Explanation(summary, binding, nearest.candidate.name, _broken(nearest), relaxations)


def _miss(verdict: Verdict) -> str:
    if verdict.value is None or verdict.limit is None:
        return f"{verdict.gate}: {verdict.detail}"
    return f"{verdict.gate} {verdict.value:.6g} {verdict.unit}".rstrip() + (
        f" over the limit of {verdict.limit:.6g}"
    )


def _relaxations(judged: Sequence[Outcome]) -> tuple[Relaxation, ...]:
    """For each least set of limits the candidate that comes closest while breaking just these."""
    nearest: dict[frozenset[str], Outcome] = {}
    # No limit of the user's allows another decision than the original's on its own thresholds, makes a
    # device larger, or mends another machine's answers.
    relaxable = [o for o in judged if all(v.gate not in ("boundaries", "fits", "isa") for v in _broken(o))]
    for outcome in sorted(relaxable, key=_distance):
        nearest.setdefault(frozenset(v.gate for v in _broken(outcome)), outcome)
    smallest = [o for gates, o in nearest.items() if not any(other < gates for other in nearest)]
    found = [Relaxation(o.candidate.name, tuple(map(_relaxed, _broken(o)))) for o in smallest]
    return tuple(sorted(found, key=lambda r: [limit.limit for limit in r.limits]))


def _relaxed(verdict: Verdict) -> RelaxedLimit:
    limit = _LIMITS.get(verdict.gate, verdict.gate)
    return RelaxedLimit(limit, verdict.limit or 0.0, verdict.value or 0.0, verdict.unit)
