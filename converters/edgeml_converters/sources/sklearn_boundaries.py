"""Rows on which a decision can go either way: thresholds, bin edges, categories, missing values.

A converted model that is right between its thresholds and wrong on them passes any test on ordinary rows. So
the fitted estimators are asked where their decisions lie; each such value, moved back through the scalers in
front, replaces one value of an ordinary row, as it is and as its two neighbours in float32. A threshold of a
tree goes into a row that reaches its node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeml_converters.model import Boundaries, Data, TrainedModel, take_rows
from edgeml_converters.sources.sklearn_cells import cell_rows
from edgeml_converters.sources.sklearn_rows import as_fitted, framework_rows, quiet_names
from edgeml_converters.sources.sklearn_structure import children
from edgeml_converters.sources.sklearn_trees import trees_of
from edgeml_runtime.signature import Array, Signature, TensorSpec

BASE_ROWS = 200  # ordinary rows that lend their other values


@dataclass(frozen=True, slots=True)
class _Column:
    """A column that an estimator reads: which of the model's it comes from, and the way back."""

    index: int
    back: tuple[Callable[[Array], Array], ...] = ()  # last scaler first

    def original(self, values: Array) -> Array:
        for function in self.back:
            values = function(values)
        return values


_Columns = Sequence[_Column | None]  # None: made of several columns, no way back


@dataclass(frozen=True, slots=True)
class _Edges:
    """Values float64[m] of one of the model's columns, each for the base row of that index.

    of_data: values of the training rows, of which a float32 is one even where they have more digits.
    """

    rows: Array
    column: int
    values: Array
    of_data: bool = False


def boundary_rows(model: TrainedModel, x: Any, limit: int) -> Boundaries | None:
    """At most `limit` rows on the model's decisions, made from the first rows of x; None where it has none.

    x: rows as callers pass them; the result: float64[n, features], a frame, or object[n, columns] of a table.
    Thresholds that no other row shows are kept first.
    """
    signature = model.signature
    if signature.encodes and not signature.columns:
        return None  # documents, records, sets: nothing lies between two of them
    base = framework_rows(model, take_rows(x, np.arange(min(BASE_ROWS, len(Data(x))))))
    base = base if hasattr(base, "iloc") or signature.columns else np.asarray(base, np.float64)
    width = base.shape[1]
    with quiet_names(), np.errstate(all="ignore"):
        found = list(_visit(model.model, base, [_Column(i) for i in range(width)], model.model))
    places = _places(signature, width)
    found = [edges for edges in found if edges.column in places]
    gaps = (place for place, spec in places.items() if spec.allow_nan)
    found += [_Edges(np.array([place % len(base)]), place, np.array([np.nan])) for place in gaps]
    cells = cell_rows(model, base)
    count = 0 if cells is None else len(cells)
    made, total = _rows_of(found, base, limit - count)
    parts = [part for part in (made, cells) if part is not None]
    return Boundaries(_stacked(parts), total + count) if parts else None


def _places(signature: Signature, width: int) -> dict[int, TensorSpec]:
    """The columns that hold numbers, each with the input that it is part of."""
    if not signature.columns:
        return dict.fromkeys(range(width), signature.inputs[0])
    by_name = {spec.source_name: spec for spec in signature.inputs if spec.encoding is None}
    return {place: by_name[name] for place, name in enumerate(signature.columns) if name in by_name}


def _rows_of(found: Sequence[_Edges], base: Any, limit: int) -> tuple[Any, int]:
    """At most `limit` rows of those edges, and how many there are."""
    if not found:
        return None, 0
    rows, columns, values = _neighbours(found)
    total = len(rows)
    if total > limit:
        kept = _spread(columns, values, limit)
        rows, columns, values = rows[kept], columns[kept], values[kept]
    return _placed(base, rows, columns, values), total


def _stacked(parts: Sequence[Any]) -> Any:
    if not hasattr(parts[0], "iloc"):
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
    from pandas import concat

    return concat(list(parts), ignore_index=True)


def _visit(estimator: Any, rows: Any, columns: _Columns, model: Any) -> Iterator[_Edges]:
    kind = type(estimator).__name__
    if kind == "Pipeline":
        for _, step in estimator.steps:
            if isinstance(step, str) or step is None:
                continue
            yield from _visit(step, rows, columns, model)
            if hasattr(step, "transform") and step is not estimator.steps[-1][1]:
                columns = _through(step, columns)
                if not any(columns):
                    return
                rows = step.transform(as_fitted(step, rows) if step is model else rows)
                rows = rows.toarray() if hasattr(rows, "toarray") else rows
                if rows.shape[1] != len(columns):  # a step inside does not tell which column is which
                    return
        return
    if kind == "ColumnTransformer":
        for name, child, _ in estimator.transformers_:
            chosen = np.asarray(estimator._transformer_to_input_indices[name])
            if not isinstance(child, str) and chosen.ndim and len(chosen):
                yield from _visit(child, _columns_of(rows, chosen), [columns[i] for i in chosen], model)
        return
    yield from _own_edges(estimator, rows, columns)
    features = getattr(estimator, "estimators_features_", None)
    for i, (_, child) in enumerate(children(estimator)):
        if features is not None and i < len(features):
            chosen = np.asarray(features[i])
            yield from _visit(child, _columns_of(rows, chosen), [columns[j] for j in chosen], model)
        elif getattr(child, "n_features_in_", len(columns)) == len(columns):
            yield from _visit(child, rows, columns, model)


def _columns_of(rows: Any, chosen: Array) -> Any:
    return rows.iloc[:, chosen] if hasattr(rows, "iloc") else rows[:, chosen]


def _through(step: Any, columns: _Columns) -> _Columns:
    """The columns that a transformer gives: those that are one column of its input, changed by a scale."""
    kind = type(step).__name__
    width = getattr(step, "n_features_in_", len(columns))
    if width != len(columns):  # the step before is of a kind whose columns are not known
        columns = [None] * width
    if hasattr(step, "get_support"):
        return [columns[i] for i in step.get_support(indices=True)]
    if kind == "Pipeline":
        for _, inner in step.steps:
            columns = columns if isinstance(inner, str) or inner is None else _through(inner, columns)
        return columns
    if kind == "FunctionTransformer" and step.func is None:
        return columns
    if kind == "ColumnTransformer":
        parts: list[_Column | None] = []
        for name, child, _ in step.transformers_:
            chosen = [columns[i] for i in np.ravel(step._transformer_to_input_indices[name]).astype(int)]
            made = step.output_indices_[name]
            known = chosen if isinstance(child, str) else _through(child, chosen)
            width = made.stop - made.start
            parts += known if len(known) == width else [None] * width
        return parts
    if kind == "SimpleImputer":
        kept = np.ones(len(columns), bool)
        if not step.keep_empty_features and step.statistics_.dtype.kind == "f":
            kept = ~np.isnan(step.statistics_)
        marks = [] if step.indicator_ is None else [None] * len(step.indicator_.features_)
        return [c for c, k in zip(columns, kept, strict=True) if k] + marks
    if kind in _BACK:
        scale, offset = _BACK[kind](step, len(columns))
        return [
            None if c is None else _Column(c.index, (_affine(s, o), *c.back))
            for c, s, o in zip(columns, scale, offset, strict=True)
        ]
    return [None] * getattr(step, "_n_features_out", 0)  # 0: of unknown width


def _affine(scale: float, offset: float) -> Callable[[Array], Array]:
    return lambda values: values * scale + offset


def _broadcast(scale: Any, offset: Any, width: int) -> tuple[Array, Array]:
    return (
        np.broadcast_to(np.asarray(1.0 if scale is None else scale, np.float64), width),
        np.broadcast_to(np.asarray(0.0 if offset is None else offset, np.float64), width),
    )


# How a scaled value goes back: value * scale + offset.
_BACK: dict[str, Callable[[Any, int], tuple[Array, Array]]] = {
    "MaxAbsScaler": lambda step, width: _broadcast(step.scale_, None, width),
    "MinMaxScaler": lambda step, width: _broadcast(1 / step.scale_, -step.min_ / step.scale_, width),
    "RobustScaler": lambda step, width: _broadcast(step.scale_, step.center_, width),
    "StandardScaler": lambda step, width: _broadcast(step.scale_, step.mean_, width),
}


def _own_edges(estimator: Any, rows: Any, columns: _Columns) -> Iterator[_Edges]:
    for feature, values in _values(estimator, len(columns)):
        column = columns[feature]
        finite = np.unique(np.asarray(values, np.float64))
        finite = finite[np.isfinite(finite)]
        if column is not None and len(finite):
            places, of_data = np.arange(len(finite)) % len(rows), _of_data(estimator) and not column.back
            yield _Edges(places, column.index, column.original(finite), of_data)
    trees = list(trees_of(estimator))
    if trees:
        matrix = _numbers(rows)
        at_values = any(cls.__name__ == "XGBModel" for cls in type(estimator).__mro__)
        for tree in trees:
            for edges in _tree_edges(*tree, matrix, columns):
                yield from _beside(edges, columns) if at_values else (edges,)


def _numbers(rows: Any) -> Array:
    """float64[n, columns] to find the rows that reach a node by; categories of a frame count as 0."""
    if not hasattr(rows, "iloc"):
        return np.asarray(rows, np.float64)
    parts = [rows.iloc[:, i] for i in range(rows.shape[1])]
    zeros = np.zeros(len(rows))
    columns = [part.to_numpy(np.float64) if part.dtype.kind in "fiub" else zeros for part in parts]
    return np.stack(columns, axis=1)


def _beside(edges: _Edges, columns: _Columns) -> Iterator[_Edges]:
    """XGBoost's thresholds behind a scaler: values to both sides of each instead.

    They are training values, after scaling and rounding. Which float32 a training value was before, and which
    way the decimals around it go, cannot both be told, so no row lies on the threshold itself.
    """
    column = next(c for c in columns if c is not None and c.index == edges.column)
    if not column.back:
        yield edges
        return
    values = edges.values
    with np.errstate(over="ignore"):
        resolution = np.spacing(np.abs(values).astype(np.float32)).astype(np.float64)
    span = np.abs(column.original(np.array([0.0, 2.0**-20])))
    reach = 4 * (resolution + np.abs(span[1] - span[0]))
    for side in (-reach, reach):
        yield _Edges(edges.rows, edges.column, values + side)


def _tree_edges(
    feature: Array, threshold: Array, left: Array, right: Array, rows: Array, columns: _Columns
) -> Iterator[_Edges]:
    """Each node's threshold, for a row that reaches it."""
    reaching: list[tuple[Array, Array]] = []
    node = np.zeros(len(rows), np.int64)
    row = np.arange(len(rows))
    while len(row):
        inner = left[node] != -1
        node, row = node[inner], row[inner]
        nodes, first = np.unique(node, return_index=True)
        reaching.append((nodes, row[first]))
        goes_left = ~(rows[row, feature[node]] > threshold[node])
        node = np.where(goes_left, left[node], right[node])
    nodes = np.concatenate([n for n, _ in reaching])
    bases = np.concatenate([r for _, r in reaching])
    for used in np.unique(feature[nodes]):
        column, chosen = columns[used], feature[nodes] == used
        if column is not None:
            yield _Edges(bases[chosen], column.index, column.original(threshold[nodes[chosen]]))


def _of_data(estimator: Any) -> bool:
    """Whether it jumps at training values: where several quantiles, or an edge between bins, are one."""
    quantile_bins = hasattr(estimator, "bin_edges_") and getattr(estimator, "strategy", "") == "quantile"
    return quantile_bins or hasattr(estimator, "quantiles_") or hasattr(estimator, "X_thresholds_")


def _values(estimator: Any, width: int) -> Iterator[tuple[int, Any]]:
    """(feature, values) at which an estimator other than a tree changes what it does."""
    for attribute in ("bin_edges_", "categories_"):
        for feature, values in enumerate(getattr(estimator, attribute, ())):
            if np.asarray(values).dtype.kind in "fiub":
                yield feature, values
    for attribute in ("data_min_", "data_max_", "center_", "quantiles_"):
        learned = getattr(estimator, attribute, None)
        if isinstance(learned, np.ndarray) and learned.shape[-1:] == (width,):
            yield from ((feature, np.atleast_2d(learned)[:, feature]) for feature in range(width))
    for feature, spline in enumerate(getattr(estimator, "bsplines_", [])):
        # Beyond the outermost ones some refuse a row.
        refuses = estimator.extrapolation == "error" or (estimator.extrapolation, spline.k) == ("constant", 0)
        yield feature, spline.t[spline.k + 1 : -spline.k - 1] if refuses else spline.t
    threshold = getattr(estimator, "threshold", getattr(estimator, "binarize", None))
    if isinstance(threshold, (int, float)) and type(estimator).__name__ in ("Binarizer", "BernoulliNB"):
        yield from ((feature, [threshold]) for feature in range(width))
    if hasattr(estimator, "X_thresholds_"):
        yield 0, estimator.X_thresholds_[slice(1, -1) if estimator.out_of_bounds == "raise" else slice(None)]


def _neighbours(found: Sequence[_Edges]) -> tuple[Array, Array, Array]:
    """Each value in float32 and its neighbours, as the decimals that float32 stands for; each row once."""
    rows = np.concatenate([edges.rows for edges in found])
    columns = np.concatenate([np.full(len(edges.values), edges.column) for edges in found])
    with np.errstate(over="ignore"):
        nearest = np.concatenate([edges.values for edges in found]).astype(np.float32)
        sides = [np.nextafter(nearest, np.float32(side)) for side in (-np.inf, np.inf)]
    values = np.concatenate([nearest, *sides])
    whole = np.unique(np.stack([np.tile(rows, 3), np.tile(columns, 3), values.astype(np.float64)]), axis=1)
    whole = whole[:, ~np.isinf(whole[2])]
    exact, where = np.unique(whole[2].astype(np.float32), return_inverse=True)
    decimals = np.array([float(str(value)) for value in exact])[where]
    for edges in (edges for edges in found if edges.of_data):
        by_float32 = {float(np.float32(value)): value for value in edges.values.tolist()}
        for place in np.flatnonzero(whole[1] == edges.column):
            meant = by_float32.get(whole[2, place], decimals[place])
            # What arithmetic has added to a decimal does not count as digits.
            if abs(meant - decimals[place]) > 1e-12 * abs(meant):
                decimals[place] = meant
    return whole[0].astype(np.int64), whole[1].astype(np.int64), decimals


def _spread(columns: Array, values: Array, limit: int) -> Array:
    """Indices of `limit` rows: first one for every value of every column, then others, evenly."""
    _, first = np.unique(np.stack([columns, values]), axis=1, return_index=True)
    if len(first) >= limit:
        return np.sort(first[np.linspace(0, len(first) - 1, limit).astype(np.int64)])
    others = np.setdiff1d(np.arange(len(values)), first)
    more = others[np.linspace(0, len(others) - 1, limit - len(first)).astype(np.int64)]
    return np.sort(np.concatenate([first, more]))


def _placed(base: Any, rows: Array, columns: Array, values: Array) -> Any:
    """The base rows of those indices, each with one value replaced."""
    if not hasattr(base, "iloc"):
        made = base[rows]
        made[np.arange(len(rows)), columns] = values
        return made
    made = base.iloc[rows].reset_index(drop=True)
    for column in np.unique(columns):
        chosen = np.flatnonzero(columns == column)
        if made.dtypes.iloc[column].kind in "fiub":
            numbers = made.iloc[:, column].to_numpy(np.float64, copy=True)
            numbers[chosen] = values[chosen]
            made.isetitem(column, numbers)
    return made
