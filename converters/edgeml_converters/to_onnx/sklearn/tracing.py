"""FunctionTransformer: its function called once with an array that records, and the record proven.

A record is true for other rows if the function does the same whatever the rows are. So it is run on rows of
our own, by ONNX's reference implementation, and compared with the function; what depends on anything but the
rows, or on branches that the record did not see, shows there. The function is code of the model's owner: it
runs here as it does in every prediction, and a model that may hold one is only read where that is allowed.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.emitter import Emitter, Rules
from edgeml_converters.to_onnx.sklearn.terms import Term
from edgeml_converters.to_onnx.sklearn.traced_array import Traced, UntraceableError
from edgeml_converters.to_onnx.sklearn.traced_frame import Frame
from edgeml_runtime.errors import UnsupportedModelError
from edgeml_runtime.signature import Array

_VALUES = (0.0, 1.0, 2.0, 0.5, 3.25, 7.0, 10.0, 100.0, 0.25, 16.0, 60.5, 1000.0, 5.0, 0.875, 42.0, 300.0)
_SHARE = 0.05  # of values that may differ: next to a step rounding decides
_TOLERANCE = 1e-4  # of a value, relative to the largest of its column
_WAYS_OUT = (
    "write it with numpy's functions of whole arrays that take each row by itself, or leave the step outside "
    "of what is compiled"
)

Function = Callable[..., Any]


def traced(
    emitter: Emitter, x: str, width: int, function: Function, options: Mapping[str, Any], names: Any
) -> str:
    """What the function makes of x float32[n, width]: float32[n, k]; raises UntraceableError.

    names: of the columns, where the function gets a data frame.
    """
    rows = Traced(Term(emitter, x), (None, width))
    argument: Any = rows
    if names is not None:
        argument = Frame({str(name): rows[:, i].copy() for i, name in enumerate(names)})
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            result = function(argument, **options)
    except UntraceableError:
        raise
    except Exception as error:  # the function is not ours: it may raise anything
        raise UntraceableError(f"{type(error).__name__}: {error}") from error
    result = result.values if isinstance(result, Frame) else result
    if not isinstance(result, Traced):
        raise UntraceableError(f"it gives {type(result).__name__}, which does not depend on the rows")
    if result.shape_[0] is not None or result.ndim > 2:
        raise UntraceableError("it gives an array that is not one row for each row")
    flat = result if result.ndim == 2 else result.inserted(1)
    return flat.floats().name


def untraceable(model: Any, *, inverse: bool = False) -> str | None:
    """Why a FunctionTransformer's function, or its inverse's, has no proven graph; None where it has."""
    function, options, names = _called(model, inverse=inverse)
    if function is None:
        return None
    named = getattr(function, "__name__", type(function).__name__)
    what = f"{'inverse_func' if inverse else 'func'} {named}"
    width = getattr(model, "n_features_in_", None)
    if width is None:
        return f"{what}: the step does not say how many columns it takes (n_features_in_); call fit on it"
    emitter = Emitter(Rules())
    try:
        result = traced(emitter, "x", int(width), function, options, names)
        _prove(emitter, result, int(width), function, options, names)
    except UntraceableError as error:
        return f"{what} cannot be traced: {error}; {_WAYS_OUT}"
    return None


def _called(model: Any, *, inverse: bool) -> tuple[Function | None, Mapping[str, Any], Any]:
    """The function, its further arguments and the names of the columns that it gets."""
    if inverse:
        return model.inverse_func, model.inv_kw_args or {}, None
    names = None if model.validate else getattr(model, "feature_names_in_", None)
    return model.func, model.kw_args or {}, names


def _prove(
    emitter: Emitter, result: str, width: int, function: Function, options: Mapping[str, Any], names: Any
) -> None:
    """Compare the record with the function on test rows; raises UntraceableError where they differ."""
    rows = _test_rows(width)
    try:
        wanted = _answer(function, rows, options, names)
    except UntraceableError:  # it may refuse numbers below 0, and NaN
        rows = np.abs(rows[:-1]) + 0.5
        wanted = _answer(function, rows, options, names)
    if not np.array_equal(wanted, _answer(function, rows, options, names), equal_nan=True):
        raise UntraceableError("it answers differently each time (random numbers, a state of its own)")
    got = _evaluated(emitter, result, rows)
    if got.shape != wanted.shape:
        raise UntraceableError(f"it gives {wanted.shape[1:]} numbers a row and its record {got.shape[1:]}")
    known = np.isfinite(wanted) & (np.abs(wanted) < np.finfo(np.float32).max / 10)
    # What goes beyond float32 on the way there says nothing of other rows, if it is not most of them.
    held = known & np.isfinite(got)
    known = held if held.sum() > known.sum() / 2 else known
    expected, found = np.where(known, wanted, 0.0), np.where(known, got, 0.0)
    scale = np.abs(expected).max(axis=0, initial=1e-30)
    close = np.abs(found - expected) <= _TOLERANCE * scale
    same = np.where(known, close, np.isnan(wanted) <= np.isnan(got))
    if (~same).mean() > _SHARE:
        row, column = np.argwhere(~same)[0]
        raise UntraceableError(
            f"what was recorded gives {got[row, column]:.6g} for a test row, the function itself "
            f"{wanted[row, column]:.6g}: it does not do the same for all rows"
        )


def _test_rows(width: int) -> Array:
    """float64[49, width]: numbers that float32 holds, of both signs, and a row of NaN."""
    place = np.arange(24)[:, None] + 5 * np.arange(width)
    rows = np.array(_VALUES)[place % len(_VALUES)]
    mixed = np.where(place % 3 == 0, -rows, rows / 8 + place % 7)
    return np.concatenate([rows, mixed, np.full((1, width), np.nan)])


def _answer(function: Function, rows: Array, options: Mapping[str, Any], names: Any) -> Array:
    """float64[n, k]; raises UntraceableError where the function raises an error."""
    argument: Any = rows.copy()
    if names is not None:
        from pandas import DataFrame

        argument = DataFrame(argument, columns=names)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            answer = function(argument, **copy.deepcopy(dict(options)))
            found = np.asarray(answer.to_numpy() if hasattr(answer, "to_numpy") else answer, np.float64)
    except Exception as error:  # the function is not ours: it may raise anything
        raise UntraceableError(f"{type(error).__name__} on test rows: {error}") from error
    return found[:, None] if found.ndim == 1 else found


def _evaluated(emitter: Emitter, result: str, rows: Array) -> Array:
    from onnx import TensorProto, helper
    from onnx.reference import ReferenceEvaluator

    graph = helper.make_graph(
        [*emitter.nodes, helper.make_node("Identity", [result], ["result"])],
        "traced",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", rows.shape[1]])],
        [helper.make_tensor_value_info("result", TensorProto.FLOAT, None)],
        emitter.initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (found,) = ReferenceEvaluator(model).run(None, {"x": rows.astype(np.float32)})
    return np.asarray(found, np.float64)


def _rule(emitter: Emitter, model: Any, x: str, *, inverse: bool) -> str:
    function, options, names = _called(model, inverse=inverse)
    if function is None:
        return x
    try:
        return traced(emitter, x, int(model.n_features_in_), function, options, names)
    except UntraceableError as error:
        raise UnsupportedModelError(f"FunctionTransformer: {error}; {_WAYS_OUT}") from error


def _forward(emitter: Emitter, model: Any, x: str) -> str:
    return _rule(emitter, model, x, inverse=False)


def _back(emitter: Emitter, model: Any, x: str) -> str:
    return _rule(emitter, model, x, inverse=True)


RULES = Rules(
    transform={"FunctionTransformer": _forward},
    inverse={"FunctionTransformer": _back},
    limits={"FunctionTransformer": untraceable},
    inverse_limits={"FunctionTransformer": lambda model: untraceable(model, inverse=True)},
)
