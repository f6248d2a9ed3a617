"""Several classes by two-class problems: one against the rest, one against one, output codes."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.specimen import Array, Builder, bools, fit, new, quietly, scaled, strings, three_labels, whole_floats


def _rest(member: Any) -> Any:
    return new("multiclass.OneVsRestClassifier", member)


def _one(member: Any) -> Any:
    return new("multiclass.OneVsOneClassifier", member)


def _code(member: Any, **options: Any) -> Any:
    return new("multiclass.OutputCodeClassifier", member, **{"random_state": 0, **options})


def _tree() -> Any:
    return new("tree.DecisionTreeClassifier", max_depth=3, random_state=0)


def _logistic() -> Any:
    return scaled("linear_model.LogisticRegression")


def _with_a_constant_label(x: Array, y: Array) -> tuple[Array, Array]:
    x, labels = three_labels(x, y)
    return x, np.column_stack([labels, np.ones(len(x), int), np.zeros(len(x), int)])


def _one_class(x: Array, y: Array) -> tuple[Array, Array]:
    return x, np.full(len(x), "only")


SPECIMENS: dict[str, Builder] = {
    "one-vs-rest": fit(lambda: _rest(_logistic()), "wine", strings),
    "one-vs-rest-trees": fit(lambda: _rest(_tree()), "iris"),
    "one-vs-rest-labels-only": fit(lambda: _rest(scaled("svm.LinearSVC")), "wine", whole_floats),
    "one-vs-rest-regressor": fit(lambda: _rest(new("linear_model.Ridge")), "iris", strings),
    "one-vs-rest-binary": fit(lambda: _rest(_logistic()), "breast_cancer", bools),
    "one-vs-rest-binary-tree": fit(lambda: _rest(_tree()), "breast_cancer"),
    "one-vs-rest-binary-regressor": fit(lambda: _rest(new("linear_model.Ridge")), "breast_cancer"),
    "one-vs-rest-indicator": fit(lambda: _rest(_logistic()), "wine", three_labels),
    "one-vs-rest-indicator-trees": fit(lambda: _rest(_tree()), "wine", three_labels),
    "one-vs-rest-constant-labels": quietly(
        fit(lambda: _rest(_logistic()), "wine", _with_a_constant_label), UserWarning
    ),
    "one-vs-rest-one-class": quietly(fit(lambda: _rest(_tree()), "iris", _one_class), UserWarning),
    "one-vs-one-logistic": fit(lambda: _one(_logistic()), "wine", strings),
    "one-vs-one-trees": fit(lambda: _one(_tree()), "iris", whole_floats),
    "one-vs-one-linear": fit(lambda: _one(scaled("svm.LinearSVC")), "wine"),
    "one-vs-one-regressor": fit(
        lambda: _one(new("tree.DecisionTreeRegressor", max_depth=2, random_state=0)), "iris", strings
    ),
    "one-vs-one-binary": fit(lambda: _one(_logistic()), "breast_cancer", bools),
    "one-vs-one-binary-tree": fit(lambda: _one(_tree()), "breast_cancer"),
    "output-code": fit(lambda: _code(_logistic(), code_size=2.0), "wine", strings),
    "output-code-trees": fit(lambda: _code(_tree(), code_size=3), "iris"),
    "output-code-digits": fit(lambda: _code(scaled("linear_model.RidgeClassifier"), code_size=0.8), "digits"),
}
