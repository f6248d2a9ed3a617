"""The original as oracle: its answers, labels and margins, and its score against y."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_diabetes, load_linnerud, load_wine
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import r2_score
from sklearn.multioutput import MultiOutputClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from edgeml.reference import as_arrays, consult, predicted_labels, read_targets, task_score
from edgeml_converters.intake import describe
from edgeml_converters.model import Data, TrainedModel
from edgeml_runtime.errors import InputError
from edgeml_runtime.signature import Method, Signature, TensorSpec

NAN = float("nan")
WINE, CULTIVARS = load_wine(return_X_y=True)
NAMES = np.array(["barolo", "grignolino", "barbera"])[CULTIVARS]


def tree(y):
    return DecisionTreeClassifier(max_depth=2, random_state=0).fit(WINE, y)


@pytest.mark.parametrize(
    "y",
    [
        CULTIVARS,
        NAMES,
        NAMES.astype(object),
        CULTIVARS == 1,
        CULTIVARS.astype(np.float64),
        CULTIVARS.astype(np.uint8),
    ],
    ids=["int", "str", "object", "bool", "float", "uint8"],
)
def test_labels_of_every_kind_are_scored_as_scikit_learn_scores_them(y):
    model = tree(y)
    reference = consult(describe(model), Data(WINE, y))
    assert reference.metric == "accuracy"
    assert reference.score == pytest.approx(model.score(WINE, y))
    assert 0.5 < reference.score < 1.0
    assert reference.labels is not None
    assert (reference.labels == model.predict(WINE)).all()
    assert reference.margins is not None
    best = np.sort(model.predict_proba(WINE), axis=1)
    assert (reference.margins == best[:, -1] - best[:, -2]).all()


def test_labels_may_come_in_another_container_than_the_models():
    """As a column, as Python objects, as whole floats from a table: the same labels."""
    model = describe(tree(CULTIVARS))
    expected = consult(model, Data(WINE, CULTIVARS)).score
    for y in (
        CULTIVARS[:, None],
        CULTIVARS.astype(object),
        CULTIVARS.astype(np.float64),
        CULTIVARS.astype(np.uint8),
    ):
        assert consult(model, Data(WINE, y)).score == expected


def test_several_outputs_are_scored_over_all_labels():
    y = np.stack([CULTIVARS, CULTIVARS == 0], axis=1)
    model = MultiOutputClassifier(LogisticRegression(max_iter=10_000)).fit(
        StandardScaler().fit_transform(WINE), y
    )
    reference = consult(describe(model), Data(WINE, y))
    assert reference.margins is None
    assert reference.labels is not None
    assert reference.labels.shape == (178, 2)
    assert reference.score == pytest.approx(np.mean(model.predict(WINE) == y))


def test_margins_of_a_model_with_decision_values_only():
    model = LinearSVC(random_state=0).fit(StandardScaler().fit_transform(WINE), CULTIVARS == 0)
    reference = consult(describe(model), Data(WINE))
    assert reference.margins is not None
    assert np.allclose(reference.margins, np.abs(model.decision_function(WINE)))


@pytest.mark.parametrize("load", [load_diabetes, load_linnerud], ids=["one target", "three targets"])
def test_regression_is_scored_by_r2(load):
    x, y = load(return_X_y=True)
    model = LinearRegression().fit(x, y)
    reference = consult(describe(model), Data(x, y))
    assert (reference.metric, reference.labels, reference.margins) == ("r2", None, None)
    assert reference.score == pytest.approx(model.score(x, y))


def test_a_constant_target_scores_as_scikit_learn_has_it():
    truth, predicted = np.float64([[1, 5], [2, 5], [3, 5]]), np.float64([[1, 5], [2, 5.1], [2.5, 5]])
    assert task_score("r2", predicted, truth) == pytest.approx(r2_score(truth, predicted))
    assert task_score("r2", truth, truth) == 1.0


def test_without_y_or_a_task_there_is_no_score():
    clusters = KMeans(3, random_state=0, n_init=1).fit(WINE)
    for model, data in (
        (tree(CULTIVARS), Data(WINE)),
        (StandardScaler().fit(WINE), Data(WINE, CULTIVARS)),
        (clusters, Data(WINE, CULTIVARS)),
    ):
        reference = consult(describe(model), data)
        assert (reference.metric, reference.score) == (None, None)


def test_a_clusters_number_is_its_label():
    model = KMeans(3, random_state=0, n_init=1).fit(WINE)
    reference = consult(describe(model), Data(WINE))
    assert reference.labels is not None
    assert (reference.labels == model.labels_).all()
    assert set(reference.results) == {"predict", "transform"}


@pytest.mark.parametrize(
    ("model", "y", "message"),
    [
        (tree(CULTIVARS), NAMES, "labels are text such as 'barolo'; wine's are numbers: 0, 1, 2"),
        (
            tree(NAMES),
            CULTIVARS,
            "labels are numbers such as 0; wine's are text: 'barbera', 'barolo', 'grignolino'",
        ),
        (tree(CULTIVARS), np.eye(3)[CULTIVARS], r"labels have shape \[178, 3\], wine predicts \[178\]"),
        (tree(CULTIVARS), CULTIVARS + 10, "no label is one of wine's: 0, 1, 2; got 10, 11, 12"),
        (tree(CULTIVARS), np.where(CULTIVARS, CULTIVARS, NAN), "labels are missing in 59 of 178 rows"),
        (
            LinearRegression().fit(WINE, CULTIVARS),
            np.full(178, NAN),
            "targets are missing in 178 of 178 rows",
        ),
        (
            LinearRegression().fit(WINE, CULTIVARS),
            NAMES,
            "targets are text such as 'barolo'; wine predicts numbers",
        ),
        (
            LinearRegression().fit(WINE, CULTIVARS),
            np.ones((178, 2)),
            r"targets have shape \[178, 2\], wine predicts \[178\]",
        ),
    ],
    ids=["text", "numbers", "one-hot", "other labels", "nan labels", "nan targets", "text targets", "shape"],
)
def test_labels_that_are_not_the_models_are_refused_not_scored_as_wrong(model, y, message):
    with pytest.raises(InputError, match=message):
        consult(describe(model, "wine"), Data(WINE, y))


def test_data_that_the_original_refuses_names_it():
    with pytest.raises(InputError, match=r"wine itself refuses the data: .*5 features"):
        consult(describe(tree(CULTIVARS), "wine"), Data(WINE[:, :5]))


def test_a_model_that_answers_no_numbers_is_not_worth_agreeing_with():
    model = LinearRegression().fit(WINE, CULTIVARS)
    model.coef_[:] = NAN
    with pytest.raises(InputError, match="wine itself answers NaN or infinity for every row"):
        consult(describe(model, "wine"), Data(WINE))


def test_whatever_structure_a_framework_returns_becomes_a_list():
    ones = np.ones(2)
    assert [a.shape for a in as_arrays(ones)] == [(2,)]
    assert [a.tolist() for a in as_arrays({"a": ones, "b": [2]})] == [[1, 1], [2]]
    assert [a.tolist() for a in as_arrays((ones, [[3]]))] == [[1, 1], [[3]]]


def network(task, classes=3):
    x, y = (TensorSpec(name, "float32", (None, size)) for name, size in (("x", 4), ("y", classes)))
    return TrainedModel(
        "keras", "net", None, task, Signature((x,), (y,), (Method("predict", ("y",)),)), (), "0"
    )


@pytest.mark.parametrize(
    ("task", "y", "wanted"),
    [
        ("regression", [0, 2, 1], "classification"),
        ("tensor", [[0], [2], [1]], "classification"),
        ("regression", [0, 3, 1], "regression"),  # 3 is no class of three
        ("regression", [-1, 0, 1], "regression"),
        ("regression", [0.0, 2.0, 1.0], "regression"),
        ("regression", [[0, 1, 0]] * 3, "regression"),
    ],
)
def test_integer_targets_tell_a_network_that_ends_in_logits(task, y, wanted):
    model, _ = read_targets(network(task), Data(np.zeros((3, 4)), np.array(y)))
    assert model.task == wanted
    assert read_targets(network(task), Data(np.zeros((3, 4))))[0].task == task


def test_one_hot_targets_of_a_classifier_become_indices():
    x = np.zeros((3, 4))
    one_hot = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]], np.float32)
    assert read_targets(network("classification"), Data(x, one_hot))[1].y.tolist() == [1, 0, 2]
    soft = one_hot * 0.9
    assert read_targets(network("classification"), Data(x, soft))[1].y is soft


def test_scikit_learn_says_what_it_is():
    x, y = load_linnerud(return_X_y=True)
    model = describe(LinearRegression().fit(x, y))
    assert read_targets(model, Data(x, np.zeros(len(x), int)))[0] is model


def test_labels_of_a_network_are_the_best_score_or_more_than_a_half():
    scores = np.float32([[0.1, 0.9, 0.0], [0.6, 0.1, 0.3]])
    labels = predicted_labels(network("classification"), [scores])
    assert labels is not None
    assert labels.tolist() == [1, 0]
    unit = predicted_labels(network("classification", 1), [np.float32([[0.5], [0.51]])])
    assert unit is not None
    assert unit.tolist() == [0, 1]
    assert predicted_labels(network("regression"), [scores]) is None
