"""What a scikit-learn model takes: one matrix of numbers, a table with an input a column, or documents.

A model of which some column holds text, or anything else that float32 cannot hold, is a table: its categories
and words are encoded by the runtime. A column's categories are all that its readers know; a cell that one of
them would fail on is refused by the runtime.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from edgeml_converters.sources.sklearn_documents import reads_documents
from edgeml_converters.sources.sklearn_reading import (
    NAN,
    UNLISTED,
    Cell,
    Reading,
    calculates,
    readings,
    values_in_float32,
)
from edgeml_converters.sources.sklearn_structure import children, own_width, takes_nan
from edgeml_runtime.encodings import Categories, Encoding, HashedRecords, HashedWords, Records, Sets, Words
from edgeml_runtime.encodings.categories import CategoryValue
from edgeml_runtime.errors import UnsupportedModelError
from edgeml_runtime.signature import TensorSpec

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OUTPUT_NAMES = ("label", "probabilities", "decision", "scores", "prediction", "transformed")


@dataclass(frozen=True, slots=True)
class Inputs:
    """The specs of a model's inputs and, for a table, the names of all its columns."""

    specs: tuple[TensorSpec, ...]
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Column:
    """An input column with all that read its cells."""

    readings: tuple[Reading, ...]

    @property
    def values(self) -> tuple[CategoryValue, ...]:
        """What its readers know and none of them fails on."""
        known = dict.fromkeys(value for reading in self.readings for value in reading.values)
        return tuple(value for value in known if not self.refuses(value))

    @property
    def encodings(self) -> tuple[Encoding, ...]:
        return tuple(dict.fromkeys(r.encoding for r in self.readings if r.encoding is not None))

    @property
    def read(self) -> bool:
        """Whether its cells themselves are read, not only the words in them."""
        return any(reading.encoding is None for reading in self.readings)

    @property
    def coded(self) -> bool:
        """Whether float32 cannot hold what its readers tell apart, or one takes categories as such."""
        if any(reading.coded for reading in self.readings):
            return True
        # None is NaN in a column of numbers.
        known = {value for reading in self.readings for value in reading.values}
        return not values_in_float32(known - {None} if self.calculated else known)

    @property
    def calculated(self) -> bool:
        """Whether a reader takes its cells as numbers."""
        return any(reading.numbers for reading in self.readings)

    @property
    def closed(self) -> bool:
        """Whether it has categories only, and what is none of them is refused."""
        return bool(self.values) and self.refuses(UNLISTED) and not self.calculated

    @property
    def any_cell(self) -> bool:
        """Whether it may hold anything: its readers only ask which cells are missing."""
        return self.read and not self.calculated and not any(r.values for r in self.readings)

    def refuses(self, cell: Cell) -> bool:
        return any(reading.refuses(cell) for reading in self.readings)


def inputs_of(model: Any, name: str) -> Inputs:
    """Raises UnsupportedModelError for a model that does not say how wide its input is."""
    first = next(reader for reader in _readers(model))
    if reads_documents(first):
        source = "y" if type(first).__name__.startswith("Label") else "x"
        return Inputs(tuple(_document_specs(source, _columns(model, 1)[0])))
    width, names = _width(model, name), _names(model)
    columns = [] if calculates(model) else _columns(model, width)
    read = [column for column in columns if column.readings]
    either = any(column.any_cell for column in read) and not all(column.any_cell for column in read)
    if not either and not any(column.coded or column.encodings for column in read):
        x = TensorSpec("x", "float32", (None, width), allow_nan=takes_nan(model), columns=names)
        return Inputs((x,))
    names = names or tuple(f"x{i}" for i in range(width))  # as scikit-learn calls what has no name
    return Inputs(tuple(_column_specs(names, columns)), names)


def frame_inputs(model: Any, names: Sequence[str]) -> Inputs:
    """Of a model that reads a table of those columns, with categories in some."""
    return Inputs(tuple(_column_specs(names, _columns(model, len(names)))), tuple(names))


def example_rows(model: Any) -> Any:
    """Two rows of cells that the model knows; None for one that knows no cells but takes any numbers."""
    first = next(reader for reader in _readers(model))
    if reads_documents(first):
        return [_example_document(_columns(model, 1)[0].encodings[0])] * 2
    if calculates(model):
        return None
    width = next((width for width in map(own_width, _readers(model)) if width), 0)
    columns, names = _columns(model, width), _names(model)
    if not any(column.values or column.encodings for column in columns):
        return None
    from pandas import DataFrame

    cells = [_example_cell(column) for column in columns]
    rows = DataFrame({name: [cell] * 2 for name, cell in zip(names or range(width), cells, strict=True)})
    return rows if names else rows.to_numpy(object if any(isinstance(c, str) for c in cells) else float)


def _example_cell(column: _Column) -> Any:
    known = [value for value in column.values if value is not None]
    return known[0] if known else "word" if column.encodings or column.coded else 0.0


def _example_document(encoding: Encoding) -> Any:
    if isinstance(encoding, Categories):
        return encoding.values[0]
    if isinstance(encoding, (Words, HashedWords)):
        return "word"
    is_list = isinstance(encoding, Sets) or (
        isinstance(encoding, HashedRecords) and encoding.input_type != "dict"
    )
    return [] if is_list else {}


def knows_none(model: Any, width: int) -> set[int]:
    """The columns, of so many, in which some step tells None from other cells."""
    return {reading.column for reading in readings(model, width) if None in reading.values}


def _columns(model: Any, width: int) -> list[_Column]:
    found: list[list[Reading]] = [[] for _ in range(width)]
    for reading in readings(model, width):
        found[reading.column].append(reading)
    return [_Column(tuple(column)) for column in found]


def _readers(model: Any) -> Iterator[Any]:
    """The estimators that get the model's own input, each after those around it."""
    kind = type(model).__name__
    if kind == "Pipeline":
        steps = [step for _, step in model.steps if not isinstance(step, str) and step is not None]
        if not steps:
            yield model
        for step in steps[:1]:
            yield from _readers(step)
        return
    inside = [child for name, child in children(model) if name not in ("final_estimator", "transformer")]
    if kind == "ColumnTransformer" or not inside:
        yield model
        return
    # What is around others knows no documents, but the names and the number of columns.
    documents = [reader for child in inside for reader in _readers(child)]
    if reads_documents(documents[0]):
        yield from documents
        return
    yield model
    yield from documents


def _document_specs(source: str, column: _Column) -> Iterator[TensorSpec]:
    for number, encoding in enumerate(column.encodings):
        name = source if number == 0 else f"{source}_{number}"
        part_of = "" if number == 0 else source
        gaps = isinstance(encoding, Records) and not column.refuses(NAN)
        yield TensorSpec(
            name, "float32", (None, encoding.width), allow_nan=gaps, source=part_of, encoding=encoding
        )


def _width(model: Any, name: str) -> int:
    for reader in _readers(model):
        width = own_width(reader)
        if width is not None:
            return width
    raise UnsupportedModelError(
        f"{name} ({type(model).__name__}) does not say how many features it takes (n_features_in_): "
        "fit it on a two-dimensional numeric array"
    )


def _names(model: Any) -> tuple[str, ...]:
    for reader in _readers(model):
        names = getattr(reader, "feature_names_in_", None)
        if names is not None:
            return tuple(map(str, names))
    return ()


def _column_specs(names: Sequence[str], columns: Sequence[_Column]) -> Iterator[TensorSpec]:
    if "" in names:
        raise UnsupportedModelError("a column of the table that the model was fitted on has an empty name")
    taken = {*_OUTPUT_NAMES}
    for i, (name, column) in enumerate(zip(names, columns, strict=True)):
        usable = _IDENTIFIER.fullmatch(name) and name not in taken
        tensor = name if usable else f"column_{i}"
        for number, encoding in enumerate(column.encodings):
            part = f"{tensor}_{number}"
            yield TensorSpec(part, "float32", (None, encoding.width), source=name, encoding=encoding)
        if not column.read:
            continue
        table = _table(name, column) if column.coded or column.closed or column.any_cell else None
        yield TensorSpec(
            tensor,
            "float32",
            (None, 1),
            allow_nan=not column.refuses(NAN) or (table is None and None in column.values),
            source="" if usable else name,
            encoding=table,
        )


def _table(name: str, column: _Column) -> Categories:
    """The codes of a column's cells; None is NaN where no step was fitted on it."""
    if column.any_cell:
        return Categories(("", 0), "code")  # text and numbers are all alike
    text = next((value for value in column.values if isinstance(value, str)), None)
    if not column.values or (text is not None and column.calculated):
        holds = "text" if text is None else f"{text!r:.40} beside numbers"
        raise UnsupportedModelError(
            f"column {name!r} holds {holds}, and a step, or the model's output, takes its cells as numbers: "
            "encode the column, or use NaN for what is missing"
        )
    return Categories(column.values, "refuse" if column.refuses(UNLISTED) else "code")
