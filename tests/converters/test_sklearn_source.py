"""The scikit-learn source: what it recognises, reads, describes and refuses."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from conftest import require_module
from zoo import ZOO

from edgeml_converters.model import Step
from edgeml_converters.sources.sklearn import SOURCE
from edgeml_runtime.errors import SignatureError, UnsupportedModelError


@pytest.fixture(autouse=True)
def _installed():
    require_module("sklearn", "skops", "joblib")


def data(name="iris"):
    from sklearn import datasets

    return getattr(datasets, f"load_{name}")(return_X_y=True)


def describe(model):
    return SOURCE.describe(model, "model")


def test_recognises_estimators_only():
    from sklearn.linear_model import Ridge

    class Mine(Ridge):
        pass

    assert SOURCE.recognises(Ridge())
    assert SOURCE.recognises(Mine())
    assert not SOURCE.recognises(Ridge)
    assert not SOURCE.recognises({"model": Ridge()})


def test_interface_of_a_classifier():
    model = describe(ZOO["logistic-regression-strings"]().model)
    assert model.task == "classification"
    assert [s.describe() for s in model.signature.inputs] == ["x: float32[batch, 13]"]
    assert [s.describe() for s in model.signature.outputs] == [
        "label: int64[batch]",
        "probabilities: float32[batch, 3]",
        "decision: float32[batch, 3]",
    ]
    predict, proba, decision = model.signature.methods
    assert (predict.name, predict.outputs) == ("predict", ("label",))
    assert (predict.labels[0].dtype, predict.labels[0].values) == ("str", ("ankle", "boot", "coat"))
    assert (proba.name, proba.outputs, proba.labels) == ("predict_proba", ("probabilities",), ())
    assert (decision.name, decision.outputs, decision.labels) == ("decision_function", ("decision",), ())
    assert model.steps == (
        Step("pipeline.standardscaler", "StandardScaler"),
        Step("pipeline.logisticregression", "LogisticRegression"),
    )


@pytest.mark.parametrize(
    ("name", "dtype", "values"),
    [
        ("logistic-regression-sparse-ints", "int64", (-7, 3, 40)),
        ("logistic-regression-bools", "bool", (False, True)),
        ("decision-tree-float-labels", "float64", (-1.0, 2.0, 30.0)),
    ],
)
def test_class_labels(name, dtype, values):
    specimen = ZOO[name]()
    (labels,) = describe(specimen.model).signature.method("predict").labels
    assert (labels.dtype, labels.values) == (dtype, values)
    np.testing.assert_array_equal(labels.array(), specimen.model.classes_)


@pytest.mark.parametrize(
    ("name", "outputs"),
    [
        ("linear-regression", ["prediction: float32[batch]"]),
        ("linear-regression-multi-output", ["prediction: float32[batch, 3]"]),
        ("pca", ["scores: float32[batch]", "transformed: float32[batch, 5]"]),
        ("k-means", ["label: int64[batch]", "transformed: float32[batch, 5]"]),
        ("linear-svc", ["label: int64[batch]", "decision: float32[batch, 10]"]),
        ("ridge-classifier-binary", ["label: int64[batch]", "decision: float32[batch]"]),
        ("ridge-classifier-indicator", ["label: int64[batch, 3]", "decision: float32[batch, 3]"]),
        ("mlp-indicator", ["label: int64[batch, 3]", "probabilities: float32[batch, 3]"]),
        (
            "classifier-chain",
            [
                "label: int64[batch, 3]",
                "probabilities: float32[batch, 3]",
                "decision: float32[batch, 3]",
            ],
        ),
        ("classifier-chain-classes", ["label: int64[batch, 2]"]),
        ("voting-hard", ["label: int64[batch]", "transformed: float32[batch, 3]"]),
        ("voting-soft-rows-first", ["label: int64[batch]", "probabilities: float32[batch, 3]"]),
        (
            "isolation-forest",
            ["label: int64[batch]", "decision: float32[batch]", "scores: float32[batch]"],
        ),
        (
            "decision-tree-multi-output",
            [
                "label: int64[batch, 2]",
                "probabilities_0: float32[batch, 3]",
                "probabilities_1: float32[batch, 2]",
            ],
        ),
    ],
)
def test_outputs(name, outputs):
    assert [s.describe() for s in describe(ZOO[name]().model).signature.outputs] == outputs


def test_one_target_column_stays_a_column():
    from sklearn.linear_model import LinearRegression

    x, y = data("diabetes")
    model = describe(LinearRegression().fit(x, y[:, None]))
    assert model.signature.outputs[0].shape == (None, 1)


def test_steps_of_nested_estimators():
    steps = {step.path: step.kind for step in describe(ZOO["columns-logistic"]().model).steps}
    assert steps["pipeline.columntransformer.scale"] == "MinMaxScaler"
    assert steps["pipeline.logisticregression"] == "LogisticRegression"
    kinds = [step.kind for step in describe(ZOO["calibrated-sigmoid"]().model).steps]
    assert kinds.count("LinearSVC") == 2


def test_missing_values_go_as_far_as_the_first_step_that_refuses():
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def takes_nan(estimator):
        return describe(estimator.fit(*data())).signature.inputs[0].allow_nan

    final = LogisticRegression(max_iter=1000)
    assert not takes_nan(final)
    assert takes_nan(HistGradientBoostingClassifier(max_iter=2))
    assert not takes_nan(make_pipeline(StandardScaler(), final))
    assert takes_nan(make_pipeline(StandardScaler(), HistGradientBoostingClassifier(max_iter=2)))
    assert takes_nan(make_pipeline(StandardScaler(), SimpleImputer(), final))
    assert not takes_nan(make_pipeline(SimpleImputer(missing_values=-1), final))
    filled = make_column_transformer((SimpleImputer(), [0, 1]), (StandardScaler(), [2]))
    assert not takes_nan(make_pipeline(filled, final))


def test_predict_is_the_estimators_own():
    specimen = ZOO["ridge"]()
    model = describe(specimen.model)
    np.testing.assert_array_equal(
        SOURCE.predict(model, "predict", specimen.x), specimen.model.predict(specimen.x)
    )
    np.testing.assert_array_equal(
        SOURCE.predict(model, "predict", {"x": specimen.x}), specimen.model.predict(specimen.x)
    )
    with pytest.raises(SignatureError, match="this model has no predict_proba; it has predict"):
        SOURCE.predict(model, "predict_proba", specimen.x)


def test_frames_and_arrays_for_a_model_fitted_on_a_frame():
    require_module("pandas")
    import pandas
    from sklearn.linear_model import LogisticRegression

    x, y = data()
    frame = pandas.DataFrame(x, columns=list("abcd"))
    model = describe(LogisticRegression(max_iter=1000).fit(frame, y))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(
            SOURCE.predict(model, "predict", frame), SOURCE.predict(model, "predict", x)
        )
    with pytest.raises(ValueError, match="feature names"):
        SOURCE.predict(model, "predict", frame[list("dcba")])


def test_scores():
    two = ZOO["ridge-classifier-binary"]()
    scores = SOURCE.scores(describe(two.model), two.x)
    np.testing.assert_allclose(scores[:, 1] - scores[:, 0], two.model.decision_function(two.x))
    proba = ZOO["gaussian-nb"]()
    np.testing.assert_array_equal(
        SOURCE.scores(describe(proba.model), proba.x), proba.model.predict_proba(proba.x)
    )
    assert SOURCE.scores(describe(ZOO["ridge"]().model), ZOO["ridge"]().x) is None
    pairs = ZOO["svc-linear-one-vs-one"]()
    assert SOURCE.scores(describe(pairs.model), pairs.x).shape == (len(pairs.x), 3)


def test_digest_follows_the_parameters():
    from sklearn.tree import DecisionTreeClassifier

    x, y = data()
    same = [describe(DecisionTreeClassifier(max_depth=2, random_state=0).fit(x, y)).digest for _ in "ab"]
    assert same[0] == same[1]
    assert len(same[0]) == 64
    assert describe(DecisionTreeClassifier(max_depth=3, random_state=0).fit(x, y)).digest != same[0]


def refusal(model):
    with pytest.raises(UnsupportedModelError) as caught:
        describe(model)
    return str(caught.value)


def test_unfitted_is_refused():
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    assert refusal(Ridge()) == "model (Ridge) is not fitted: call fit before compiling"
    half = make_pipeline(StandardScaler(), Ridge().fit(*data("diabetes")))
    assert (
        refusal(half) == "pipeline.standardscaler (StandardScaler) is not fitted: call fit before compiling"
    )
    search = GridSearchCV(Ridge(), {"alpha": [1.0]}, cv=2, refit=False).fit(*data("diabetes"))
    assert "refit=True" in refusal(search)


def test_hostile_trees_are_refused_before_they_are_walked():
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(RandomForestClassifier(n_estimators=2).fit(*data()))
    model[0].estimators_[1].tree_.children_left[0] = 10**9
    assert refusal(model).startswith(
        "pipeline.randomforestclassifier (RandomForestClassifier), tree 1: a child index is outside of its"
    )


def test_columns_that_are_not_numbers_are_inputs_of_their_own():
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    encoder = OneHotEncoder().fit(np.array([["red", 1], ["blue", 2]], dtype=object))
    table = describe(make_pipeline(encoder)).signature
    assert [(s.name, s.shape) for s in table.inputs] == [("x0", (None, 1)), ("x1", (None, 1))]
    assert table.inputs[0].encoding.values == ("blue", "red")
    documents = describe(make_pipeline(CountVectorizer()).fit(["a few words", "some more"])).signature
    assert [s.describe() for s in documents.inputs] == ["x: float32[batch, 4]"]
    assert documents.inputs[0].encoding is not None


def test_models_without_a_method_for_new_rows_are_refused():
    from sklearn.cluster import DBSCAN
    from sklearn.frozen import FrozenEstimator
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, _ = data()
    assert refusal(DBSCAN().fit(x)).startswith("model (DBSCAN) cannot be compiled: it groups the rows")
    assert "no method" in refusal(FrozenEstimator(make_pipeline(StandardScaler(), DBSCAN()).fit(x)))


def test_labels_of_a_chain_are_in_the_order_of_the_targets():
    specimen = ZOO["classifier-chain-order"]()
    labels = describe(specimen.model).signature.method("predict").labels
    assert [(t.dtype, t.values) for t in labels] == [("float64", (1.0, 2.0))] * 3
    classes = describe(ZOO["classifier-chain-classes"]().model).signature.method("predict").labels
    assert [t.values for t in classes] == [(0.0, 1.0, 2.0), (0.0, 1.0)]


def test_a_threshold_around_a_fitted_estimator_needs_no_fitting():
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import FixedThresholdClassifier

    x, y = data("breast_cancer")
    inner = LogisticRegression(max_iter=5000).fit(x, y)
    model = describe(FixedThresholdClassifier(inner, threshold=0.9))
    scores = SOURCE.scores(model, x)
    np.testing.assert_allclose(scores[:, 1] - scores[:, 0], inner.predict_proba(x)[:, 1] - 0.9)
    unfitted = refusal(FixedThresholdClassifier(LogisticRegression()))
    assert unfitted == "model.estimator (LogisticRegression) is not fitted: call fit before compiling"


def test_steps_of_pipelines_inside_others_are_their_own():
    steps = {s.path: s.kind for s in describe(ZOO["one-vs-rest"]().model).steps}
    assert steps["model.estimator2.standardscaler"] == "StandardScaler"
    assert steps["model.estimator2.logisticregression"] == "LogisticRegression"
    frozen = describe(ZOO["frozen-classifier"]().model).steps
    assert [s.kind for s in frozen] == ["FrozenEstimator", "StandardScaler", "LogisticRegression"]
