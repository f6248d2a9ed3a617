"""Scalers, encoders, imputers, selection."""

from __future__ import annotations

from typing import Any

from zoo.specimen import Builder, coarse, fit, missing, new, pipe


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


SPECIMENS: dict[str, Builder] = {
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
