"""Gaussian processes with every kernel, and kernel ridge."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from zoo.specimen import Array, Builder, Specimen, fit, load, new, pipe, scaled, strings

_FITTED = 120  # rows; what is solved for grows with their third power


def _kernel(name: str, *args: Any, **parameters: Any) -> Any:
    return new(f"gaussian_process.kernels.{name}", *args, **parameters)


def _first(x: Array, y: Array) -> tuple[Array, Array]:
    return x[:_FITTED], y[:_FITTED]


def _few(make: Callable[[], Any], data: str, change: Any = None) -> Builder:
    """Fitted on the first rows of a set, judged on all."""

    @functools.cache
    def build() -> Specimen:
        x, y = load(data)
        if change is not None:
            x, y = change(x, y)
        return Specimen(make().fit(*_first(x, y)), x, y)

    return build


def _process(kernel: Callable[[], Any], *, alpha: float = 0.1, data: str = "diabetes") -> Builder:
    """A regression behind a scaler, its kernel as it is."""

    def make() -> Any:
        options = {"kernel": kernel(), "alpha": alpha, "optimizer": None, "normalize_y": True}
        return scaled("gaussian_process.GaussianProcessRegressor", **options)

    return _few(make, data)


def _waves(kernel: Callable[[], Any]) -> Builder:
    """Of one column: periodic kernels are positive on a line only."""
    options = {"alpha": 1.0, "optimizer": None, "normalize_y": True}
    return _few(
        lambda: scaled("gaussian_process.GaussianProcessRegressor", kernel=kernel(), **options),
        "diabetes",
        lambda x, y: (x[:, 2:3], y),
    )


def _two_targets(x: Array, y: Array) -> tuple[Array, Array]:
    return x, np.stack([y, x[:, 2] * 100 - y / 2], axis=1)


def _counts(x: Array, y: Array) -> tuple[Array, Array]:
    return x[:, 20:44], y.astype(float)


def _scales(x_features: int) -> Any:
    return np.linspace(1, 6, x_features)


_REGRESSIONS: dict[str, Builder] = {
    "rbf": _process(lambda: _kernel("RBF", 3.0)),
    "rbf-anisotropic": _process(lambda: _kernel("RBF", _scales(10))),
    "rbf-wide": _process(lambda: _kernel("RBF", 60.0), alpha=1e-6),
    "matern-05": _process(lambda: _kernel("Matern", 2.0, nu=0.5)),
    "matern-15": _process(lambda: _kernel("Matern", _scales(10), nu=1.5)),
    "matern-25": _process(lambda: _kernel("Matern", 4.0, nu=2.5)),
    "matern-infinite": _process(lambda: _kernel("Matern", 4.0, nu=np.inf)),
    "matern-07": _process(lambda: _kernel("Matern", 3.0, nu=0.7)),
    "matern-35": _process(lambda: _kernel("Matern", 3.0, nu=3.5)),
    "matern-wide": _process(lambda: _kernel("Matern", 60.0, nu=1.8), alpha=1e-6),
    "rational-quadratic": _process(lambda: _kernel("RationalQuadratic", 2.0, alpha=0.7)),
    "exp-sine-squared": _waves(lambda: _kernel("ExpSineSquared", 1.5, periodicity=5.0)),
    "exp-sine-squared-fast": _waves(lambda: _kernel("ExpSineSquared", 3.0, periodicity=0.07)),
    "dot-product": _process(lambda: _kernel("DotProduct", 2.0) + _kernel("WhiteKernel", 0.5)),
    "dot-product-squared": _process(lambda: _kernel("DotProduct", 1.0) ** 2, alpha=1.0),
    "constant": _process(lambda: _kernel("ConstantKernel", 2.0) + _kernel("WhiteKernel", 1.0)),
    "sum-and-product": _process(
        lambda: (
            2.0 * _kernel("RBF", 2.0) * _kernel("RationalQuadratic", 3.0)
            + 0.5 * (_kernel("DotProduct", 1.0) + _kernel("Matern", 3.0))
            + _kernel("WhiteKernel", 0.2)
        )
    ),
    "exponentiation": _process(lambda: (_kernel("RBF", 4.0) + _kernel("ConstantKernel", 0.3)) ** 1.5),
    **{
        f"pairwise-{metric}": _process(lambda m=metric: _kernel("PairwiseKernel", gamma=0.05, metric=m))
        for metric in ("linear", "poly", "rbf", "laplacian", "cosine")
    },
    "pairwise-sigmoid": _process(
        lambda: _kernel(
            "PairwiseKernel", gamma=0.01, metric="sigmoid", pairwise_kernels_kwargs={"coef0": 0.1}
        ),
        alpha=1.0,
    ),
}
_CLASSIFIERS: dict[str, Builder] = {
    "binary": _few(lambda: scaled("gaussian_process.GaussianProcessClassifier"), "breast_cancer"),
    "strings": _few(
        lambda: scaled("gaussian_process.GaussianProcessClassifier", optimizer=None), "wine", strings
    ),
    "one-vs-one": _few(
        lambda: scaled(
            "gaussian_process.GaussianProcessClassifier", optimizer=None, multi_class="one_vs_one"
        ),
        "wine",
    ),
    "large": _few(
        lambda: scaled(
            "gaussian_process.GaussianProcessClassifier",
            kernel=900.0 * _kernel("RBF", 12.0),
            optimizer=None,
        ),
        "breast_cancer",
    ),
    "dot-product": _few(
        lambda: scaled(
            "gaussian_process.GaussianProcessClassifier",
            kernel=_kernel("DotProduct") + 0.5 * _kernel("Matern", 3.0) ** 2 + _kernel("WhiteKernel", 0.1),
            optimizer=None,
        ),
        "iris",
    ),
    **{
        f"pairwise-{metric}": _few(
            lambda m=metric: scaled(
                "gaussian_process.GaussianProcessClassifier",
                kernel=_kernel("PairwiseKernel", gamma=0.05, metric=m),
                optimizer=None,
            ),
            "breast_cancer",
        )
        for metric in ("poly", "cosine", "laplacian", "linear")
    },
    "digits": _few(
        lambda: new(
            "gaussian_process.GaussianProcessClassifier", kernel=_kernel("RBF", 20.0), optimizer=None
        ),
        "digits",
    ),
}


def _ridge(**options: Any) -> Any:
    return lambda: scaled("kernel_ridge.KernelRidge", **options)


SPECIMENS: dict[str, Builder] = {
    **{f"gaussian-process-{name}": builder for name, builder in _REGRESSIONS.items()},
    **{f"gaussian-process-classifier-{name}": builder for name, builder in _CLASSIFIERS.items()},
    "gaussian-process": _few(
        lambda: scaled("gaussian_process.GaussianProcessRegressor", optimizer=None), "wine"
    ),
    "gaussian-process-raw": _few(
        lambda: new(
            "gaussian_process.GaussianProcessRegressor",
            kernel=316.0**2 * _kernel("RBF", 2390.0) + _kernel("WhiteKernel", 0.1),
            optimizer=None,
            normalize_y=True,
        ),
        "wine",
    ),
    "gaussian-process-raw-dot-product": _few(
        lambda: new(
            "gaussian_process.GaussianProcessRegressor",
            kernel=_kernel("DotProduct", 2.0) + _kernel("WhiteKernel", 0.1),
            optimizer=None,
        ),
        "breast_cancer",
    ),
    "gaussian-process-two-targets": _few(
        lambda: scaled(
            "gaussian_process.GaussianProcessRegressor",
            kernel=_kernel("RBF", 3.0),
            alpha=0.1,
            optimizer=None,
            normalize_y=True,
        ),
        "diabetes",
        _two_targets,
    ),
    "gaussian-process-chi2": _few(
        lambda: new(
            "gaussian_process.GaussianProcessRegressor",
            kernel=_kernel("PairwiseKernel", gamma=0.05, metric="chi2"),
            optimizer=None,
            alpha=0.1,
        ),
        "digits",
        _counts,
    ),
    **{
        f"kernel-ridge-{kernel}": _few(_ridge(kernel=kernel, alpha=0.5), "diabetes")
        for kernel in ("linear", "poly", "polynomial", "rbf", "laplacian", "cosine")
    },
    "kernel-ridge-sigmoid": _few(_ridge(kernel="sigmoid", gamma=0.01, coef0=0.1, alpha=1.0), "diabetes"),
    "kernel-ridge-options": _few(
        _ridge(kernel="poly", gamma=0.1, degree=2, coef0=0.5, alpha=[0.5, 2.0]), "diabetes", _two_targets
    ),
    "kernel-ridge-chi2": _few(
        lambda: new("kernel_ridge.KernelRidge", kernel="chi2", gamma=0.02), "digits", _counts
    ),
    "kernel-ridge-additive-chi2": _few(
        lambda: new("kernel_ridge.KernelRidge", kernel="additive_chi2", alpha=5e4), "digits", _counts
    ),
    "kernel-ridge-wide": _few(_ridge(kernel="rbf", gamma=1e-5, alpha=1e-7), "diabetes"),
    "kernel-ridge-raw": _few(lambda: new("kernel_ridge.KernelRidge", alpha=0.1), "wine"),
    "kernel-ridge-rows": fit(
        lambda: pipe(new("preprocessing.MinMaxScaler"), new("kernel_ridge.KernelRidge", kernel="laplacian")),
        "linnerud",
    ),
}
