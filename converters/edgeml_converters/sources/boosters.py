"""What the Boosters of LightGBM and XGBoost share: rows in, what an objective makes of scores out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from edgeml_converters.model import Step, Task, TrainedModel, as_feeds
from edgeml_converters.sources.boosted_categories import categories_of, refuses_unknown
from edgeml_converters.sources.boosted_content import content
from edgeml_converters.sources.sklearn_columns import Inputs
from edgeml_converters.sources.sklearn_rows import framework_rows
from edgeml_runtime.encodings import Categories
from edgeml_runtime.errors import SignatureError
from edgeml_runtime.signature import Array, ClassLabels, Method, Signature, TensorSpec


def is_booster(model: object, library: str) -> bool:
    """True for that library's Booster and classes derived from it; a class itself is not a model."""
    return not isinstance(model, type) and any(
        cls.__name__ == "Booster" and cls.__module__.partition(".")[0] == library
        for cls in type(model).__mro__
    )


def described(
    model: Any, kind: str, name: str, *, features: int, names: Sequence[str], task: Task, width: int
) -> TrainedModel:
    """A Booster whose predict gives float[n], or [n, width]; `names`: of the columns, where it has any."""
    shape = (None,) if width == 1 else (None, width)
    output = "probabilities" if task == "classification" else "prediction"
    outputs, methods = (TensorSpec(output, "float32", shape),), (Method("predict", (output,)),)
    inputs = _inputs(model, features, names)
    return _trained(model, kind, name, task, Signature(inputs.specs, outputs, methods, inputs.columns))


def described_labels(
    model: Any, kind: str, name: str, *, features: int, names: Sequence[str], classes: int
) -> TrainedModel:
    """A Booster whose predict gives class indices, as float32[n]."""
    labels = ClassLabels("float32", tuple(map(float, range(classes))))
    outputs = (TensorSpec("label", "int64", (None,)),)
    methods = (Method("predict", ("label",), labels=(labels,)),)
    inputs = _inputs(model, features, names)
    signature = Signature(inputs.specs, outputs, methods, inputs.columns)
    return _trained(model, kind, name, "classification", signature)


def _inputs(model: Any, features: int, names: Sequence[str]) -> Inputs:
    """One matrix, or a table where the model was fitted on a frame with categorical columns."""
    known = categories_of(model)
    if not known:
        return Inputs((TensorSpec("x", "float32", (None, features), allow_nan=True, columns=tuple(names)),))
    unknown: Literal["refuse", "code"] = "refuse" if refuses_unknown(model) else "code"
    tables = [Categories(known[i], unknown) if i in known else None for i in range(features)]
    specs = (
        TensorSpec(f"column_{i}", "float32", (None, 1), allow_nan=True, source=name, encoding=table)
        for i, (name, table) in enumerate(zip(names, tables, strict=True))
    )
    return Inputs(tuple(specs), tuple(names))


def _trained(model: Any, kind: str, name: str, task: Task, signature: Signature) -> TrainedModel:
    digest = hashlib.sha256(str(content(model)).encode()).hexdigest()
    return TrainedModel(kind, name, model, task, signature, (Step("model", "Booster"),), digest)


def rows_of(model: TrainedModel, x: Any) -> Any:
    """The rows as its Booster takes them: a frame, or an array of floats."""
    if model.signature.columns:
        return framework_rows(model, x)
    rows = as_feeds(model, x).get("x")
    if rows is None:
        raise SignatureError(f"{model.name} has one input, x; got {', '.join(x)}")
    if hasattr(rows, "iloc"):
        return rows
    array = np.asarray(rows)
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def both_classes(second: Array) -> Array:
    """[n, 2] of the second class's probabilities [n]; more classes are as they are."""
    return np.stack([1 - second, second], axis=1) if second.ndim == 1 else second
