"""Rows as a fitted estimator takes them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from edgeml_converters.model import TrainedModel, as_feeds
from edgeml_converters.sources.boosted_categories import as_categories, categories_of, takes_arrays
from edgeml_converters.sources.sklearn_columns import knows_none
from edgeml_converters.sources.sklearn_structure import estimators, final_estimator
from edgeml_runtime.errors import SignatureError
from edgeml_runtime.feeds import columns_of


def framework_rows(model: TrainedModel, x: Any) -> Any:
    """Rows as the model itself takes them, of whatever callers pass: a table as a frame of all its columns.

    Raises SignatureError for inputs that the signature does not have.
    """
    signature = model.signature
    if signature.columns:
        return _with_categories(model.model, _without_none(model, _table(model, x)))
    if signature.encodes:
        return columns_of(signature, x)[signature.sources[0]]
    rows = as_feeds(model, x).get("x")
    if rows is None:
        raise SignatureError(f"{model.name} has one input, x; got {', '.join(x)}")
    return as_fitted(model.model, rows)


def _table(model: TrainedModel, x: Any) -> Any:
    """A frame with all columns of training, those that no step uses included; an array for one of arrays."""
    signature = model.signature
    if getattr(x, "columns", None) is not None and list(x.columns) == list(signature.columns):
        return x
    given = columns_of(signature, x)
    from pandas import DataFrame, Series

    text = {spec.source_name for spec in signature.inputs if spec.encoding is not None}
    series = {}
    for name, values in given.items():
        values = values.reshape(-1) if isinstance(values, np.ndarray) else values
        # Of plain cells pandas would make a column of text, and None would become NaN in it.
        kind = getattr(getattr(values, "dtype", None), "kind", "O")
        as_it_is = hasattr(values, "iloc") or name not in text or kind not in "OU"
        series[name] = Series(values, dtype=None if as_it_is else object).reset_index(drop=True)
    frame = DataFrame(series)
    frame = frame.reindex(columns=list(signature.columns))
    if any(hasattr(e, "feature_names_in_") or categories_of(e) for _, e in estimators(model.model)):
        return frame
    return frame.to_numpy(object)


def _without_none(model: TrainedModel, table: Any) -> Any:
    """The same with NaN for None in columns of which no step was fitted on None, as the runtime takes it."""
    made, width = table.copy(), len(model.signature.columns)
    known = knows_none(model.model, width)
    for place in range(width):
        cells = made.iloc[:, place] if hasattr(made, "iloc") else made[:, place]
        if place in known or cells.dtype.kind != "O":
            continue
        absent = np.array([cell is None for cell in cells], bool)
        if not absent.any():
            continue
        if hasattr(made, "isetitem"):
            made.isetitem(place, cells.where(~absent, np.nan))
        else:
            made[absent, place] = np.nan
    return made


def _with_categories(model: Any, table: Any) -> Any:
    """The columns as categorical ones that a boosting library anywhere in the model wants so."""
    for _, estimator in estimators(model):
        known = categories_of(estimator)
        width = getattr(estimator, "n_features_in_", None)  # a Booster is alone
        if known and hasattr(table, "columns") and width in (None, len(table.columns)):
            table = as_categories(table, known)
    return table


def as_fitted(model: Any, rows: Any) -> Any:
    """Rows of an array as the model was fitted on them: in its precision, with its column names.

    float32 rows would make scalers and products run in float32, with other roundings than those of fitting,
    and k-means refuses rows that are not of its centres' dtype. Columns chosen by name need a frame.
    """
    if hasattr(rows, "iloc"):
        return _with_categories(model, rows)
    if not isinstance(rows, np.ndarray) or rows.dtype not in (np.float32, np.float64):
        return rows
    centers = getattr(final_estimator(model), "cluster_centers_", None)
    rows = rows.astype(np.float64 if centers is None else centers.dtype, copy=False)
    names = None if takes_arrays(model) else getattr(model, "feature_names_in_", None)
    if names is None or rows.ndim != 2 or rows.shape[1] != len(names):
        return rows
    try:
        from pandas import DataFrame
    except ImportError:  # fitted elsewhere; models that need no names take the array
        return rows
    return DataFrame(rows, columns=names)


@contextmanager
def quiet_names() -> Iterator[None]:
    """Let arrays into a model fitted on a DataFrame, and the reverse; sklearn compares names itself.

    Transforms that iterate (factorizations, sparse codes) warn of rows on which they stop early, and
    neighbours of rows that have none, encoders of categories that they do not know; what they answer is
    compared all the same.
    """
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", r"\s*Orthogonal matching pursuit ended", RuntimeWarning)
        warnings.filterwarnings("ignore", r"Found unknown categories in columns", UserWarning)
        warnings.filterwarnings("ignore", r"Skipping features without any observed values", UserWarning)
        warnings.filterwarnings("ignore", r"unknown class\(es\)", UserWarning)
        warnings.filterwarnings("ignore", r"X does not have valid feature names", UserWarning)
        warnings.filterwarnings("ignore", r"Data was converted to boolean for metric", UserWarning)
        warnings.filterwarnings("ignore", r"One or more samples have no neighbors", UserWarning)
        warnings.filterwarnings("ignore", r"invalid value encountered in cast", RuntimeWarning)
        warnings.filterwarnings("ignore", r"Outlier label .* is not in training classes", UserWarning)
        warnings.filterwarnings("ignore", r"X has feature names, but", UserWarning)
        warnings.filterwarnings("ignore", r"Found unknown categories", UserWarning)
        yield
