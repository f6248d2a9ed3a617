"""Numpy's functions that move the numbers of traced arrays about, and products of matrices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.terms import Term
from edgeml_converters.to_onnx.sklearn.traced_array import (
    Kind,
    Shape,
    Traced,
    UntraceableError,
    kind_of,
    shape_of,
)
from edgeml_converters.to_onnx.sklearn.traced_reductions import known_only
from edgeml_converters.to_onnx.sklearn.traced_ufuncs import elementwise, where


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


def _append(x: Any, values: Any, axis: Any = None) -> Traced:
    return _joined([x, values], axis) if axis is not None else _joined([_ravel(x), values], 0)


def _pad(x: Traced, pad_width: Any, mode: str = "constant", constant_values: float = 0.0) -> Traced:
    amounts = np.broadcast_to(np.asarray(pad_width, np.int64), (x.ndim, 2))
    if mode != "constant" or np.ndim(constant_values) or amounts[x.batch_axis].any():
        raise UntraceableError("it pads rows, or with more than one number")
    emitter = x.term.emitter
    name = emitter.add(
        "Pad",
        x.floats().name,
        emitter.constant(amounts.T.ravel(), "int64"),
        emitter.constant(float(constant_values)),
        mode="constant",
    )
    sizes = [s if s is None else s + int(a.sum()) for s, a in zip(x.shape_, amounts, strict=True)]
    return x.like(Term(emitter, name), "f" if x.kind == "f" else "i", tuple(sizes))


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


def _swapped(rank: int, a: int, b: int) -> list[int]:
    order = list(range(rank))
    order[a], order[b] = order[b], order[a]
    return order


SHAPES: dict[str, Callable[..., Any]] = {
    "append": _append,
    "astype": _astype,
    "column_stack": _column_stack,
    "concatenate": _joined,
    "copy": lambda x, *_, **__: x.like(x.term, x.kind),
    "delete": _delete,
    "diff": _diff,
    "dot": matmul,
    "empty_like": lambda x, *_, **__: _full_like(x, 0.0),
    "expand_dims": lambda x, axis: x.inserted(axis % (x.ndim + 1)),
    "flip": _flip,
    "fliplr": lambda x: _flip(x, 1),
    "full_like": _full_like,
    "hstack": _hstack,
    "ones_like": lambda x, *_, **__: _full_like(x, 1.0),
    "pad": _pad,
    "ravel": _ravel,
    "repeat": _repeat,
    "reshape": _reshape,
    "roll": _roll,
    "squeeze": _squeeze,
    "stack": _stack,
    "swapaxes": lambda x, a, b: x.transposed(_swapped(x.ndim, a, b)),
    "take": _take,
    "tile": _tile,
    "transpose": _transpose,
    "zeros_like": lambda x, *_, **__: _full_like(x, 0.0),
}
"""By name: what changes no number."""
