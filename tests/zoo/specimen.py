"""What a specimen is, and how most are fitted: an estimator on a bundled set, changed a little."""

from __future__ import annotations

import functools
import importlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
ROWS = 240  # of the larger sets: enough to fit something real, quick enough for every test


@dataclass(frozen=True, slots=True)
class Specimen:
    """A fitted model, rows x: float64[n, features] (NaN where it takes it), targets y [n] or [n, k]."""

    model: Any
    x: Array
    y: Array


Builder = Callable[[], Specimen]


@functools.cache
def load(name: str) -> tuple[Array, Array]:
    from sklearn import datasets

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))[:ROWS]
    return np.asarray(x, np.float64)[order], np.asarray(y)[order]


def words(y: Array) -> Array:
    return np.array(["ankle", "boot", "coat", "dress", "éclair", "frock", "gown", "hat", "i", "j"])[y]


def with_missing(x: Array, share: float = 0.1) -> Array:
    x = x.copy()
    x[np.random.default_rng(1).random(x.shape) < share] = np.nan
    return x


def fit(make: Callable[[], Any], data: str, change: Callable[[Array, Array], Any] | None = None) -> Builder:
    @functools.cache
    def build() -> Specimen:
        x, y = load(data)
        if change is not None:
            x, y = change(x, y)
        return Specimen(make().fit(x, y), x, y)

    return build


def fitted_before(
    parts: Callable[[], Any],
    make: Callable[[Any], Any],
    data: str,
    change: Callable[[Array, Array], Any] | None = None,
) -> Builder:
    """An estimator around named others that are fitted before it is."""

    @functools.cache
    def build() -> Specimen:
        x, y = load(data)
        if change is not None:
            x, y = change(x, y)
        return Specimen(make([(name, part.fit(x, y)) for name, part in parts()]).fit(x, y), x, y)

    return build


def quietly(build: Builder, category: type[Warning] = FutureWarning) -> Builder:
    """Without scikit-learn's warning: of what it has deprecated and people still have, unless said."""

    def quiet() -> Specimen:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category)
            return build()

    return quiet


def strings(x: Array, y: Array) -> tuple[Array, Array]:
    return x, words(y)


def sparse_ints(x: Array, y: Array) -> tuple[Array, Array]:
    return x, np.array([-7, 3, 40])[y]


def bools(x: Array, y: Array) -> tuple[Array, Array]:
    return x, y.astype(bool)


def whole_floats(x: Array, y: Array) -> tuple[Array, Array]:
    return x, np.array([-1.0, 2.0, 30.0])[y]  # scikit-learn takes fractions for regression targets


def missing(x: Array, y: Array) -> tuple[Array, Array]:
    return with_missing(x), y


def two_targets(x: Array, y: Array) -> tuple[Array, Array]:
    return x, np.stack([y % 3, y % 2], axis=1)


def three_labels(x: Array, y: Array) -> tuple[Array, Array]:
    """Three labels of which a row has any: an indicator matrix."""
    middle = np.median(x[:, :2], axis=0)
    return x, np.stack([y == 0, x[:, 0] > middle[0], x[:, 1] > middle[1]], axis=1).astype(int)


def coarse(x: Array, y: Array) -> tuple[Array, Array]:
    return np.floor(x[:, :12] / 4), y


def half_coarse_missing(x: Array, y: Array) -> tuple[Array, Array]:
    # Some columns as categories with values that are not 0..k-1, others real, NaN in both.
    x = x.copy()
    x[:, [0, 3]] = np.floor(x[:, [0, 3]] * 2) + 5
    return with_missing(x, 0.05), y


def new(path: str, *args: Any, **parameters: Any) -> Any:
    """A new estimator by its place below sklearn: `new("linear_model.Ridge", alpha=2)`."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(f"sklearn.{module}"), name)(*args, **parameters)


def pipe(*steps: Any) -> Any:
    """A pipeline of estimators, or of (path, parameters) below sklearn."""
    from sklearn.pipeline import make_pipeline

    return make_pipeline(*steps)


def scaled(path: str, **parameters: Any) -> Any:
    return pipe(new("preprocessing.StandardScaler"), new(path, **parameters))
