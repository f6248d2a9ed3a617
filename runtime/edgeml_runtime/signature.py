"""What goes into a model and what comes out: names, dtypes, shapes, units of quantization, class labels.

A `TensorSpec` describes the tensor inside the artifact. Callers always pass and get *real* values: where the
artifact stores a quantized tensor, `affine` says how (real = (stored - zero_point) * scale), and the session
converts at the edge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgeml_runtime.errors import SignatureError

Array = NDArray[Any]
Scalar = bool | int | float | str

TENSOR_DTYPES = (
    "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool", "str",
)  # fmt: skip
_KINDS = {"f": "real numbers", "i": "integers", "u": "integers", "b": "booleans", "U": "strings"}


@dataclass(frozen=True, slots=True)
class Affine:
    """real = (stored - zero_point) * scale; one value for the tensor or one for each column (last axis).

    `zero_point` is real-valued: a per-column standardization folded into the quantization moves it off the
    integer grid.
    """

    scale: tuple[float, ...]
    zero_point: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.scale or len(self.scale) != len(self.zero_point):
            raise ValueError("scale and zero_point need the same length, at least 1")
        if not all(s > 0 for s in self.scale):
            raise ValueError("scale must be positive")


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor of the artifact. `shape`: None stands for any size; the first axis is the batch.

    `dtype` is what the artifact stores; `real_dtype` what callers see. `allow_nan`: missing values are input.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    affine: Affine | None = None
    allow_nan: bool = False

    def __post_init__(self) -> None:
        if self.dtype not in TENSOR_DTYPES:
            raise ValueError(f"dtype {self.dtype!r} is not one of {', '.join(TENSOR_DTYPES)}")
        if any(d is not None and d < 0 for d in self.shape):
            raise ValueError(f"shape {self.shape} has a negative size")

    @property
    def real_dtype(self) -> str:
        """The dtype that callers pass or get: float32 where the artifact's tensor is quantized."""
        return self.dtype if self.affine is None else "float32"

    def describe(self) -> str:
        """For messages: `x: float32[batch, 49, 10, 1]`."""
        return f"{self.name}: {self.real_dtype}{format_shape(self.shape)}"


@dataclass(frozen=True, slots=True)
class ClassLabels:
    """The classes of a classifier in the order of its indices; `dtype` is numpy's name for them."""

    dtype: str
    values: tuple[Scalar, ...]

    def array(self) -> Array:
        """The labels as the original framework holds them (`classes_`)."""
        return np.array(self.values, dtype=None if self.dtype == "str" else self.dtype)


@dataclass(frozen=True, slots=True)
class Method:
    """One method of the original model, in terms of the artifact's outputs.

    `labels`: empty for values. One entry: the output holds class indices into it. k entries: column j of the
    output [n, k] holds indices into entry j. `returns`: what the original hands back for several outputs.
    """

    name: str
    outputs: tuple[str, ...]
    labels: tuple[ClassLabels, ...] = ()
    returns: Literal["array", "list", "mapping"] = "array"


@dataclass(frozen=True, slots=True)
class Signature:
    """Inputs and outputs in the artifact's order, and the methods they implement."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    methods: tuple[Method, ...]

    def __post_init__(self) -> None:
        for what, specs in (("input", self.inputs), ("output", self.outputs)):
            names = [s.name for s in specs]
            if not names or len(set(names)) != len(names):
                raise ValueError(f"{what} names must be unique and at least one, got {names}")
        known = {s.name for s in self.outputs}
        for method in self.methods:
            missing = [name for name in method.outputs if name not in known]
            if missing or not method.outputs:
                raise ValueError(f"method {method.name!r} names outputs that do not exist: {missing}")
            if len(method.outputs) > 1 and (method.returns == "array" or method.labels):
                raise ValueError(f"method {method.name!r} cannot return {len(method.outputs)} outputs as one")

    def output(self, name: str) -> TensorSpec:
        """The output of that name."""
        for spec in self.outputs:
            if spec.name == name:
                return spec
        raise SignatureError(f"no output {name!r}; this model has {', '.join(s.name for s in self.outputs)}")

    def method(self, name: str) -> Method:
        """The method of that name."""
        for method in self.methods:
            if method.name == name:
                return method
        known = ", ".join(m.name for m in self.methods)
        raise SignatureError(f"this model has no {name}; it has {known}")


def format_shape(shape: tuple[int | None, ...]) -> str:
    """For messages: `[batch, 49, 10, 1]`; other free axes print as `any`."""
    names = ("batch" if axis == 0 else "any" for axis in range(len(shape)))
    return "[" + ", ".join(str(n) if d is None else str(d) for d, n in zip(shape, names, strict=True)) + "]"


def check_input(spec: TensorSpec, value: Any, *, strict: bool = False) -> Array:
    """`value` as a C-contiguous native array of the spec's real dtype, shape [batch, ...].

    Not strict: what converts without changing its kind is converted (float64 or int64 to float32). Strict:
    the dtype must be the spec's. Raises SignatureError naming the tensor, what was expected and what came.
    """
    array = value if type(value) is np.ndarray else _as_array(spec, value)
    wanted = spec.real_dtype
    if array.dtype.name != wanted or not array.dtype.isnative:
        array = _convert_dtype(spec, array, wanted, strict=strict)
    shape = array.shape
    if shape[1:] != spec.shape[1:] or len(shape) != len(spec.shape) or spec.shape[:1] != (None,):
        _check_shape(spec, shape)
    if not array.flags.c_contiguous:
        array = np.ascontiguousarray(array)
    if array.dtype.kind == "f" and not spec.allow_nan:
        _check_finite(spec, array)
    return array


def _as_array(spec: TensorSpec, value: Any) -> Array:
    to_numpy = getattr(value, "to_numpy", None)
    try:
        return np.asarray(to_numpy() if to_numpy is not None else value)
    except (ValueError, TypeError) as error:
        raise SignatureError(f"input {spec.describe()}: cannot make an array of it: {error}") from error


def _convert_dtype(spec: TensorSpec, array: Array, wanted: str, *, strict: bool) -> Array:
    got = f"{array.dtype.name}{'' if array.dtype.isnative else ' of foreign byte order'}"
    if wanted == "str":
        if array.dtype.kind in "UO" and not strict:
            return array.astype(np.str_)
        raise SignatureError(f"input {spec.describe()}: expected strings, got {got}")
    target = np.dtype(wanted)
    if strict or array.dtype.kind not in "fiub" or not np.can_cast(array.dtype, target, "same_kind"):
        raise SignatureError(
            f"input {spec.describe()}: expected {_KINDS[target.kind]} as {wanted}, got {got}; "
            f"convert it with .astype({wanted!r}) if that is what you mean"
        )
    if target.kind in "iu" and array.size:
        limits = np.iinfo(target)
        if array.min() < limits.min or array.max() > limits.max:
            raise SignatureError(
                f"input {spec.describe()}: values {array.min()} to {array.max()} do not fit in {wanted}"
            )
    with np.errstate(over="ignore"):
        return array.astype(target)


def _check_shape(spec: TensorSpec, shape: tuple[int, ...]) -> None:
    if len(shape) != len(spec.shape):
        hint = ""
        if len(shape) == len(spec.shape) - 1:
            hint = "; for one row, pass x[None]"
        raise SignatureError(
            f"input {spec.describe()}: expected rank {len(spec.shape)}, got shape {list(shape)}{hint}"
        )
    for axis, (got, wanted) in enumerate(zip(shape, spec.shape, strict=True)):
        if wanted is not None and got != wanted:
            raise SignatureError(
                f"input {spec.describe()}: axis {axis} must be {wanted}, got shape {list(shape)}"
            )


def _check_finite(spec: TensorSpec, array: Array) -> None:
    # The sum of finite values is finite except when it overflows, so the usual case is one pass.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(np.add.reduce(array, axis=None)) or bool(np.isfinite(array).all()):
            return
    where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
    raise SignatureError(
        f"input {spec.describe()}: {array[where]} at index {list(where)}; this model takes finite values only"
    )


def check_feeds(
    specs: tuple[TensorSpec, ...], feeds: Mapping[str, Any], *, strict: bool = False
) -> list[Array]:
    """Arrays in the order of `specs`, all with the same batch; raises SignatureError."""
    missing = [s.name for s in specs if s.name not in feeds]
    extra = [str(name) for name in feeds if all(s.name != name for s in specs)]
    if missing or extra:
        raise SignatureError(
            f"expected inputs {', '.join(s.describe() for s in specs)}; "
            + "; ".join(
                f"{what}: {', '.join(names)}"
                for what, names in (("missing", missing), ("unknown", extra))
                if names
            )
        )
    arrays = [check_input(spec, feeds[spec.name], strict=strict) for spec in specs]
    batches = {a.shape[0] for a, s in zip(arrays, specs, strict=True) if s.shape[:1] == (None,)}
    if len(batches) > 1:
        sizes = ", ".join(f"{s.name} {a.shape[0]}" for s, a in zip(specs, arrays, strict=True))
        raise SignatureError(f"inputs differ in their number of rows: {sizes}")
    return arrays


def quantize(spec: TensorSpec, real: Array) -> Array:
    """Real float32 values as the artifact stores them; saturates at the dtype's limits."""
    affine = spec.affine
    if affine is None:
        return real
    limits = np.iinfo(spec.dtype)
    scaled = real / np.asarray(affine.scale, np.float32) + np.asarray(affine.zero_point, np.float32)
    np.rint(scaled, out=scaled)
    return np.clip(scaled, limits.min, limits.max, out=scaled).astype(spec.dtype)


def dequantize(spec: TensorSpec, stored: Array) -> Array:
    """The real float32 values of what the artifact stores."""
    affine = spec.affine
    if affine is None:
        return stored
    zero_point = np.asarray(affine.zero_point, np.float32)
    return (stored.astype(np.float32) - zero_point) * np.asarray(affine.scale, np.float32)
