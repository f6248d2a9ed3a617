"""Isolation forests, leaf embeddings and other users of trees, on every threshold and with hostile arrays."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from conftest import require_module
from sklearn_parity import assert_same, boundary_rows, convert, run
from zoo import ZOO, Specimen
from zoo.specimen import load

from edgeml_converters.sources.sklearn import SOURCE
from edgeml_converters.to_onnx.from_sklearn import CONVERTER
from edgeml_runtime.errors import UnsupportedModelError


@pytest.fixture(autouse=True)
def _installed():
    require_module("sklearn", "onnxruntime")


def nodes_of(model: Any, x: Any) -> list[list[tuple[Any, int, float]]]:
    """Per tree: which rows reach each inner node, the model's column that it reads and its threshold."""
    every = [np.arange(x.shape[1])] * len(model.estimators_)
    trees = []
    for member, columns in zip(model.estimators_, getattr(model, "estimators_features_", every), strict=True):
        tree = member.tree_
        reached = tree.decision_path(x[:, columns].astype(np.float32)).toarray().astype(bool)
        inner = np.flatnonzero(tree.children_left != -1)
        trees.append(
            [(reached[:, n], int(columns[tree.feature[n]]), float(tree.threshold[n])) for n in inner]
        )
    return trees


@pytest.mark.parametrize(
    "name",
    ["isolation-forest-features", "isolation-forest-contamination", "isolation-forest-one-feature",
     "random-trees-embedding", "random-trees-embedding-dense"],
)  # fmt: skip
def test_thresholds(name):
    specimen = ZOO[name]()
    model, artifact = convert(name, specimen)
    rows = boundary_rows(specimen.x, nodes_of(specimen.model, specimen.x))
    assert len(rows) > 50
    assert_same(model, artifact, rows, 2e-6)


def test_labels_are_those_of_scikit_learn():
    for name, dtype in (("sgd-one-class-svm", "int32"), ("isolation-forest", "int64")):
        model, artifact = convert(name, ZOO[name]())
        (table,) = model.signature.method("predict").labels
        assert (table.dtype, table.values) == (dtype, (-1, 1))
        assert set(run(artifact, ZOO[name]().x)["label"].tolist()) == {0, 1}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("data", ["breast_cancer", "diabetes", "digits", "wine"])
def test_the_row_on_the_boundary_is_an_inlier(data, seed):
    """With a contamination of a tenth of 100 rows and one the offset is one row's very score."""
    from sklearn.ensemble import IsolationForest

    x, y = load(data)
    x = x[:101]
    forest = IsolationForest(n_estimators=30, contamination=0.1, random_state=seed).fit(x)
    assert (forest.decision_function(x) == 0).any()
    _, artifact = convert("boundary", Specimen(forest, x, y))
    np.testing.assert_array_equal(run(artifact, x)["label"], forest.predict(x) == 1)


def damaged(name: str) -> Any:
    return copy.deepcopy(ZOO[name]().model)


def refused(model: Any, message: str) -> None:
    with pytest.raises(UnsupportedModelError, match=message):
        CONVERTER.convert(SOURCE.describe(model, "model"), "float32", None)


def test_hostile_isolation_forests_are_refused():
    forest = damaged("isolation-forest-features")
    forest.estimators_[3].tree_.children_left[0] = 10**6
    refused(forest, r"tree 3: a child index is outside of its")
    forest = damaged("isolation-forest-features")
    forest.estimators_[2].tree_.feature[0] = 15  # of the 15 that its members see
    refused(forest, r"tree 2: a node reads a feature outside of the model's 30")
    forest = damaged("isolation-forest-features")
    forest.estimators_features_[1][:] = 30
    refused(forest, r"tree 1: a node reads a feature outside of the model's 30")
    forest = damaged("isolation-forest")
    first, *others = forest._decision_path_lengths
    forest._decision_path_lengths = (first[:3], *others)
    refused(forest, "_decision_path_lengths has not one value for each node")


def test_hostile_embeddings_are_refused():
    embedding = damaged("random-trees-embedding")
    embedding.estimators_[1].tree_.children_right[0] = 0
    refused(embedding, "tree 1: a node is reached twice")
    embedding = damaged("random-trees-embedding")
    embedding.one_hot_encoder_.categories_[2] = embedding.one_hot_encoder_.categories_[2] + 1
    model = SOURCE.describe(ZOO["random-trees-embedding"]().model, "model")
    object.__setattr__(model, "model", embedding)
    with pytest.raises(UnsupportedModelError, match="tree 2: its encoder knows other leaves"):
        CONVERTER.convert(model, "float32", None)


def test_hostile_trees_inside_of_boosting_are_refused():
    boosting = damaged("gradient-boosting-regressor-forest")
    boosting.init_.estimators_[0].tree_.children_left[0] = -7
    refused(boosting, r"model.init \(RandomForestRegressor\), tree 0: a child index is outside of its")
    boosting = damaged("gradient-boosting-regressor-forest")
    boosting.estimators_[2, 0].tree_.feature[0] = 99
    refused(boosting, r"model \(GradientBoostingRegressor\), tree 2: a node reads a feature outside")


def test_init_estimators_are_steps():
    model = SOURCE.describe(ZOO["gradient-boosting-init"]().model, "boosting")
    assert [(step.path, step.kind) for step in model.steps] == [
        ("model", "GradientBoostingClassifier"),
        ("model.init.standardscaler", "StandardScaler"),
        ("model.init.logisticregression", "LogisticRegression"),
    ]
