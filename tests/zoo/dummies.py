"""Dummies: the same answer to every row."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.specimen import Array, Builder, bools, fit, missing, new, pipe, sparse_ints, strings, two_targets


def _dummy(**options: Any) -> Any:
    return new("dummy.DummyClassifier", **options)


def _dummy_regressor(**options: Any) -> Any:
    return new("dummy.DummyRegressor", **options)


def _one_class(x: Array, y: Array) -> tuple[Array, Array]:
    return x, np.zeros(len(x), int)


SPECIMENS: dict[str, Builder] = {
    "dummy-prior": fit(_dummy, "wine", strings),
    "dummy-most-frequent": fit(lambda: _dummy(strategy="most_frequent"), "breast_cancer", bools),
    "dummy-constant": fit(lambda: _dummy(strategy="constant", constant=-7), "wine", sparse_ints),
    "dummy-missing": fit(_dummy, "iris", missing),
    "dummy-one-class": fit(_dummy, "iris", _one_class),
    "dummy-several-targets": fit(_dummy, "digits", two_targets),
    "dummy-several-constants": fit(
        lambda: _dummy(strategy="constant", constant=[2, 0]), "digits", two_targets
    ),
    "dummy-regressor": fit(_dummy_regressor, "diabetes"),
    "dummy-regressor-median": fit(lambda: _dummy_regressor(strategy="median"), "diabetes"),
    "dummy-regressor-quantile": fit(
        lambda: pipe(
            new("preprocessing.StandardScaler"), _dummy_regressor(strategy="quantile", quantile=0.8)
        ),
        "diabetes",
    ),
    "dummy-regressor-constant": fit(
        lambda: _dummy_regressor(strategy="constant", constant=[1.0, 2.5, -3.0]), "linnerud"
    ),
}
