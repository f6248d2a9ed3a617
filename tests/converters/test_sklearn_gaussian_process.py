"""Gaussian processes, kernel ridge and support vector machines where their sums are delicate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import require_module
from sklearn_parity import assert_same, convert, reasons_for, run
from zoo import ZOO, Specimen
from zoo.specimen import load

from edgeml_converters.double_digits import DOUBLE_DIGITS
from edgeml_converters.sources.sklearn import SOURCE
from edgeml_converters.to_onnx.from_sklearn import CONVERTER
from edgeml_runtime.errors import UnsupportedModelError


@pytest.fixture(autouse=True)
def _installed():
    require_module("sklearn", "onnxruntime")


def marked(artifact: Any) -> int:
    """How many tensors of a graph ask for the digits of float64."""
    import onnx

    nodes = onnx.load_from_string(artifact.content).graph.node
    return sum(node.doc_string == DOUBLE_DIGITS for node in nodes)


@pytest.mark.parametrize(
    "name",
    ["gaussian-process-rbf-wide", "gaussian-process-raw", "gaussian-process-matern-wide",
     "gaussian-process-exp-sine-squared-fast", "kernel-ridge-wide", "svc-rbf-wide"],
)  # fmt: skip
def test_sums_that_cancel_ask_for_all_digits(name):
    """In float32 these are wrong in the first digits; with them they agree to float32's own."""
    specimen = ZOO[name]()
    model, artifact = convert(name, specimen)
    assert marked(artifact) == 1
    assert_same(model, artifact, specimen.x, 2e-6)


@pytest.mark.parametrize(
    "name", ["gaussian-process-rbf", "gaussian-process-raw-dot-product", "kernel-ridge-raw", "svr", "svc-rbf"]
)
def test_others_stay_in_float32(name):
    _, artifact = convert(name, ZOO[name]())
    assert marked(artifact) == 0


@pytest.mark.parametrize("nu", [0.2, 0.9, 3.5, 7.3])
@pytest.mark.parametrize("alpha", [0.5, 1e-7])
def test_matern_of_any_smoothness(nu, alpha):
    """The sum of Gaussian kernels has the Bessel function's values, in float32 and in float64."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import Matern

    x, y = load("iris")
    x = x.astype(np.float32).astype(np.float64)  # rough kernels tell a row from the same row rounded
    kernel = Matern([1.0, 2.0, 3.0, 0.5], nu=nu)
    process = GaussianProcessRegressor(kernel, alpha=alpha, optimizer=None).fit(x[:60], y[:60])
    model, artifact = convert("matern", Specimen(process, x, y))
    assert_same(model, artifact, np.concatenate([x, x[:5] * 20, np.zeros((1, 4))]), 1e-5)


def test_probabilities_far_from_all_rows():
    """Means near zero and variances near the prior's, and the steepest places between two classes."""
    from sklearn.gaussian_process import GaussianProcessClassifier
    from sklearn.gaussian_process.kernels import RBF

    x, y = load("breast_cancer")
    x = x[:, :2]
    process = GaussianProcessClassifier(50.0 * RBF(3.0), optimizer=None).fit(x[:100], y[:100])
    model, artifact = convert("process", Specimen(process, x, y))
    path = x[:1] + np.linspace(0, 1, 300)[:, None] * (x[1:2] - x[:1])
    assert_same(model, artifact, np.concatenate([path, x * 1.7, x - 500]), 1e-5)


def test_one_vs_one_has_labels_only():
    model, artifact = convert("one-vs-one", ZOO["gaussian-process-classifier-one-vs-one"]())
    assert [method.name for method in model.signature.methods] == ["predict"]
    assert set(run(artifact, ZOO["gaussian-process-classifier-one-vs-one"]().x)) == {"label"}


def twice(left: Any, right: Any, **_options: Any) -> Any:
    return 2.0 * float(np.dot(left, right))


def test_kernels_that_nobody_knows_are_refused():
    from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, PairwiseKernel
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC, OneClassSVM

    class Mine(RBF):
        pass

    reason = reasons_for(GaussianProcessRegressor(1.0 + 2.0 * Mine(), optimizer=None, alpha=0.1))
    assert reason.startswith("model (GaussianProcessRegressor): its kernel Mine is not scikit-learn's; ")
    assert "Mine" in reasons_for(GaussianProcessClassifier(Mine() ** 2, optimizer=None))
    pairwise = PairwiseKernel(metric=twice)
    reason = reasons_for(GaussianProcessRegressor(pairwise, optimizer=None, alpha=10.0))
    assert "PairwiseKernel with metric=" in reason and "additive_chi2" in reason
    assert "use additive_chi2" in reasons_for(KernelRidge(kernel=twice))
    for machine in (SVC(kernel=svm_kernel), OneClassSVM(kernel=svm_kernel)):
        assert "is the function svm_kernel" in reasons_for(make_pipeline(StandardScaler(), machine))


def svm_kernel(left: Any, right: Any) -> Any:
    return left @ right.T


@pytest.mark.parametrize("name", ["SVC", "SVR", "OneClassSVM", "KernelRidge"])
def test_precomputed_kernels_are_refused(name):
    from sklearn import kernel_ridge, svm

    x, y = load("iris")
    estimator = getattr(svm, name, None) or getattr(kernel_ridge, name)
    model = SOURCE.describe(estimator(kernel="precomputed").fit(x @ x.T, y), name)
    with pytest.raises(UnsupportedModelError, match="kernel='precomputed'"):
        CONVERTER.convert(model, "float32", None)


def test_probabilities_that_are_zero_are_refused():
    from sklearn.naive_bayes import GaussianNB, MultinomialNB

    with np.errstate(divide="ignore"):
        assert "set alpha above 0" in reasons_for(MultinomialNB(alpha=0, force_alpha=True), "digits")
        x, y = load("digits")
        model = SOURCE.describe(GaussianNB(var_smoothing=0).fit(x, y), "model")
    assert "set var_smoothing" in str(CONVERTER.offers(model)["float32"])


def test_rows_that_no_class_can_have():
    """Without smoothing, categories that no class had together: NaN and the first class, as scikit-learn."""
    specimen = ZOO["categorical-nb-no-smoothing"]()
    rng = np.random.default_rng(0)
    rows = np.stack([rng.permutation(column) for column in specimen.x.T], axis=1)
    _, artifact = convert("categories", specimen)
    with np.errstate(invalid="ignore"):
        wanted = specimen.model.predict_proba(rows)
    assert np.isnan(wanted).any() and not np.isnan(wanted).all()
    outputs = run(artifact, rows)
    np.testing.assert_allclose(outputs["probabilities"], wanted, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(outputs["label"], specimen.model.predict(rows))
