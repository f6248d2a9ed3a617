"""Rows that hang on ties among fitted rows: found, and only these; what is left agrees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import require_module
from sklearn_parity import convert, run, zoo_data
from zoo import ZOO, Specimen

from edgeml.parity import compare
from edgeml.reference import consult
from edgeml_converters.model import Data
from edgeml_converters.sources.sklearn import SOURCE


@pytest.fixture(autouse=True)
def _installed():
    require_module("sklearn", "onnxruntime")


def undecided(estimator: Any, x: Any) -> Any:
    return SOURCE.undecided(SOURCE.describe(estimator, "model"), np.asarray(x, np.float64))


def neighbors(name: str, **options: Any) -> Any:
    from sklearn import neighbors

    return getattr(neighbors, name)(**options)


LINE = np.array([[0.0], [1.0], [2.0], [4.0], [8.0]])


def test_a_last_neighbour_at_the_distance_of_another():
    model = neighbors("KNeighborsRegressor", n_neighbors=2).fit(LINE, np.arange(5.0))
    rows = [[1.0], [1.001], [3.0], [6.0], [5.0], [5.0 + 1e-8]]
    assert undecided(model, rows).tolist() == [True, False, False, False, True, True]
    everyone = neighbors("KNeighborsRegressor", n_neighbors=5).fit(LINE, np.arange(5.0))
    assert not undecided(everyone, rows).any()


def test_one_over_what_is_left_of_zero():
    twice = np.concatenate([LINE, LINE[:2]])
    rows = [[0.0], [2.9], [6.5]]
    for weights, found in (("distance", [True, False, False]), ("uniform", [False, False, False])):
        model = neighbors("KNeighborsRegressor", n_neighbors=2, weights=weights).fit(twice, np.arange(7.0))
        assert undecided(model, rows).tolist() == found


def test_rows_on_a_radius():
    for name in ("RadiusNeighborsRegressor", "RadiusNeighborsTransformer"):
        model = neighbors(name, radius=0.5).fit(LINE, np.arange(5.0))
        assert undecided(model, [[0.5], [0.4], [1.5], [4.5], [3.0]]).tolist() == [
            True,
            False,
            True,
            True,
            False,
        ]


def test_donors_at_one_distance():
    from sklearn.impute import KNNImputer

    known = np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 4.0], [np.nan, 8.0]])
    model = KNNImputer(n_neighbors=1).fit(known)
    rows = [[0.5, np.nan], [0.4, np.nan], [0.5, 3.0], [np.nan, np.nan], [np.nan, 3.0]]
    assert undecided(model, rows).tolist() == [True, False, False, False, True]


def test_densities_that_a_tree_has_lost():
    """Far from all rows a tree's sums are what rounding left; near them they are exact."""
    x = zoo_data("digits")[0][:240]
    model = neighbors("KernelDensity", bandwidth=0.7).fit(x[::2])
    found = undecided(model, x)
    assert not found[::2].any()
    assert 0.02 < found.mean() < 0.4
    _, artifact = convert("model", Specimen(model, x, x))
    difference = np.abs(run(artifact, x)["scores"] - model.score_samples(x))
    assert (difference[~found] < 0.05).all() and (difference[found] > 1.0).all()


def test_steps_of_pipelines_and_columns():
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import BaggingRegressor
    from sklearn.impute import KNNImputer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline

    known = np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 4.0], [3.0, 8.0]])
    rows, y = [[0.5, np.nan], [0.4, np.nan]], np.arange(4.0)
    imputer = KNNImputer(n_neighbors=1)
    last = make_pipeline(imputer, LinearRegression()).fit(known, y)
    columns = make_pipeline(make_column_transformer((imputer, [0, 1])), LinearRegression()).fit(known, y)
    bagged = BaggingRegressor(last, n_estimators=2, bootstrap=False).fit(known, y)
    for model in (last, columns, bagged):
        assert undecided(model, rows).tolist() == [True, False]
    assert undecided(LinearRegression().fit(known, y), known) is None


@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_what_is_left_agrees(weights):
    """k-neighbors imputation of decimals: some rows hang on ties, all others are as in scikit-learn."""
    from sklearn.impute import KNNImputer

    x = zoo_data("iris")[0]
    gaps = np.random.default_rng(0).random(x.shape) < 0.2
    rows = np.where(gaps & ~gaps.all(axis=1, keepdims=True), np.nan, x)
    model, artifact = convert("model", Specimen(KNNImputer(weights=weights).fit(rows[::2]), rows, x))
    results = {"transform": [run(artifact, rows)["transformed"]]}
    parity = compare(consult(model, Data(rows)), results, None)
    assert 0 < parity.undecided < 75
    assert parity.lost == 0 and parity.relative_difference < 1e-6


def test_specimens_are_mostly_decided():
    for name in ("k-neighbors", "k-neighbors-regressor", "local-outlier-factor", "kernel-density-gaussian"):
        specimen = ZOO[name]()
        assert undecided(specimen.model, specimen.x).mean() < 0.05
