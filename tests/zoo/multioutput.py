"""Several targets by one estimator each, side by side or in a chain."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.specimen import Array, Builder, fit, new, pipe, scaled, three_labels, two_targets, words


def _each(member: Any) -> Any:
    return new("multioutput.MultiOutputClassifier", member)


def _chain(member: Any, **options: Any) -> Any:
    return new("multioutput.ClassifierChain", member, **options)


def _regressor_chain(member: Any, **options: Any) -> Any:
    return new("multioutput.RegressorChain", member, **options)


def _tree() -> Any:
    return new("tree.DecisionTreeClassifier", max_depth=4, random_state=0)


def _logistic() -> Any:
    return scaled("linear_model.LogisticRegression")


def _two_named(x: Array, y: Array) -> tuple[Array, Array]:
    return x, np.stack([words(y % 3), words(5 + y % 2)], axis=1)


def _labels_of_one_and_two(x: Array, y: Array) -> tuple[Array, Array]:
    x, labels = three_labels(x, y)
    return x, labels + 1


SPECIMENS: dict[str, Builder] = {
    "multi-output-classifier": fit(
        lambda: pipe(new("preprocessing.StandardScaler"), _each(new("linear_model.LogisticRegression"))),
        "digits",
        two_targets,
    ),
    "multi-output-classifier-strings": fit(lambda: _each(_tree()), "digits", _two_named),
    "multi-output-classifier-labels-only": fit(lambda: _each(scaled("svm.LinearSVC")), "digits", _two_named),
    "multi-output-classifier-indicator": fit(lambda: _each(_tree()), "wine", three_labels),
    "multi-output-regressor": fit(
        lambda: new("multioutput.MultiOutputRegressor", new("linear_model.Ridge")), "linnerud"
    ),
    "multi-output-regressor-trees": fit(
        lambda: new(
            "multioutput.MultiOutputRegressor",
            new("ensemble.GradientBoostingRegressor", n_estimators=5, random_state=0),
        ),
        "linnerud",
    ),
    "classifier-chain": fit(lambda: _chain(_logistic()), "wine", three_labels),
    "classifier-chain-order": fit(
        lambda: _chain(_logistic(), order=[2, 0, 1], chain_method="predict_proba"),
        "wine",
        _labels_of_one_and_two,
    ),
    "classifier-chain-random": fit(
        lambda: _chain(_logistic(), order="random", random_state=1, chain_method="decision_function", cv=2),
        "wine",
        three_labels,
    ),
    "classifier-chain-logarithms": fit(
        lambda: _chain(_logistic(), order=[1, 2, 0], chain_method="predict_log_proba"), "wine", three_labels
    ),
    "classifier-chain-trees": fit(lambda: _chain(_tree(), order=[1, 0, 2]), "wine", three_labels),
    "classifier-chain-decisions": fit(
        lambda: _chain(scaled("svm.LinearSVC"), order=[2, 1, 0]), "wine", _labels_of_one_and_two
    ),
    "classifier-chain-classes": fit(lambda: _chain(_tree(), order=[1, 0]), "digits", two_targets),
    "classifier-chain-labels-only": fit(
        lambda: _chain(scaled("linear_model.Perceptron", random_state=0)), "wine", three_labels
    ),
    "regressor-chain": fit(lambda: _regressor_chain(new("linear_model.Ridge")), "linnerud"),
    "regressor-chain-order": fit(
        lambda: _regressor_chain(
            new("tree.DecisionTreeRegressor", max_depth=3, random_state=0), order=[2, 0, 1], cv=2
        ),
        "linnerud",
    ),
}
