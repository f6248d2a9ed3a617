"""scikit-learn to ONNX, against what scikit-learn itself predicts."""

from __future__ import annotations

import copy
import hashlib
from typing import Any

import numpy as np
import pytest
from conftest import printed_elsewhere, require_module
from hypothesis import given
from hypothesis import strategies as st
from sklearn_parity import assert_same, boundary_rows, convert, reasons_for, zoo_data
from zoo import TREES, ZOO, Specimen

from edgeml_converters.sources.sklearn import SOURCE
from edgeml_converters.to_onnx.from_sklearn import CONVERTER
from edgeml_converters.to_onnx.sklearn.origins import float32_thresholds, round_down
from edgeml_runtime.errors import ConversionError, UnsupportedModelError

IN_ANOTHER_PROCESS = (
    "columns-logistic", "gaussian-nb", "gaussian-process-sum-and-product",
    "hist-gradient-boosting-categorical", "k-means", "mlp-binary-tanh", "random-forest", "svc-poly-strings",
    "voting-soft",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _installed():
    require_module("sklearn", "skl2onnx", "onnxruntime")


def decimals(x: Any) -> Any:
    """float32 rows as the numbers that they stand for: what a table of decimals holds."""
    return np.array([[float(str(v)) for v in row] for row in x.astype(np.float32)])


def nodes_of(estimator: Any, x: Any) -> list[list[tuple[Any, int, float]]]:
    """Per tree: which rows reach each inner node, its feature and threshold."""
    members = np.ravel(getattr(estimator, "estimators_", [estimator]))
    trees = []
    for member in members:
        tree = member.tree_
        reached = tree.decision_path(x.astype(np.float32)).toarray().astype(bool)
        inner = np.flatnonzero(tree.children_left != -1)
        trees.append([(reached[:, n], int(tree.feature[n]), float(tree.threshold[n])) for n in inner])
    return trees


PLAIN_TREES = sorted(
    [name for name in TREES if name not in ("random-forest", "decision-tree-float-labels")]
    + ["gradient-boosting", "gradient-boosting-regressor"]
)


@pytest.mark.parametrize("name", PLAIN_TREES)
def test_thresholds_of_trees(name):
    specimen = ZOO[name]()
    model, artifact = convert(name, specimen)
    rows = boundary_rows(specimen.x, nodes_of(specimen.model, specimen.x))
    assert len(rows) > 20
    assert_same(model, artifact, rows, 1e-6)


def test_thresholds_behind_a_scaler():
    specimen = ZOO["random-forest"]()
    model, artifact = convert("random-forest", specimen)
    scaler, forest = specimen.model
    trees = [
        [(reached, f, t * scaler.scale_[f] + scaler.mean_[f]) for reached, f, t in tree]
        for tree in nodes_of(forest, scaler.transform(specimen.x))
    ]
    rows = boundary_rows(specimen.x, trees)
    assert len(rows) > 500
    assert_same(model, artifact, decimals(rows), 1e-6)


def histogram_nodes(model: Any, x: Any) -> list[list[tuple[Any, int, float]]]:
    trees = []
    for predictor in (p for stage in model._predictors for p in stage):
        found, pending = [], [(0, np.ones(len(x), bool))]
        while pending:
            index, reached = pending.pop()
            node = predictor.nodes[index]
            if node["is_leaf"]:
                continue
            feature, threshold = int(node["feature_idx"]), float(node["num_threshold"])
            found.append((reached, feature, threshold))
            left = (x[:, feature] <= threshold) | (np.isnan(x[:, feature]) & bool(node["missing_go_to_left"]))
            pending += [(int(node["left"]), reached & left), (int(node["right"]), reached & ~left)]
        trees.append(found)
    return trees


@pytest.mark.parametrize(
    "name", ["hist-gradient-boosting-binary", "hist-gradient-boosting-regressor", "hist-gradient-boosting"]
)
def test_thresholds_of_histogram_boosting(name):
    specimen = ZOO[name]()
    model, artifact = convert(name, specimen)
    rows = boundary_rows(specimen.x, histogram_nodes(specimen.model, specimen.x))
    assert len(rows) > 50
    assert_same(model, artifact, decimals(rows), 1e-6)


def test_thresholds_that_are_training_values():
    """With more values than bins a threshold is a training value, and not a float32: 131 of 569 rows."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.ensemble import HistGradientBoostingClassifier

    x, y = load_breast_cancer(return_X_y=True)
    specimen = Specimen(HistGradientBoostingClassifier(max_iter=30).fit(x, y), x, y)
    model, artifact = convert("decimals", specimen)
    assert_same(model, artifact, x, 1e-6)


def test_unseen_categories():
    for name in ("hist-gradient-boosting-categorical", "one-hot-logistic"):
        specimen = ZOO[name]()
        model, artifact = convert(name, specimen)
        rows = specimen.x.copy()
        rows[::2, 0] = 250.0
        rows[1::2, 3] = 6.5
        assert_same(model, artifact, rows)


@given(st.floats(allow_nan=False))
def test_round_down_keeps_every_decision(threshold):
    rounded = round_down(np.array([threshold]))
    with np.errstate(over="ignore", under="ignore"):
        near = [np.nextafter(rounded, np.float32(side)) for side in (-np.inf, np.inf)]
    for value in (*near, rounded):
        assert (value.astype(np.float64) <= threshold) == (value <= rounded)


@given(st.floats(-1e6, 1e6), st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_thresholds_move_back_through_scalers(threshold, offset, scale):
    moved = float32_thresholds(np.array([threshold]), (lambda v: (v - offset) / scale,), single=True)
    for side in (-np.inf, 0.0, np.inf):
        value = np.nextafter(moved, np.float32(side)) if side else moved
        decimal = float(str(value[0]))
        scaled = np.float64(np.float32((decimal - offset) / scale))
        assert (scaled <= threshold) == (value[0] <= moved[0])


def test_graph_is_plain_and_pinned():
    import onnx

    for name in ("logistic-regression-strings", "mlp-digits", "linear-regression"):
        _, artifact = convert(name, ZOO[name]())
        made = onnx.load_from_string(artifact.content)
        assert {n.op_type for n in made.graph.node} <= {
            "Scaler", "Gemm", "Relu", "ArgMax", "Softmax", "Reshape", "Identity",
        }  # fmt: skip
        assert (made.graph.name, made.ir_version, made.doc_string) == ("edgeml", 8, "")
        assert {o.domain: o.version for o in made.opset_import}[""] == 18


def fingerprints(names: tuple[str, ...]) -> list[str]:
    lines = []
    for name in names:
        model, artifact = convert(name, ZOO[name]())
        lines.append(f"{name} {model.digest} {hashlib.sha256(artifact.content).hexdigest()}")
    return lines


@pytest.mark.slow  # a fresh process
def test_another_process_gives_the_same_bytes():
    there = printed_elsewhere(__file__, "print(*t.fingerprints(t.IN_ANOTHER_PROCESS[::-1]), sep='\\n')")
    assert sorted(there) == sorted(fingerprints(IN_ANOTHER_PROCESS))


def test_columns_by_name_and_frames_inside():
    require_module("pandas")
    import pandas
    from sklearn.compose import make_column_transformer
    from sklearn.feature_selection import SelectFromModel
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler
    from sklearn.svm import SVC

    x, y = zoo_data("iris")
    frame = pandas.DataFrame(x, columns=list("abcd"))
    columns = make_column_transformer(
        (StandardScaler(), ["c", "a"]), (MinMaxScaler(), ["b"]), remainder="passthrough"
    )
    for last in (SVC(), make_pipeline(SelectFromModel(LogisticRegression()), SVC())):
        model = make_pipeline(columns, last).set_output(transform="pandas").fit(frame, y)
        described, artifact = convert("frame", Specimen(model, x, y))
        assert_same(described, artifact, x)
    scaler = StandardScaler().set_output(transform="pandas").fit(frame)
    described, artifact = convert("scaler", Specimen(scaler, x, y))
    assert_same(described, artifact, x)


def test_unsupported_steps_are_all_named():
    from sklearn.decomposition import KernelPCA
    from sklearn.kernel_approximation import Nystroem
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline

    def overlap(left: Any, right: Any) -> float:
        return float(np.minimum(left, right).sum())

    why = (
        "its kernel is the function overlap, which is not translated; use one of additive_chi2, chi2, "
        "cosine, laplacian, linear, poly, polynomial, rbf, sigmoid"
    )
    assert reasons_for(make_pipeline(Nystroem(overlap, n_components=3), KernelPCA(2, kernel=overlap))) == (
        f"pipeline.nystroem (Nystroem): {why}; pipeline.kernelpca (KernelPCA): {why}"
    )
    assert reasons_for(KNeighborsClassifier(metric=overlap)).startswith(
        "model (KNeighborsClassifier): metric"
    )


def test_foreign_class_is_refused():
    from sklearn.linear_model import LogisticRegression

    class Mine(LogisticRegression):
        pass

    reason = reasons_for(Mine(max_iter=1000))
    assert reason.startswith("model (Mine): is defined in ")
    for way_out in ("FunctionTransformer", "skl2onnx.update_registered_converter", "leave it outside"):
        assert way_out in reason


def test_a_class_with_a_registered_converter():
    from skl2onnx import update_registered_converter
    from skl2onnx.algebra.onnx_ops import OnnxMul, OnnxSub
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.base import BaseEstimator, TransformerMixin
    from sklearn.linear_model import RidgeClassifier
    from sklearn.pipeline import make_pipeline

    class PCA(TransformerMixin, BaseEstimator):
        """Not scikit-learn's: a class of that name has a rule, this one must not get it."""

        def fit(self, x, y=None):
            self.low_, self.n_features_in_ = np.asarray(x).min(axis=0), np.shape(x)[1]
            return self

        def transform(self, x):
            return (np.asarray(x) - self.low_) * 2.0

    def shapes(operator: Any) -> None:
        operator.outputs[0].type = FloatTensorType([None, operator.raw_operator.n_features_in_])

    def convert_it(scope: Any, operator: Any, container: Any) -> None:
        opset = container.target_opset
        apart = OnnxSub(operator.inputs[0], operator.raw_operator.low_.astype(np.float32), op_version=opset)
        twice = OnnxMul(apart, np.array([2.0], np.float32), op_version=opset, output_names=operator.outputs)
        twice.add_to(scope, container)

    x, y = zoo_data("wine")
    model = make_pipeline(PCA(), RidgeClassifier()).fit(x, y)
    assert "register a converter" in reasons_for(model, "wine")
    update_registered_converter(PCA, "TestsOwnPCA", shapes, convert_it)
    described = SOURCE.describe(model, "own")
    assert CONVERTER.offers(described) == {"float32": None}
    assert_same(described, CONVERTER.convert(described, "float32", None), x)


def test_other_schemes_are_refused():
    model = SOURCE.describe(ZOO["ridge"]().model, "ridge")
    with pytest.raises(ConversionError, match="sklearn-to-onnx makes float32, not int8-static"):
        CONVERTER.convert(model, "int8-static", None)


def test_hostile_trees_are_refused():
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.tree import DecisionTreeRegressor

    x, y = zoo_data("diabetes")
    for node, child, message in (
        (0, 10**6, "a child index is outside of its"),
        (1, 0, "a node is reached twice, so this is not a tree"),
        (1, -5, "a child index is outside of its"),
    ):
        tree = DecisionTreeRegressor(max_depth=3).fit(x, y)
        model = SOURCE.describe(tree, "tree")
        tree.tree_.children_left[node] = child
        with pytest.raises(UnsupportedModelError, match=message):
            CONVERTER.convert(model, "float32", None)
    boosting = HistGradientBoostingRegressor(max_iter=2).fit(x, y)
    model = SOURCE.describe(boosting, "boosting")
    boosting._predictors[1][0].nodes["feature_idx"][0] = 99
    with pytest.raises(UnsupportedModelError, match="iteration 1, tree 0: a node reads a feature outside"):
        CONVERTER.convert(model, "float32", None)


def test_values_beyond_float32_are_refused():
    ridge = copy.deepcopy(ZOO["ridge"]().model)
    ridge[-1].coef_ = ridge[-1].coef_ * 1e40
    with pytest.raises(ConversionError, match="beyond float32"):
        CONVERTER.convert(SOURCE.describe(ridge, "ridge"), "float32", None)
