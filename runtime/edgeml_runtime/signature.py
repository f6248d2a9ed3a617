"""What goes into a model and what comes out: names, dtypes, shapes, units of quantization, class labels.

A `TensorSpec` describes the tensor inside the artifact. Callers always pass and get *real* values: where the
artifact stores a quantized tensor, `affine` says how, and the session converts at the edge.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgeml_runtime.affine import QUANTIZED_DTYPES, Affine, Array, Quantizer
from edgeml_runtime.encodings import Encoding
from edgeml_runtime.errors import SignatureError

__all__ = [
    "Affine", "Array", "ClassLabels", "Method", "Scalar", "Signature", "TensorSpec",
    "dequantize", "format_shape", "quantize",
]  # fmt: skip

Scalar = bool | int | float | str

TENSOR_DTYPES = ("float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool", "str")
LABEL_DTYPES = {
    **dict.fromkeys(("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"), int),
    **dict.fromkeys(("float16", "float32", "float64"), float),
    "bool": bool,
    "str": str,
}
MAX_RANK = 8  # of a tensor: LiteRT's kernels stop there
MAX_AXIS = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor of the artifact. `shape`: None stands for any size; the first axis is the batch.

    `dtype` is what the artifact stores; `real_dtype` what callers see. `allow_nan`: missing values are input.
    `columns`: names along the second axis where the model was trained on named ones. Files are read by these
    names; a DataFrame with others, or in another order, is refused.

    `encoding`: how the runtime makes this tensor, float32[batch, width] to callers, of what they pass.
    `source`: the column or input of theirs that it is made of, "" for its own name; several tensors may have
    one source.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    affine: Affine | None = None
    allow_nan: bool = False
    columns: tuple[str, ...] = ()
    source: str = ""
    encoding: Encoding | None = None

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a tensor needs a name")
        if self.dtype not in TENSOR_DTYPES:
            raise ValueError(f"dtype {self.dtype!r} is not one of {', '.join(TENSOR_DTYPES)}")
        if len(self.shape) > MAX_RANK or any(d is not None and not 1 <= d <= MAX_AXIS for d in self.shape):
            raise ValueError(f"shape {self.shape!s:.80} has more than {MAX_RANK} axes, or one out of range")
        if self.columns and self.shape[1:] != (len(set(self.columns)),):
            raise ValueError(
                f"columns {', '.join(self.columns):.200} do not name the second axis of {self.shape}"
            )
        if self.affine is not None:
            if self.dtype not in QUANTIZED_DTYPES:
                raise ValueError(
                    f"dtype {self.dtype!r} with affine is not one of {', '.join(QUANTIZED_DTYPES)}"
                )
            columns = len(self.affine.scale)
            if columns > 1 and self.shape[-1:] != (columns,):
                raise ValueError(f"affine has {columns} columns, shape {self.shape} has not")
        self._check_encoding()

    def _check_encoding(self) -> None:
        if self.encoding is None:
            return
        width = self.encoding.width
        if self.columns or self.real_dtype != "float32" or self.shape[1:] != (width,):
            made = f"float32[batch, {width}] without names of columns"
            raise ValueError(
                f"{self.encoding.kind} make {made}, not {self.real_dtype}{format_shape(self.shape)}"
            )

    @property
    def source_name(self) -> str:
        """The column or input of the caller's that this tensor is made of."""
        return self.source or self.name

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

    def __post_init__(self) -> None:
        kind = LABEL_DTYPES.get(self.dtype)
        if kind is None:
            raise ValueError(f"label dtype {self.dtype!r} is not one of {', '.join(LABEL_DTYPES)}")
        if not self.values or len(set(self.values)) != len(self.values):
            raise ValueError("labels must be different from each other and at least one")
        if not all(type(value) is kind and _holds(self.dtype, value) for value in self.values):
            raise ValueError(f"labels must all be {self.dtype}, finite and without NUL characters")

    def array(self) -> Array:
        """The labels as the original framework holds them (`classes_`)."""
        return np.array(self.values, dtype=None if self.dtype == "str" else self.dtype)


def _holds(dtype: str, value: Scalar) -> bool:
    if isinstance(value, str):
        return "\0" not in value  # numpy drops them
    if isinstance(value, float):
        return math.isfinite(value)
    return dtype == "bool" or np.iinfo(dtype).min <= value <= np.iinfo(dtype).max


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
    """Inputs and outputs in the artifact's order, and the methods they implement.

    `columns`: the table that a model with an input for each column was fitted on, in its order, with the
    columns that the model does not use and no input has as its source. Empty for all other models.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    methods: tuple[Method, ...]
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for what, specs in (("input", self.inputs), ("output", self.outputs)):
            names = [s.name for s in specs]
            if not names or len(set(names)) != len(names):
                raise ValueError(f"{what} names must be unique and at least one, got {names}")
        if len({m.name for m in self.methods}) != len(self.methods):
            raise ValueError(f"method names must be unique, got {[m.name for m in self.methods]}")
        outputs = {s.name: s for s in self.outputs}
        for method in self.methods:
            _check_method(method, outputs)
        _check_columns(self.columns, self.inputs)
        described = [s.name for s in self.outputs if s.source or s.encoding is not None]
        if described:
            raise ValueError(f"output {described[0]!r} has a source or an encoding, which only inputs have")

    @property
    def sources(self) -> tuple[str, ...]:
        """What callers pass, by name: the columns or inputs that the artifact's tensors are made of."""
        return tuple(dict.fromkeys(spec.source_name for spec in self.inputs))

    @property
    def encodes(self) -> bool:
        """Whether callers pass anything but the artifact's own tensors: columns, text, mappings, sets."""
        return bool(self.columns) or any(spec.encoding is not None for spec in self.inputs)

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


def _check_columns(columns: tuple[str, ...], inputs: tuple[TensorSpec, ...]) -> None:
    if len(set(columns)) != len(columns):
        raise ValueError(f"columns must be different from each other, got {', '.join(columns):.200}")
    for spec in inputs if columns else ():
        if spec.source_name not in columns:
            raise ValueError(
                f"input {spec.name!r} is made of {spec.source_name!r}, which is not among the columns"
            )
        if spec.columns or (spec.encoding is None and spec.shape[1:] != (1,)):
            raise ValueError(f"input {spec.describe()} is not one column of a table: [batch, 1]")


def _check_method(method: Method, outputs: dict[str, TensorSpec]) -> None:
    missing = [name for name in method.outputs if name not in outputs]
    if missing or not method.outputs:
        raise ValueError(f"method {method.name!r} names outputs that do not exist: {missing}")
    if len(method.outputs) > 1 and (method.returns == "array" or method.labels):
        raise ValueError(f"method {method.name!r} cannot return {len(method.outputs)} outputs as one")
    if method.labels:
        spec = outputs[method.outputs[0]]
        if spec.affine is not None or spec.dtype not in ("int8", "int16", "int32", "int64", "uint8"):
            raise ValueError(
                f"method {method.name!r} needs class indices, {spec.name!r} is {spec.real_dtype}"
            )
        if len(method.labels) > 1 and (len(spec.shape) != 2 or spec.shape[1] != len(method.labels)):
            raise ValueError(
                f"method {method.name!r} has {len(method.labels)} label tables, not so {spec.describe()}"
            )


def format_shape(shape: tuple[int | None, ...]) -> str:
    """For messages: `[batch, 49, 10, 1]`; other free axes print as `any`."""
    names = ("batch" if axis == 0 else "any" for axis in range(len(shape)))
    return "[" + ", ".join(str(n) if d is None else str(d) for d, n in zip(shape, names, strict=True)) + "]"


def quantize(spec: TensorSpec, real: Array) -> Array:
    """Real float32 values as the artifact stores them; saturates at the dtype's limits."""
    return real if spec.affine is None else Quantizer(spec.affine, spec.dtype).quantize(real)


def dequantize(spec: TensorSpec, stored: Array) -> Array:
    """The real float32 values of what the artifact stores."""
    return stored if spec.affine is None else Quantizer(spec.affine, spec.dtype).dequantize(stored)
