import numpy as np
import pytest

from edgeml.latency.fitting import fit_costs, non_negative_least_squares

scipy_optimize = pytest.importorskip("scipy.optimize")


@pytest.mark.parametrize("seed", range(25))
def test_the_solution_is_scipys(seed):
    random = np.random.default_rng(seed)
    a = random.normal(size=(30, 8)) * 10.0 ** random.uniform(-3, 3, 8)
    b = random.normal(size=30)
    expected, residual = scipy_optimize.nnls(a, b)
    found = non_negative_least_squares(a, b)
    assert (found >= 0).all()
    assert np.linalg.norm(a @ found - b) == pytest.approx(residual, rel=1e-6)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6 * expected.max(initial=1e-12))


def test_costs_are_recovered_in_relative_error():
    random = np.random.default_rng(0)
    features = 10.0 ** random.uniform(3, 9, (40, 4))
    costs = np.array([1.0, 0.5, 20.0, 3.0])
    found = fit_costs(features, features @ costs, np.ones(40))
    np.testing.assert_allclose(found, costs, rtol=1e-6)


def test_what_no_row_tells_of_comes_from_the_prior():
    features = np.array([[1e6, 0.0], [3e6, 0.0]])
    found = fit_costs(features, np.array([2e6, 6e6]), np.ones(2), np.array([4.0, 7.0]), pull=1e-9)
    np.testing.assert_allclose(found, [2.0, 7.0], rtol=1e-6)


def test_few_rows_stay_near_the_prior():
    features = np.array([[1e6, 1e4], [2e6, 1e4]])
    prior = np.array([1.0, 50.0])
    cost = features @ np.array([1.2, 10.0])
    loose, tight = (fit_costs(features, cost, np.ones(2), prior, pull) for pull in (1e-6, 1e6))
    np.testing.assert_allclose(loose, [1.2, 10.0], rtol=1e-2)
    np.testing.assert_allclose(tight, prior, rtol=1e-2)
