"""A data frame that records what is done to it: traced columns by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.traced_array import Traced, UntraceableError
from edgeml_converters.to_onnx.sklearn.traced_ufuncs import apply


class Frame(np.lib.mixins.NDArrayOperatorsMixin):
    """Columns of rows, each a traced array of shape (rows,)."""

    def __init__(self, parts: Mapping[str, Traced]) -> None:
        self.parts = dict(parts)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return apply(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        from edgeml_converters.to_onnx.sklearn.traced_functions import call

        return call(function, args, kwargs)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise UntraceableError("it turns rows into a plain array (np.asarray, a library that is not numpy's)")

    def __len__(self) -> int:
        raise UntraceableError("it asks for the number of rows")

    def __bool__(self) -> bool:
        raise UntraceableError("it branches on the numbers themselves (use np.where)")

    def __iter__(self) -> Iterator[str]:
        return iter(self.parts)

    def __contains__(self, name: object) -> bool:
        return name in self.parts

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self.parts)

    @property
    def shape(self) -> tuple[Any, ...]:
        """As an array's."""
        return self.values.shape

    @property
    def ndim(self) -> int:
        """As pandas says."""
        return 2

    @property
    def values(self) -> Traced:
        """The array [rows, columns]."""
        from edgeml_converters.to_onnx.sklearn.traced_functions import FUNCTIONS

        result: Traced = FUNCTIONS["column_stack"](list(self.parts.values()))
        return result

    def to_numpy(self, *_: Any, **__: Any) -> Traced:
        """The array [rows, columns]."""
        return self.values

    def copy(self, *_: Any, **__: Any) -> Frame:
        """Another frame of the same columns."""
        return Frame({name: part.copy() for name, part in self.parts.items()})

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, (str, int)):
            return self._column(key)
        if isinstance(key, (list, tuple, np.ndarray)) or hasattr(key, "tolist"):
            return Frame({name: self._column(name) for name in key})
        raise UntraceableError("it picks some of the rows")

    def __setitem__(self, key: Any, value: Any) -> None:
        if not isinstance(key, str):
            raise UntraceableError("it assigns to several columns at once, or to some rows")
        self.parts[key] = self._new(value)

    def __getattr__(self, name: str) -> Any:
        if name in self.__dict__.get("parts", {}):
            return self.parts[name]
        if name.startswith("__"):
            raise AttributeError(name)
        if name in _ACROSS:
            return lambda *args, **kwargs: getattr(self.values, name)(*_across(name, args), **_axis(kwargs))
        if name in _WITHIN:
            return lambda *args, **kwargs: Frame(
                {key: getattr(part, name)(*args, **kwargs) for key, part in self.parts.items()}
            )
        raise UntraceableError(f"it uses .{name} of a data frame")

    def assign(self, **columns: Any) -> Frame:
        """With those columns, each given or a function of the frame."""
        result = self.copy()
        for name, value in columns.items():
            result[name] = value(result) if callable(value) else value
        return result

    def drop(self, labels: Any = None, *, columns: Any = None, axis: Any = 0, **_: Any) -> Frame:
        """Without those columns."""
        left_out = columns if columns is not None else labels
        if columns is None and axis not in (1, "columns"):
            raise UntraceableError("it leaves out rows")
        names = [left_out] if isinstance(left_out, str) else list(left_out)
        return Frame({name: part for name, part in self.parts.items() if name not in names})

    def rename(self, *, columns: Mapping[str, str]) -> Frame:
        """With other names."""
        return Frame({columns.get(name, name): part for name, part in self.parts.items()})

    def apply(self, function: Callable[..., Any], axis: Any = 0, **kwargs: Any) -> Frame:
        """A function of each column."""
        if axis not in (0, "index"):
            raise UntraceableError("it applies a function row by row")
        found = {name: function(part, **kwargs) for name, part in self.parts.items()}
        return Frame({name: self._new(part) for name, part in found.items()})

    def pipe(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The function of the frame."""
        return function(self, *args, **kwargs)

    def _column(self, name: Any) -> Traced:
        if name not in self.parts:
            raise UntraceableError(f"it asks for column {name!r}, which is not there")
        return self.parts[name]

    def _new(self, value: Any) -> Traced:
        if isinstance(value, Traced):
            return value.removed(1) if value.ndim == 2 else value
        if np.ndim(value):
            raise UntraceableError("it puts an array of a fixed number of rows into a column")
        from edgeml_converters.to_onnx.sklearn.traced_functions import FUNCTIONS

        result: Traced = FUNCTIONS["full_like"](next(iter(self.parts.values())), value)
        return result


# Methods of a frame that pandas runs along an axis, and those that are the same for each number.
_ACROSS = ("all", "any", "max", "mean", "min", "prod", "std", "sum", "var")
_WITHIN = ("abs", "astype", "between", "clip", "fillna", "isna", "isnull", "notna", "notnull", "pow", "round")


def _axis(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    named = {"columns": 1, "index": 0}
    return {key: named.get(v, v) if key == "axis" and isinstance(v, str) else v for key, v in kwargs.items()}


def _across(name: str, args: Sequence[Any]) -> Sequence[Any]:
    if name in ("std", "var"):
        raise UntraceableError(f"pandas' .{name} (use numpy's on .to_numpy())")
    return args


def columnwise(function: Callable[..., Any], inputs: Sequence[Any]) -> Frame:
    """A function of each column, of several frames column by column."""
    frames = [value for value in inputs if isinstance(value, Frame)]
    names = frames[0].columns
    if any(frame.columns != names for frame in frames):
        raise UntraceableError("it combines data frames of different columns")
    if any(np.ndim(value) for value in inputs if not isinstance(value, (Frame, Traced))):
        raise UntraceableError("it combines a data frame with an array (use .to_numpy())")
    found = {}
    for name in names:
        operands = [value.parts[name] if isinstance(value, Frame) else value for value in inputs]
        found[name] = function(*operands)
    return Frame(found)


def plain(value: Any) -> Any:
    """An argument with frames as their arrays, inside lists too."""
    if isinstance(value, Frame):
        return value.values
    return type(value)(map(plain, value)) if type(value) in (list, tuple) else value
