"""The front of the trials: what no other recipe of the same candidate beats, and which of it is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from edgeml.search.evaluate import Worth
from edgeml.search.journal import Tried

MOST = 12  # that are judged and measured beside the plan's own: each takes seconds

# What counts where one of these is what matters most; the smallest comes first.
_ORDERS: dict[str, Callable[[Worth], tuple[float, ...]]] = {
    "size": lambda worth: (worth.size_bytes, worth.loss, worth.float_macs),
    "latency": lambda worth: (worth.float_macs, worth.loss, worth.size_bytes),
    "loss": lambda worth: (worth.loss, worth.size_bytes, worth.float_macs),
}


def front_of(tried: Iterable[Tried]) -> tuple[Tried, ...]:
    """Trials that no other of their candidate beats or equals in all of loss, size and float work, by number.

    Candidates are not held against each other: how formats and schemes differ in speed is only measured.
    Of equal ones the first stays.
    """
    working = _working(sorted(tried, key=lambda t: t.number))
    kept: list[Tried] = []
    for place, (one, worth) in enumerate(working):
        rivals = [(n, w) for n, (t, w) in enumerate(working) if n != place and t.family == one.family]
        if not any(_beats(other, worth, first=n < place) for n, other in rivals):
            kept.append(one)
    return tuple(kept)


def to_judge(front: Sequence[Tried], most: int = MOST) -> tuple[Tried, ...]:
    """At most that many: the best in each respect in turn, those within the budget first.

    A file that is too large stays so on any rows; whether the answers are good enough, other rows may see
    otherwise.
    """
    fitting = [(t, w) for t, w in _working(front) if w.size_excess <= 0]
    orders = [sorted(fitting, key=partial(_place, order)) for order in _ORDERS.values()]
    chosen: dict[int, Tried] = {}
    for place in range(len(fitting)):
        for order in orders:
            if len(chosen) < most:
                chosen.setdefault(order[place][0].number, order[place][0])
    return tuple(chosen.values())


def best_of(tried: Iterable[Tried], objective: str) -> tuple[Tried, Worth] | None:
    """What would be taken now: within the budget, then by the objective's stand-in, then by loss."""
    order = _ORDERS["latency" if objective == "latency" else "size"]

    def key(pair: tuple[Tried, Worth]) -> tuple[float, ...]:
        worth = pair[1]
        excess = max(worth.quality_excess, worth.size_excess, 0.0)
        return (excess, *order(worth))

    return min(_working(tried), key=key, default=None)


def _place(order: Callable[[Worth], tuple[float, ...]], pair: tuple[Tried, Worth]) -> tuple[float, ...]:
    tried, worth = pair
    return (not worth.feasible, *order(worth), tried.number)


def _working(tried: Iterable[Tried]) -> list[tuple[Tried, Worth]]:
    return [(t, t.worth) for t in tried if t.worth is not None]


def _beats(other: Worth, worth: Worth, *, first: bool) -> bool:
    a, b = _ORDERS["loss"](other), _ORDERS["loss"](worth)
    return all(x <= y for x, y in zip(a, b, strict=True)) and (a != b or first)
