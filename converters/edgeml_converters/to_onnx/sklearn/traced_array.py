"""An array that records what is done to it: rows of unknown number, float32, as the argument of a function.

It answers numpy's protocols (__array_ufunc__, __array_function__), operators, indexing and the methods of
arrays with the shapes and kinds that numpy would give, and refuses what needs the numbers themselves or mixes
rows: the artifact answers each row by itself.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np

from edgeml_converters.to_onnx.sklearn.terms import Term
from edgeml_runtime.errors import ConversionError

Kind = Literal["f", "i", "b"]  # of numpy's dtypes; whole numbers are float32 tensors that hold them
Shape = tuple[int | None, ...]  # None: the rows
_DTYPES = {"f": np.dtype(np.float64), "i": np.dtype(np.int64), "b": np.dtype(bool)}


class UntraceableError(Exception):
    """What a function does that no graph can; the message says it."""


class Traced(np.lib.mixins.NDArrayOperatorsMixin):
    """A tensor with the shape and kind that numpy would give. `part_of`: the array that it is a view of."""

    def __init__(self, term: Term, shape: Shape, kind: Kind = "f", part_of: Traced | None = None) -> None:
        if sum(size is None for size in shape) != 1:
            raise UntraceableError("it combines each row with every other row")
        self.term = term
        self.shape_ = shape
        self.kind = kind
        self.part_of = part_of
        self._parts: list[weakref.ref[Traced]] = []
        if part_of is not None:
            part_of._parts.append(weakref.ref(self))

    # `x += 1` gives x anew: an array is changed by assignment to its places only.

    __iadd__ = np.lib.mixins.NDArrayOperatorsMixin.__add__
    __isub__ = np.lib.mixins.NDArrayOperatorsMixin.__sub__
    __imul__ = np.lib.mixins.NDArrayOperatorsMixin.__mul__
    __itruediv__ = np.lib.mixins.NDArrayOperatorsMixin.__truediv__
    __ifloordiv__ = np.lib.mixins.NDArrayOperatorsMixin.__floordiv__
    __imod__ = np.lib.mixins.NDArrayOperatorsMixin.__mod__
    __ipow__ = np.lib.mixins.NDArrayOperatorsMixin.__pow__
    __iand__ = np.lib.mixins.NDArrayOperatorsMixin.__and__
    __ior__ = np.lib.mixins.NDArrayOperatorsMixin.__or__

    # What numpy asks.

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from edgeml_converters.to_onnx.sklearn.traced_ufuncs import apply

        return apply(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        from edgeml_converters.to_onnx.sklearn.traced_functions import call

        return call(function, args, kwargs)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise UntraceableError(
            "it turns rows into a plain array (np.asarray, np.array, np.c_, a library that is not numpy's)"
        )

    def __bool__(self) -> bool:
        raise UntraceableError("it branches on the numbers themselves (use np.where)")

    def _as_number(self) -> Any:
        raise UntraceableError(
            "it makes Python numbers of rows (float(), int(), math; use numpy's functions)"
        )

    __float__ = __int__ = __index__ = __complex__ = _as_number

    def __len__(self) -> int:
        if self.shape_[0] is None:
            raise UntraceableError("it asks for the number of rows")
        return self.shape_[0]

    def __iter__(self) -> Iterator[Traced]:
        return (self[i] for i in range(len(self)))

    # What an array is.

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape_)

    @property
    def shape(self) -> tuple[Any, ...]:
        """With something for the rows that can be passed on to reshape, and nowhere else."""
        return tuple(ROWS if size is None else size for size in self.shape_)

    @property
    def size(self) -> int:
        """Unknown."""
        raise UntraceableError("it asks for the number of rows")

    @property
    def dtype(self) -> np.dtype[Any]:
        """What numpy computes in; the graph computes in float32."""
        return _DTYPES[self.kind]

    @property
    def batch_axis(self) -> int:
        """The axis of the rows."""
        return self.shape_.index(None)

    @property
    def T(self) -> Traced:  # noqa: N802
        """Transposed."""
        return self.transposed(range(self.ndim)[::-1])

    @property
    def values(self) -> Traced:
        """Of a column of a frame: itself."""
        return self

    # Others like it.

    def like(self, term: Term, kind: Kind = "f", shape: Shape | None = None) -> Traced:
        """Another array of the same rows."""
        return Traced(term, self.shape_ if shape is None else shape, kind)

    def floats(self) -> Term:
        """The float32 tensor: 1 and 0 of truth values."""
        return self.term.as_float() if self.kind == "b" else self.term

    def truth(self) -> Term:
        """The tensor of truth values: whether a number is not 0."""
        return self.term if self.kind == "b" else ~self.term.equals(0.0)

    def viewed(self, op: str, shape: Shape, *constants: tuple[Any, str], **attributes: Any) -> Traced:
        """A view through an ONNX operator with those constants, each (values, dtype), behind the tensor."""
        emitter = self.term.emitter
        names = [emitter.constant(values, dtype) for values, dtype in constants]
        name = emitter.add(op, self.term.name, *names, **attributes)
        return Traced(Term(emitter, name), shape, self.kind, part_of=self)

    def axis(self, axis: Any) -> int:
        """An axis that is not the rows', counted from the front."""
        if axis is None and self.ndim == 1:
            axis = 0
        if axis is None:
            raise UntraceableError("it reduces over all rows (say axis=1, or compute the number beforehand)")
        place = int(axis) % self.ndim
        if self.shape_[place] is None:
            raise UntraceableError(
                f"it works along axis {axis}, across rows (use axis=1, or compute what it takes from the "
                "training rows beforehand)"
            )
        return place

    def width(self, axis: int) -> int:
        """The size of an axis that is not the rows'."""
        size = self.shape_[axis]
        if size is None:
            raise UntraceableError("it asks for the number of rows")
        return size

    # Shapes.

    def transposed(self, order: Sequence[int]) -> Traced:
        """Axes in that order."""
        order = [int(axis) % self.ndim for axis in order]
        if order == list(range(self.ndim)):
            return self.viewed("Identity", self.shape_)
        return self.viewed("Transpose", tuple(self.shape_[axis] for axis in order), perm=order)

    def inserted(self, place: int) -> Traced:
        """With an axis of size 1 at that place."""
        shape = (*self.shape_[:place], 1, *self.shape_[place:])
        return self.viewed("Unsqueeze", shape, ([place], "int64"))

    def removed(self, place: int) -> Traced:
        """Without that axis, of size 1."""
        if self.width(place) != 1:
            raise UntraceableError(f"it removes axis {place}, whose size is {self.shape_[place]}")
        shape = (*self.shape_[:place], *self.shape_[place + 1 :])
        return self.viewed("Squeeze", shape, ([place], "int64"))

    def reshaped(self, *sizes: Any) -> Traced:
        """Of numpy's reshape: rows stay in front and together."""
        wanted = list(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else list(sizes)
        rest = int(np.prod([size for size in self.shape_ if size is not None]))
        if self.shape_[0] is not None or not wanted or not (wanted[0] is ROWS or wanted[0] == -1):
            raise UntraceableError("it reshapes across rows")
        inner = [int(size) for size in wanted[1:]]
        if wanted[0] is ROWS and inner.count(-1) == 1:
            known = int(np.prod([size for size in inner if size != -1]))
            inner = [rest // known if size == -1 else size for size in inner]
        if int(np.prod(inner)) != rest:
            raise UntraceableError("it reshapes across rows")
        return self.viewed("Reshape", (None, *inner), ([-1, *inner], "int64"))

    def taken(self, indices: Any, axis: int) -> Traced:
        """Those places along an axis that is not the rows'."""
        width = self.width(axis)
        chosen = np.asarray(indices)
        if chosen.dtype.kind == "b":
            chosen = np.flatnonzero(chosen)
        chosen = np.where(chosen < 0, chosen + width, chosen).astype(np.int64)
        if chosen.ndim != 1 or ((chosen < 0) | (chosen >= width)).any():
            raise UntraceableError(f"it takes places {indices} of an axis of size {width}")
        shape = (*self.shape_[:axis], len(chosen), *self.shape_[axis + 1 :])
        if axis == 1 and self.ndim == 2 and self.kind != "b":
            name = self.term.emitter.columns(self.term.name, chosen)
            return Traced(Term(self.term.emitter, name), shape, self.kind, part_of=self)
        return self.viewed("Gather", shape, (chosen, "int64"), axis=axis)

    # Indexing.

    def __getitem__(self, key: Any) -> Traced:
        if isinstance(key, str):
            raise UntraceableError(f"it asks an array for column {key!r}")
        place, result = 0, self
        items = self._expanded(key)
        for item in items:
            if item is None:
                result, place = result.inserted(place), place + 1
                continue
            if isinstance(item, slice) and item == slice(None):
                place += 1
                continue
            if isinstance(item, Traced):
                raise UntraceableError("it picks by rows' own numbers (use np.where)")
            if result.shape_[place] is None:
                raise UntraceableError("it picks some of the rows")
            if isinstance(item, (int, np.integer)):
                result = result.taken([int(item)], place).removed(place)
                continue
            if isinstance(item, slice):
                item = np.arange(result.width(place))[item]
            result, place = result.taken(item, place), place + 1
        if result is self:
            return self.viewed("Identity", self.shape_)
        # Lists of places make copies, all else is a view.
        copied = any(isinstance(item, (list, np.ndarray)) for item in items)
        result.part_of = None if copied else self
        if not copied:
            self._parts.append(weakref.ref(result))
        return result

    def _expanded(self, key: Any) -> list[Any]:
        items = list(key) if isinstance(key, tuple) else [key]
        used = sum(item is not None and item is not Ellipsis for item in items)
        if used > self.ndim:
            raise UntraceableError("it indexes more axes than there are")
        fill = [slice(None)] * (self.ndim - used)
        where = next((i for i, item in enumerate(items) if item is Ellipsis), None)
        return [*items, *fill] if where is None else [*items[:where], *fill, *items[where + 1 :]]

    def __setitem__(self, key: Any, value: Any) -> None:
        if self.part_of is not None or any(
            part() is not None and part() is not value for part in self._parts
        ):
            raise UntraceableError(
                "it assigns to a part of an array that is used under another name (copy it)"
            )
        changed = _assigned(self, key, value)
        self.term, self.kind = changed.term, changed.kind

    # Methods of arrays and of columns of frames, as numpy's functions.

    def __getattr__(self, name: str) -> Any:
        from edgeml_converters.to_onnx.sklearn.traced_functions import METHODS

        method: Callable[..., Any] | None = METHODS.get(name)
        if method is None:
            if name.startswith("__"):
                raise AttributeError(name)
            raise UntraceableError(f"it uses .{name} of an array")
        return lambda *args, **kwargs: method(self, *args, **kwargs)


class _Rows:
    """The number of rows, which is not known."""

    def _unknown(self, *_others: Any) -> Any:
        raise UntraceableError("it computes with the number of rows (np.ones_like and its like need none)")

    __int__ = __index__ = __float__ = __add__ = __sub__ = __mul__ = __truediv__ = __floordiv__ = _unknown
    __radd__ = __rsub__ = __rmul__ = __rtruediv__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = _unknown


ROWS = _Rows()


def constant(emitter: Any, value: Any) -> Term:
    """A constant of the graph in float32, or of truth values."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise UntraceableError(f"it computes with {array.dtype}, not numbers")
    try:
        return Term(emitter, emitter.constant(array, "bool" if array.dtype.kind == "b" else "float32"))
    except ConversionError as error:
        raise UntraceableError(str(error)) from error


def kind_of(value: Any) -> Kind:
    """The kind of an operand."""
    if isinstance(value, Traced):
        return value.kind
    kind = np.asarray(value).dtype.kind
    return "b" if kind == "b" else "i" if kind in "iu" else "f"


def shape_of(value: Any) -> Shape:
    """The shape of an operand."""
    return value.shape_ if isinstance(value, Traced) else np.shape(value)


def broadcast(*shapes: Shape) -> Shape:
    """As numpy: sizes of 1 stretch. Rows go with rows and with 1."""
    rank = max(len(shape) for shape in shapes)
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    found: list[int | None] = []
    for sizes in zip(*padded, strict=True):
        several = {size for size in sizes if size != 1}
        if len(several) > 1:
            named = ["rows" if size is None else size for size in sizes]
            raise UntraceableError(f"it combines axes of {' and '.join(map(str, named))}")
        found.append(several.pop() if several else 1)
    return tuple(found)


def _assigned(array: Traced, key: Any, value: Any) -> Traced:
    """The array after array[key] = value: a choice between old and new."""
    from edgeml_converters.to_onnx.sklearn.traced_ufuncs import where

    if isinstance(key, Traced):
        if key.kind != "b" or shape_of(value) not in ((), (1,)):
            raise UntraceableError("it assigns several numbers to places that depend on the rows")
        while key.ndim < array.ndim:
            key = key.inserted(key.ndim)
        return where(key, value, array)
    items = array._expanded(key)
    rows = items[array.batch_axis] if len(items) == array.ndim else None
    mask = rows if isinstance(rows, Traced) else None
    if array.ndim > 2 or array.batch_axis != 0 or len(items) != array.ndim:
        raise UntraceableError("it assigns to a part of an array of this shape")
    if mask is None and not (isinstance(rows, slice) and rows == slice(None)):
        raise UntraceableError("it assigns to some of the rows")
    if array.ndim == 1:
        return where(mask, value, array) if mask is not None else where(np.ones(1, bool), value, array)
    width = array.width(1)
    single = isinstance(items[1], (int, np.integer))
    chosen = np.atleast_1d(np.arange(width)[items[1]])
    if single and len(shape_of(value)) == 1 and isinstance(value, Traced):
        value = value.inserted(1)
    shape = shape_of(value)
    if len(shape) and shape[-1] not in (1, None):
        spread = np.zeros(width, np.int64)  # where each column's new number comes from
        spread[chosen] = np.arange(len(chosen))
        value = (
            value.taken(spread, value.ndim - 1)
            if isinstance(value, Traced)
            else np.asarray(value)[..., spread]
        )
    place = np.zeros((1, width), bool)
    place[0, chosen] = True
    if mask is None:
        return where(place, value, array)
    return where(mask.inserted(1) & place, value, array)
