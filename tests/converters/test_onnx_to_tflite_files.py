"""Files that skl2onnx wrote, to TFLite: on LiteRT they predict what scikit-learn does."""

from __future__ import annotations

import functools
import warnings
from typing import Any

import numpy as np
import pytest
from conftest import require_module
from keras_zoo import run_tflite

from edgeml_converters.model import Artifact, TrainedModel
from edgeml_converters.registry import converters, sources
from edgeml_converters.to_tflite.from_onnx import CONVERTER

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _installed():
    require_module("sklearn", "skl2onnx", "onnxruntime", "tensorflow", "ai_edge_litert")


@functools.cache
def files() -> dict[str, Any]:
    """Fitted models, their rows and targets, as the user who converts with skl2onnx has them."""
    from sklearn.datasets import load_wine
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Binarizer, Normalizer, PolynomialFeatures, StandardScaler
    from sklearn.svm import SVC, SVR, NuSVC

    x, y = load_wine(return_X_y=True)
    x = x.astype(np.float32)
    words, two = np.array(["ale", "beer", "cider"])[y], (y == 1).astype(int)
    missing = np.where(np.random.default_rng(0).random(x.shape) < 0.1, np.float32("nan"), x)
    plain = (
        ("svc-strings", SVC(), words),
        ("svc-unscaled-sharp", SVC(gamma=0.1), y),
        ("svc-poly", make_pipeline(StandardScaler(), SVC(kernel="poly")), y),
        ("nu-svc-linear", make_pipeline(StandardScaler(), NuSVC(kernel="linear", nu=0.3)), two),
        ("svr", SVR(), y),
        ("forest-strings", RandomForestClassifier(5, max_depth=4, random_state=0), words),
        ("boosting-binary", GradientBoostingClassifier(n_estimators=5, random_state=0), two),
        ("logistic-strings", make_pipeline(StandardScaler(), LogisticRegression()), words),
        ("polynomial", make_pipeline(Normalizer(), PolynomialFeatures(2), Ridge()), y),
    )
    cleaned = make_pipeline(SimpleImputer(), Binarizer(threshold=2.0), LogisticRegression())
    made = {
        name: (model.fit(x[:, :4] if name == "polynomial" else x, target), x) for name, model, target in plain
    }
    made["polynomial"] = (made["polynomial"][0], x[:, :4])
    made["imputer-binarizer"] = (cleaned.fit(missing, two), missing)
    return made


FILES = (
    "svc-strings", "svc-unscaled-sharp", "svc-poly", "nu-svc-linear", "svr", "forest-strings",
    "boosting-binary", "logistic-strings", "polynomial", "imputer-binarizer",
)  # fmt: skip


def file_of(model: Any, x: Any) -> tuple[TrainedModel, Artifact]:
    import skl2onnx

    options = {"zipmap": False} if hasattr(model, "classes_") else None
    with warnings.catch_warnings():  # skl2onnx reads what scikit-learn is about to remove
        warnings.filterwarnings("ignore", "Attribute `prob[AB]_` was deprecated", FutureWarning)
        proto = skl2onnx.to_onnx(model, x[:1], options=options)
    described = sources()["onnx-model"].describe(proto, "file")
    return described, converters()["onnx-model-to-onnx"].convert(described, "float32", None)


@pytest.mark.parametrize("name", FILES)
def test_files_of_skl2onnx_predict_what_scikit_learn_does(name):
    model, x = files()[name]
    described, graph = file_of(model, x)
    outputs = run_tflite(CONVERTER.convert(graph, "float32", None), {graph.signature.inputs[0].name: x})
    first, *scores = [outputs[spec.name] for spec in described.signature.outputs]
    if not hasattr(model, "classes_"):
        np.testing.assert_allclose(first.ravel(), model.predict(x), rtol=0, atol=1e-4)
        return
    method = described.signature.methods[0]
    np.testing.assert_array_equal(method.labels[0].array()[first], model.predict(x))
    if hasattr(model, "predict_proba"):
        np.testing.assert_allclose(scores[0], model.predict_proba(x), rtol=0, atol=1e-5)


def test_int8_of_a_file_with_raw_columns():
    """Wine's columns reach from 0.1 to 1700, and nothing in the file scales them."""
    from sklearn.datasets import load_wine
    from sklearn.linear_model import LinearRegression

    x, y = load_wine(return_X_y=True)
    x = x.astype(np.float32)
    model = LinearRegression().fit(x, y)
    described, graph = file_of(model, x)
    (given,) = described.signature.inputs
    artifact = CONVERTER.convert(graph, "int8-static", {given.name: x})
    (spec,), (output,) = artifact.signature.inputs, artifact.signature.outputs
    assert spec.dtype == "int8" and len(spec.affine.scale) == 13 and artifact.float_operators == ()
    got = run_tflite(artifact, {spec.name: x})[output.name]
    assert np.abs(got.ravel() - model.predict(x)).max() < 0.06
