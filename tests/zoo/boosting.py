"""Boosted trees of scikit-learn."""

from __future__ import annotations

from zoo.specimen import Builder, fit, half_coarse_missing, missing, new, strings

SPECIMENS: dict[str, Builder] = {
    "gradient-boosting": fit(
        lambda: new("ensemble.GradientBoostingClassifier", n_estimators=5, random_state=0), "wine", strings
    ),
    "gradient-boosting-binary": fit(
        lambda: new("ensemble.GradientBoostingClassifier", n_estimators=10, random_state=0),
        "breast_cancer",
    ),
    "gradient-boosting-exponential": fit(
        lambda: new(
            "ensemble.GradientBoostingClassifier", loss="exponential", n_estimators=5, random_state=0
        ),
        "breast_cancer",
    ),
    "gradient-boosting-regressor": fit(
        lambda: new("ensemble.GradientBoostingRegressor", n_estimators=10, random_state=0), "diabetes"
    ),
    "gradient-boosting-zero-init": fit(
        lambda: new("ensemble.GradientBoostingRegressor", init="zero", n_estimators=5, random_state=0),
        "diabetes",
    ),
    "hist-gradient-boosting": fit(
        lambda: new("ensemble.HistGradientBoostingClassifier", random_state=0, max_iter=4, max_leaf_nodes=8),
        "digits",
    ),
    "hist-gradient-boosting-binary": fit(
        lambda: new("ensemble.HistGradientBoostingClassifier", random_state=0, max_iter=8),
        "breast_cancer",
        missing,
    ),
    "hist-gradient-boosting-categorical": fit(
        lambda: new(
            "ensemble.HistGradientBoostingClassifier",
            random_state=0,
            max_iter=8,
            categorical_features=[0, 3],
            min_samples_leaf=5,
        ),
        "wine",
        half_coarse_missing,
    ),
    "hist-gradient-boosting-regressor": fit(
        lambda: new("ensemble.HistGradientBoostingRegressor", random_state=0, max_iter=8), "diabetes"
    ),
    "hist-gradient-boosting-poisson": fit(
        lambda: new("ensemble.HistGradientBoostingRegressor", random_state=0, loss="poisson", max_iter=8),
        "diabetes",
        missing,
    ),
    "hist-gradient-boosting-gamma": fit(
        lambda: new("ensemble.HistGradientBoostingRegressor", random_state=0, loss="gamma", max_iter=5),
        "diabetes",
    ),
    "hist-gradient-boosting-quantile": fit(
        lambda: new(
            "ensemble.HistGradientBoostingRegressor",
            random_state=0,
            loss="quantile",
            quantile=0.8,
            max_iter=5,
        ),
        "diabetes",
    ),
    "ada-boost": fit(
        lambda: new("ensemble.AdaBoostClassifier", n_estimators=6, random_state=0), "wine", strings
    ),
    "ada-boost-binary": fit(
        lambda: new("ensemble.AdaBoostClassifier", n_estimators=6, random_state=0), "breast_cancer"
    ),
    "ada-boost-regressor": fit(
        lambda: new("ensemble.AdaBoostRegressor", n_estimators=5, random_state=0), "diabetes"
    ),
}
