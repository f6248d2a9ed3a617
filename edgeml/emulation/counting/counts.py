"""What was counted: the instructions of single inferences by class, and the bytes they load and store."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgeml_runtime.codec import encode
from edgeml_runtime.errors import EngineError

# As enum instruction_class in decode.h.
CLASSES = ("integer", "vector", "load", "store", "branch", "other")
_COUNTERS = len(CLASSES) + 2  # bytes loaded, bytes stored
MARKS, ENGINE, CALL = 1, 2, 3  # kinds of regions, as in guest_script.py


@dataclass(frozen=True, slots=True)
class Cost:
    """Instructions executed, in all and by class, and bytes moved between registers and memory."""

    instructions: int
    by_class: Mapping[str, int]
    bytes_loaded: int
    bytes_stored: int


@dataclass(frozen=True, slots=True)
class InstructionCount:
    """The cost of one row through one bundle, on one emulated core and engine, for several rows.

    `runs` are the engine's own (`Handle.run`), `calls` whole calls as an application makes them (`Session`'s
    method, checks and conversions included), one of each for every number in `rows`, golden rows all.
    """

    bundle: str
    bundle_digest: str
    scheme: str
    target: str
    core: str
    engine: str
    engine_version: str
    qemu_version: str
    method: str
    rows: tuple[int, ...]
    runs: tuple[Cost, ...]
    calls: tuple[Cost, ...]
    other_threads: int  # instructions of `runs` and `calls` that the calling thread did not execute

    @property
    def run(self) -> Cost:
        """The engine run of median instructions; of an even number, the lower one."""
        return _median(self.runs)

    @property
    def call(self) -> Cost:
        """The whole call of median instructions."""
        return _median(self.calls)


def document(count: InstructionCount) -> dict[str, Any]:
    """For `--json`: the median engine run's numbers on top, the median call's in `call`, then every run."""
    spread = {"instructions_min": _least(count.runs), "instructions_max": _most(count.runs)}
    call = {
        **encode(count.call),
        "instructions_min": _least(count.calls),
        "instructions_max": _most(count.calls),
    }
    return {**encode(count.run), **spread, "call": call, **encode(count)}


def spread_percent(costs: Sequence[Cost]) -> float:
    """How far apart the rows are: greatest minus least, in percent of the median."""
    return 100 * (_most(costs) - _least(costs)) / max(1, _median(costs).instructions)


def parse_regions(text: str, rows: int) -> tuple[tuple[Cost, ...], tuple[Cost, ...], int]:
    """Engine runs, calls and the instructions of other threads in them, from the plugin's lines.

    The last `rows` regions of each kind count, those before were the warm-up. What a pair of marks costs by
    itself is taken off. Raises EngineError for lines that the plugin does not write.
    """
    regions: dict[int, list[tuple[int, ...]]] = {MARKS: [], ENGINE: [], CALL: []}
    for line in text.splitlines():
        try:
            kind, *numbers = map(int, line.split())
            regions[kind].append(tuple(numbers))
        except (ValueError, KeyError):
            raise EngineError(f"the counting plugin wrote {line[:200]!r}, expected counters") from None
    counted = {kind: found[-rows:] for kind, found in regions.items()}
    if any(len(n) != 2 * _COUNTERS for found in counted.values() for n in found) or any(
        len(found) != rows for found in counted.values()
    ):
        raise EngineError(f"the counting plugin did not write {rows} regions of {2 * _COUNTERS} counters")
    marks = [min(counters) for counters in zip(*counted[MARKS], strict=True)]
    net = {
        kind: [tuple(map(operator.sub, numbers, marks)) for numbers in counted[kind]]
        for kind in (ENGINE, CALL)
    }
    others = sum(sum(n[: len(CLASSES)]) - sum(n[_COUNTERS:][: len(CLASSES)]) for k in net for n in net[k])
    return _costs(net[ENGINE]), _costs(net[CALL]), others


def _costs(regions: Iterable[tuple[int, ...]]) -> tuple[Cost, ...]:
    return tuple(
        Cost(
            instructions=sum(numbers[: len(CLASSES)]),
            by_class=dict(zip(CLASSES, numbers[: len(CLASSES)], strict=True)),
            bytes_loaded=numbers[len(CLASSES)],
            bytes_stored=numbers[len(CLASSES) + 1],
        )
        for numbers in regions
    )


def _median(costs: Sequence[Cost]) -> Cost:
    return sorted(costs, key=lambda cost: cost.instructions)[(len(costs) - 1) // 2]


def _least(costs: Sequence[Cost]) -> int:
    return min(cost.instructions for cost in costs)


def _most(costs: Sequence[Cost]) -> int:
    return max(cost.instructions for cost in costs)
