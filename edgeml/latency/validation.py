"""Errors on boards left out of the fit: what an estimate for a device not on the desk is worth.

A board is one physical board over all projects that measured it, and is left out of everything: of its
core's coefficients, of the library's shape over all cores, of the spread from which the interval comes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeml.latency.model import cycles, fit_core, shape
from edgeml.latency.published import ALL, Published

Array = NDArray[np.float64]

# Families of networks that a core's own fit needs: within one the shares of each kind of work hardly vary.
FAMILIES = 3
_FAMILY = re.compile(
    r"mobilenet-v\d|efficientnet|efficientdet|resnet|inception|squeezenet|shufflenet|mobilenet|yolo"
)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A board predicted from the other boards with its core, library, dtype and mode.

    `errors`: log(predicted / published), float64[n], one a network. `others`: for each other board its mean
    squared error when it, too, is left out; empty where no third board is known.
    """

    core: str
    variant: str
    dtype: str
    mode: str
    board: str
    memory: bool
    errors: Array
    others: tuple[float, ...]


def family(network: str) -> str:
    """What a network is a size of: `mobilenet-v1-0.5-160` is a `mobilenet-v1`."""
    found = _FAMILY.match(network)
    return found[0] if found else network


def left_out(rows: Published, *, new_networks: bool, by: str = "board") -> Iterator[LeftOut]:
    """Every board of which another one with that core, library, dtype and mode is known.

    `new_networks`: the predicted network's family is left out as well, of all boards, as a user's own
    network is. `by`: "board" or, stricter, "soc".
    """
    families = np.array([family(name) for name in rows.network])
    for variant, dtype, mode in sorted(set(zip(rows.variant, rows.dtype, rows.mode, strict=True))):
        chosen = (rows.variant == variant) & (rows.dtype == dtype) & (rows.mode == mode)
        library, kinds = rows.at(chosen), families[chosen]
        units = getattr(library, by)
        for core in np.unique(library.core):
            here = library.core == core
            boards = np.unique(units[here])
            for board in boards:
                if len(set(kinds[here & (units != board)])) < FAMILIES:
                    continue
                found = _predict(library, here, units, board, kinds if new_networks else None)
                if found:
                    yield LeftOut(str(core), str(variant), str(dtype), str(mode), str(board), *found)


def _predict(
    library: Published,
    here: NDArray[np.bool_],
    units: NDArray[np.str_],
    board: str,
    kinds: NDArray[np.str_] | None,
) -> tuple[bool, Array, tuple[float, ...]] | None:
    known = np.isfinite(library.memory_bytes_per_s)
    target = here & (units == board)
    memory = bool(library.mode[0] == ALL and known[target].all() and (known & here & (units != board)).any())
    usable = known if memory else np.ones(len(library), bool)
    cost = cycles(library, memory=memory)
    errors: list[Array] = []
    squares: dict[str, list[float]] = {}
    for kind in [None] if kinds is None else np.unique(kinds[target]):
        same = np.ones(len(library), bool) if kind is None or kinds is None else kinds == kind
        rest = usable & (units != board) & (~same if kind is not None else True)
        if not (rest & here).any():
            continue
        prior = shape(library.at(rest), cost[rest])
        errors.append(_errors(library, cost, rest & here, target & same, prior))
        for other in np.unique(units[rest & here]):
            without = rest & here & (units != other)
            tested = usable & here & (units == other) & same
            if without.any() and tested.any():
                found = _errors(library, cost, without, tested, prior)
                squares.setdefault(str(other), []).extend(found**2)
    if not errors:
        return None
    return memory, np.concatenate(errors), tuple(float(np.mean(s)) for s in squares.values())


def _errors(
    library: Published, cost: Array, fitted: NDArray[np.bool_], tested: NDArray[np.bool_], prior: Array
) -> Array:
    coefficients = fit_core(library.at(fitted), cost[fitted], prior)
    return np.asarray(np.log(library.costs[tested] @ coefficients / cost[tested]))
