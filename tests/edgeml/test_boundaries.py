"""Rows on the model's own decisions, and the least that goes wrong when a conversion is wrong there."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from conftest import require_module
from rich.console import Console
from zoo import TREES, ZOO

import edgeml
from edgeml.boundaries import boundary_rows
from edgeml.report import print_result
from edgeml_converters.model import Artifact, Data
from edgeml_converters.registry import Converter, converters
from edgeml_converters.sources.sklearn import SOURCE


@pytest.fixture(autouse=True)
def _installed():
    require_module("sklearn", "skl2onnx", "onnxruntime")


def compiled(model, x, y, **options):
    return edgeml.compile(model, device="x86-64-avx2", data=edgeml.Data(x, y), formats=["onnx"], **options)


def test_every_threshold_and_its_neighbours_behind_a_scaler():
    specimen = ZOO["random-forest"]()
    model = SOURCE.describe(specimen.model, "forest")
    made = boundary_rows(model, Data(specimen.x))
    scaler, forest = specimen.model
    wanted = set()
    for tree in (member.tree_ for member in forest.estimators_):
        reached = tree.decision_path(scaler.transform(specimen.x).astype(np.float32)).toarray().any(axis=0)
        for node in np.flatnonzero(reached & (tree.children_left != -1)):
            column = int(tree.feature[node])
            nearest = np.float32(tree.threshold[node] * scaler.scale_[column] + scaler.mean_[column])
            wanted |= {
                (column, float(str(v)))
                for v in (
                    nearest,
                    np.nextafter(nearest, np.float32(np.inf)),
                    np.nextafter(nearest, -np.float32(np.inf)),
                )
            }
    rows = np.asarray(made.rows.x)
    missing = {(c, v) for c, v in wanted if not (rows[:, c] == v).any()}
    assert len(wanted) > 1000
    assert len(missing) <= len(wanted) // 100  # rows of the first 200 reach almost every node
    assert made.total == len(rows)


def test_columns_behind_a_function_of_the_users_own_are_not_known_and_the_others_are():
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    specimen = ZOO["random-forest"]()
    logarithm = make_pipeline(FunctionTransformer(np.log1p), StandardScaler())
    columns = make_column_transformer((logarithm, [0, 1]), (StandardScaler(), [2, 3]))
    forest = make_pipeline(columns, RandomForestClassifier(5, random_state=0))
    x, y = np.abs(specimen.x[:, :4]), specimen.model.predict(specimen.x)
    outcome = compiled(forest.fit(x, y), x, y).outcomes[0]
    assert outcome.boundaries.rows > 100
    assert outcome.boundaries.flips == ()


@pytest.mark.parametrize(
    "name",
    [
        "random-forest",
        "hist-gradient-boosting-binary",
        "imputer-logistic",
        "binarizer-bernoulli-nb",
        "bagging",
    ],
)
def test_a_compiled_model_passes_them(name):
    specimen = ZOO[name]()
    result = compiled(specimen.model, specimen.x, specimen.y, schemes=["float32"])
    (outcome,) = result.outcomes
    (verdict,) = [v for v in outcome.verdicts if v.gate == "boundaries"]
    assert verdict.status == "passed" and verdict.value == 0
    assert outcome.boundaries.rows > 10 and outcome.boundaries.flips == ()
    assert outcome.minimal_case is None


def nudged(model, scheme, calibration) -> Artifact:
    """The right graph, but each threshold one float32 lower: no ordinary row notices."""
    import onnx

    made = converters()["sklearn-to-onnx"].convert(model, scheme, calibration)
    graph = onnx.load_from_string(made.content)
    for node in graph.graph.node:
        for attribute in node.attribute:
            if attribute.name == "nodes_values":
                lower = [float(np.nextafter(np.float32(v), np.float32(-np.inf))) for v in attribute.floats]
                del attribute.floats[:]
                attribute.floats.extend(lower)
    return replace(made, content=graph.SerializeToString())


@pytest.fixture
def wrong_converter(monkeypatch):
    """A third party's converter with a mistake in place of ours."""
    from edgeml_converters import registry

    ours = registry.converters()["sklearn-to-onnx"]
    theirs = Converter(ours.name, ours.source, ours.target, ours.requires, ours.extra, ours.offers, nudged)
    known = {**registry.converters(), ours.name: theirs}
    for module in ("edgeml_converters.registry", "edgeml.build", "edgeml.minimal_case", "edgeml.job"):
        monkeypatch.setattr(f"{module}.converters", lambda: known)
    return known


CUT_DOWN = {
    "random-forest-strings": ("RandomForestClassifier", "1 of 3 trees or members"),
    "select-k-best": ("DecisionTreeClassifier", "the last step alone"),
    "gradient-boosting-regressor": ("GradientBoostingRegressor", "1 of 3 trees or members"),
}


@pytest.mark.parametrize("name", CUT_DOWN)
def test_a_mistake_on_a_threshold_is_found_and_cut_down(name, wrong_converter):
    specimen = ZOO[name]()
    result = compiled(specimen.model, specimen.x, specimen.y, schemes=["float32"])
    (outcome,) = result.outcomes
    assert abs(outcome.accuracy.drop) < 1e-6 and outcome.parity.flips == ()  # no ordinary row notices
    assert result.chosen is None and outcome.disagrees
    assert result.explanation.binding == ("boundaries",) and result.explanation.relaxations == ()
    margins = [flip.margin for flip in outcome.boundaries.flips]
    assert margins and margins == sorted(margins, reverse=True)
    case = outcome.minimal_case
    assert (case.kind, case.cut[-1]) == CUT_DOWN[name]
    assert 1 <= len(case.features) <= 3 and case.expected != case.got
    printed = io.StringIO()
    print_result(result, Console(file=printed, width=200))
    assert f"minimal case: {case.kind} (" in printed.getvalue()
    assert json.loads(json.dumps(result.to_dict()))["candidates"][0]["minimal_case"]["kind"] == case.kind


def test_trees_on_every_specimen():
    """The product's own rows, on all trees of the zoo at once."""
    for name in TREES:
        specimen = ZOO[name]()
        made = boundary_rows(SOURCE.describe(specimen.model, name), Data(specimen.x))
        assert made is not None and made.total > 20, name
