"""numpy's functions and the methods of arrays, on traced arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn import piecewise
from edgeml_converters.to_onnx.sklearn.terms import Term
from edgeml_converters.to_onnx.sklearn.traced_array import (
    Kind,
    Shape,
    Traced,
    UntraceableError,
    kind_of,
    shape_of,
)
from edgeml_converters.to_onnx.sklearn.traced_reductions import (
    LARGEST,
    SMALLEST,
    all_of,
    any_of,
    ascending,
    deviation,
    filled,
    is_nan,
    known_only,
    mean,
    median,
    norm,
    place_of,
    product,
    running_total,
    total,
    variance,
)
from edgeml_converters.to_onnx.sklearn.traced_ufuncs import elementwise, where


def call(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """What a function of numpy gives of arguments of which one is traced."""
    from edgeml_converters.to_onnx.sklearn.traced_frame import plain

    translated = FUNCTIONS.get(function.__name__)
    if translated is None:
        raise UntraceableError(f"numpy.{function.__name__} is not translated")
    try:
        return translated(*plain(args), **{key: plain(value) for key, value in kwargs.items()})
    except TypeError as error:
        raise UntraceableError(
            f"numpy.{function.__name__} is not translated as it is called: {error}"
        ) from error


# Choices.


def _clip(x: Any, a_min: Any = None, a_max: Any = None, **named: Any) -> Traced:
    low = named.get("min", named.get("lower", a_min))
    high = named.get("max", named.get("upper", a_max))
    x = x if low is None else elementwise("maximum", x, low)
    return x if high is None else elementwise("minimum", x, high)


def _where(condition: Any, *values: Any) -> Traced:
    if len(values) != 2:
        raise UntraceableError("it asks where rows fulfil something (np.where with one argument)")
    return where(condition, *values)


def _select(conditions: Sequence[Any], choices: Sequence[Any], default: Any = 0) -> Any:
    result = default
    for condition, choice in zip(list(conditions)[::-1], list(choices)[::-1], strict=True):
        result = where(condition, choice, result)
    return result


def _nan_to_num(
    x: Traced, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None
) -> Traced:
    largest = float(np.finfo(np.float32).max)
    x = where(x > largest, largest if posinf is None else posinf, x)
    return filled(where(x < -largest, -largest if neginf is None else neginf, x), nan)


def _round(x: Traced, decimals: int = 0) -> Traced:
    if decimals == 0 or x.kind != "f":
        return elementwise("rint", x)
    return elementwise("divide", elementwise("rint", x * 10.0**decimals), 10.0**decimals)


def _interp(x: Traced, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Traced:
    if left is not None or right is not None or period is not None or isinstance(xp, Traced):
        raise UntraceableError("numpy.interp with left, right or period")
    points = np.asarray(xp, np.float64), np.asarray(fp, np.float64)
    line = piecewise.through_points(*points)
    flat = x.reshaped(-1, 1) if x.ndim == 1 else x
    if flat.ndim != 2:
        raise UntraceableError("numpy.interp of an array of more than two axes")
    values = piecewise.evaluate(flat.term.emitter, flat.floats().name, [line] * flat.width(1), between=True)
    result = flat.like(Term(x.term.emitter, piecewise.output(x.term.emitter, values, 0)))
    return result.removed(1) if x.ndim == 1 else result


def _searchsorted(bins: Any, x: Any, side: str = "left") -> Traced:
    if isinstance(bins, Traced):
        raise UntraceableError("numpy.searchsorted in edges that depend on the rows")
    last = x.inserted(x.ndim)
    edges = np.asarray(bins, np.float64)
    # NaN comes last, and so does not lie below any edge.
    below = last < edges if side == "right" else last <= edges
    return total(~below, -1)


def _digitize(x: Traced, bins: Any, right: bool = False) -> Traced:
    edges = np.asarray(bins, np.float64)
    if (np.diff(edges) > 0).all():
        return _searchsorted(edges, x, "left" if right else "right")
    last = x.inserted(x.ndim)
    return total(last <= edges if right else last < edges, -1)


def _isin(x: Traced, values: Any, **options: Any) -> Traced:
    known_only(options, assume_unique=None, kind=None)
    found = any_of(x.inserted(x.ndim) == np.ravel(values), -1)
    return ~found if options.get("invert") else found


def _polyval(p: Any, x: Traced) -> Any:
    result: Any = 0.0
    for coefficient in np.asarray(p, np.float64):
        result = result * x + coefficient
    return result


# Shapes and products.


def _joined(arrays: Sequence[Any], axis: int = 0, **other: Any) -> Traced:
    known_only(other, dtype=None)
    parts = list(arrays)
    traced = next(part for part in parts if isinstance(part, Traced))
    place = traced.axis(axis)
    kinds = {kind_of(part) for part in parts}
    kind: Kind = "f" if "f" in kinds else "i"
    if not all(isinstance(part, Traced) and part.ndim == traced.ndim for part in parts):
        raise UntraceableError("it joins rows with an array whose number of rows is fixed")
    emitter = traced.term.emitter
    name = emitter.add("Concat", *(part.floats().name for part in parts), axis=place)
    width = sum(part.width(place) for part in parts)
    result = Traced(Term(emitter, name), (*traced.shape_[:place], width, *traced.shape_[place + 1 :]), kind)
    return result != 0 if kinds == {"b"} else result


def _stack(arrays: Sequence[Any], axis: int = 0, **other: Any) -> Traced:
    parts = _even(list(arrays))
    place = axis % (parts[0].ndim + 1)
    return _joined([part.inserted(place) for part in parts], place, **other)


def _even(parts: list[Any]) -> list[Traced]:
    """Constants among the parts stretched to the rows."""
    traced = next(part for part in parts if isinstance(part, Traced))
    return [part if isinstance(part, Traced) else _full_like(traced, part) for part in parts]


def _column_stack(arrays: Sequence[Any]) -> Traced:
    return _joined([part.inserted(1) if part.ndim == 1 else part for part in _even(list(arrays))], 1)


def _hstack(arrays: Sequence[Any]) -> Traced:
    parts = list(arrays)
    return _joined(parts, 0 if shape_of(parts[0]) == (None,) else 1)


def _full_like(x: Traced, value: Any, *_: Any, **other: Any) -> Traced:
    """NaN of x does not show: the choice is made by a comparison."""
    return where(elementwise("isnan", x) | True, value, np.zeros(1))


def _astype(x: Traced, dtype: Any, *_: Any, **other: Any) -> Traced:
    kind = np.dtype(dtype).kind
    if kind == "b":
        return x.like(x.truth(), "b")
    if kind == "f":
        return x.like(x.floats(), "f")
    if kind in "iu":
        return x.like(elementwise("trunc", x).floats() if x.kind == "f" else x.floats(), "i")
    raise UntraceableError(f"it makes {np.dtype(dtype)} of numbers")


def _squeeze(x: Traced, axis: Any = None) -> Traced:
    places = [i for i, size in enumerate(x.shape_) if size == 1] if axis is None else [axis % x.ndim]
    for place in places[::-1]:
        x = x.removed(place)
    return x


def _flip(x: Traced, axis: Any = None) -> Traced:
    place = x.axis(axis)
    return x.taken(np.arange(x.width(place))[::-1], place)


def _roll(x: Traced, shift: int, axis: Any = None) -> Traced:
    place = x.axis(axis)
    return x.taken(np.roll(np.arange(x.width(place)), shift), place)


def _repeat(x: Traced, repeats: Any, axis: Any = None) -> Traced:
    place = x.axis(axis)
    return x.taken(np.repeat(np.arange(x.width(place)), repeats), place)


def _tile(x: Traced, reps: Any) -> Traced:
    times = reps if isinstance(reps, tuple) else (reps,)
    if x.ndim != 2 or len(times) > 2 or (len(times) == 2 and times[0] != 1):
        raise UntraceableError("it repeats rows")
    return x.taken(np.tile(np.arange(x.width(1)), times[-1]), 1)


def _take(x: Traced, indices: Any, axis: Any = None) -> Traced:
    place = x.axis(axis)
    return (
        x.taken(np.atleast_1d(indices), place)
        if np.ndim(indices)
        else x.taken([indices], place).removed(place)
    )


def _delete(x: Traced, places: Any, axis: Any = None) -> Traced:
    place = x.axis(axis)
    return x.taken(np.delete(np.arange(x.width(place)), places), place)


def _diff(x: Traced, n: int = 1, axis: int = -1) -> Traced:
    place = x.axis(axis)
    for _ in range(n):
        width = x.width(place)
        x = x.taken(np.arange(1, width), place) - x.taken(np.arange(width - 1), place)
    return x


def _reshape(x: Traced, *shape: Any, **options: Any) -> Traced:
    known_only(options, order=None, newshape=None, shape=None)
    return x.reshaped(*(shape or (options.get("shape", options.get("newshape")),)))


def _transpose(x: Traced, *axes: Any) -> Traced:
    order = axes[0] if len(axes) == 1 and axes[0] is not None else axes
    return x.transposed(order or range(x.ndim)[::-1])


def _ravel(x: Traced, *_: Any) -> Traced:
    if x.ndim == 1:
        return x
    if x.ndim == 2 and x.shape_ == (None, 1):
        return x.removed(1)
    raise UntraceableError("it joins all rows to one (ravel)")


def matmul(x: Any, y: Any) -> Traced:
    """A product of matrices, of which one is known."""
    if isinstance(x, Traced) and not isinstance(y, Traced):
        weights, emitter = np.asarray(y, np.float64), x.term.emitter
        shape: Shape = (*x.shape_[:-1], *weights.shape[1:])
        if x.shape_[-1] != weights.shape[0] or weights.ndim > 2:
            raise UntraceableError(f"it multiplies {x.shape_} and {weights.shape}")
        name = emitter.add("MatMul", x.floats().name, emitter.constant(np.atleast_2d(weights.T).T))
        product = Traced(Term(emitter, name), (*x.shape_[:-1], np.atleast_2d(weights.T).T.shape[1]))
        return product if weights.ndim == 2 else product.removed(len(shape))
    if isinstance(x, Traced) and isinstance(y, Traced) and x.ndim == y.ndim == 1:
        raise UntraceableError("it sums over rows")
    raise UntraceableError("it multiplies matrices both of which depend on the rows")


def _average(x: Traced, axis: Any = None, weights: Any = None) -> Traced:
    if weights is None:
        return mean(x, axis)
    known = np.asarray(weights, np.float64)
    return elementwise("divide", total(x * known, axis), float(known.sum()))


def _skipping(method: Callable[..., Traced]) -> Callable[..., Traced]:
    return lambda x, axis=None, **options: method(x, axis, skipna=True, **options)


def _named(name: str) -> Callable[..., Traced]:
    return lambda x: elementwise(name, x)


_PTP: Callable[..., Traced] = lambda x, axis=None: LARGEST(x, axis) - SMALLEST(x, axis)  # noqa: E731
METHODS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "all": all_of,
    "any": any_of,
    "argmax": place_of("ArgMax"),
    "argmin": place_of("ArgMin"),
    "astype": _astype,
    "between": lambda x, left, right: (x >= left) & (x <= right),
    "clip": _clip,
    "copy": lambda x, *_, **__: x.like(x.term, x.kind),
    "cumsum": running_total,
    "dot": matmul,
    "fillna": filled,
    "flatten": lambda x, *_: _ravel(x).like(_ravel(x).term, x.kind),
    "isna": is_nan,
    "isnull": is_nan,
    "mask": lambda x, condition, other=np.nan: where(condition, other, x),
    "max": LARGEST,
    "mean": mean,
    "min": SMALLEST,
    "notna": lambda x: ~is_nan(x),
    "notnull": lambda x: ~is_nan(x),
    "pow": lambda x, other: x**other,
    "prod": product,
    "ravel": _ravel,
    "repeat": _repeat,
    "reshape": _reshape,
    "round": _round,
    "squeeze": _squeeze,
    "std": deviation,
    "sum": total,
    "swapaxes": lambda x, a, b: np.swapaxes(x, a, b),
    "take": _take,
    "to_numpy": lambda x, *_, **__: x,
    "transpose": _transpose,
    "var": variance,
    "view": lambda x, *_: x,
    "where": lambda x, condition, other=np.nan: where(condition, x, other),
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: METHODS[name] for name in (
        "all", "any", "argmax", "argmin", "astype", "clip", "copy", "cumsum", "dot", "max", "mean", "min",
        "prod", "ravel", "repeat", "reshape", "round", "squeeze", "std", "sum", "take", "transpose", "var",
    )},
    "amax": LARGEST,
    "amin": SMALLEST,
    "around": _round,
    "average": _average,
    "column_stack": _column_stack,
    "concatenate": _joined,
    "delete": _delete,
    "diff": _diff,
    "digitize": _digitize,
    "expand_dims": lambda x, axis: x.inserted(axis % (x.ndim + 1)),
    "fix": _named("trunc"),
    "flip": _flip,
    "fliplr": lambda x: _flip(x, 1),
    "full_like": _full_like,
    "hstack": _hstack,
    "interp": _interp,
    "isin": _isin,
    "median": median,
    "nan_to_num": _nan_to_num,
    "nanmax": _skipping(LARGEST),
    "nanmean": _skipping(mean),
    "nanmin": _skipping(SMALLEST),
    "nanstd": _skipping(deviation),
    "nansum": _skipping(total),
    "nanvar": _skipping(variance),
    "ndim": lambda x: x.ndim,
    "norm": norm,
    "ones_like": lambda x, *_, **__: _full_like(x, 1.0),
    "polyval": _polyval,
    "ptp": _PTP,
    "real": lambda x: x,
    "roll": _roll,
    "searchsorted": _searchsorted,
    "select": _select,
    "shape": lambda x: x.shape,
    "sinc": lambda x: where(x == 0, 1.0, np.sin(np.pi * x) / where(x == 0, 1.0, np.pi * x)),
    "sort": ascending,
    "stack": _stack,
    "swapaxes": lambda x, a, b: x.transposed(_swapped(x.ndim, a, b)),
    "tile": _tile,
    "where": _where,
    "zeros_like": lambda x, *_, **__: _full_like(x, 0.0),
}  # fmt: skip


def _swapped(rank: int, a: int, b: int) -> list[int]:
    order = list(range(rank))
    order[a], order[b] = order[b], order[a]
    return order
