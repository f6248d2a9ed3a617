"""Which tensors are alive at once while a graph runs, and where a planner would put them.

A tensor lives from the operator that makes it to the last one that reads it; inputs of the graph live from
its start, outputs to its end.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
ALIGNMENT = 16  # bytes, of TensorFlow Lite Micro's arena


@dataclass(frozen=True, slots=True)
class Step(Generic[K]):
    """An operator: the tensors it reads and those it makes.

    `in_place`: whether it could write an output over an input of the same size.
    """

    inputs: tuple[K, ...]
    outputs: tuple[K, ...]
    in_place: bool = True


def lifetimes(
    steps: Sequence[Step[K]], inputs: Sequence[K], outputs: Sequence[K]
) -> Mapping[K, tuple[int, int]]:
    """First and last step of every tensor; the graph's own inputs begin before the first step."""
    spans: dict[K, tuple[int, int]] = dict.fromkeys(inputs, (-1, -1))
    for number, step in enumerate(steps):
        for key in step.inputs:
            if key in spans:
                spans[key] = (spans[key][0], number)
        for key in step.outputs:
            spans.setdefault(key, (number, number))
    for key in outputs:
        if key in spans:
            spans[key] = (spans[key][0], len(steps))
    return spans


def peak_bytes(steps: Sequence[Step[K]], spans: Mapping[K, tuple[int, int]], sizes: Mapping[K, int]) -> int:
    """The most bytes alive at one step, an output in its dying input's place wherever both have one size."""
    changes = [0] * (len(steps) + 3)  # of what is alive; step -1 stands at index 0
    for key, (first, last) in spans.items():
        changes[first + 1] += sizes.get(key, 0)
        changes[last + 2] -= sizes.get(key, 0)
    alive = peak = changes[0]
    for number, step in enumerate(steps):
        alive += changes[number + 1]
        peak = max(peak, alive - _in_place_bytes(number, step, spans, sizes))
    return peak


def _in_place_bytes(
    number: int, step: Step[K], spans: Mapping[K, tuple[int, int]], sizes: Mapping[K, int]
) -> int:
    if not step.in_place:
        return 0
    dying = [sizes.get(key, 0) for key in set(step.inputs) if key in spans and spans[key][1] == number]
    saved = 0
    for key in step.outputs:
        if (size := sizes.get(key, 0)) in dying:
            dying.remove(size)
            saved += size
    return saved


def arena_bytes(spans: Mapping[K, tuple[int, int]], sizes: Mapping[K, int]) -> int:
    """The end of the last tensor when each, the largest first, takes the lowest free place.

    This is how TensorFlow Lite Micro's GreedyMemoryPlanner lays out its arena.
    """
    placed: list[tuple[int, int, int, int]] = []  # offset, end, first, last
    order = sorted(spans, key=lambda key: (-sizes.get(key, 0), spans[key]))
    end_of_arena = 0
    for key in order:
        size = -(-sizes.get(key, 0) // ALIGNMENT) * ALIGNMENT
        first, last = spans[key]
        offset = 0
        for start, end, other_first, other_last in sorted(placed):
            if other_last < first or last < other_first:
                continue
            if offset + size <= start:
                break
            offset = max(offset, end)
        placed.append((offset, offset + size, first, last))
        end_of_arena = max(end_of_arena, offset + size)
    return end_of_arena
