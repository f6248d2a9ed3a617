"""Multi-layer perceptrons."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.specimen import Array, Builder, fit, scaled, strings, three_labels


def _classifier(**options: Any) -> Any:
    return scaled(
        "neural_network.MLPClassifier",
        **{"hidden_layer_sizes": (8,), "tol": 0.05, "random_state": 0, **options},
    )


def _regressor(**options: Any) -> Any:
    settings = {"hidden_layer_sizes": (4,), "solver": "lbfgs", "max_iter": 5000, "tol": 0.1}
    return scaled("neural_network.MLPRegressor", random_state=0, **{**settings, **options})


def _small(x: Array, y: Array) -> tuple[Array, Array]:
    return x, y / 100


SPECIMENS: dict[str, Builder] = {
    "mlp-digits": fit(lambda: _classifier(hidden_layer_sizes=(16,)), "digits"),
    "mlp-binary-tanh": fit(
        lambda: _classifier(hidden_layer_sizes=(8, 4), activation="tanh"), "breast_cancer"
    ),
    "mlp-identity": fit(lambda: _classifier(activation="identity", early_stopping=True), "wine", strings),
    "mlp-no-hidden-layer": fit(
        lambda: _classifier(hidden_layer_sizes=(), solver="lbfgs", max_iter=500), "iris", strings
    ),
    "mlp-indicator": fit(lambda: _classifier(activation="logistic"), "wine", three_labels),
    "mlp-one-class": fit(_classifier, "iris", lambda x, y: (x, np.zeros(len(x), int))),
    "mlp-regressor": fit(lambda: _regressor(hidden_layer_sizes=(8,), activation="logistic"), "diabetes"),
    "mlp-regressor-multi-output": fit(_regressor, "linnerud"),
    "mlp-regressor-poisson": fit(
        lambda: _regressor(loss="poisson", solver="adam", max_iter=300, tol=0.01), "diabetes", _small
    ),
}
