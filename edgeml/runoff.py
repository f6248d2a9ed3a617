"""Run-off: candidates that are nearly equally fast once more, in turn, so that the fastest is told apart.

A candidate's own latency is measured alone, a while before the next one's: on a busy or throttling machine
two such numbers tell candidates apart that differ by a tenth, not by less.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgeml.contest import Comparison, Contestant, Progress, compare, contest
from edgeml.judge import Outcome
from edgeml_runtime.codec import encode
from edgeml_runtime.tuning import DEFAULTS

WITHIN = 1.3  # times the fastest measured latency: whoever is slower stays slower
EQUAL = 1.01  # of the fastest's time: what an estimate from a few launches repeats within
SECONDS = 3.0
LAUNCHES = 3


@dataclass(frozen=True, slots=True)
class RunOff:
    """Every candidate that took part, by name, as a ratio to the fastest.

    `equal`: itself and those that are as good as equal to it, fastest first.
    """

    ratios: tuple[tuple[str, Comparison | None], ...]  # fastest first, which has None
    equal: tuple[str, ...]


def run_off_lines(found: RunOff) -> Iterator[str]:
    """For people: the fastest and how the others compare."""
    for name, comparison in found.ratios:
        if comparison is None:
            yield f"run-off, measured in turn: {name} is the fastest"
        else:
            interval = f"({comparison.low:.3f} to {comparison.high:.3f})"
            tied = ", as good as equal" if name in found.equal else ""
            yield f"  {name} takes {comparison.ratio:.3f} of its time {interval}{tied}"


def run_off(outcomes: Sequence[Outcome], progress: Progress | None = None) -> RunOff | None:
    """Of those that fit and are about as fast as the fastest; None where nobody comes close to it.

    Raises EngineFailedError where one fails that ran when it was judged.
    """
    fitting = [
        o for o in outcomes if o.status == "fits" and o.latency_ms is not None and o.bundle is not None
    ]
    fastest_ms = min((o.latency_ms or 0.0 for o in fitting), default=0.0)
    close = [o for o in fitting if (o.latency_ms or 0.0) <= WITHIN * fastest_ms]
    if len(close) < 2:
        return None
    contestants = [
        Contestant(o.candidate.name, o.bundle, o.measurement.engine, encode(DEFAULTS))
        for o in close
        if o.bundle is not None and o.measurement is not None
    ]
    times = contest(contestants, seconds=SECONDS, launches=LAUNCHES, progress=progress)
    names = list(times.launches[0])
    fastest = min(names, key=times.median_ns)
    ratios = {name: compare(times, name, fastest) for name in names if name != fastest}
    ordered = sorted(names, key=times.median_ns)
    equal = tuple(name for name in ordered if name == fastest or ratios[name].ratio <= EQUAL)
    return RunOff(tuple((name, ratios.get(name)) for name in ordered), equal)
