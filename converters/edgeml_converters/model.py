"""The types that travel through the converters: a trained model, its data, the artifact made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from edgeml_runtime.errors import InputError
from edgeml_runtime.manifest import FloatOperator
from edgeml_runtime.signature import Array, Signature

Task = Literal["classification", "regression", "clustering", "detection", "density", "transform", "tensor"]


@dataclass(frozen=True, slots=True)
class Step:
    """One estimator of a pipeline or layer of a network: where it sits and what it is."""

    path: str  # "pipeline.scaler", "model/conv2d_1"
    kind: str  # class name: "StandardScaler", "Conv2D"


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A trained model as its source describes it, before anything is converted.

    `model` is the framework's own object and the only oracle; `signature` holds its inputs and outputs in
    real values (batch axis None) and its methods; `digest` is a sha256 over its parameters and structure.
    """

    kind: str  # the source's name: "sklearn", "keras", "onnx"
    name: str
    model: Any = field(repr=False)
    task: Task
    signature: Signature
    steps: tuple[Step, ...]
    digest: str
    warnings: tuple[str, ...] = ()  # what its user should know before relying on it


@dataclass(frozen=True, slots=True)
class Artifact:
    """A model file in memory and what is needed to call it."""

    format: str  # "onnx", "tflite"
    scheme: str
    content: bytes = field(repr=False)
    signature: Signature
    float_operators: tuple[FloatOperator, ...] = ()


@dataclass(frozen=True, slots=True)
class Boundaries:
    """Rows on which a model's decisions turn, of the kind its `Data.x` is, out of `total` such rows."""

    rows: Any = field(repr=False)
    total: int


@dataclass(frozen=True, slots=True)
class Reduction:
    """A part of a model: what it is, the framework's own object, and how its rows are made of the model's."""

    what: str
    model: Any = field(repr=False)
    rows: Callable[[Any], Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Data:
    """Rows the model is calibrated and judged on.

    `x`: an array [n, ...], a DataFrame, a list of n documents, records or sets, or a mapping of name to
    array (several inputs) or column (a table); `y`: array [n] or [n, k] of labels or targets, or None.
    """

    x: Any = field(repr=False)
    y: Array | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.y is not None:
            object.__setattr__(self, "y", np.asarray(self.y))
            count = _row_count("y", self.y)
            if count != len(self):
                raise InputError(f"data: x has {len(self)} rows, y has {count}")
        if len(self) == 0:
            raise InputError("data: no rows")

    def __len__(self) -> int:
        return _row_count("x", next(iter(self.x.values()), ()) if isinstance(self.x, Mapping) else self.x)

    def take(self, rows: Array) -> Data:
        """The rows of those indices."""
        return Data(take_rows(self.x, rows), None if self.y is None else self.y[rows])


def _row_count(what: str, value: Any) -> int:
    try:
        return len(value)
    except TypeError as error:  # a single value, a sparse matrix
        raise InputError(f"data: {what} is a {type(value).__name__} without rows; pass an array") from error


def take_rows(x: Any, rows: Array) -> Any:
    """`x` at those row indices, whatever Data may hold as `x`."""
    if isinstance(x, Mapping):
        return {name: _take(value, rows) for name, value in x.items()}
    taken = _take(x, rows)
    if isinstance(taken, list) and all(isinstance(row, (list, tuple)) for row in taken):
        try:
            array = np.asarray(taken)
        except ValueError:  # sets of different sizes
            return taken
        return array if array.dtype.kind in "fiub" else taken
    return taken


def _take(value: Any, rows: Array) -> Any:
    if hasattr(value, "iloc"):
        return value.iloc[rows]
    # A list stays one: numpy would make text of numbers beside text, and objects of records.
    return [value[row] for row in rows] if isinstance(value, (list, tuple)) else np.asarray(value)[rows]


def as_feeds(model: TrainedModel, x: Any) -> dict[str, Any]:
    """`x` by input name: a mapping as it is, anything else as the model's only input."""
    if isinstance(x, Mapping):
        return dict(x)
    if len(model.signature.inputs) != 1:
        names = ", ".join(s.describe() for s in model.signature.inputs)
        raise InputError(f"{model.name} has several inputs ({names}): pass a mapping of name to array")
    return {model.signature.inputs[0].name: x}
