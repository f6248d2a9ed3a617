"""What trees, forests and boosted trees can be told beyond their defaults."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.specimen import Array, Builder, bools, fit, missing, new, scaled, sparse_ints, strings, two_targets


def _tree(**options: Any) -> Any:
    return lambda: new("tree.DecisionTreeClassifier", **{"max_depth": 5, "random_state": 0} | options)


def _regression_tree(**options: Any) -> Any:
    return lambda: new("tree.DecisionTreeRegressor", **{"max_depth": 5, "random_state": 0} | options)


def _few_trees(name: str, **options: Any) -> Any:
    return lambda: new(f"ensemble.{name}", **{"n_estimators": 5, "random_state": 0} | options)


def _boosting(kind: str, **options: Any) -> Any:
    return _few_trees(f"GradientBoosting{kind}", **options)


def _histogram(kind: str, **options: Any) -> Any:
    defaults = {"max_iter": 6, "random_state": 0, "max_leaf_nodes": 8}
    return lambda: new(f"ensemble.HistGradientBoosting{kind}", **defaults | options)


def _one_class(x: Array, y: Array) -> tuple[Array, Array]:
    return x, np.full(len(y), 7)


def _labels(x: Array, y: Array) -> tuple[Array, Array]:
    """An indicator matrix."""
    return x, np.stack([y % 2, y > 4, y % 3 == 0], axis=1).astype(int)


def _word_targets(x: Array, y: Array) -> tuple[Array, Array]:
    return x, np.stack([np.array(["odd", "even"])[y % 2], np.array(["a", "b", "c"])[y % 3]], axis=1)


def _two_values(x: Array, y: Array) -> tuple[Array, Array]:
    return x, np.stack([y, x[:, 2] * 100 - y / 2], axis=1)


def _one_value(x: Array, y: Array) -> tuple[Array, Array]:
    return x, np.full(len(y), 3.5)


def _missing_values(x: Array, y: Array) -> tuple[Array, Array]:
    return missing(*_two_values(x, y))


def _embedding(**options: Any) -> Any:
    return _few_trees("RandomTreesEmbedding", **{"max_depth": 3} | options)


_MONOTONIC = [1, -1, *[0] * 8]
SPECIMENS: dict[str, Builder] = {
    "decision-tree-entropy": fit(_tree(criterion="entropy", class_weight="balanced"), "wine"),
    "decision-tree-log-loss": fit(_tree(criterion="log_loss", splitter="random"), "digits"),
    "decision-tree-class-weight": fit(_tree(class_weight={-7: 5.0, 3: 1.0, 40: 0.1}), "wine", sparse_ints),
    "decision-tree-pruned": fit(_tree(ccp_alpha=0.02, max_leaf_nodes=12), "breast_cancer", bools),
    "decision-tree-monotonic": fit(_tree(monotonic_cst=[1, -1, *[0] * 28]), "breast_cancer"),
    "decision-tree-one-class": fit(_tree(), "iris", _one_class),
    "decision-tree-stump": fit(_tree(max_depth=1), "iris", strings),
    "decision-tree-labels": fit(_tree(), "digits", _labels),
    "decision-tree-word-targets": fit(_tree(), "digits", _word_targets),
    "decision-tree-missing-random": fit(_tree(splitter="random"), "breast_cancer", missing),
    "decision-tree-regressor-absolute": fit(_regression_tree(criterion="absolute_error"), "diabetes"),
    "decision-tree-regressor-poisson": fit(_regression_tree(criterion="poisson"), "diabetes"),
    "decision-tree-regressor-monotonic": fit(_regression_tree(monotonic_cst=_MONOTONIC), "diabetes"),
    "decision-tree-regressor-targets": fit(_regression_tree(max_leaf_nodes=20), "diabetes", _two_values),
    "decision-tree-regressor-missing": fit(_regression_tree(), "diabetes", _missing_values),
    "decision-tree-regressor-constant": fit(_regression_tree(), "diabetes", _one_value),
    "extra-tree-missing": fit(
        lambda: new("tree.ExtraTreeClassifier", max_depth=6, random_state=0), "wine", missing
    ),
    "extra-tree-regressor": fit(
        lambda: new("tree.ExtraTreeRegressor", max_depth=5, random_state=0), "diabetes", _two_values
    ),
    "random-forest-balanced": fit(
        _few_trees("RandomForestClassifier", class_weight="balanced_subsample", criterion="entropy"), "wine"
    ),
    "random-forest-labels": fit(_few_trees("RandomForestClassifier", max_depth=4), "digits", _labels),
    "random-forest-one-class": fit(_few_trees("RandomForestClassifier"), "iris", _one_class),
    "random-forest-samples": fit(
        _few_trees(
            "RandomForestClassifier", max_samples=0.3, max_features=0.5, oob_score=False, ccp_alpha=0.01
        ),
        "breast_cancer",
        bools,
    ),
    "random-forest-regressor-absolute": fit(
        _few_trees("RandomForestRegressor", criterion="absolute_error", max_depth=4), "diabetes"
    ),
    "random-forest-regressor-missing": fit(
        _few_trees("RandomForestRegressor", max_depth=5, monotonic_cst=_MONOTONIC), "diabetes", missing
    ),
    "extra-trees-missing": fit(_few_trees("ExtraTreesClassifier", max_depth=6), "breast_cancer", missing),
    "extra-trees-two-targets": fit(
        _few_trees("ExtraTreesClassifier", max_depth=6, bootstrap=True), "digits", two_targets
    ),
    "extra-trees-regressor-targets": fit(
        _few_trees("ExtraTreesRegressor", criterion="absolute_error", max_depth=4), "diabetes", _two_values
    ),
    "random-trees-embedding": fit(_embedding(), "digits"),
    "random-trees-embedding-dense": fit(_embedding(sparse_output=False, max_leaf_nodes=6), "wine"),
    "random-trees-embedding-leafless": fit(_embedding(max_depth=1, n_estimators=2), "iris"),
    "random-trees-embedding-missing": fit(_embedding(), "wine", missing),
    "random-trees-embedding-scaled": fit(
        lambda: scaled("ensemble.RandomTreesEmbedding", n_estimators=4, max_depth=3, random_state=0), "wine"
    ),
    "gradient-boosting-early": fit(
        _boosting("Classifier", n_estimators=50, n_iter_no_change=2, subsample=0.6, max_leaf_nodes=5), "iris"
    ),
    "gradient-boosting-zero": fit(_boosting("Classifier", init="zero"), "breast_cancer"),
    "gradient-boosting-zero-several": fit(_boosting("Classifier", init="zero"), "wine"),
    "gradient-boosting-init": fit(
        lambda: new(
            "ensemble.GradientBoostingClassifier",
            init=scaled("linear_model.LogisticRegression", C=1e-3),
            n_estimators=4,
            random_state=0,
        ),
        "breast_cancer",
    ),
    "gradient-boosting-init-linear": fit(
        lambda: new(
            "ensemble.GradientBoostingClassifier",
            init=scaled("linear_model.LogisticRegression"),
            n_estimators=4,
            random_state=0,
        ),
        "iris",
    ),
    "gradient-boosting-init-several": fit(
        lambda: new(
            "ensemble.GradientBoostingClassifier",
            init=new("tree.DecisionTreeClassifier", max_depth=2, random_state=0),
            n_estimators=4,
            random_state=0,
        ),
        "wine",
        strings,
    ),
    "gradient-boosting-init-exponential": fit(
        lambda: new(
            "ensemble.GradientBoostingClassifier",
            loss="exponential",
            init=new("neighbors.KNeighborsClassifier", n_neighbors=7),
            n_estimators=4,
            random_state=0,
        ),
        "breast_cancer",
        bools,
    ),
    "gradient-boosting-regressor-init": fit(
        lambda: new(
            "ensemble.GradientBoostingRegressor",
            init=new("linear_model.Ridge"),
            n_estimators=4,
            random_state=0,
        ),
        "diabetes",
    ),
    "gradient-boosting-regressor-forest": fit(
        lambda: new(
            "ensemble.GradientBoostingRegressor",
            init=new("ensemble.RandomForestRegressor", n_estimators=3, max_depth=3, random_state=0),
            n_estimators=4,
            random_state=0,
        ),
        "diabetes",
    ),
    **{
        f"gradient-boosting-{loss.replace('_', '-')}": fit(
            _boosting("Regressor", loss=loss, alpha=0.7), "diabetes"
        )
        for loss in ("absolute_error", "huber", "quantile")
    },
    **{
        f"hist-gradient-boosting-{loss.replace('_', '-')}-loss": fit(
            _histogram("Regressor", loss=loss, quantile=0.3 if loss == "quantile" else None),
            "diabetes",
            missing,
        )
        for loss in ("absolute_error", "gamma", "poisson", "quantile", "squared_error")
    },
    "hist-gradient-boosting-interactions": fit(
        _histogram(
            "Regressor",
            interaction_cst=[{0, 1}, {2, 3, 8}],
            monotonic_cst=_MONOTONIC,
            l2_regularization=1.0,
            max_features=0.5,
        ),
        "diabetes",
    ),
    "hist-gradient-boosting-early": fit(
        _histogram(
            "Classifier", max_iter=30, early_stopping=True, n_iter_no_change=2, class_weight="balanced"
        ),
        "wine",
        strings,
    ),
    "hist-gradient-boosting-pairwise": fit(
        _histogram("Classifier", interaction_cst="pairwise", max_bins=16), "breast_cancer", bools
    ),
}
