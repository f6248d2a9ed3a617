"""Piecewise polynomials of single columns: quantiles, splines, isotonic steps, interpolation.

A column's breakpoints split its line into pieces; which piece a value lies in is found by bisection, all
columns at once, so that a thousand breakpoints take ten steps and no intermediate is larger than the result.
A breakpoint at which the function jumps is a piece of its own.

The graph sees float32, scikit-learn float64. A float32 stands for the shortest decimal that rounds to it,
unless a breakpoint that is taken from the data rounds to it and is no decimal: then the data has all digits,
and the float32 stands for the breakpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.emitter import Emitter
from edgeml_converters.to_onnx.sklearn.origins import Map, float32_thresholds
from edgeml_converters.to_onnx.sklearn.terms import Term, larger, smaller
from edgeml_runtime.signature import Array

_NOISE = 1e-12  # relative: what arithmetic leaves between a decimal and what it is to be


@dataclass(frozen=True, slots=True)
class Piecewise:
    """A function of one column: k outputs, pieces 0 to m.

    at: float64[m], m > 0, never falling, where pieces 1 to m begin; after: bool[m], whether a piece begins
    behind that number, not at it; of_data: bool[m], whether that number is a value of the data. Piece i is
    the sum over d of coefficients[i, d] * u**d in the unit
    u = (x - origin[i]) * scale[i], with origin float32[m + 1], scale float64[m + 1], coefficients
    float64[m + 1, degree + 1, k].
    """

    at: Array
    after: Array
    of_data: Array
    origin: Array
    scale: Array
    coefficients: Array


def starts(at: Array, after: Array, of_data: Array, maps: tuple[Map, ...] = ()) -> Array:
    """float32[m]: the first value that lies at (or, where `after`, behind) each number.

    maps: what was done to the compared column before, see `origins`.
    """
    if maps:
        limits = np.where(after, at, np.nextafter(at, -np.inf))
        return np.nextafter(float32_thresholds(limits, maps, single=False), np.float32(np.inf))
    with np.errstate(over="ignore"):
        nearest = at.astype(np.float32)
        following = np.nextafter(nearest, np.float32(np.inf))
    decimal = np.array([float(str(value)) for value in nearest])
    decimal = np.where(of_data & (np.abs(decimal - at) > _NOISE * np.abs(at)), at, decimal)
    counts = np.where(after, decimal > at, decimal >= at)
    return np.where(counts, nearest, following)


def evaluate(emitter: Emitter, x: str, columns: Sequence[Piecewise], *, between: bool = False) -> str:
    """Each column's function of that column of x float32[n, c]: float32[n, c, outputs]. NaN gives NaN.

    Columns have the same degree and number of outputs. between: no piece is asked for more than lies between
    its ends, however narrow it is for float32; outermost pieces have to be constants.
    """
    place = _places(emitter, x, columns)
    tables = [
        np.concatenate([np.asarray(getattr(column, name), np.float64) for column in columns])
        for name in ("origin", "scale", "coefficients")
    ]
    origin, scale = (
        Term(emitter, emitter.add("Gather", emitter.constant(table), place, axis=0)) for table in tables[:2]
    )
    unit = (Term(emitter, x) - origin) * scale
    unit = larger(smaller(unit, 1.0), 0.0) if between else unit
    along = Term(emitter, emitter.add("Unsqueeze", unit.name, emitter.constant([2], "int64")))
    result: Term | None = None
    for table in np.moveaxis(tables[2], 1, 0)[::-1]:
        coefficient = Term(emitter, emitter.add("Gather", emitter.constant(table), place, axis=0))
        result = coefficient if result is None else result * along + coefficient
    if result is None:
        raise ValueError("a polynomial has at least one coefficient")
    return result.name


def output(emitter: Emitter, values: str, index: int) -> str:
    """float32[n, c]: one output of what `evaluate` gives."""
    one = emitter.add("Gather", values, emitter.constant([index], "int64"), axis=2)
    return emitter.add("Squeeze", one, emitter.constant([2], "int64"))


def _places(emitter: Emitter, x: str, columns: Sequence[Piecewise]) -> str:
    """int64[n, c]: the piece of each value, counted through all columns."""
    compared, maps = _before_scaling(emitter, x, len(columns))
    begin = [
        np.maximum.accumulate(starts(c.at, c.after, c.of_data, m)) for c, m in zip(columns, maps, strict=True)
    ]
    steps = max(len(b) for b in begin).bit_length()
    width = 2**steps - 1
    counts = np.array([len(c.at) + 1 for c in columns])
    first = np.cumsum([0, *counts[:-1]])
    # No value reaches what a table is filled up with.
    table = np.full((len(columns), width), np.nan, np.float32)
    for row, values in zip(table, begin, strict=True):
        row[: len(values)] = values
    entries = emitter.constant(table.ravel())
    passed = emitter.constant(np.zeros((1, len(columns))), "int64")
    offset = np.arange(len(columns)) * width - 1  # of the entry before a column's first
    for step in 2 ** np.arange(steps)[::-1]:
        ahead = emitter.add("Add", passed, emitter.constant([int(step)], "int64"))
        entry = emitter.add("Add", ahead, emitter.constant(offset[None], "int64"))
        reached = emitter.add("GreaterOrEqual", compared, emitter.add("Gather", entries, entry, axis=0))
        passed = emitter.add("Where", reached, ahead, passed)
    return emitter.add("Add", passed, emitter.constant(first[None], "int64"))


def has_maps(emitter: Emitter, x: str) -> bool:
    """Whether a column of x was scaled before."""
    return any(origin.maps for origin in emitter.origins.get(x, ()))


def _before_scaling(emitter: Emitter, x: str, width: int) -> tuple[str, list[tuple[Map, ...]]]:
    """The columns that decide, before they were scaled, and what was done to them."""
    origins = emitter.origins.get(x, ())
    if not has_maps(emitter, x):
        return x, [()] * width
    parts = [emitter.columns(origin.base, [origin.column]) for origin in origins]
    return emitter.concat(parts), [origin.maps for origin in origins]


def constant(values: Any) -> Piecewise:
    """A function that is those outputs everywhere, NaN at NaN."""
    both = np.stack([np.asarray(values, np.float64)] * 2)
    nowhere = np.zeros(1, bool)
    return Piecewise(np.zeros(1), nowhere, nowhere, np.zeros(2, np.float32), np.zeros(2), _raised(both, 1))


def _raised(values: Array, degree: int) -> Array:
    """Coefficients [m, degree + 1, k] of constants [m, k]."""
    padded = np.zeros((len(values), degree + 1, values.shape[1]))
    padded[:, 0] = values
    return padded


def lines(left: Array, right: Array, start: Array, stop: Array) -> tuple[Array, Array, Array, Array]:
    """Origin float32, scale, and the two coefficients of lines from (left, start) to (right, stop).

    A line whose ends are one number is its start.
    """
    scale = 1 / np.where(right > left, right - left, 1.0)
    origin = left.astype(np.float32)
    back = (origin - left) * scale
    # Ends nearer to each other than float32 resolves: what rounding the origin adds would be all there is.
    back = np.where(np.abs(back) < 0.5, back, 0.0)
    rise = stop - start
    return origin, scale, start + rise * back, rise


def through_points(x: Array, y: Array, *, held: bool = True) -> Piecewise:
    """Linear between points x float64[m], rising, and y float64[m]; beyond the ends held, or else NaN."""
    origin, scale, start, rise = lines(x[:-1], x[1:], y[:-1], y[1:])
    ends = np.array([y[0], y[-1]]) if held else np.full(2, np.nan)
    coefficients = np.zeros((len(x) + 2, 2, 1))
    coefficients[:, 0, 0] = [ends[0], *start, y[-1], ends[1]]
    coefficients[1:-2, 1, 0] = rise
    return Piecewise(
        at=np.append(x, x[-1]),
        after=np.append(np.zeros(len(x), bool), True),
        of_data=np.ones(len(x) + 1, bool),
        origin=np.concatenate([x[:1], origin, x[-1:], x[-1:]]).astype(np.float32),
        scale=np.concatenate([[0.0], scale, [0.0, 0.0]]),
        coefficients=coefficients,
    )


def sampled(
    breaks: Array,
    of_data: Array,
    degree: int,
    evaluate_at: Callable[[Array], Array],
    *,
    inside_only: bool = False,
) -> Piecewise:
    """The piecewise polynomial of that degree that a function is, learnt from its own values.

    breaks: float64[m] rising, m > 0, of_data: bool[m], see Piecewise; at each of them, and between two, the
    function is asked: evaluate_at maps float64[q] to float64[q, k]. inside_only: NaN before the first and
    behind the last break.
    """
    widths = np.diff(breaks)
    left = widths[0] if len(widths) else 1.0
    right = widths[-1] if len(widths) else 1.0
    lower = np.concatenate([[breaks[0] - left], breaks])
    span = np.concatenate([[left], widths, [right]])
    nodes = (np.arange(degree + 1) + 1) / (degree + 2)
    points = lower[:, None] + span[:, None] * nodes  # [m + 1, degree + 1], in the open pieces
    base = np.concatenate([breaks[:1], breaks]).astype(np.float32)
    asked = points[1:-1] if inside_only else points
    values = evaluate_at(np.concatenate([breaks, asked.ravel()]))
    at_breaks, between = values[: len(breaks)], values[len(breaks) :]
    between = between.reshape(*asked.shape, -1)
    if inside_only:
        unknown = np.full((1, *between.shape[1:]), np.nan)
        between = np.concatenate([unknown, between, unknown])
    units = (points - base[:, None].astype(np.float64)) / span[:, None]
    open_pieces = np.linalg.solve(units[:, :, None] ** np.arange(degree + 1), between)
    m, k = at_breaks.shape
    coefficients = np.zeros((2 * m + 1, degree + 1, k))
    coefficients[::2] = open_pieces
    coefficients[1::2] = _raised(at_breaks, degree)
    origin, scale = np.zeros(2 * m + 1, np.float32), np.zeros(2 * m + 1)
    origin[::2], scale[::2] = base, 1 / span
    origin[1::2] = breaks
    at, after = np.repeat(breaks, 2), np.tile([False, True], m)
    return Piecewise(at, after, np.repeat(of_data, 2), origin, scale, coefficients)
