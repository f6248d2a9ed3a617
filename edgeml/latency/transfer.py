"""A library on a core where nobody published it: from that core's other libraries and the ratios between them.

In logarithms a core's level and a library's add up, `level(core, library) = core + library + noise`, which is a
Bayesian linear model with a broad prior on cores and one of `LIBRARY_SPREAD` on libraries. So a library that was
never measured anywhere comes out as the others' mean, with the variance that libraries have among each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeml.latency.model import cycles, shape
from edgeml.latency.published import ALL, Published

Array = NDArray[np.float64]

LIBRARY_SPREAD = 0.35  # of libraries' logarithmic levels on one core
NOISE = {True: 0.35, False: 0.2}  # of a level: all cores of a cluster, or one
_BROAD = 1e4


@dataclass(frozen=True, slots=True)
class Cell:
    """A library on a core, as published: log of its level, and the library's shape, of level one, over cores."""

    core: str
    variant: str
    level: float
    shape: Array
    rows: Published
    cost: Array


@dataclass(frozen=True, slots=True)
class Transferred:
    """Coefficients for a core and a library, the variance of their log level, and what they come from."""

    coefficients: Array
    variance: float
    libraries: tuple[str, ...]
    boards: tuple[str, ...]


def cells(rows: Published) -> list[Cell]:
    """Every published pair of core and library; the rows are of one dtype and mode."""
    found = []
    common = shape(rows, cycles(rows, memory=False))
    for variant in np.unique(rows.variant):
        library = rows.at(rows.variant == variant)
        cost = cycles(library, memory=False)
        form = _normalised(shape(library, cost, common), rows)
        for core in np.unique(library.core):
            here = library.core == core
            part, spent = library.at(here), cost[here]
            ratio = np.log(spent / (part.costs @ form))
            level = np.mean([np.median(ratio[part.board == board]) for board in np.unique(part.board)])
            found.append(Cell(str(core), str(variant), float(level), form, part, spent))
    return found


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
    noise = NOISE[str(known[0].rows.mode[0]) == ALL]
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
        boards=tuple(sorted({str(board) for cell in here for board in cell.rows.board})),
    )


def left_out(rows: Published, *, new_library: bool) -> Iterator[tuple[Cell, Array, float]]:
    """Every cell predicted without it: log(predicted / published), float64[n], and the variance of the level.

    `new_library`: without any row of its library as well.
    """
    for cell in cells(rows):
        rest = (rows.core != cell.core) & (rows.variant == cell.variant)
        others = rows.at((rows.variant != cell.variant) | (rest & (not new_library)))
        found = transfer(cells(others), cell.core, cell.variant)
        if found:
            yield cell, np.log(cell.rows.costs @ found.coefficients / cell.cost), found.variance


def _normalised(form: Array, rows: Published) -> Array:
    """The shape at level one: the geometric mean cost of every published network is one."""
    networks = np.unique(rows.costs, axis=0)
    return np.asarray(form / np.exp(np.log(networks @ form).mean()))
