"""Multi-layer perceptrons."""

from __future__ import annotations

from zoo.specimen import Builder, fit, scaled

SPECIMENS: dict[str, Builder] = {
    "mlp-digits": fit(
        lambda: scaled("neural_network.MLPClassifier", hidden_layer_sizes=(16,), tol=0.05, random_state=0),
        "digits",
    ),
    "mlp-binary-tanh": fit(
        lambda: scaled(
            "neural_network.MLPClassifier",
            hidden_layer_sizes=(8, 4),
            activation="tanh",
            tol=0.05,
            random_state=0,
        ),
        "breast_cancer",
    ),
    "mlp-regressor": fit(
        lambda: scaled(
            "neural_network.MLPRegressor",
            hidden_layer_sizes=(8,),
            activation="logistic",
            solver="lbfgs",
            max_iter=5000,
            tol=0.1,
            random_state=0,
        ),
        "diabetes",
    ),
    "mlp-regressor-multi-output": fit(
        lambda: scaled(
            "neural_network.MLPRegressor",
            hidden_layer_sizes=(4,),
            solver="lbfgs",
            max_iter=5000,
            tol=0.1,
            random_state=0,
        ),
        "linnerud",
    ),
}
