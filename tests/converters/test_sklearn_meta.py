"""Meta-estimators and linear models at their edges: ties, thresholds, vanishing sums, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from conftest import require_module
from sklearn_parity import assert_same, convert, reasons_for, run
from zoo import ZOO, Specimen

from edgeml_converters.sources.sklearn import SOURCE
from edgeml_converters.to_onnx.sklearn.coverage import StepCoverage, step_coverage


@pytest.fixture(autouse=True)
def _installed():
    require_module("sklearn", "skl2onnx", "onnxruntime")


def data(name: str = "iris") -> tuple[Any, Any]:
    from sklearn import datasets

    return getattr(datasets, f"load_{name}")(return_X_y=True)


def covered(estimator: Any, name: str = "iris") -> tuple[StepCoverage, ...]:
    return step_coverage(SOURCE.describe(estimator.fit(*data(name)), "model"))


def test_every_step_is_covered_once_and_in_order():
    from sklearn.ensemble import VotingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    inner = make_pipeline(StandardScaler(), LogisticRegression())
    model = make_pipeline(StandardScaler(), VotingClassifier([("a", inner), ("b", GaussianNB())]))
    assert [(s.path, s.kind, s.reason) for s in covered(model)] == [
        ("pipeline", "Pipeline", None),
        ("pipeline.standardscaler", "StandardScaler", None),
        ("pipeline.votingclassifier", "VotingClassifier", None),
        ("pipeline.votingclassifier.a", "Pipeline", None),
        ("pipeline.votingclassifier.a.standardscaler", "StandardScaler", None),
        ("pipeline.votingclassifier.a.logisticregression", "LogisticRegression", None),
        ("pipeline.votingclassifier.b", "GaussianNB", None),
    ]


def test_steps_of_every_specimen_are_those_of_its_description():
    for name in ("calibrated-frozen", "classifier-chain-order", "one-vs-rest-constant-labels", "ransac",
                 "stacking-indicator", "tuned-threshold-f1"):  # fmt: skip
        model = SOURCE.describe(ZOO[name]().model, name)
        found = step_coverage(model)
        assert len({step.path for step in found}) == len(found)
        assert [s.path for s in model.steps] == [s.path for s in found if s.kind != "Pipeline"]
        assert all(step.reason is None for step in found)


def test_what_is_not_called_is_not_refused():
    """A selector's estimator has done its part, unless the selector predicts."""
    from sklearn.feature_selection import RFE
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    class Mine(LogisticRegression):
        pass

    selecting = make_pipeline(RFE(Mine(max_iter=1000)), LogisticRegression(max_iter=1000))
    assert not any(step.reason for step in covered(selecting))
    reasons = {step.path: step.reason for step in covered(RFE(Mine(max_iter=1000)))}
    assert reasons["model"] is None
    assert "not in scikit-learn, so what it computes is not known" in reasons["model.estimator"]


@pytest.mark.parametrize("strategy", ["stratified", "uniform"])
def test_random_dummies_are_refused(strategy):
    from sklearn.dummy import DummyClassifier
    from sklearn.multioutput import MultiOutputClassifier

    reason = f"strategy='{strategy}' draws its answers at random, so that no two calls agree"
    assert reasons_for(DummyClassifier(strategy=strategy)) == f"model (DummyClassifier): {reason}"
    x, y = data()
    model = MultiOutputClassifier(DummyClassifier(strategy=strategy)).fit(x, np.stack([y, y > 0], axis=1))
    described = SOURCE.describe(model, "model")
    assert [s.reason for s in step_coverage(described)] == [None, reason, reason]


TIES = {
    "bagging-votes": "predict_proba",
    "one-vs-rest-trees": "predict_proba",
    "voting-soft-trees": "predict_proba",
}


def tied_voting() -> Specimen:
    """Trees of one level: of three classes two are as likely."""
    from sklearn.ensemble import VotingClassifier
    from sklearn.tree import DecisionTreeClassifier

    x, y = data()
    trees = [(f"t{i}", DecisionTreeClassifier(max_depth=1, random_state=i)) for i in range(2)]
    return Specimen(VotingClassifier(trees, voting="soft").fit(x, y), x, y)


@pytest.mark.parametrize("name", sorted(TIES))
def test_the_first_of_equal_scores_wins(name):
    specimen = tied_voting() if name == "voting-soft-trees" else ZOO[name]()
    scores = np.sort(getattr(specimen.model, TIES[name])(specimen.x), axis=1)
    tied = scores[:, -1] == scores[:, -2]
    assert tied.any()
    _, artifact = convert(name, specimen)
    label = run(artifact, specimen.x)["label"]
    np.testing.assert_array_equal(specimen.model.classes_[label], specimen.model.predict(specimen.x))


def test_hard_votes_that_tie():
    from sklearn.ensemble import VotingClassifier
    from sklearn.tree import DecisionTreeClassifier

    x, y = data("wine")
    trees = [(f"t{i}", DecisionTreeClassifier(max_features=1, max_depth=2, random_state=i)) for i in range(4)]
    for weights in (None, [0.25, 0.5, 0.5, 0.25]):
        model = VotingClassifier(trees, weights=weights).fit(x, y)
        votes = model.transform(x)
        counts = np.sort([np.bincount(row, weights, minlength=3) for row in votes], axis=1)
        assert (counts[:, -1] == counts[:, -2]).sum() > 3
        _, artifact = convert("votes", Specimen(model, x, y))
        np.testing.assert_array_equal(run(artifact, x)["label"], model.predict(x))


def test_a_score_on_the_threshold_is_positive():
    from sklearn.model_selection import FixedThresholdClassifier
    from sklearn.tree import DecisionTreeClassifier

    x, y = data("breast_cancer")
    tree = DecisionTreeClassifier(max_depth=2, min_samples_leaf=20, random_state=0).fit(x, y)
    for threshold in np.unique(tree.predict_proba(x)[:, 1]):
        model = FixedThresholdClassifier(tree, threshold=float(threshold)).fit(x, y)
        described, artifact = convert("threshold", Specimen(model, x, y))
        assert_same(described, artifact, x)
        np.testing.assert_array_equal(run(artifact, x)["label"], model.predict(x))


def test_probabilities_that_all_vanish():
    """Far on the negative side of every class: the shares keep their ratio, then all are the same."""
    from sklearn.linear_model import SGDClassifier

    x, y = data()
    x = x - x.mean(axis=0)
    for loss in ("log_loss", "modified_huber"):
        model = SGDClassifier(loss=loss, random_state=0, average=True).fit(x, y)
        for shift in (-20.0, -200.0, -700.0, -1000.0, 50.0):
            model.intercept_ = np.array([shift, shift - 1, shift + 0.5])
            described, artifact = convert("vanishing", Specimen(model, x, y))
            assert_same(described, artifact, x)
        assert np.isfinite(model.predict_proba(x)).all()


def test_a_calibration_that_gives_nothing_is_uniform():
    specimen = ZOO["calibrated-isotonic-scores"]()
    shares = specimen.model.predict_proba(specimen.x)
    _, artifact = convert("calibrated", specimen)
    far = specimen.x + 1000.0
    wanted = specimen.model.predict_proba(far)
    np.testing.assert_allclose(run(artifact, far)["probabilities"], wanted, atol=1e-5)
    assert shares.shape == (len(specimen.x), 3)


def test_members_are_computed_once_for_all_methods():
    """Labels, probabilities and the transform of a vote all need every member."""
    for name, operator, count in (("stacking-regressor", "Gemm", 2), ("voting-hard", "Gemm", 1)):
        specimen = ZOO[name]()
        model, artifact = convert(name, specimen)
        assert any(output.name == "transformed" for output in model.signature.outputs)
        nodes = onnx.load_from_string(artifact.content).graph.node
        assert sum(node.op_type == operator for node in nodes) == count


def test_a_search_in_a_pipeline_is_asked_through_all_of_it():
    specimen = ZOO["pipeline-of-searches"]()
    model, artifact = convert("searches", specimen)
    kinds = [step.kind for step in model.steps]
    assert kinds == [
        "GridSearchCV",
        "StandardScaler",
        "SelectKBest",
        "GridSearchCV",
        "DecisionTreeClassifier",
    ]
    assert_same(model, artifact, specimen.x[::3])


def test_a_chain_of_several_classes_has_labels_only():
    """scikit-learn puts each target's probabilities into one column, which fails for three classes."""
    model = ZOO["classifier-chain-classes"]().model
    assert hasattr(model, "predict_proba")
    with pytest.raises(ValueError, match="broadcast"):
        model.predict_proba(ZOO["classifier-chain-classes"]().x)
    assert [m.name for m in SOURCE.describe(model, "chain").signature.methods] == ["predict"]
