"""int8-static keeps the accuracy of linear models and perceptrons on every bundled set of classes."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from conftest import require_module

from edgeml.pack import bundle_of, provenance_of
from edgeml_converters.intake import describe
from edgeml_converters.model import Data
from edgeml_converters.registry import routes
from edgeml_runtime.manifest import Budget
from edgeml_runtime.session import Session

pytestmark = pytest.mark.slow

LAST = {"onnx": "onnx-to-onnx", "tflite": "onnx-to-tflite"}
MODELS = ("logistic", "logistic-without-scaler", "ridge", "linear-svc", "sgd", "perceptron")


@pytest.fixture(autouse=True)
def _installed():
    require_module("sklearn", "skl2onnx", "onnxruntime", "tensorflow", "ai_edge_litert")


def fitted(kind: str, x: Any, y: Any) -> Any:
    from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    estimator = {
        "logistic": LogisticRegression(),
        "logistic-without-scaler": LogisticRegression(max_iter=2000),
        "ridge": RidgeClassifier(),
        "linear-svc": LinearSVC(),
        "sgd": SGDClassifier(random_state=0),
        "perceptron": MLPClassifier((32,), max_iter=100, random_state=0),
    }[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of convergence
        return (estimator if "without" in kind else make_pipeline(StandardScaler(), estimator)).fit(x, y)


def quantized(model: Any, target: str, calibration: Any) -> Session:
    described = describe(model, "model")
    (route,) = (r for r in routes("sklearn", target) if r[-1].name == LAST[target])
    hub = route[0].convert(described, "float32", None)
    assert route[-1].offers(hub)["int8-static"] is None
    artifact = route[-1].convert(hub, "int8-static", {"x": calibration})
    rows, provenance = Data(calibration[:2]), provenance_of(described, target, (), "", {})
    return Session(bundle_of(artifact, described, rows, device="", budget=Budget(), provenance=provenance))


@pytest.mark.parametrize("target", LAST)
@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits"])
def test_accuracy_of_int8(name, kind, target):
    from sklearn import datasets

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    model = fitted(kind, x, y)
    chosen = np.random.default_rng(0).permutation(len(x))[: min(200, len(x) // 3)]
    session = quantized(model, target, x[chosen].astype(np.float32))
    drop = np.mean(model.predict(x) == y) - np.mean(session.predict(x) == y)
    assert drop <= 0.01
