"""Functions of users' own in FunctionTransformer, and regressors of a transformed target."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from zoo.specimen import Array, Builder, Specimen, fit, load, missing, new, pipe, scaled


def _function(func: Any, **parameters: Any) -> Any:
    return new("preprocessing.FunctionTransformer", func, **parameters)


def _few(x: Array, y: Array) -> tuple[Array, Array]:
    return x[:, :4], y


def _ratios(x: Any) -> Any:
    """Columns beside new ones made of them."""
    return np.column_stack([x, x[:, 0] / x[:, 1], np.log1p(x[:, [2, 3]]).sum(axis=1)])


def _assigned(x: Any) -> Any:
    x = x.copy()
    x[:, 0] = np.where(x[:, 1] > 2.0, x[:, 0] ** 2, -x[:, 0])
    x[:, 2:] *= [10.0, 0.1]
    x[x > 100] = 100
    return x


def _standard_rows(x: Any) -> Any:
    centred = x - x.mean(axis=1, keepdims=True)
    return centred / centred.std(axis=1, keepdims=True)


def _choices(x: Any, low: float = 0.0, steps: Any = (1.0, 2.0, 5.0)) -> Any:
    inside = np.clip(x, low, 12.5)
    kinds = np.select([x[:, 0] < 12, x[:, 0] < 13], [x[:, 1], 2 * x[:, 1]], default=0.5)
    binned = np.digitize(x[:, 1], steps)
    line = np.interp(x[:, 2], [1.0, 2.0, 3.0], [0.0, 5.0, -5.0])
    flags = (x[:, 3] > 18) & ~(x[:, 0] > 13.5)
    return np.hstack([inside, np.stack([kinds, binned, line, flags], axis=1)])


def _reductions(x: Any) -> Any:
    by = {"axis": 1, "keepdims": True}
    parts = [x.max(**by), x.min(**by), np.ptp(x, axis=1)[:, None], np.median(x, axis=1, keepdims=True)]
    parts += [
        np.linalg.norm(x, axis=1, keepdims=True),
        x.var(axis=1, ddof=1)[:, None],
        x.argmax(axis=1)[:, None],
    ]
    parts += [np.cumsum(x, axis=1)[:, -1:], np.sort(x, axis=1)[:, 1:3], np.diff(x, axis=1), (x > 3).any(**by)]
    return np.concatenate(parts, axis=1)


def _present(x: Any) -> Any:
    return np.column_stack([np.nan_to_num(x), np.isnan(x), np.fmax(x, 2.0), np.nansum(x, axis=1)])


_ANGLES = (np.sin, np.cos, np.tan, np.arctan, np.sinh, np.cosh, np.tanh, np.arcsinh, np.deg2rad, np.cbrt)
_ROOTS = (np.sqrt, np.log, np.log2, np.log10, np.log1p, np.expm1, np.exp2, np.reciprocal, np.square, np.sign)
_STEPS = (
    np.floor,
    np.ceil,
    np.trunc,
    np.rint,
    np.fix,
    np.negative,
    np.abs,
    np.isfinite,
    np.logical_not,
    np.exp,
)


def _all(functions: Any, x: Any) -> Any:
    return np.concatenate([f(x) for f in functions], axis=1)


def _inside_one(x: Any) -> Any:
    """Functions of numbers between -1 and 1."""
    x = x / 1.5
    return np.concatenate([np.arcsin(x), np.arccos(x), np.arctanh(x), np.arccosh(1 + 10 * np.abs(x))], axis=1)


def _pairs(x: Any) -> Any:
    a, b = x[:, ::2] - 0.02, x[:, 1::2]
    parts = [np.arctan2(a, b), np.hypot(a, b), np.maximum(a, b), np.minimum(a, b)]
    parts += [
        a**2 + b**3,
        np.power(np.abs(a), 0.3),
        np.copysign(a, b),
        np.heaviside(a, 0.5),
        a @ np.eye(5)[:, :2],
    ]
    return np.concatenate(parts, axis=1)


def _divisions(x: Any) -> Any:
    return np.concatenate([x % 7.25, x // 2.5, np.fmod(-x, 3.0), -x % 0.75], axis=1)


def _of_frame(frame: Any) -> Any:
    frame = frame.copy()
    frame["ratio"] = frame["alcohol"] / frame["malic_acid"]
    frame["strong"] = (frame.alcohol > 13).astype(float)
    return frame.drop(columns=["ash"]).assign(root=lambda f: np.sqrt(f["alcalinity_of_ash"]))


def _of_values(frame: Any) -> Any:
    values = frame[["alcohol", "ash"]].to_numpy()
    return values * frame["malic_acid"].values[:, None]


@functools.cache
def _on_frame(func: Any) -> Specimen:
    from pandas import DataFrame

    x, y = load("wine")
    names = ["alcohol", "malic_acid", "ash", "alcalinity_of_ash"]
    return Specimen(_function(func).fit(DataFrame(x[:, :4], columns=names)), x[:, :4], y)


def _target(regressor: Any = None, **parameters: Any) -> Any:
    regressor = scaled("linear_model.Ridge") if regressor is None else regressor
    return new("compose.TransformedTargetRegressor", regressor, **parameters)


def _several(x: Array, y: Array) -> tuple[Array, Array]:
    return x, np.stack([y, np.sqrt(y), 1000 + y / 7], axis=1)


def _one_in_a_column(x: Array, y: Array) -> tuple[Array, Array]:
    return x, y[:, None]


def _transformed(path: str, **parameters: Any) -> Builder:
    return fit(lambda: _target(transformer=new(path, **parameters)), "diabetes")


SPECIMENS: dict[str, Builder] = {
    "function-log1p": fit(lambda: _function(np.log1p), "wine"),
    "function-validated": fit(lambda: _function(np.sqrt, validate=True), "wine"),
    "function-identity": fit(lambda: _function(None), "wine"),
    "function-lambda": fit(lambda: _function(lambda x: x[:, [2, 0]] * 2 - 1), "wine"),
    "function-ratios": fit(lambda: _function(_ratios), "wine", _few),
    "function-assigned": fit(lambda: _function(_assigned), "wine", _few),
    "function-standard-rows": fit(lambda: _function(_standard_rows), "wine"),
    "function-choices": fit(lambda: _function(_choices, kw_args={"low": 1.5}), "wine", _few),
    "function-reductions": fit(lambda: _function(_reductions), "wine", _few),
    "function-missing": fit(lambda: _function(_present), "wine", missing),
    "function-angles": fit(lambda: _function(functools.partial(_all, _ANGLES)), "diabetes"),
    "function-roots": fit(lambda: _function(functools.partial(_all, _ROOTS)), "wine", _few),
    "function-steps": fit(lambda: _function(functools.partial(_all, _STEPS)), "iris"),
    "function-arcs": fit(lambda: _function(_inside_one), "diabetes"),
    "function-pairs": fit(lambda: _function(_pairs), "diabetes"),
    "function-divisions": fit(lambda: _function(_divisions), "digits"),
    "function-one-number": fit(lambda: _function(lambda x: x.sum(axis=1)), "iris"),
    "function-frame": lambda: _on_frame(_of_frame),
    "function-frame-values": lambda: _on_frame(_of_values),
    "function-frame-log": lambda: _on_frame(np.log),
    "function-then-logistic": fit(
        lambda: pipe(
            _function(np.log1p),
            new("preprocessing.StandardScaler"),
            new("linear_model.LogisticRegression"),
        ),
        "wine",
    ),
    "function-then-tree": fit(
        lambda: pipe(
            _function(lambda x: np.column_stack([x[:, 1:], x[:, 0] * x[:, 3]])),
            new("tree.DecisionTreeClassifier", max_depth=4, random_state=0),
        ),
        "wine",
    ),
    "target-log": fit(lambda: _target(func=np.log, inverse_func=np.exp), "diabetes"),
    "target-identity": fit(_target, "diabetes"),
    "target-expression": fit(
        lambda: _target(func=lambda y: np.sqrt(y + 1), inverse_func=lambda y: y**2 - 1), "diabetes"
    ),
    "target-forest": fit(
        lambda: _target(
            new("ensemble.RandomForestRegressor", 8, max_depth=5, random_state=0),
            func=np.log1p,
            inverse_func=np.expm1,
        ),
        "diabetes",
    ),
    "target-several": fit(
        lambda: _target(transformer=new("preprocessing.StandardScaler")), "diabetes", _several
    ),
    "target-in-a-column": fit(
        lambda: _target(transformer=new("preprocessing.StandardScaler")), "diabetes", _one_in_a_column
    ),
    "target-quantiles": _transformed("preprocessing.QuantileTransformer", n_quantiles=50),
    "target-quantiles-normal": _transformed(
        "preprocessing.QuantileTransformer", n_quantiles=50, output_distribution="normal"
    ),
    "target-power": _transformed("preprocessing.PowerTransformer"),
    "target-box-cox": _transformed("preprocessing.PowerTransformer", method="box-cox"),
    "target-power-plain": _transformed("preprocessing.PowerTransformer", standardize=False),
    "target-robust": _transformed("preprocessing.RobustScaler"),
    "target-min-max": _transformed("preprocessing.MinMaxScaler", feature_range=(2, 3)),
    "target-max-abs": _transformed("preprocessing.MaxAbsScaler"),
    "target-components": fit(
        lambda: _target(transformer=new("decomposition.PCA", 2, whiten=True)), "diabetes", _several
    ),
    "target-pipeline": fit(
        lambda: _target(
            transformer=pipe(_function(np.log, inverse_func=np.exp), new("preprocessing.StandardScaler"))
        ),
        "diabetes",
        _several,
    ),
}
