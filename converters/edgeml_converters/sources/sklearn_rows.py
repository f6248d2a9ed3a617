"""Rows as a fitted estimator takes them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from edgeml_converters.sources.sklearn_structure import final_estimator


def as_fitted(model: Any, rows: Any) -> Any:
    """Rows of an array as the model was fitted on them: in its precision, with its column names.

    float32 rows would make scalers and products run in float32, with other roundings than those of fitting,
    and k-means refuses rows that are not of its centres' dtype. Columns chosen by name need a frame.
    """
    if not isinstance(rows, np.ndarray) or rows.dtype not in (np.float32, np.float64):
        return rows
    centers = getattr(final_estimator(model), "cluster_centers_", None)
    rows = rows.astype(np.float64 if centers is None else centers.dtype, copy=False)
    names = getattr(model, "feature_names_in_", None)
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

    Transforms that iterate (factorizations, sparse codes) warn of rows on which they stop early; what they
    answer is compared all the same.
    """
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", r"\s*Orthogonal matching pursuit ended", RuntimeWarning)
        warnings.filterwarnings("ignore", r"X does not have valid feature names", UserWarning)
        warnings.filterwarnings("ignore", r"X has feature names, but", UserWarning)
        yield
