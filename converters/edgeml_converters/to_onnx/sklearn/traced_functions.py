"""numpy's functions and the methods of arrays, on traced arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn import piecewise
from edgeml_converters.to_onnx.sklearn.terms import Term
from edgeml_converters.to_onnx.sklearn.traced_array import (
    Traced,
    UntraceableError,
)
from edgeml_converters.to_onnx.sklearn.traced_reductions import (
    LARGEST,
    SMALLEST,
    all_of,
    any_of,
    ascending,
    average,
    deviation,
    filled,
    is_nan,
    known_only,
    mean,
    median,
    norm,
    place_of,
    product,
    quantile,
    running_total,
    total,
    variance,
)
from edgeml_converters.to_onnx.sklearn.traced_shapes import SHAPES
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


def _skipping(method: Callable[..., Traced]) -> Callable[..., Traced]:
    return lambda x, axis=None, **options: method(x, axis, skipna=True, **options)


def _named(name: str) -> Callable[..., Traced]:
    return lambda x: elementwise(name, x)


_PTP: Callable[..., Traced] = lambda x, axis=None: LARGEST(x, axis) - SMALLEST(x, axis)  # noqa: E731
METHODS: dict[str, Callable[..., Any]] = {
    **{
        name: SHAPES[name]
        for name in (
            "astype",
            "copy",
            "dot",
            "ravel",
            "repeat",
            "reshape",
            "squeeze",
            "swapaxes",
            "take",
            "transpose",
        )
    },
    "abs": abs,
    "all": all_of,
    "any": any_of,
    "argmax": place_of("ArgMax"),
    "argmin": place_of("ArgMin"),
    "between": lambda x, left, right: (x >= left) & (x <= right),
    "clip": _clip,
    "cumsum": running_total,
    "fillna": filled,
    "flatten": lambda x, *_: SHAPES["copy"](SHAPES["ravel"](x)),
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
    "round": _round,
    "std": deviation,
    "sum": total,
    "to_numpy": lambda x, *_, **__: x,
    "var": variance,
    "view": lambda x, *_: x,
    "where": lambda x, condition, other=np.nan: where(condition, x, other),
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **SHAPES,
    **{name: METHODS[name] for name in (
        "all", "any", "argmax", "argmin", "clip", "cumsum", "max", "mean", "min",
        "prod", "round", "std", "sum", "var",
    )},
    "amax": LARGEST,
    "amin": SMALLEST,
    "around": _round,
    "average": average,
    "digitize": _digitize,
    "fix": _named("trunc"),
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
    "percentile": lambda x, q, axis=None, **options: quantile(x, q / 100, axis, **options),
    "polyval": _polyval,
    "ptp": _PTP,
    "quantile": quantile,
    "real": lambda x: x,
    "searchsorted": _searchsorted,
    "select": _select,
    "shape": lambda x: x.shape,
    "sinc": lambda x: where(x == 0, 1.0, np.sin(np.pi * x) / where(x == 0, 1.0, np.pi * x)),
    "sort": ascending,
    "where": _where,
}  # fmt: skip
