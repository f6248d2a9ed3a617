"""Numpy's reductions along an axis of traced arrays; NaN where numpy gives NaN."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.terms import Term
from edgeml_converters.to_onnx.sklearn.traced_array import Kind, Traced, UntraceableError
from edgeml_converters.to_onnx.sklearn.traced_ufuncs import elementwise, where


def _reduce(op: str, x: Traced, axis: Any, keepdims: bool, term: Term, kind: Kind) -> Traced:
    places = [x.axis(a) for a in (axis if isinstance(axis, tuple) else (axis,))]
    emitter = term.emitter
    name = emitter.add(op, term.name, emitter.constant(places, "int64"), keepdims=int(keepdims))
    shape: list[int | None] = []
    for place, size in enumerate(x.shape_):
        if place not in places:
            shape.append(size)
        elif keepdims:
            shape.append(1)
    return Traced(Term(emitter, name), tuple(shape), kind)


def total(
    x: Traced, axis: Any = None, *, keepdims: bool = False, skipna: bool = False, **other: Any
) -> Traced:
    """Numpy's sum."""
    known_only(other, dtype=None)
    x = filled(x, 0.0) if skipna else x
    return _reduce("ReduceSum", x, axis, keepdims, x.floats(), "f" if x.kind == "f" else "i")


def product(x: Traced, axis: Any = None, *, keepdims: bool = False) -> Traced:
    """Numpy's prod."""
    return _reduce("ReduceProd", x, axis, keepdims, x.floats(), "f" if x.kind == "f" else "i")


def mean(
    x: Traced, axis: Any = None, *, keepdims: bool = False, skipna: bool = False, **other: Any
) -> Traced:
    """Numpy's mean."""
    known_only(other, dtype=None)
    if not skipna:
        return _reduce("ReduceMean", x, axis, keepdims, x.floats(), "f")
    present = total(filled(x, 0.0), axis, keepdims=keepdims)
    return elementwise("divide", present, total(~is_nan(x), axis, keepdims=keepdims))


def variance(
    x: Traced, axis: Any = None, *, ddof: int = 0, keepdims: bool = False, skipna: bool = False
) -> Traced:
    """Numpy's var."""
    centred = x - mean(x, axis, keepdims=True, skipna=skipna)
    squares = total(centred * centred, axis, keepdims=keepdims, skipna=skipna)
    counted = ~is_nan(x) if skipna else is_nan(x) | True
    return elementwise("divide", squares, total(counted, axis, keepdims=keepdims) - ddof)


def deviation(x: Traced, axis: Any = None, **options: Any) -> Traced:
    """Numpy's std."""
    return elementwise("sqrt", variance(x, axis, **options))


def _extreme(op: str, replaced: float) -> Callable[..., Traced]:
    """The largest or smallest: NaN where one is NaN, or without them."""

    def reduction(x: Traced, axis: Any = None, *, keepdims: bool = False, skipna: bool = False) -> Traced:
        known = filled(x, replaced)
        found = _reduce(op, known, axis, keepdims, known.floats(), x.kind if x.kind != "b" else "i")
        if x.kind != "f":
            return found
        missing = (
            all_of(is_nan(x), axis, keepdims=keepdims)
            if skipna
            else any_of(is_nan(x), axis, keepdims=keepdims)
        )
        return where(missing, np.nan, found)

    return reduction


def any_of(x: Traced, axis: Any = None, *, keepdims: bool = False) -> Traced:
    """Numpy's any."""
    found = _reduce("ReduceMax", x, axis, keepdims, x.truth().as_float(), "f")
    return found.like(found.term > 0.5, "b")


def all_of(x: Traced, axis: Any = None, *, keepdims: bool = False) -> Traced:
    """Numpy's all."""
    found = _reduce("ReduceMin", x, axis, keepdims, x.truth().as_float(), "f")
    return found.like(found.term > 0.5, "b")


def place_of(op: str) -> Callable[..., Traced]:
    """Numpy's argmax or argmin, by the name of the ONNX operator."""

    def reduction(x: Traced, axis: Any = None, *, keepdims: bool = False) -> Traced:
        place = x.axis(axis)
        # The first NaN, where there is one.
        x = filled(x, np.inf if op == "ArgMax" else -np.inf)
        name = x.term.emitter.add(op, x.floats().name, axis=place, keepdims=int(keepdims))
        size = (1,) if keepdims else ()
        shape = (*x.shape_[:place], *size, *x.shape_[place + 1 :])
        return Traced(Term(x.term.emitter, x.term.emitter.add("Cast", name, to=1)), shape, "i")

    return reduction


def running_total(x: Traced, axis: Any = None, **other: Any) -> Traced:
    """Numpy's cumsum."""
    known_only(other, dtype=None)
    emitter = x.term.emitter
    place = emitter.add("Squeeze", emitter.constant([x.axis(axis)], "int64"))
    sums = Term(emitter, emitter.add("CumSum", x.floats().name, place))
    return x.like(sums, "f" if x.kind == "f" else "i")


def ascending(x: Traced, axis: Any = -1) -> Traced:
    """Numpy's sort along the last axis, NaN last."""
    place = x.axis(axis)
    if place != x.ndim - 1:
        raise UntraceableError("it sorts along an axis that is not the last")
    emitter, width = x.term.emitter, x.width(place)
    missing, known = total(is_nan(x), axis, keepdims=True), filled(x, np.inf)
    name, _ = emitter.add_many(
        "TopK", 2, known.floats().name, emitter.constant([width], "int64"), largest=0, axis=-1
    )
    ordered = x.like(Term(emitter, name), x.kind)
    return where(missing > np.arange(width)[::-1], np.nan, ordered) if x.kind == "f" else ordered


def median(x: Traced, axis: Any = None, *, keepdims: bool = False) -> Traced:
    """Numpy's median along the last axis."""
    place = x.axis(axis)
    if place != x.ndim - 1:
        raise UntraceableError("it takes the median along an axis that is not the last")
    ordered, width = ascending(x), x.width(place)
    middle = (ordered[..., (width - 1) // 2] + ordered[..., width // 2]) / 2
    found = where(any_of(is_nan(x), axis), np.nan, middle)
    return found.inserted(place) if keepdims else found


def norm(x: Traced, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Traced:
    """Numpy's linalg.norm of vectors, without squares that overflow."""
    if ord in (None, 2):
        largest = LARGEST(abs(x), axis, keepdims=True)
        scale = where(largest == 0, 1.0, largest)
        shares: Traced = (x / scale) ** 2
        size = elementwise("multiply", elementwise("sqrt", total(shares, axis, keepdims=True)), scale)
        return size if keepdims else size.removed(x.axis(axis))
    if ord == 1:
        return total(abs(x), axis, keepdims=keepdims)
    if ord == np.inf:
        return LARGEST(abs(x), axis, keepdims=keepdims)
    raise UntraceableError(f"numpy.linalg.norm with ord={ord}")


def is_nan(x: Traced) -> Traced:
    """Where a number is missing."""
    return elementwise("isnan", x)


def filled(x: Traced, value: Any) -> Traced:
    """With a value in the place of NaN."""
    return where(is_nan(x), value, x) if x.kind == "f" else x


def known_only(options: Mapping[str, Any], **allowed: Any) -> None:
    """Raise UntraceableError for an option that is neither allowed nor None."""
    strange = {key: value for key, value in options.items() if key not in allowed and value is not None}
    if strange:
        raise UntraceableError(f"it passes {', '.join(strange)}")


def quantile(x: Traced, q: Any, axis: Any = None, **options: Any) -> Traced:
    """Numpy's quantile along the last axis, linear between numbers."""
    known_only(options, keepdims=None)
    place = x.axis(axis)
    if np.ndim(q) or place != x.ndim - 1 or options.get("keepdims"):
        raise UntraceableError("it takes several quantiles, or along an axis that is not the last")
    ordered = ascending(x)
    where_to = float(q) * (x.width(place) - 1)
    low = min(int(where_to), x.width(place) - 2)
    lower, upper = ordered[..., low], ordered[..., low + 1]
    found = lower + (upper - lower) * (where_to - low)
    return where(any_of(is_nan(x), axis), np.nan, found)


def average(x: Traced, axis: Any = None, weights: Any = None) -> Traced:
    """Numpy's average, with known weights."""
    if weights is None:
        return mean(x, axis)
    known = np.asarray(weights, np.float64)
    return elementwise("divide", total(x * known, axis), float(known.sum()))


LARGEST, SMALLEST = _extreme("ReduceMax", -np.inf), _extreme("ReduceMin", np.inf)
