"""Parity: how far an artifact's answers are from the original's, and which rows change their label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeml.reference import Reference
from edgeml_runtime.signature import Array

# A flipped label counts against an artifact only where the original was surer than float32 can tell.
FLOAT32_RESOLUTION = 1e-5


@dataclass(frozen=True, slots=True)
class Flip:
    """A row whose label changed; `margin`: by how much the original preferred its own, None if unknown."""

    row: int
    expected: str
    got: str
    margin: float | None


@dataclass(frozen=True, slots=True)
class MethodParity:
    """Differences of one method's values; `relative_difference`: root mean square over the original's.

    `lost`: values finite on one side only, or infinities of different sign; no difference counts them.
    """

    method: str
    max_difference: float
    mean_difference: float
    relative_difference: float
    lost: int


@dataclass(frozen=True, slots=True)
class Parity:
    """An artifact against the original on `rows` rows.

    `label_agreement`: share of equal labels, `resolved_agreement`: the same without rows whose margin float32
    cannot resolve; both None where the model has no labels. `flips` are sorted by margin, largest first.
    `undecided`: rows that hang on ties; their values are not compared, and their labels have no margin.
    """

    rows: int
    label_agreement: float | None
    resolved_agreement: float | None
    flips: tuple[Flip, ...]
    methods: tuple[MethodParity, ...]
    undecided: int = 0

    @property
    def relative_difference(self) -> float:
        """The worst method's; 0 where only labels are compared."""
        return max((m.relative_difference for m in self.methods), default=0.0)

    @property
    def max_difference(self) -> float:
        """The worst method's."""
        return max((m.max_difference for m in self.methods), default=0.0)

    @property
    def lost(self) -> int:
        """Values of all methods that are no numbers where the original's are, or the reverse."""
        return sum(m.lost for m in self.methods)


@dataclass(frozen=True, slots=True)
class MinimalCase:
    """What still differs: the model's kind, how it was cut down, the row's values that matter, both answers.

    `features`: by name or index, those that cannot be set to 0; `margin`: as in Flip.
    """

    kind: str
    cut: tuple[str, ...]
    features: tuple[tuple[str, float], ...]
    features_in_all: int
    expected: str
    got: str
    margin: float | None


def compare(reference: Reference, results: dict[str, list[Array]], labels: Array | None) -> Parity:
    """Compare results by method, and the labels they imply, with the reference on the same rows."""
    rows = len(next(iter(reference.results.values()))[0])
    decided = np.ones(rows, bool) if reference.undecided is None else ~reference.undecided
    methods = tuple(
        _compare_values(name, expected, results[name], decided)
        for name, expected in reference.results.items()
        if all(a.dtype.kind in "fiub" for a in expected) and not _is(reference.labels, expected)
    )
    if reference.labels is None or labels is None:
        return Parity(rows, None, None, (), methods, int((~decided).sum()))
    changed = np.asarray(reference.labels != labels).reshape(rows, -1).any(axis=1)
    flips = [
        Flip(
            int(row),
            str(reference.labels[row]),
            str(labels[row]),
            _margin(reference.margins, int(row)),
        )
        for row in np.flatnonzero(changed)
    ]
    resolved = sum(1 for f in flips if f.margin is None or f.margin > FLOAT32_RESOLUTION)
    flips.sort(key=lambda f: (-(f.margin or 0.0), f.row))
    agreement, undecided = 1.0 - len(flips) / rows, int((~decided).sum())
    return Parity(rows, agreement, 1.0 - resolved / rows, tuple(flips), methods, undecided)


def _margin(margins: Array | None, row: int) -> float | None:
    return None if margins is None or not np.isfinite(margins[row]) else float(margins[row])


def _is(labels: Array | None, result: list[Array]) -> bool:
    """Whether this result holds the labels themselves, which are compared as labels."""
    return labels is not None and len(result) == 1 and labels is result[0]


def _compare_values(name: str, expected: list[Array], got: list[Array], decided: Array) -> MethodParity:
    worst, relative, total, count, lost = 0.0, 0.0, 0.0, 0, 0
    for want, have in zip(expected, got, strict=True):
        want, have = want.astype(np.float64), have.reshape(want.shape).astype(np.float64)
        want, have = want[decided], have[decided]
        finite = np.isfinite(want) & np.isfinite(have)
        # A NaN would vanish in every maximum below and look like agreement.
        lost += int((~finite & (want != have) & ~(np.isnan(want) & np.isnan(have))).sum())
        want, have = want[finite], have[finite]
        if want.size == 0:
            continue
        difference = np.abs(have - want)
        scale = float(np.sqrt(np.mean(np.square(want)))) or 1.0
        worst = max(worst, float(difference.max()))
        relative = max(relative, float(np.sqrt(np.mean(np.square(difference)))) / scale)
        total, count = total + float(difference.sum()), count + difference.size
    return MethodParity(name, worst, total / max(count, 1), relative, lost)
