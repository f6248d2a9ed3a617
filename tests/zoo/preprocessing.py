"""Scalers, encoders, imputers, selection."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.specimen import Array, Builder, coarse, fit, missing, new, pipe, quietly


def _columns(classifier: Any) -> Any:
    columns = new(
        "compose.ColumnTransformer",
        [
            ("scale", new("preprocessing.MinMaxScaler"), [1, 2]),
            ("bins", new("preprocessing.KBinsDiscretizer", n_bins=3, quantile_method="linear"), slice(3, 5)),
            ("drop", "drop", [0]),
            ("keep", "passthrough", [6]),
        ],
        remainder=new("preprocessing.MaxAbsScaler"),
        transformer_weights={"scale": 2.0},
    )
    return pipe(columns, classifier)


def _union() -> Any:
    return new(
        "pipeline.FeatureUnion",
        [("pca", new("decomposition.PCA", 3)), ("poly", new("preprocessing.PolynomialFeatures", 2))],
        transformer_weights={"pca": 0.5},
    )


def _far(x: Array, y: Array) -> tuple[Array, Array]:
    """Columns far from zero: the offset has more digits than float32, the rows have not."""
    return np.round(x * 8) / 8 + 20000.0, y


def _constant(x: Array, y: Array) -> tuple[Array, Array]:
    return np.column_stack([x[:, :4], np.full(len(x), 0.3), np.zeros(len(x))]), y


def _constant_only(x: Array, y: Array) -> tuple[Array, Array]:
    return np.full((len(x), 2), 0.3), y


def _bins(**parameters: Any) -> Any:
    parameters = {"n_bins": 6, "encode": "ordinal", "quantile_method": "linear"} | parameters
    return new("preprocessing.KBinsDiscretizer", **parameters)


def _polynomials(*degree: Any, **parameters: Any) -> Any:
    return new("preprocessing.PolynomialFeatures", *degree, **parameters)


_SELECTORS: dict[str, tuple[str, dict[str, Any]]] = {
    "select-best": ("SelectKBest", {"k": 2}),
    "select-percentile": ("SelectPercentile", {"percentile": 20}),
    "select-false-positives": ("SelectFpr", {"alpha": 1e-40}),
    "select-false-discoveries": ("SelectFdr", {"alpha": 1e-30}),
    "select-family-wise": ("SelectFwe", {"alpha": 1e-30}),
    "select-any": ("GenericUnivariateSelect", {"mode": "k_best", "param": 2}),
    "select-varied": ("VarianceThreshold", {"threshold": 100.0}),
}


def _selector(path: str, parameters: dict[str, Any]) -> Any:
    return new(f"feature_selection.{path}", **parameters)


def _selected(path: str, parameters: dict[str, Any]) -> Builder:
    return fit(lambda: _selector(path, parameters), "wine")


def _selectors() -> Any:
    return new("pipeline.FeatureUnion", [(name, _selector(*found)) for name, found in _SELECTORS.items()])


_SCALERS: dict[str, Builder] = {
    "standard": fit(lambda: new("preprocessing.StandardScaler"), "wine"),
    "standard-far": fit(lambda: new("preprocessing.StandardScaler"), "wine", _far),
    "standard-without-mean": fit(lambda: new("preprocessing.StandardScaler", with_mean=False), "wine"),
    "standard-without-std": fit(lambda: new("preprocessing.StandardScaler", with_std=False), "wine"),
    "standard-constant": fit(lambda: new("preprocessing.StandardScaler"), "wine", _constant),
    "standard-missing": fit(lambda: new("preprocessing.StandardScaler"), "wine", missing),
    "robust": fit(lambda: new("preprocessing.RobustScaler"), "wine"),
    "robust-unit-variance": fit(
        lambda: new("preprocessing.RobustScaler", quantile_range=(10, 70), unit_variance=True), "wine"
    ),
    "robust-scale-only": fit(lambda: new("preprocessing.RobustScaler", with_centering=False), "wine"),
    "robust-center-only": fit(lambda: new("preprocessing.RobustScaler", with_scaling=False), "wine"),
    "max-abs": fit(lambda: new("preprocessing.MaxAbsScaler"), "diabetes"),
    "max-abs-clip": fit(lambda: new("preprocessing.MaxAbsScaler", clip=True), "diabetes"),
    "min-max": fit(lambda: new("preprocessing.MinMaxScaler"), "wine", _constant),
    "min-max-far": fit(lambda: new("preprocessing.MinMaxScaler", (2, 5)), "wine", _far),
    "normalizer": fit(lambda: new("preprocessing.Normalizer"), "digits"),
    "normalizer-l1": fit(lambda: new("preprocessing.Normalizer", "l1"), "wine"),
    "normalizer-max": fit(lambda: new("preprocessing.Normalizer", "max"), "diabetes"),
}
_BINS: dict[str, Builder] = {
    "binarizer": fit(lambda: new("preprocessing.Binarizer", threshold=2.3), "wine"),
    "binarizer-scaled": fit(
        lambda: pipe(new("preprocessing.StandardScaler"), new("preprocessing.Binarizer")), "iris"
    ),
    "bins-quantile": fit(_bins, "wine"),
    "bins-averaged": fit(lambda: _bins(quantile_method="averaged_inverted_cdf"), "wine"),
    "bins-quantile-all-digits": quietly(fit(_bins, "diabetes"), UserWarning),
    "bins-uniform": fit(lambda: _bins(strategy="uniform"), "iris"),
    "bins-k-means": fit(lambda: _bins(strategy="kmeans", n_bins=4), "iris"),
    "bins-one-hot": fit(lambda: _bins(encode="onehot-dense", n_bins=[2, 3, 4, 5]), "iris"),
    "bins-one-hot-sparse": fit(lambda: _bins(encode="onehot"), "iris"),
    "bins-float32": fit(lambda: _bins(dtype=np.float32, strategy="uniform"), "iris"),
    "bins-scaled": fit(
        lambda: pipe(new("preprocessing.StandardScaler"), _bins(strategy="uniform", encode="onehot")), "iris"
    ),
    "bins-constant": quietly(fit(_bins, "wine", _constant), UserWarning),
    "bins-constant-only": quietly(fit(_bins, "wine", _constant_only), UserWarning),
}
SPECIMENS: dict[str, Builder] = {
    **_SCALERS,
    **_BINS,
    **{name: _selected(*found) for name, found in _SELECTORS.items()},
    "polynomial": fit(lambda: _polynomials(3), "iris"),
    "polynomial-interactions": fit(lambda: _polynomials(2, interaction_only=True, order="F"), "wine"),
    "polynomial-degrees": fit(lambda: _polynomials((2, 3), include_bias=False), "iris"),
    "polynomial-constant": fit(lambda: _polynomials(0), "iris"),
    "select-union": fit(_selectors, "wine"),
    "select-from-model": fit(
        lambda: new(
            "feature_selection.SelectFromModel",
            new("tree.DecisionTreeClassifier", max_depth=3, random_state=0),
            threshold="mean",
        ),
        "wine",
    ),
    "select-sequential": fit(
        lambda: new(
            "feature_selection.SequentialFeatureSelector",
            new("linear_model.Ridge"),
            n_features_to_select=2,
            cv=2,
        ),
        "iris",
    ),
    "pca": fit(lambda: pipe(new("preprocessing.RobustScaler"), new("decomposition.PCA", 5)), "wine"),
    "pca-whitened-logistic": fit(
        lambda: pipe(new("decomposition.PCA", 8, whiten=True), new("linear_model.LogisticRegression")),
        "digits",
    ),
    "min-max-clip": fit(lambda: new("preprocessing.MinMaxScaler", (-1, 1), clip=True), "wine"),
    "normalizer-ridge": fit(
        lambda: pipe(new("preprocessing.Normalizer", "l1"), new("linear_model.Ridge", 0.01)), "diabetes"
    ),
    "imputer-logistic": fit(
        lambda: pipe(
            new("impute.SimpleImputer", strategy="median", add_indicator=True),
            new("preprocessing.StandardScaler"),
            new("linear_model.LogisticRegression"),
        ),
        "wine",
        missing,
    ),
    "one-hot-logistic": fit(
        lambda: pipe(
            new("preprocessing.OneHotEncoder", handle_unknown="ignore"),
            new("linear_model.LogisticRegression"),
        ),
        "digits",
        coarse,
    ),
    "columns-logistic": fit(lambda: _columns(new("linear_model.LogisticRegression", max_iter=5000)), "wine"),
    "union-ridge": fit(lambda: pipe(_union(), new("linear_model.Ridge")), "iris"),
    "binarizer-bernoulli-nb": fit(
        lambda: pipe(new("preprocessing.Binarizer", threshold=7.5), new("naive_bayes.BernoulliNB")),
        "digits",
    ),
    "select-k-best": fit(
        lambda: pipe(
            new("feature_selection.VarianceThreshold"),
            new("feature_selection.SelectKBest", k=20),
            new("tree.DecisionTreeClassifier", max_depth=4, random_state=0),
        ),
        "digits",
    ),
}
