"""Proof at the boundaries: rows on the model's own decisions, which rows of data almost never meet.

Judged for float32 alone: a quantized artifact moves its decisions by design, and the user's rows say whether
that matters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgeml.parity import FLOAT32_RESOLUTION, Flip
from edgeml.reference import Reference, consult
from edgeml_converters.intake import source_of
from edgeml_converters.model import Data, TrainedModel
from edgeml_runtime.errors import InputError
from edgeml_runtime.signature import Array

MAX_ROWS = 30_000
# Beyond this share of a method's largest value a difference is another decision, not rounding.
VALUE_RESOLUTION = 1e-4


@dataclass(frozen=True, slots=True)
class BoundaryRows:
    """Rows on decisions and the original's answers to them, out of `total` such rows."""

    rows: Data
    total: int
    reference: Reference


@dataclass(frozen=True, slots=True)
class BoundaryParity:
    """An artifact on the boundary rows; `flips`: rows with another label or value, largest margin first.

    A flip's margin is the original's preference for its label, or the difference as a share of the largest
    value.
    """

    rows: int
    total: int
    flips: tuple[Flip, ...]


def boundary_rows(model: TrainedModel, rows: Data) -> BoundaryRows | None:
    """Rows on the model's decisions, made from ordinary ones; None where its source knows of none."""
    make = source_of(model).boundaries
    made = None if make is None else make(model, rows.x, MAX_ROWS)
    if made is None:
        return None
    data = Data(made.rows)
    try:
        return BoundaryRows(data, made.total, consult(model, data))
    except InputError:  # the original itself refuses such rows
        return None


def compare_boundaries(
    boundary: BoundaryRows, results: Mapping[str, list[Array]], labels: Array | None
) -> BoundaryParity:
    """Every row whose label changes beyond float32's resolution, or a value by more than VALUE_RESOLUTION."""
    reference, count = boundary.reference, len(boundary.rows)
    margin = np.zeros(count)
    shown: dict[int, tuple[str, str]] = {}
    for name, expected in reference.results.items():
        for want, have in zip(expected, results[name], strict=True):
            if want is reference.labels or want.dtype.kind not in "fiub":
                continue
            share = _share(want.astype(np.float64), have.reshape(want.shape).astype(np.float64))
            if reference.undecided is not None:
                share[reference.undecided] = 0.0
            for row in np.flatnonzero(share > np.maximum(margin, VALUE_RESOLUTION)):
                margin[row] = share[row]
                shown[int(row)] = (_short(want[row]), _short(have[row]))
    if reference.labels is not None and labels is not None:
        changed = np.asarray(reference.labels != labels).reshape(count, -1).any(axis=1)
        margins = reference.margins if reference.margins is not None else np.full(count, np.inf)
        for row in np.flatnonzero(changed & (margins > FLOAT32_RESOLUTION)):
            margin[row] = margins[row]
            shown[int(row)] = (str(reference.labels[row]), str(labels[row]))
    flips = [
        Flip(row, expected, got, float(margin[row]) if np.isfinite(margin[row]) else None)
        for row, (expected, got) in shown.items()
    ]
    flips.sort(key=lambda f: (-(np.inf if f.margin is None else f.margin), f.row))
    return BoundaryParity(count, boundary.total, tuple(flips))


def _share(want: Array, have: Array) -> Array:
    """float64[n]: a row's largest difference as a share of the largest value of all; inf for a lost value."""
    finite = np.isfinite(want) & np.isfinite(have)
    same = finite | (want == have) | (np.isnan(want) & np.isnan(have))
    scale = float(np.abs(want[finite]).max(initial=0.0)) or 1.0
    with np.errstate(invalid="ignore"):
        difference = np.where(finite, np.abs(have - want) / scale, np.where(same, 0.0, np.inf))
    share: Array = difference.reshape(len(want), -1).max(axis=1, initial=0.0)
    return share


def _short(values: Array) -> str:
    return np.array2string(np.asarray(values), precision=6, threshold=6, edgeitems=3)
