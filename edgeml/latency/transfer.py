"""A library on a core where nobody published it: from other libraries there and the ratios between them.

In logarithms a core's level and a library's add up, `level(core, library) = core + library + noise`, which
is a Bayesian linear model with a broad prior on cores and one of `LIBRARY_SPREAD` on libraries. So a
library that was never measured anywhere comes out as the others' mean, with the variance that libraries
have among each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeml.latency.model import cycles, shape
from edgeml.latency.published import ALL, Published

Array = NDArray[np.float64]
Names = NDArray[np.str_]

LIBRARY_SPREAD = 0.35  # of libraries' logarithmic levels on one core
NOISE = {True: 0.35, False: 0.2}  # of a level: all cores of a cluster, or one
MIN_NETWORKS = 3  # of a library whose ratio to the others is known
_BROAD = 1e4


@dataclass(frozen=True, slots=True)
class Cell:
    """A library on a core, as published: log of its level, and the library's shape (of level one)."""

    core: str
    variant: str
    level: float
    shape: Array
    boards: tuple[str, ...]
    all_cores: bool


@dataclass(frozen=True, slots=True)
class LeftOutCell:
    """A board predicted from other boards with its core, none of which ran the library.

    `errors`: log(predicted / published), float64[n]; `variance`: of the level, as `transfer` gave it.
    """

    cell: Cell
    board: str
    errors: Array
    variance: float


@dataclass(frozen=True, slots=True)
class Transferred:
    """Coefficients for a core and a library, the variance of their log level, and what they come from."""

    coefficients: Array
    variance: float
    libraries: tuple[str, ...]
    boards: tuple[str, ...]


def cells(rows: Published) -> list[Cell]:
    """Every published pair of core and library; the rows are of one dtype and mode."""
    common = shape(rows, cycles(rows, memory=False))
    return [cell for variant in np.unique(rows.variant) for cell in _cells_of(rows, str(variant), common)]


def _cells_of(rows: Published, variant: str, common: Array) -> Iterator[Cell]:
    library = rows.at(rows.variant == variant)
    if len(set(library.network)) < MIN_NETWORKS:
        return
    cost = cycles(library, memory=False)
    form = _normalised(shape(library, cost, common), rows)
    for core in np.unique(library.core):
        here = library.core == core
        boards = library.board[here]
        ratio = np.log(cost[here] / (library.costs[here] @ form))
        level = float(np.mean([np.median(ratio[boards == board]) for board in np.unique(boards)]))
        names = tuple(sorted(set(map(str, boards))))
        yield Cell(str(core), variant, level, form, names, str(rows.mode[0]) == ALL)


def transfer(known: Sequence[Cell], core: str, variant: str) -> Transferred | None:
    """What the cells say of that library on that core; None where nothing was published for the core."""
    here = [cell for cell in known if cell.core == core]
    if not here:
        return None
    cores = sorted({cell.core for cell in known})
    variants = sorted({cell.variant for cell in known} | {variant})
    design = np.zeros((len(known), len(cores) + len(variants)))
    for row, cell in enumerate(known):
        design[row, [cores.index(cell.core), len(cores) + variants.index(cell.variant)]] = 1.0
    noise = NOISE[known[0].all_cores]
    spread = [_BROAD] * len(cores) + [LIBRARY_SPREAD] * len(variants)
    covariance = np.linalg.inv(design.T @ design / noise**2 + np.diag(np.power(spread, -2.0)))
    levels = covariance @ design.T @ np.array([cell.level for cell in known]) / noise**2
    wanted = np.zeros(design.shape[1])
    wanted[[cores.index(core), len(cores) + variants.index(variant)]] = 1.0
    forms = [cell.shape for cell in known if cell.variant == variant] or [cell.shape for cell in here]
    return Transferred(
        coefficients=np.mean(forms, axis=0) * np.exp(wanted @ levels),
        variance=float(wanted @ covariance @ wanted),
        libraries=tuple(sorted({cell.variant for cell in here})),
        boards=tuple(sorted({board for cell in here for board in cell.boards})),
    )


def left_out(rows: Published) -> tuple[list[LeftOutCell], list[LeftOutCell]]:
    """Every board in every library, predicted without the board and without that library on its core.

    The second list is without the library on any core: what a library that nobody published is worth. The
    rows are of one dtype and mode.
    """
    known, new = [], []
    for board in np.unique(rows.board):
        rest = rows.at(rows.board != board)
        common = shape(rest, cycles(rest, memory=False))
        own = rows.at(rows.board == board)
        others = cells(rest)
        for core, variant in sorted(set(zip(own.core, own.variant, strict=True))):
            test = own.at((own.core == core) & (own.variant == variant))
            cell = Cell(str(core), str(variant), 0.0, common, (str(board),), str(rows.mode[0]) == ALL)
            elsewhere = rest.at((rest.variant == variant) & (rest.core != core))
            without = [other for other in others if other.variant != variant]
            if found := _tested(test, without, cell):
                new.append(found)
            if len(elsewhere):
                again = [*without, *_cells_of(elsewhere, str(variant), common)]
                if found := _tested(test, again, cell):
                    known.append(found)
    return known, new


def _tested(test: Published, known: Sequence[Cell], cell: Cell) -> LeftOutCell | None:
    found = transfer(known, cell.core, cell.variant)
    if found is None:
        return None
    errors = np.log(test.costs @ found.coefficients / cycles(test, memory=False))
    return LeftOutCell(cell, cell.boards[0], errors, found.variance)


def _normalised(form: Array, rows: Published) -> Array:
    """The shape at level one: the geometric mean cost of every published network is one."""
    networks = np.unique(rows.costs, axis=0)
    return np.asarray(form / np.exp(np.log(networks @ form).mean()))
