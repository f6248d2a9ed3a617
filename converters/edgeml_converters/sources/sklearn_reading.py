"""How a fitted model reads its table: every column followed through its steps to the estimators that read it.

A column is followed as its cells, as they came, through selections, unions and imputers, until an estimator
makes numbers of them; behind that only which cells show as NaN is followed, for the steps that refuse NaN.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from edgeml_converters.sources.boosted_categories import categories_of, refuses_unknown
from edgeml_converters.sources.sklearn_documents import document_encoding, reads_documents
from edgeml_converters.sources.sklearn_structure import children, takes_nan
from edgeml_runtime.encodings import Encoding
from edgeml_runtime.encodings.categories import CategoryValue
from edgeml_runtime.encodings.cells import is_missing
from edgeml_runtime.signature import Array

_ENCODERS = ("OneHotEncoder", "OrdinalEncoder", "TargetEncoder")
_PASSING = ("FunctionTransformer", "MissingIndicator", "Pipeline", "SimpleImputer")


class Unlisted(enum.Enum):
    """Stands for a cell that no step of the model knows."""

    CELL = "unlisted"


Cell = CategoryValue | Unlisted  # NaN is a float
UNLISTED: Final = Unlisted.CELL
NAN: Final = math.nan
_FILLING = ("IterativeImputer", "KNNImputer")  # with numbers of other rows or columns
Predicate = Callable[[Cell], bool]


@dataclass(frozen=True, slots=True)
class Reading:
    """What an estimator makes of a column's cells.

    `values`: those that it tells from others, NaN left out; `numbers`: it calculates with them; `coded`:
    it takes categories as such, never the numbers they may be (boosting libraries); `refuses`:
    cells that it, or a step behind it, fails on; `encoding`: what makes its input of them, where it reads
    documents.
    """

    column: int
    values: tuple[CategoryValue, ...] = ()
    numbers: bool = False
    coded: bool = False
    refuses: Predicate = lambda cell: False
    encoding: Encoding | None = None


@dataclass(frozen=True, slots=True)
class _Seen:
    """A column in front of a step.

    `column`: the table's, whose cells they are, but for those that imputers `replaced`; None for numbers made
    of cells. `missing`: cells of the table's columns that are NaN, or None, here.
    """

    missing: tuple[tuple[int, Predicate], ...] = ()
    column: int | None = None
    replaced: tuple[Callable[[Cell], Cell], ...] = ()

    def cell(self, given: Cell) -> Cell:
        """What a cell of the table has become here."""
        for function in self.replaced:
            given = function(given)
        return given


@dataclass(frozen=True, slots=True)
class _View:
    """The columns in front of a step; `alike`: any number of them, all like the only one."""

    columns: tuple[_Seen, ...]
    alike: bool = False

    def pick(self, indices: Any) -> _View:
        return self if self.alike else _View(tuple(self.columns[i] for i in np.ravel(indices).astype(int)))

    def widened(self, width: int) -> _View:
        """As so many columns, where that was not known."""
        return _View(self.columns * width) if self.alike else self


def is_nan(cell: Any) -> bool:
    """NaN, pandas.NA and the like, but not None."""
    return cell is not None and cell is not UNLISTED and is_missing(cell)


def category_values(values: Iterable[Any]) -> Iterator[CategoryValue]:
    """Categories as plain Python values, NaN left out."""
    for value in values:
        plain = value.item() if isinstance(value, np.generic) else value
        if not is_nan(plain):
            yield plain


def readings(model: Any, width: int) -> list[Reading]:
    """All readings of a table of `width` columns, in the order of the steps."""

    def absent(cell: Cell) -> bool:
        return cell is not UNLISTED and is_missing(cell)

    found: list[Reading] = []
    made = _walk(model, _View(tuple(_Seen(((i, absent),), i) for i in range(width))), found)
    return [*found, *_as_numbers(made)]  # what a transformer hands out as it came


def _walk(estimator: Any, view: _View, found: list[Reading]) -> _View:
    """Add what an estimator and all inside it read; returns the view of what reads its output."""
    kind = type(estimator).__name__
    if isinstance(estimator, str) or estimator is None:
        return view
    if kind == "Pipeline":
        for _, step in estimator.steps:
            view = _walk(step, view, found)
        return view
    if kind == "ColumnTransformer":
        return _walk_columns(estimator, view, found)
    if kind == "FeatureUnion":
        return _beside([_walk(child, view, found) for _, child in children(estimator)])
    if reads_documents(estimator):
        encoding = document_encoding(estimator)
        found += [Reading(s.column, encoding=encoding) for s in view.columns if s.column is not None]
        # Mappings may hold missing numbers.
        gaps = view.columns[0].missing if kind == "DictVectorizer" else ()
        return _View((_Seen(gaps),), alike=True)
    if hasattr(estimator, "get_support"):
        _refuse_missing(estimator, view, found)
        found += [Reading(seen.column, numbers=True) for seen in view.columns if seen.column is not None]
        return view.pick(estimator.get_support(indices=True))
    if kind in ("SimpleImputer", "MissingIndicator"):
        return _walk_imputer(estimator, view, found)
    if kind == "FunctionTransformer" and estimator.func is None and not estimator.validate:
        return view
    categories = _categories(estimator)
    if categories:
        return _walk_encoder(estimator, categories, view, found)
    inside = [(name, c) for name, c in children(estimator) if name not in ("final_estimator", "transformer")]
    if inside and kind not in _FILLING:
        _walk_members(estimator, [child for _, child in inside], view, found)
        return _View((_Seen(),), alike=True)
    return _walk_numbers(estimator, view, found)


def _beside(parts: Sequence[_View]) -> _View:
    columns = tuple(seen for part in parts for seen in part.columns)
    if not any(part.alike for part in parts):
        return _View(columns)
    return _View((_Seen(tuple(pair for seen in columns for pair in seen.missing)),), alike=True)


def _walk_columns(estimator: Any, view: _View, found: list[Reading]) -> _View:
    parts = []
    for name, child, _ in estimator.transformers_:
        chosen = view.pick(estimator._transformer_to_input_indices[name])
        if not chosen.columns or (isinstance(child, str) and child == "drop"):
            continue
        places = estimator.output_indices_[name]
        parts.append(_walk(child, chosen, found).widened(places.stop - places.start))
    return _beside(parts)


def _walk_members(estimator: Any, members: Sequence[Any], view: _View, found: list[Reading]) -> None:
    features = getattr(estimator, "estimators_features_", None)
    for i, child in enumerate(members):
        seen = view if features is None or i >= len(features) else view.pick(features[i])
        if view.alike or getattr(child, "n_features_in_", len(seen.columns)) == len(seen.columns):
            _walk(child, seen, found)
    if getattr(estimator, "passthrough", False) is True:  # stacking
        _walk_numbers(estimator, view, found)


def _walk_numbers(estimator: Any, view: _View, found: list[Reading]) -> _View:
    """An estimator that calculates with all of its columns."""
    _refuse_missing(estimator, view, found)
    found += _as_numbers(view)
    filled = type(estimator).__name__ in _FILLING or not takes_nan(estimator)
    missing = () if filled else tuple(pair for seen in view.columns for pair in seen.missing)
    made = _View((_Seen(missing),), alike=True)
    one_to_one = any(cls.__name__ == "OneToOneFeatureMixin" for cls in type(estimator).__mro__)
    return made.widened(len(view.columns)) if one_to_one and not view.alike else made


def _as_numbers(view: _View) -> Iterator[Reading]:
    for seen in view.columns:
        if seen.column is not None:
            yield Reading(seen.column, numbers=True, refuses=_no_number(seen))


def _no_number(seen: _Seen) -> Predicate:
    def refuses(cell: Cell) -> bool:
        held = seen.cell(cell)
        return held is UNLISTED or isinstance(held, str)

    return refuses


def _refuse_missing(estimator: Any, view: _View, found: list[Reading]) -> None:
    if not takes_nan(estimator):
        for seen in view.columns:
            found += [Reading(column, refuses=missing) for column, missing in seen.missing]


def _walk_imputer(estimator: Any, view: _View, found: list[Reading]) -> _View:
    marker = estimator.missing_values
    marker = marker.item() if isinstance(marker, np.generic) else marker
    is_indicator = type(estimator).__name__ == "MissingIndicator"
    numeric = not is_indicator and estimator._fit_dtype.kind != "O"
    count = len(view.columns)
    fills = [None] * count if is_indicator else list(estimator.statistics_)
    # Of an indicator, features in which nothing was missing may be refused.
    new = set(range(count)) - set(estimator.features_) if is_indicator and estimator.error_on_new else set()

    def stands(cell: Cell) -> bool:
        if is_nan(marker):
            both = numeric or type(marker).__name__ == "NAType"
            return is_nan(cell) or (both and cell is None)
        return cell is None if marker is None else cell == marker

    made = []
    for i, (seen, fill) in enumerate(zip(view.columns, fills, strict=True)):
        fill = fill.item() if isinstance(fill, np.generic) else fill
        if not is_nan(marker):  # then NaN is refused
            found += [Reading(column, refuses=_but(stands, missing)) for column, missing in seen.missing]
        if seen.column is not None:
            told_apart: list[CategoryValue] = [marker] if marker is None or isinstance(marker, str) else []
            told_apart += [fill] if isinstance(fill, (str, bool)) else []
            found.append(Reading(seen.column, tuple(dict.fromkeys(told_apart)), numbers=numeric))
            if numeric:
                found.append(Reading(seen.column, refuses=_no_number(seen)))
            if i in new:
                found.append(Reading(seen.column, refuses=_here(seen, stands)))
        made.append(_filled(seen, stands, fill))
    if is_indicator:
        return _View((_Seen(),) * len(estimator.features_))
    keep_all = estimator.keep_empty_features
    kept = [seen for seen, fill in zip(made, fills, strict=True) if keep_all or not is_nan(fill)]
    marked = 0 if estimator.indicator_ is None else len(estimator.indicator_.features_)
    return _View((*kept, *[_Seen()] * marked))


def _here(seen: _Seen, holds: Predicate) -> Predicate:
    return lambda cell: holds(seen.cell(cell))


def _but(excepted: Predicate, refused: Predicate) -> Predicate:
    return lambda cell: refused(cell) and not excepted(cell)


def _filled(seen: _Seen, stands: Predicate, fill: Any) -> _Seen:
    if seen.column is None:
        return _Seen(() if stands(NAN) else seen.missing)

    def replaced(cell: Cell) -> Cell:
        return fill if stands(cell) else cell

    made = replace(seen, replaced=(*seen.replaced, replaced))

    def missing(cell: Cell) -> bool:
        held = made.cell(cell)
        return held is not UNLISTED and is_missing(held)

    return replace(made, missing=((seen.column, missing),))


def _categories(estimator: Any) -> dict[int, Sequence[Any]]:
    """By input column the categories that an estimator knows; columns that it reads as numbers have none."""
    if type(estimator).__name__ in _ENCODERS:
        return dict(enumerate(estimator.categories_))
    if getattr(estimator, "is_categorical_", None) is not None and getattr(estimator, "_preprocessor", None):
        encoder = estimator._preprocessor.named_transformers_["encoder"]
        places = np.flatnonzero(estimator.is_categorical_).tolist()
        return dict(zip(places, encoder.categories_, strict=True))
    return dict(categories_of(estimator))


def calculates(estimator: Any) -> bool:
    """Whether an estimator itself takes all of its columns as numbers."""
    return codes_read(estimator) == () and not isinstance(estimator, str)


def codes_read(estimator: Any) -> Collection[int] | None:
    """The columns that an estimator reads as categories, all others being numbers; None for one of any cells.

    Such a one tells cells apart itself, or hands them to others.
    """
    kind = type(estimator).__name__
    known = _categories(estimator)
    if known and kind not in _ENCODERS:
        return known.keys()
    if kind in (*_ENCODERS, *_PASSING) or hasattr(estimator, "get_support") or reads_documents(estimator):
        return None
    return None if children(estimator) and kind not in _FILLING else ()


def _walk_encoder(
    estimator: Any, categories: dict[int, Sequence[Any]], view: _View, found: list[Reading]
) -> _View:
    kind = type(estimator).__name__
    boosted = bool(categories_of(estimator))
    strict = kind in ("OneHotEncoder", "OrdinalEncoder") and estimator.handle_unknown == "error"
    strict = strict or (boosted and refuses_unknown(estimator))
    made = []
    for i, seen in enumerate(view.columns):
        if i not in categories:
            found += _as_numbers(_View((seen,)))
            continue
        known = tuple(category_values(categories[i]))
        holds_nan = len(known) < len(categories[i])
        listed = frozenset(known)

        def unknown(cell: Cell, listed: frozenset[Any] = listed, holds_nan: bool = holds_nan) -> bool:
            if boosted and cell is not UNLISTED and is_missing(cell):
                return False
            return not holds_nan if is_nan(cell) else cell is UNLISTED or cell not in listed

        if seen.column is not None:
            found.append(Reading(seen.column, known, coded=boosted))
            if strict:
                found.append(Reading(seen.column, refuses=_here(seen, unknown)))
        if seen.column is None and strict and not holds_nan:
            found += [Reading(column, refuses=missing) for column, missing in seen.missing]
        made.append(_ordinal(estimator, seen, unknown) if kind == "OrdinalEncoder" else _Seen())
    return _View(tuple(made)) if kind == "OrdinalEncoder" else _View((_Seen(),), alike=True)


def _ordinal(estimator: Any, seen: _Seen, unknown: Predicate) -> _Seen:
    """What OrdinalEncoder makes of a column may be NaN, of missing and of unknown cells."""
    of_unknown = estimator.handle_unknown == "use_encoded_value" and np.isnan(float(estimator.unknown_value))
    of_missing = bool(np.isnan(float(estimator.encoded_missing_value)))

    def missing(cell: Cell) -> bool:
        held = seen.cell(cell)
        return of_unknown if unknown(held) else of_missing and is_nan(held)

    if seen.column is None:
        return _Seen(seen.missing if of_missing or of_unknown else ())
    return _Seen(((seen.column, missing),))


def values_in_float32(values: Iterable[CategoryValue]) -> bool:
    """Whether float32 holds those values as they are, each different from the others."""
    given = list(values)
    if any(value is None or isinstance(value, str) for value in given):
        return False
    held: Array = np.array([float(value) for value in given if value is not None]).astype(np.float32)
    return len(set(held.tolist())) == len(given)
