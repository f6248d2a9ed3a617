"""From what callers pass to the artifact's tensors: tables by their columns, text by its encoding.

A model with an input for each column takes a DataFrame, a mapping of columns, records (a list of mappings),
or an array whose columns are the table's in order. A model with one input takes its rows as they are; where
their columns have names, a mapping of columns and records as well. Several inputs are a mapping by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edgeml_runtime.affine import Array
from edgeml_runtime.encodings import encoder
from edgeml_runtime.encodings.cells import as_array, cells, numbers
from edgeml_runtime.errors import SignatureError
from edgeml_runtime.inputs import check_input, check_rows, same_columns
from edgeml_runtime.signature import Signature, TensorSpec

BATCH_BYTES = 1 << 26  # of encoded rows at a time: documents are small, their counts are not


class Intake:
    """A signature's inputs, prepared for many calls."""

    __slots__ = ("_batch_rows", "_readers", "_signature")

    def __init__(self, signature: Signature) -> None:
        self._signature = signature
        self._readers = tuple(_reader(spec, signature) for spec in signature.inputs)
        width = sum(spec.encoding.width for spec in signature.inputs if spec.encoding is not None)
        self._batch_rows = max(1, BATCH_BYTES // (4 * width)) if width else None

    def __call__(self, x: Any) -> list[Array]:
        """Real values of every tensor in the signature's order, each [batch, ...]; raises SignatureError."""
        return self._read(columns_of(self._signature, x))

    def batches(self, x: Any) -> Iterator[list[Array]]:
        """The same, a part of the rows at a time where all of them encoded would take too much memory."""
        given = columns_of(self._signature, x)
        count = max(map(_length, given.values()))
        step = self._batch_rows or count
        if count <= step:
            yield self._read(given)
            return
        given = {name: as_array(value, _where(self._signature, name)) for name, value in given.items()}
        lengths = {name: len(value) for name, value in given.items()}
        if len(set(lengths.values())) > 1:
            sizes = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise SignatureError(f"inputs differ in their number of rows: {sizes}")
        for start in range(0, count, step):
            yield self._read({name: value[start : start + step] for name, value in given.items()})

    def _read(self, given: Mapping[str, Any]) -> list[Array]:
        specs = self._signature.inputs
        tensors = [read(given[s.source_name]) for s, read in zip(specs, self._readers, strict=True)]
        check_rows(specs, tensors)
        return tensors


def columns_of(signature: Signature, x: Any) -> dict[str, Any]:
    """What is given for each of `signature.sources`, by name, as it came; raises SignatureError.

    Names that are missing, unknown or, in a DataFrame, in another order are refused with both lists.
    """
    if signature.columns:
        return _table(signature, x)
    if len(signature.sources) == 1:
        return {signature.sources[0]: _only(signature, x)}
    if not isinstance(x, Mapping):
        names = ", ".join(s.describe() for s in signature.inputs)
        raise SignatureError(f"this model has several inputs ({names}): pass a mapping of name to array")
    _check_inputs(signature, x)
    return dict(x)


def tensors_of(signature: Signature, x: Any) -> dict[str, Array]:
    """Real values by the name of the tensor, as `Session.run` takes them; raises SignatureError."""
    names = (spec.name for spec in signature.inputs)
    return dict(zip(names, Intake(signature)(x), strict=True))


def _reader(spec: TensorSpec, signature: Signature) -> Callable[[Any], Array]:
    where = _where(signature, spec.source_name)
    allow_missing = spec.allow_nan and spec.affine is None
    spec = replace(spec, name=spec.source_name)  # in messages callers want to read their own names
    if spec.encoding is not None:
        encode = encoder(spec.encoding, where, allow_missing=allow_missing)
        return lambda value: check_input(spec, encode(value))
    if signature.columns and spec.real_dtype != "str":
        return lambda value: check_input(
            spec, numbers(value, where, allow_missing=allow_missing).reshape(-1, 1)
        )
    if signature.columns:
        return lambda value: check_input(spec, _objects(cells(value, where)))
    return lambda value: check_input(spec, value)


def _where(signature: Signature, source: str) -> str:
    return f"{'column' if signature.columns else 'input'} {source!r}"


def _length(value: Any) -> int:
    return len(value) if hasattr(value, "__len__") else 0


def _objects(values: Sequence[Any]) -> Array:
    """object[n, 1]: numpy would make text of numbers that stand beside text."""
    column = np.empty((len(values), 1), object)
    column[:, 0] = values
    return column


def _is_frame(x: Any) -> bool:
    return hasattr(x, "columns") and hasattr(x, "__getitem__") and not isinstance(x, Mapping)


def _is_records(x: Any) -> bool:
    if isinstance(x, np.ndarray) and (x.dtype.kind != "O" or x.ndim != 1):
        return False
    return isinstance(x, (list, tuple, np.ndarray)) and len(x) > 0 and isinstance(x[0], Mapping)


def _table(signature: Signature, x: Any) -> dict[str, Any]:
    sources = set(signature.sources)
    used = [name for name in signature.columns if name in sources]
    if isinstance(x, Mapping):
        _check_names(x, used, signature.columns, "columns")
        return {name: x[name] for name in used}
    if _is_frame(x):
        if same_columns(x.columns, signature.columns):
            own = dict(zip(signature.columns, x.columns, strict=True))
            return {name: x[own[name]] for name in used}
        if list(x.columns) != used:
            known = signature.columns
            refused = _other_names("columns", known, used, known, list(x.columns))
            raise SignatureError(f"{refused}; select them in that order")
        return {name: x[name] for name in used}
    if _is_records(x):
        return _from_records(x, used, signature.columns)
    values = x if isinstance(x, np.ndarray) else _rows(x)
    if values is None or values.ndim != 2 or values.shape[1] != len(signature.columns):
        raise SignatureError(
            f"expected a table of the columns {', '.join(signature.columns)}: a DataFrame, a mapping of "
            f"columns, a list of mappings or an array of {len(signature.columns)} columns, got "
            f"{type(x).__name__}" + ("" if values is None else f" of shape {list(values.shape)}")
        )
    return {name: values[:, j] for j, name in enumerate(signature.columns) if name in sources}


def _rows(x: Any) -> Array | None:
    """object[n, k] of a list of rows, each cell as it came."""
    if not isinstance(x, (list, tuple)) or not x or not all(isinstance(row, (list, tuple)) for row in x):
        return None
    if len({len(row) for row in x}) > 1:
        raise SignatureError(f"rows differ in their number of cells: {sorted({len(row) for row in x})}")
    table = np.empty((len(x), len(x[0])), object)
    for i, row in enumerate(x):
        for j, cell in enumerate(row):
            table[i, j] = cell
    return table


def _from_records(
    x: Sequence[Mapping[str, Any]], used: Sequence[str], known: Sequence[str]
) -> dict[str, Any]:
    names: Any = None
    for row, record in enumerate(x):
        if not isinstance(record, Mapping):
            raise SignatureError(f"row {row}: expected a mapping, got {type(record).__name__}")
        if record.keys() != names:
            _check_names(record, used, known, "columns", f"row {row}: ")
            names = record.keys()
    return {name: [record[name] for record in x] for name in used}


def _only(signature: Signature, x: Any) -> Any:
    """The rows of the only input: as they came, or its named columns side by side."""
    name, spec = signature.sources[0], signature.inputs[0]
    if isinstance(x, Mapping):
        if list(x) == [name] and spec.columns != (name,):
            return x[name]
        if not spec.columns:
            _check_inputs(signature, x)
        _check_names(x, spec.columns, spec.columns, "columns")
        return _side_by_side(spec, x)
    if not spec.columns:
        return x
    if _is_records(x):
        return _side_by_side(spec, _from_records(x, spec.columns, spec.columns))
    if _is_frame(x) and list(x.columns) == list(spec.columns) and as_array(x, "x").dtype.kind == "O":
        return _side_by_side(spec, {column: x[column] for column in spec.columns})
    return x


def _side_by_side(spec: TensorSpec, table: Mapping[str, Any]) -> Array:
    """[n, len(spec.columns)] of the columns of those names."""
    if spec.real_dtype == "str":
        columns = [_objects(cells(table[name], f"column {name!r}"))[:, 0] for name in spec.columns]
    else:
        missing = spec.allow_nan and spec.affine is None
        columns = [numbers(table[name], f"column {name!r}", allow_missing=missing) for name in spec.columns]
    lengths = {name: len(column) for name, column in zip(spec.columns, columns, strict=True)}
    if len(set(lengths.values())) > 1:
        sizes = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise SignatureError(f"columns differ in their number of rows: {sizes}")
    return np.stack(columns, axis=1)


def _check_inputs(signature: Signature, given: Mapping[str, Any]) -> None:
    names = signature.sources
    if given.keys() != set(names):
        shown = [spec.describe() if spec.encoding is None else spec.source_name for spec in signature.inputs]
        raise SignatureError(_other_names("inputs", list(dict.fromkeys(shown)), names, names, list(given)))


def _check_names(
    given: Mapping[str, Any], used: Sequence[str], known: Sequence[str], what: str, where: str = ""
) -> None:
    if any(name not in given for name in used) or any(name not in known for name in given):
        raise SignatureError(f"{where}{_other_names(what, known, used, known, list(given))}")


def _other_names(
    what: str, shown: Sequence[str], used: Sequence[str], known: Sequence[str], got: list[Any]
) -> str:
    missing = [name for name in used if name not in got]
    unknown = [str(name) for name in got if name not in known]
    problems = [
        f"{label}: {', '.join(names)}"
        for label, names in (("missing", missing), ("unknown", unknown))
        if names
    ]
    given = ", ".join(map(str, got)) or "none"
    return "; ".join([f"expected {what} {', '.join(shown)}", f"got {given}", *problems])
