"""What callers pass, checked once against the signature: the same typed error on every engine.

Accepted: what converts without changing its kind (lists, DataFrames, float64 or int64 for float32, strings
in an object array). Refused, with the tensor's name, what was expected and what came: another kind, rank or
size, values that do not fit, no rows, masked or sparse arrays, strings that no engine carries unchanged, and
NaN or infinity where the model was not trained to take them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from edgeml_runtime.affine import Array, Quantizer
from edgeml_runtime.codec import is_text
from edgeml_runtime.errors import SignatureError
from edgeml_runtime.signature import TensorSpec

_KINDS = {"f": "real numbers", "i": "integers", "u": "integers", "b": "booleans"}


class InputGate:
    """One input's check and quantization, prepared for many calls.

    The array that fits as it is passes in about a microsecond; anything else goes through `check_input`,
    which converts it or says what is wrong with it.
    """

    __slots__ = ("_dtype", "_finite", "_quantize", "_rank", "_row", "_spec")

    def __init__(self, spec: TensorSpec) -> None:
        self._spec = spec
        # A dtype that no array has stands for strings: they always take the long way.
        self._dtype = np.dtype("V1" if spec.real_dtype == "str" else spec.real_dtype)
        self._rank = len(spec.shape)
        self._row = spec.shape[1:]
        self._finite = self._dtype.kind == "f" and not _takes_nan(spec)
        self._quantize: Callable[[Array], Array] | None = None
        if spec.affine is not None:
            self._quantize = Quantizer(spec.affine, spec.dtype).quantize

    def __call__(self, value: Any) -> Array:
        """`value` as the artifact stores it, C-contiguous; raises SignatureError."""
        if not (
            type(value) is np.ndarray
            and value.dtype == self._dtype
            and value.ndim == self._rank
            and value.shape[1:] == self._row
            and value.size
            and (flags := value.flags).c_contiguous
            and flags.aligned
            # One pass, no temporary, no warning. It overflows for values above 1e19: those take the long way.
            and (not self._finite or math.isfinite(np.vdot(value, value)))
        ):
            value = check_input(self._spec, value)
        array: Array = value if self._quantize is None else self._quantize(value)
        return array


def check_feeds(
    specs: tuple[TensorSpec, ...], feeds: Mapping[str, Any], *, strict: bool = False
) -> list[Array]:
    """Arrays in the order of `specs`, all with the same batch; raises SignatureError."""
    missing = [s.name for s in specs if s.name not in feeds]
    extra = [str(name) for name in feeds if all(s.name != name for s in specs)]
    if missing or extra:
        problems = [
            f"{what}: {', '.join(names)}"
            for what, names in (("missing", missing), ("unknown", extra))
            if names
        ]
        raise SignatureError(
            f"expected inputs {', '.join(s.describe() for s in specs)}; {'; '.join(problems)}"
        )
    arrays = [check_input(spec, feeds[spec.name], strict=strict) for spec in specs]
    check_rows(specs, arrays)
    return arrays


def check_rows(specs: tuple[TensorSpec, ...], arrays: list[Array]) -> None:
    """Refuse inputs of different numbers of rows; raises SignatureError."""
    if len({a.shape[0] for a, s in zip(arrays, specs, strict=True) if s.shape[:1] == (None,)}) > 1:
        sizes = ", ".join(f"{s.source_name} {a.shape[0]}" for s, a in zip(specs, arrays, strict=True))
        raise SignatureError(f"inputs differ in their number of rows: {sizes}")


def check_input(spec: TensorSpec, value: Any, *, strict: bool = False) -> Array:
    """`value` as a C-contiguous native array of the spec's real dtype, shape [batch, ...].

    Not strict: what converts without changing its kind is converted. Strict: the dtype must be the spec's.
    Raises SignatureError naming the tensor, what was expected and what came.
    """
    given = value if type(value) is np.ndarray else _as_array(spec, value)
    array = _as_strings(spec, given, strict) if spec.real_dtype == "str" else _as_dtype(spec, given, strict)
    _check_shape(spec, array.shape)
    if not (array.flags.c_contiguous and array.flags.aligned):
        array = array.copy(order="C")
    if array.dtype.kind == "f" and not _takes_nan(spec):
        _check_finite(spec, array, given)
    return array


def _takes_nan(spec: TensorSpec) -> bool:
    # A stored integer has no NaN, whatever the model itself would take.
    return spec.allow_nan and spec.affine is None


def _refuse(spec: TensorSpec, problem: str) -> SignatureError:
    return SignatureError(f"input {spec.describe()}: {problem}")


def same_columns(names: Iterable[Any], known: Sequence[str]) -> bool:
    """Whether a table has those columns, or as many without names: then they go by their order.

    LightGBM keeps blanks in names as underscores.
    """
    given = list(names)
    if given in (list(known), list(range(len(known)))):
        return True
    return [re.sub(r"\s", "_", str(name)) for name in given] == list(known)


def _check_columns(spec: TensorSpec, table: Any) -> None:
    """Refuse a table whose columns are not the model's; an array without names is taken as it comes."""
    names = getattr(table, "columns", None)
    if names is None or not spec.columns or same_columns(names, spec.columns):
        return
    got = ", ".join(map(str, names))
    raise _refuse(spec, f"expected columns {', '.join(spec.columns)}; got {got}; select them in that order")


def _as_array(spec: TensorSpec, value: Any) -> Array:
    _check_columns(spec, value)
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise _refuse(spec, "got an array with masked values; fill them first, e.g. with .filled(0)")
    if hasattr(value, "toarray") and hasattr(value, "nnz"):
        raise _refuse(spec, "got a sparse matrix; pass x.toarray()")
    try:
        to_numpy = getattr(value, "to_numpy", None)
        return np.asarray(to_numpy() if to_numpy is not None else value)
    except Exception as error:  # whatever a foreign array type raises
        raise _refuse(spec, f"cannot make an array of {type(value).__name__}: {error}") from error


def _as_dtype(spec: TensorSpec, array: Array, strict: bool) -> Array:
    target = np.dtype(spec.real_dtype)
    if array.dtype == target:
        return array
    kind = array.dtype.kind
    if strict or kind not in "fiub" or not np.can_cast(array.dtype, target, "same_kind"):
        got = array.dtype.name if array.dtype.isnative else f"{array.dtype.name} of foreign byte order"
        raise _refuse(
            spec,
            f"expected {_KINDS[target.kind]} as {target.name}, got {got}; "
            f"convert it with .astype({target.name!r}) if that is what you mean",
        )
    if target.kind in "iu" and array.size:
        limits = np.iinfo(target)
        if array.min() < limits.min or array.max() > limits.max:
            raise _refuse(spec, f"values {array.min()} to {array.max()} do not fit in {target.name}")
    with np.errstate(over="ignore"):  # to infinity, which the check for finite values finds
        return array.astype(target)


def _as_strings(spec: TensorSpec, array: Array, strict: bool) -> Array:
    """Unicode strings [..]; an object array of nothing but `str` too (numpy would turn None into "None")."""
    if array.dtype.kind != "U" and (strict or array.dtype.kind != "O"):
        raise _refuse(spec, f"expected strings, got {array.dtype.name}")
    values = array.ravel().tolist()
    foreign = [v for v in values if not isinstance(v, str)]
    if foreign:
        raise _refuse(
            spec, f"expected strings, got {type(foreign[0]).__name__} {foreign[0]!r:.40} among them"
        )
    # Engines hold UTF-8 that ends at the first NUL.
    if any("\0" in v or not is_text(v) for v in values):
        raise _refuse(spec, "strings with NUL or lone surrogate characters cannot be passed on")
    text = array.astype(np.str_)
    return text.astype(text.dtype.newbyteorder("="), copy=False)


def _check_shape(spec: TensorSpec, shape: tuple[int, ...]) -> None:
    if len(shape) != len(spec.shape):
        hint = "; for one row, pass x[None]" if len(shape) == len(spec.shape) - 1 else ""
        raise _refuse(spec, f"expected rank {len(spec.shape)}, got shape {list(shape)}{hint}")
    for axis, (got, wanted) in enumerate(zip(shape, spec.shape, strict=True)):
        if wanted is not None and got != wanted:
            raise _refuse(spec, f"axis {axis} must be {wanted}, got shape {list(shape)}")
    if 0 in shape:
        raise _refuse(spec, f"expected at least one row, got shape {list(shape)}")


def _check_finite(spec: TensorSpec, array: Array, given: Array) -> None:
    finite = np.isfinite(array)
    if finite.all():
        return
    where = tuple(int(i) for i in np.argwhere(~finite)[0])
    taken = "values that float32 holds" if np.isfinite(given[where]) else "finite values only"
    raise _refuse(spec, f"{given[where]} at index {list(where)}; this model takes {taken}")
