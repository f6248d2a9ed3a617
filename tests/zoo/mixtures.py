"""Gaussian mixtures."""

from __future__ import annotations

from typing import Any

from zoo.specimen import Builder, fit, new, scaled

_SETS = {"full": "wine", "tied": "breast_cancer", "diag": "digits", "spherical": "iris"}


def _mixture(**options: Any) -> Any:
    return lambda: new("mixture.GaussianMixture", **{"n_components": 3, "random_state": 0} | options)


def _bayesian(**options: Any) -> Any:
    defaults = {"n_components": 4, "random_state": 0, "max_iter": 400, "tol": 1e-2}
    return lambda: scaled("mixture.BayesianGaussianMixture", **defaults | options)


SPECIMENS: dict[str, Builder] = {
    **{f"gaussian-mixture-{kind}": fit(_mixture(covariance_type=kind), data) for kind, data in _SETS.items()},
    "gaussian-mixture-one": fit(_mixture(n_components=1), "diabetes"),
    "gaussian-mixture-digits": fit(_mixture(n_components=4, reg_covar=0.1), "digits"),
    **{
        f"bayesian-mixture-{kind}": fit(_bayesian(covariance_type=kind), data)
        for kind, data in _SETS.items()
        if data != "digits"
    },
    "bayesian-mixture-diag": fit(_bayesian(covariance_type="diag", reg_covar=0.1), "digits"),
    "bayesian-mixture-finite": fit(
        _bayesian(weight_concentration_prior_type="dirichlet_distribution"), "wine"
    ),
}
