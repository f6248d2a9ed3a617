"""Transformers that bend single columns: powers, quantiles, splines, isotonic steps; iterated imputation."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.specimen import Array, Builder, fit, missing, new, pipe, quietly, scaled


def _positive(x: Array, y: Array) -> tuple[Array, Array]:
    return x[:, [0, 4, 9, 12]], y


def _few(x: Array, y: Array) -> tuple[Array, Array]:
    return x[:, :4], y


def _few_missing(x: Array, y: Array) -> tuple[Array, Array]:
    return missing(x[:, :4], y)


def _offset(x: Array, y: Array) -> tuple[Array, Array]:
    """Columns far from zero and narrow, as years and pressures are, in steps that float32 holds."""
    return np.round(x[:, :4] * 64) / 64 + [1000.0, -2000.0, 0.0, 0.0], y


def _with_empty(x: Array, y: Array) -> tuple[Array, Array]:
    x, y = _few_missing(x, y)
    x[:, 2] = np.nan
    return x, y


def _marked(x: Array, y: Array) -> tuple[Array, Array]:
    x, y = _with_empty(x, y)
    return np.nan_to_num(x, nan=-1.0), y


def _one_column(x: Array, y: Array) -> tuple[Array, Array]:
    return x[:, 2:3], y


def _with_constants(x: Array, y: Array) -> tuple[Array, Array]:
    return np.column_stack([x[:, :3], np.full(len(x), 0.3), np.zeros(len(x))]), y


def _power(**parameters: Any) -> Any:
    return new("preprocessing.PowerTransformer", **parameters)


def _quantiles(**parameters: Any) -> Any:
    return new("preprocessing.QuantileTransformer", n_quantiles=100, random_state=0, **parameters)


def _spline(**parameters: Any) -> Any:
    return new("preprocessing.SplineTransformer", **parameters)


def _iterated(estimator: Any = None, **parameters: Any) -> Any:
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401

    parameters = {"max_iter": 3, "tol": 1e-9, "random_state": 0} | parameters
    return new("impute.IterativeImputer", estimator, **parameters)


_KNOTS = np.array(
    [[11.0, 0.5, 1.0, 9.0], [12.5, 2.0, 2.0, 20.0], [13.0, 3.0, 2.5, 22.0], [15.0, 6.0, 4.0, 31.0]]
)


def _extrapolating(extrapolation: str, degree: int) -> Builder:
    return fit(lambda: _spline(extrapolation=extrapolation, degree=degree, n_knots=4), "wine", _few)


_SPLINES = {
    f"spline-{extrapolation}-{degree}": _extrapolating(extrapolation, degree)
    for extrapolation in ("constant", "linear", "continue", "periodic", "error")
    for degree in (0, 1, 3)
}
_ITERATED: dict[str, Builder] = {
    "iterative-imputer": fit(lambda: _iterated(), "wine", missing),
    "iterative-imputer-nearest": fit(
        lambda: _iterated(n_nearest_features=4, imputation_order="random", add_indicator=True),
        "wine",
        missing,
    ),
    "iterative-imputer-limits": fit(
        lambda: _iterated(
            new("linear_model.Ridge"),
            initial_strategy="median",
            imputation_order="roman",
            min_value=1.0,
            max_value=[15, 6, 4, 30, 160, 4, 5, 2, 4, 10, 2, 4, 1700],
            skip_complete=True,
        ),
        "wine",
        missing,
    ),
    "iterative-imputer-marked": fit(
        lambda: _iterated(missing_values=-1, keep_empty_features=True, initial_strategy="most_frequent"),
        "wine",
        _marked,
    ),
    "iterative-imputer-dropping": fit(lambda: _iterated(add_indicator=True), "wine", _with_empty),
    "iterative-imputer-no-rounds": fit(lambda: _iterated(max_iter=0), "wine", missing),
    "iterative-imputer-tree": fit(
        lambda: _iterated(
            new("tree.DecisionTreeRegressor", max_depth=3, random_state=0),
            max_iter=2,
            imputation_order="descending",
            initial_strategy="constant",
            fill_value=0.5,
        ),
        "wine",
        _few_missing,
    ),
    "iterative-imputer-logistic": fit(
        lambda: pipe(
            _iterated(new("linear_model.Ridge"), tol=10.0),
            new("preprocessing.StandardScaler"),
            new("linear_model.LogisticRegression"),
        ),
        "iris",
        missing,
    ),
}

SPECIMENS: dict[str, Builder] = _SPLINES | {
    "power-yeo-johnson": fit(_power, "wine"),
    "power-yeo-johnson-diabetes": fit(_power, "diabetes"),
    "power-yeo-johnson-plain": fit(lambda: _power(standardize=False), "diabetes"),
    "power-yeo-johnson-offset": fit(_power, "wine", _offset),
    "power-constants": fit(_power, "wine", _with_constants),
    "power-missing": fit(_power, "wine", missing),
    "power-box-cox": fit(lambda: _power(method="box-cox"), "wine", _positive),
    "power-box-cox-plain": fit(lambda: _power(method="box-cox", standardize=False), "wine", _positive),
    "power-tree": fit(
        lambda: pipe(_power(), new("tree.DecisionTreeRegressor", max_depth=4, random_state=0)), "diabetes"
    ),
    "quantile-uniform": fit(_quantiles, "wine"),
    "quantile-normal": fit(lambda: _quantiles(output_distribution="normal"), "wine"),
    "quantile-ties": fit(_quantiles, "digits"),
    "quantile-ties-normal": fit(lambda: _quantiles(output_distribution="normal"), "digits"),
    "quantile-all-digits": fit(_quantiles, "diabetes"),
    "quantile-all-digits-normal": fit(lambda: _quantiles(output_distribution="normal"), "diabetes"),
    "quantile-missing": fit(_quantiles, "wine", missing),
    "quantile-constants": fit(lambda: _quantiles(output_distribution="normal"), "wine", _with_constants),
    "quantile-subsample": fit(lambda: _quantiles(subsample=150), "breast_cancer"),
    "quantile-scaled-ridge": fit(
        lambda: pipe(new("preprocessing.StandardScaler"), _quantiles(), new("linear_model.Ridge")), "wine"
    ),
    "quantile-tree": fit(
        lambda: pipe(_quantiles(), new("tree.DecisionTreeClassifier", max_depth=4, random_state=0)), "wine"
    ),
    "spline-quantile-knots": fit(lambda: _spline(knots="quantile", degree=2, include_bias=False), "wine"),
    "spline-given-knots": fit(lambda: _spline(knots=_KNOTS, degree=5), "wine", _few),
    "spline-sparse": fit(lambda: _spline(sparse_output=True), "wine", _few),
    "spline-missing": fit(lambda: _spline(handle_missing="zeros"), "wine", _few_missing),
    "spline-missing-linear-sparse": fit(
        lambda: _spline(handle_missing="zeros", sparse_output=True, extrapolation="linear"),
        "wine",
        _few_missing,
    ),
    "spline-constants": fit(lambda: _spline(degree=2, extrapolation="continue"), "wine", _with_constants),
    "spline-ridge": fit(
        lambda: pipe(
            new("preprocessing.StandardScaler"), _spline(knots="quantile"), new("linear_model.Ridge")
        ),
        "diabetes",
    ),
    "isotonic": fit(lambda: new("isotonic.IsotonicRegression"), "diabetes", _one_column),
    "isotonic-decreasing-clip": fit(
        lambda: new("isotonic.IsotonicRegression", increasing=False, out_of_bounds="clip"),
        "diabetes",
        _one_column,
    ),
    "isotonic-auto-raise": fit(
        lambda: new("isotonic.IsotonicRegression", increasing="auto", out_of_bounds="raise", y_min=90),
        "diabetes",
        _one_column,
    ),
    "isotonic-scaled": fit(
        lambda: scaled("isotonic.IsotonicRegression", out_of_bounds="clip"), "wine", _one_column
    ),
}
SPECIMENS |= {name: quietly(build, UserWarning) for name, build in _ITERATED.items()}
