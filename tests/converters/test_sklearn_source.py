"""The scikit-learn source: what it recognises, reads, describes and refuses."""

from __future__ import annotations

import pickle
import warnings
import zipfile

import numpy as np
import pytest
from conftest import require_module
from zoo import ZOO

from edgeml_converters.model import Step
from edgeml_converters.sources.sklearn import PICKLE_SUFFIXES, SOURCE
from edgeml_runtime.errors import InputError, SignatureError, UnsupportedModelError


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


@pytest.mark.parametrize(
    "name", ["random-forest", "hist-gradient-boosting-categorical", "svc-rbf", "voting-soft"]
)
def test_files_give_the_same_model(name, tmp_path):
    import joblib
    from skops import io

    specimen = ZOO[name]()
    wanted = describe(specimen.model)
    paths = [tmp_path / f"m{suffix}" for suffix in SOURCE.suffixes]
    io.dump(specimen.model, paths[0])
    joblib.dump(specimen.model, paths[1], compress=3)
    for path in paths[2:]:
        path.write_bytes(pickle.dumps(specimen.model))
    for path in paths:
        loaded = SOURCE.load(path)
        assert describe(loaded).digest == wanted.digest, path.suffix
        np.testing.assert_array_equal(
            SOURCE.predict(describe(loaded), "predict", specimen.x), specimen.model.predict(specimen.x)
        )
    assert SOURCE.suffixes == (".skops", *PICKLE_SUFFIXES)


def test_digest_follows_the_parameters():
    from sklearn.tree import DecisionTreeClassifier

    x, y = data()
    same = [describe(DecisionTreeClassifier(max_depth=2, random_state=0).fit(x, y)).digest for _ in "ab"]
    assert same[0] == same[1]
    assert len(same[0]) == 64
    assert describe(DecisionTreeClassifier(max_depth=3, random_state=0).fit(x, y)).digest != same[0]


def test_damaged_files(tmp_path):
    import joblib
    from skops import io

    model = ZOO["ridge"]().model
    for suffix, dump in ((".skops", io.dump), (".joblib", joblib.dump)):
        path = tmp_path / f"m{suffix}"
        dump(model, path)
        whole = path.read_bytes()
        for content in (b"", whole[: len(whole) // 2], whole[:-40], b"not a model at all"):
            path.write_bytes(content)
            with pytest.raises(InputError, match=r"is truncated or not a"):
                SOURCE.load(path)
    with pytest.raises(InputError, match="no such file"):
        SOURCE.load(tmp_path / "absent.skops")


def test_files_that_hold_something_else(tmp_path):
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps({"model": 1, "scaler": 2}))
    with pytest.raises(InputError, match=r"holds a dict with keys 'model', 'scaler', not a scikit-learn"):
        SOURCE.load(path)
    path.write_bytes(b"cno_such_module\nThing\n.")
    with pytest.raises(InputError, match="was saved with no_such_module and cannot be read without it"):
        SOURCE.load(path)


def test_skops_with_foreign_types_is_refused(tmp_path):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer
    from skops import io

    path = tmp_path / "m.skops"
    io.dump(make_pipeline(FunctionTransformer(warnings.warn)), path)
    with pytest.raises(InputError, match=r"warnings\.warn\. Reading such a file can run any code"):
        SOURCE.load(path)


def saved_by_another_version(model, path):
    import sklearn
    from skops import io

    if path.suffix == ".skops":
        io.dump(model, path)
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        version = sklearn.__version__.encode()
        members["schema.json"] = members["schema.json"].replace(version, b"0.0.1")
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    else:
        path.write_bytes(pickle.dumps(model, protocol=0).replace(sklearn.__version__.encode(), b"0.0.1"))
    return SOURCE.load(path)


@pytest.mark.parametrize("suffix", [".pkl", ".skops"])
def test_another_version_is_said(tmp_path, suffix):
    import sklearn

    model = ZOO["logistic-regression-strings"]().model
    described = describe(saved_by_another_version(model, tmp_path / f"m{suffix}"))
    (warning,) = described.warnings
    assert warning.startswith(
        f"the model was saved by scikit-learn 0.0.1 and is read by {sklearn.__version__}: it may predict"
    )
    assert described.digest == describe(model).digest
    assert describe(model).warnings == ()


def test_another_version_that_cannot_be_called(tmp_path):
    model = saved_by_another_version(ZOO["linear-regression"]().model, tmp_path / "m.pkl")
    del model.intercept_
    assert refusal(model).startswith(
        "model (LinearRegression) was saved by scikit-learn 0.0.1, and the one installed here cannot call it"
    )


def test_other_warnings_of_a_file_are_given(tmp_path):
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps(Warns()))
    with pytest.warns(UserWarning, match="as it was read"), pytest.raises(InputError, match="holds a Warns"):
        SOURCE.load(path)


class Warns:
    def __setstate__(self, state):
        warnings.warn("as it was read", UserWarning, stacklevel=2)

    def __getstate__(self):
        return {"any": 1}


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


def test_columns_that_are_not_numbers_are_refused():
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    encoder = OneHotEncoder().fit(np.array([["red", 1], ["blue", 2]], dtype=object))
    assert refusal(make_pipeline(encoder)) == (
        "pipeline.onehotencoder (OneHotEncoder) was fitted on columns that are not numeric "
        "(categories_ holds 'blue'); only models whose columns are all numeric can be compiled so far: "
        "encode those columns before the model"
    )
    text = make_pipeline(CountVectorizer()).fit(["a few words", "some more"])
    assert refusal(text).startswith("pipeline.countvectorizer (CountVectorizer) takes text")


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
