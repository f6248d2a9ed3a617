"""Support vector machines."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.specimen import Array, Builder, bools, fit, new, quietly, scaled, sparse_ints, strings


def _machine(name: str, **options: Any) -> Any:
    return lambda: scaled(f"svm.{name}", **options)


def _with_probabilities(name: str, data: str, change: Any = None, **options: Any) -> Builder:
    return quietly(fit(_machine(name, probability=True, random_state=0, **options), data, change))


def _two_thirds(x: Array, y: Array) -> tuple[Array, Array]:
    return x, np.array([5, 5, 9])[y]


SPECIMENS: dict[str, Builder] = {
    "svc-rbf": fit(_machine("SVC"), "digits"),
    "svc-rbf-binary": fit(_machine("SVC"), "breast_cancer"),
    "svc-rbf-raw": fit(lambda: new("svm.SVC", gamma="auto"), "breast_cancer"),
    "svc-rbf-narrow": fit(_machine("SVC", gamma=2.0, C=1e4, class_weight="balanced"), "wine", sparse_ints),
    "svc-rbf-wide": fit(_machine("SVC", gamma=1e-6, C=1e7), "breast_cancer"),
    "svc-poly-strings": fit(_machine("SVC", kernel="poly"), "wine", strings),
    "svc-poly-options": fit(
        _machine("SVC", kernel="poly", degree=2, coef0=1.5, gamma=0.1, class_weight={1: 3.0}),
        "breast_cancer",
        bools,
    ),
    "svc-poly-constant": fit(_machine("SVC", kernel="poly", degree=1, coef0=1.0), "iris", _two_thirds),
    "svc-linear": fit(_machine("SVC", kernel="linear", C=0.1), "digits"),
    "svc-linear-one-vs-one": fit(_machine("SVC", kernel="linear", decision_function_shape="ovo"), "wine"),
    "svc-sigmoid": fit(_machine("SVC", kernel="sigmoid", gamma=0.01, coef0=-0.5), "digits"),
    "svc-one-vs-one-binary": fit(_machine("SVC", decision_function_shape="ovo"), "breast_cancer"),
    "svc-break-ties": fit(_machine("SVC", break_ties=True), "iris"),
    "svc-probability": _with_probabilities("SVC", "wine"),
    "svc-probability-binary": _with_probabilities("SVC", "breast_cancer"),
    "svc-probability-strings": _with_probabilities("SVC", "iris", strings, kernel="poly"),
    "svc-probability-digits": _with_probabilities("SVC", "digits", kernel="linear"),
    "nu-svc": fit(_machine("NuSVC", nu=0.1), "digits"),
    "nu-svc-sigmoid": fit(_machine("NuSVC", kernel="sigmoid", nu=0.2), "wine"),
    "nu-svc-poly-one-vs-one": fit(
        _machine("NuSVC", kernel="poly", nu=0.2, decision_function_shape="ovo"), "wine", strings
    ),
    "nu-svc-probability": _with_probabilities("NuSVC", "wine", nu=0.3, break_ties=True),
    "linear-svc-strings": fit(_machine("LinearSVC", random_state=0), "wine", strings),
    "linear-svc-binary": fit(
        _machine("LinearSVC", random_state=0, loss="hinge", C=0.1, class_weight="balanced"), "breast_cancer"
    ),
    "linear-svc-l1": fit(
        _machine("LinearSVC", random_state=0, penalty="l1", dual=False, fit_intercept=False), "iris"
    ),
    "linear-svc-crammer-singer": fit(
        _machine("LinearSVC", random_state=0, multi_class="crammer_singer", C=0.1), "wine"
    ),
    "linear-svc-crammer-singer-binary": fit(
        _machine("LinearSVC", random_state=0, multi_class="crammer_singer", C=0.1), "breast_cancer"
    ),
    "linear-svr-longer": fit(_machine("LinearSVR", random_state=0, C=10.0, max_iter=10000), "diabetes"),
    "linear-svr-squared": fit(
        _machine("LinearSVR", random_state=0, loss="squared_epsilon_insensitive", dual=False, epsilon=5.0),
        "diabetes",
    ),
    "svr": fit(_machine("SVR", C=100), "diabetes"),
    "svr-raw": fit(lambda: new("svm.SVR", C=1000, gamma=5.0), "diabetes"),
    "svr-linear": fit(_machine("SVR", kernel="linear", C=10, epsilon=5.0), "diabetes"),
    "svr-poly": fit(_machine("SVR", kernel="poly", C=100, degree=2, coef0=1.0), "diabetes"),
    "svr-sigmoid": fit(_machine("SVR", kernel="sigmoid", C=10, gamma=0.02), "diabetes"),
    "nu-svr": fit(_machine("NuSVR", C=100), "diabetes"),
    "nu-svr-poly": fit(_machine("NuSVR", kernel="poly", C=1000, nu=0.3, gamma="auto"), "diabetes"),
}
