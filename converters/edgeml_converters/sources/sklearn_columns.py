"""What a scikit-learn model takes: one matrix of numbers, a table with an input a column, or documents.

The estimators are walked from the input on, every column followed through selections and imputers to those
that read it: encoders know its categories, vectorizers its words, all others take numbers. A model of which
some column holds text is a table; its categories and words are encoded by the runtime.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgeml_converters.sources.sklearn_documents import document_encoding, reads_documents
from edgeml_converters.sources.sklearn_structure import children, takes_nan
from edgeml_runtime.encodings import Categories, Encoding, HashedRecords, HashedWords, Sets, Words
from edgeml_runtime.encodings.categories import CategoryValue
from edgeml_runtime.encodings.cells import is_missing
from edgeml_runtime.errors import UnsupportedModelError
from edgeml_runtime.signature import Array, TensorSpec

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OUTPUT_NAMES = ("label", "probabilities", "decision", "scores", "prediction", "transformed")
_EXACT = 1 << 24  # integers that float32 holds


@dataclass(frozen=True, slots=True)
class Inputs:
    """The specs of a model's inputs and, for a table, the names of all its columns."""

    specs: tuple[TensorSpec, ...]
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Reached:
    """An input column as an estimator sees it; `filled`: an imputer has replaced what was missing."""

    index: int
    filled: bool = False


@dataclass(slots=True)
class _Column:
    """What is known of an input column from all that read it."""

    values: dict[CategoryValue, None] = field(default_factory=dict)
    encodings: dict[Encoding, None] = field(default_factory=dict)
    read: bool = False
    refuses_unknown: bool = True
    takes_missing: bool = True

    @property
    def coded(self) -> bool:
        """Whether float32 cannot hold its values as they are."""
        return any(
            value is None or isinstance(value, str) or (isinstance(value, int) and abs(value) > _EXACT)
            for value in self.values
        )


_View = Sequence[_Reached | None]  # of an estimator's input; None: made of several columns


def inputs_of(model: Any, name: str) -> Inputs:
    """Raises UnsupportedModelError for a model that does not say how wide its input is."""
    first = _first(model)
    if reads_documents(first):
        return Inputs(tuple(_document_specs(model, "y" if type(first).__name__.startswith("Label") else "x")))
    width = _width(model, name)
    columns = [_Column() for _ in range(width)]
    _walk(model, [_Reached(i) for i in range(width)], columns)
    names = _names(model)
    if not any(column.coded or column.encodings for column in columns):
        x = TensorSpec("x", "float32", (None, width), allow_nan=takes_nan(model), columns=names)
        return Inputs((x,))
    names = names or tuple(f"x{i}" for i in range(width))  # as scikit-learn calls what has no name
    return Inputs(tuple(_column_specs(names, columns)), names)


def example_rows(model: Any) -> Any:
    """Two rows that a model of a table or of documents takes; None for a model of numbers."""
    inputs = inputs_of(model, "model")
    examples = {s.source_name: _example(s.encoding) for s in inputs.specs}
    if inputs.columns:
        from pandas import DataFrame

        rows = DataFrame({name: [examples.get(name, 0.0)] * 2 for name in inputs.columns})
        return rows if _names(model) else rows.to_numpy(object)
    encoding = inputs.specs[0].encoding
    return None if encoding is None else [_example(encoding)] * 2


def _example(encoding: Encoding | None) -> Any:
    if isinstance(encoding, Categories):
        return encoding.values[0]
    if isinstance(encoding, (Words, HashedWords)):
        return "word"
    if isinstance(encoding, HashedRecords) and encoding.input_type != "dict":
        return []
    return 0.0 if encoding is None else [] if isinstance(encoding, Sets) else {}


def _first(model: Any) -> Any:
    """The estimator that reads the input; of several side by side the first."""
    kind = type(model).__name__
    if kind == "Pipeline":
        steps = [step for _, step in model.steps if not isinstance(step, str) and step is not None]
        return _first(steps[0]) if steps else model
    if kind == "FeatureUnion":
        parts = [child for _, child in children(model)]
        return _first(parts[0]) if parts else model
    best = getattr(model, "best_estimator_", None)
    return model if best is None else _first(best)


def _document_specs(model: Any, source: str) -> Iterator[TensorSpec]:
    column = _Column()
    _walk(model, [_Reached(0)], [column])
    for number, encoding in enumerate(column.encodings):
        yield TensorSpec(
            source if number == 0 else f"{source}_{number}",
            "float32",
            (None, encoding.width),
            source="" if number == 0 else source,
            encoding=encoding,
        )


def _width(model: Any, name: str) -> int:
    # A pipeline asks its first step, and a step that passes everything through does not know.
    pending = [model]
    while pending:
        estimator = pending.pop(0)
        width = getattr(estimator, "n_features_in_", None)
        if width is not None:
            return int(width)
        pending += [child for _, child in children(estimator)]
    raise UnsupportedModelError(
        f"{name} ({type(model).__name__}) does not say how many features it takes (n_features_in_): "
        "fit it on a two-dimensional numeric array"
    )


def _names(model: Any) -> tuple[str, ...]:
    names = getattr(model, "feature_names_in_", None)
    if names is None and type(model).__name__ in ("Pipeline", "FeatureUnion"):
        names = getattr(_first(model), "feature_names_in_", None)
    return tuple(map(str, () if names is None else names))


def _column_specs(names: Sequence[str], columns: Sequence[_Column]) -> Iterator[TensorSpec]:
    taken = {*_OUTPUT_NAMES}
    for i, (name, column) in enumerate(zip(names, columns, strict=True)):
        usable = _IDENTIFIER.fullmatch(name) and name not in taken
        tensor = name if usable else f"column_{i}"
        source = "" if usable else name
        for number, encoding in enumerate(column.encodings):
            part = f"{tensor}_{number}"
            yield TensorSpec(part, "float32", (None, encoding.width), source=name, encoding=encoding)
        if not column.read or (column.encodings and not column.values):
            continue
        table = None
        if column.coded:
            table = Categories(tuple(column.values), "refuse" if column.refuses_unknown else "code")
        missing = column.takes_missing
        yield TensorSpec(tensor, "float32", (None, 1), allow_nan=missing, source=source, encoding=table)


def _walk(estimator: Any, view: _View, columns: Sequence[_Column]) -> _View:
    """Note what an estimator and all inside it read; returns the view of what reads its output."""
    kind = type(estimator).__name__
    if kind == "Pipeline":
        for _, step in estimator.steps:
            if not isinstance(step, str) and step is not None:
                view = _walk(step, view, columns)
        return view
    if kind == "ColumnTransformer":
        return _walk_columns(estimator, view, columns)
    if kind == "FeatureUnion":
        return [part for _, child in children(estimator) for part in _walk(child, view, columns)]
    if hasattr(estimator, "get_support"):
        return [view[i] for i in estimator.get_support(indices=True)]
    if reads_documents(estimator):
        _read(view, columns)[0].encodings[document_encoding(estimator)] = None
        return []
    if kind in ("SimpleImputer", "MissingIndicator"):
        return _walk_imputer(estimator, view, columns)
    categories = _categories(estimator)
    if categories is not None:
        return _walk_encoder(estimator, categories, view, columns)
    if kind == "FunctionTransformer" and estimator.func is None:
        _read(view, columns)
        return view
    parts = [(name, child) for name, child in children(estimator) if name != "final_estimator"]
    if parts:
        features = getattr(estimator, "estimators_features_", None)
        for i, (_, child) in enumerate(parts):
            seen = view if features is None or i >= len(features) else [view[j] for j in features[i]]
            if getattr(child, "n_features_in_", len(seen)) == len(seen):
                _walk(child, seen, columns)
        return []
    missing = takes_nan(estimator)
    for reached, column in _reached(view, columns):
        column.read = True
        column.refuses_unknown = False
        column.takes_missing &= missing or reached.filled
    return []


def _reached(view: _View, columns: Sequence[_Column]) -> Iterator[tuple[_Reached, _Column]]:
    return ((reached, columns[reached.index]) for reached in view if reached is not None)


def _read(view: _View, columns: Sequence[_Column]) -> list[_Column]:
    found = [column for _, column in _reached(view, columns)]
    for column in found:
        column.read = True
    return found


def _walk_columns(estimator: Any, view: _View, columns: Sequence[_Column]) -> _View:
    parts: list[_Reached | None] = []
    for name, child, _ in estimator.transformers_:
        chosen = [view[i] for i in np.ravel(estimator._transformer_to_input_indices[name]).astype(int)]
        if not isinstance(child, str):
            parts += _walk(child, chosen, columns) if chosen else []
        elif child == "passthrough":
            _read(chosen, columns)
            parts += chosen
    return parts


def _walk_imputer(estimator: Any, view: _View, columns: Sequence[_Column]) -> _View:
    for reached, column in _reached(view, columns):
        column.read = True
        column.refuses_unknown = False
        missing = estimator.missing_values
        absent = missing is None or isinstance(missing, str)
        if absent:
            column.values[missing] = None
        column.takes_missing &= reached.filled or absent or bool(np.isnan(missing))
    if type(estimator).__name__ == "MissingIndicator":
        return []
    fill = np.asarray(estimator.statistics_, object)
    empty = np.array([isinstance(value, float) and np.isnan(value) for value in fill], bool)
    for value, filled in zip(fill, view, strict=True):
        if filled is not None and isinstance(value, str):
            columns[filled.index].values[value] = None
    kept = [r for r, e in zip(view, empty, strict=True) if estimator.keep_empty_features or not e]
    marked = 0 if estimator.indicator_ is None else len(estimator.indicator_.features_)
    return [*(None if r is None else _Reached(r.index, filled=True) for r in kept), *[None] * marked]


def _categories(estimator: Any) -> list[Array] | None:
    """By input column the categories that an estimator knows, none where it reads numbers."""
    if type(estimator).__name__ in ("OneHotEncoder", "OrdinalEncoder", "TargetEncoder"):
        found: list[Array] = list(estimator.categories_)
        return found
    preprocessor = getattr(estimator, "_preprocessor", None)  # histogram boosting's own encoder
    if preprocessor is None or getattr(estimator, "is_categorical_", None) is None:
        return None
    known = iter(preprocessor.named_transformers_["encoder"].categories_)
    return [next(known) if is_one else np.zeros(0) for is_one in estimator.is_categorical_]


def _walk_encoder(
    estimator: Any, categories: Sequence[Array], view: _View, columns: Sequence[_Column]
) -> _View:
    kind = type(estimator).__name__
    refuses = kind in ("OneHotEncoder", "OrdinalEncoder") and estimator.handle_unknown == "error"
    for reached, values in zip(view, categories, strict=True):
        if reached is None:
            continue
        column, known = columns[reached.index], list(category_values(values))
        column.read = True
        column.refuses_unknown &= refuses
        column.values.update(dict.fromkeys(known))
        column.takes_missing &= reached.filled or not refuses or len(known) < len(values)
    return []


def category_values(values: Iterable[Any]) -> Iterator[CategoryValue]:
    """Categories as plain Python values, NaN left out."""
    for value in values:
        plain = value.item() if isinstance(value, np.generic) else value
        if not is_missing(plain) or plain is None:
            yield plain
