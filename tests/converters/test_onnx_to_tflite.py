"""scikit-learn to TFLite through ONNX, on LiteRT, against what scikit-learn itself predicts."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conftest import printed_elsewhere, require_module
from sklearn_parity import assert_answers
from zoo import TREES, ZOO

from edgeml_converters.model import Artifact, TrainedModel
from edgeml_converters.schemes import CALIBRATED, SCHEMES
from edgeml_converters.sources.sklearn import SOURCE
from edgeml_converters.to_onnx.from_sklearn import CONVERTER as TO_ONNX
from edgeml_converters.to_tflite.from_onnx import CONVERTER
from edgeml_runtime.errors import ConversionError, UnsupportedOperatorError
from edgeml_runtime.signature import dequantize, quantize
from edgeml_runtime.tuning import DEFAULTS

pytestmark = pytest.mark.slow

TOLERANCE = 2e-5  # of values, relative to the largest
IN_ANOTHER_PROCESS = (
    "columns-logistic", "gaussian-process-rbf-wide", "hist-gradient-boosting-categorical",
    "nmf-many-components", "svc-poly-strings",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _installed():
    require_module("sklearn", "skl2onnx", "tensorflow", "ai_edge_litert")


@functools.cache
def onnx_of(name: str) -> tuple[TrainedModel, Artifact]:
    model = SOURCE.describe(ZOO[name]().model, name)
    return model, TO_ONNX.convert(model, "float32", None)


@functools.cache
def converted(name: str, scheme: str = "float32") -> tuple[TrainedModel, Artifact]:
    model, graph = onnx_of(name)
    rows = ZOO[name]().x.astype(np.float32)  # all of them: rounding is measured here, not saturation
    return model, CONVERTER.convert(graph, scheme, {"x": rows} if scheme in CALIBRATED else None)


def run(artifact: Artifact, x: Any) -> dict[str, Any]:
    from edgeml_runtime.engines.litert import ENGINE

    handle = ENGINE.open(artifact.content, artifact.signature, DEFAULTS)
    (spec,) = artifact.signature.inputs
    names = tuple(output.name for output in artifact.signature.outputs)
    stored = quantize(spec, np.ascontiguousarray(x, np.float32))
    results = handle.run(names, [stored])
    return {s.name: dequantize(s, r) for s, r in zip(artifact.signature.outputs, results, strict=True)}


def assert_same(model: TrainedModel, artifact: Artifact, x: Any, tolerance: float) -> None:
    """Every method, on rows x as the framework gets them; the artifact gets them in float32."""
    assert_answers(model, run(artifact, x), x, tolerance)


@pytest.mark.parametrize("name", ["hist-gradient-boosting-binary", "hist-gradient-boosting-poisson"])
def test_infinite_values(name):
    """Histogram boosting takes them; constants of that size do not survive TensorFlow's converter."""
    model, artifact = converted(name)
    rows = ZOO[name]().x.copy()
    where = np.random.default_rng(4).random(rows.shape)
    rows[where < 0.3], rows[where < 0.15] = np.inf, -np.inf
    assert_same(model, artifact, rows, TOLERANCE)
    assert_same(model, artifact, np.full_like(rows[:1], np.inf), TOLERANCE)


def boundary_rows(x: Any, estimator: Any) -> Any:
    """A row that reaches each inner node, moved onto its threshold and to both float32 beside it."""
    x, found = x.astype(np.float32), []
    for member in np.ravel(getattr(estimator, "estimators_", [estimator])):
        tree = member.tree_
        reached = tree.decision_path(x).toarray().astype(bool)
        for node in np.flatnonzero((tree.children_left != -1) & reached.any(axis=0)):
            nearest = np.float32(tree.threshold[node])
            row = x[np.flatnonzero(reached[:, node])[0]]
            for value in (np.nextafter(nearest, -np.inf), nearest, np.nextafter(nearest, np.inf)):
                if np.isfinite(value):
                    found.append(row.copy())
                    found[-1][tree.feature[node]] = value
    return np.stack(found)


@pytest.mark.parametrize(
    "name",
    sorted(
        [name for name in TREES if name not in ("random-forest", "decision-tree-float-labels")]
        + ["gradient-boosting", "gradient-boosting-regressor"]
    ),
)
def test_thresholds_of_trees(name):
    model, artifact = converted(name)
    specimen = ZOO[name]()
    rows = boundary_rows(specimen.x, specimen.model)
    assert len(rows) > 20
    assert_same(model, artifact, rows, 1e-6)


def test_a_large_forest_stays_small():
    from sklearn.datasets import load_digits
    from sklearn.ensemble import RandomForestClassifier

    x, y = load_digits(return_X_y=True)
    forest = RandomForestClassifier(100, random_state=0).fit(x, y)
    model = SOURCE.describe(forest, "forest")
    graph = TO_ONNX.convert(model, "float32", None)
    artifact = CONVERTER.convert(graph, "float32", None)
    assert sum(tree.tree_.node_count for tree in forest.estimators_) > 30_000
    assert len(artifact.content) < 250_000 < len(graph.content) / 4
    assert_same(model, artifact, x, 1e-7)


# Greatest and mean difference of a value, relative to the largest; weights have 8 bits in all but float16.
SCHEME_TOLERANCES = {
    "float16": (1e-3, 3e-4),
    "int8-dynamic": (0.03, 1e-3),
    "int8-static": (0.03, 4e-3),
    "int16x8-static": (0.02, 2e-3),
}
# Large weights of opposite sign on columns that go together: rounded to 8 bits in numpy, all else in float64,
# they alone move one probability by 0.19 (in float16 by 0.003).
ILL_CONDITIONED = {"lda-binary": (10.0, 6.0)}


@pytest.mark.parametrize(
    "name", ["mlp-digits", "logistic-regression-strings", "pca", "ridge", "linear-regression", "lda-binary"]
)
@pytest.mark.parametrize("scheme", [scheme for scheme in SCHEMES if scheme != "float32"])
def test_schemes(name, scheme):
    """Columns from 0.1 to 1700 in wine and breast_cancer, with a scaler before the weights and without."""
    reason = CONVERTER.offers(onnx_of(name)[1])[scheme]
    if scheme == "int8-dynamic" and name != "mlp-digits":
        assert reason is not None and "no layer has 1024 weights" in reason
        return
    assert reason is None
    model, artifact = converted(name, scheme)
    assert artifact.scheme == scheme
    methods = {method.name: method for method in model.signature.methods}
    method = methods.get("predict_proba", model.signature.methods[-1])
    x, (spec,) = ZOO[name]().x, artifact.signature.inputs
    got, wanted = run(artifact, x)[method.outputs[0]], SOURCE.predict(model, method.name, x)
    factors = ILL_CONDITIONED.get(name, (1.0, 1.0))
    greatest, mean = (t * f for t, f in zip(SCHEME_TOLERANCES[scheme], factors, strict=True))
    error = np.abs(got - wanted) / np.abs(wanted).max()
    assert error.max() <= greatest and error.mean() <= mean
    if scheme in CALIBRATED:
        assert spec.dtype == {"int8-static": "int8", "int16x8-static": "int16"}[scheme]
        raw = name == "linear-regression"  # diabetes' columns have one range
        assert len(spec.affine.scale) == (1 if raw else x.shape[1])
        in_float = {operator.operator for operator in artifact.float_operators}
        assert in_float <= ({"ARG_MAX"} if scheme == "int16x8-static" else set())


SHARP = {
    "random-forest": "TreeEnsembleRegressor",
    "hist-gradient-boosting-regressor": "TreeEnsembleRegressor",
    "svc-rbf": "Exp",
    "k-neighbors": "TopK",
    "one-hot-logistic": "Equal",
}


@pytest.mark.parametrize("name", SHARP)
def test_only_float32_keeps_exact_decisions(name):
    _, graph = onnx_of(name)
    offers = CONVERTER.offers(graph)
    assert set(offers) == set(SCHEMES) and offers["float32"] is None
    for scheme in set(SCHEMES) - {"float32"}:
        assert SHARP[name] in offers[scheme] and "rounded values would change" in offers[scheme]
        with pytest.raises(UnsupportedOperatorError, match=SHARP[name]):
            CONVERTER.convert(graph, scheme, {"x": ZOO[name]().x})


def graph_of(nodes: list[Any], width: int = 3) -> bytes:
    from onnx import TensorProto, helper

    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", width]) for n in "xy")
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(helper.make_graph(nodes, "g", [x], [y]), opset_imports=opsets, ir_version=8)
    return model.SerializeToString()


def test_operators_without_a_lowering_are_named_for_every_scheme():
    from onnx import helper

    _, artifact = onnx_of("ridge")
    nodes = [helper.make_node("Gelu", ["x"], ["a"]), helper.make_node("Hardmax", ["a"], ["y"])]
    subject = replace(artifact, content=graph_of(nodes))
    offers = CONVERTER.offers(subject)
    assert set(offers.values()) == {"TFLite: no lowering for the ONNX operators Gelu, Hardmax"}
    assert set(offers) == set(SCHEMES)
    with pytest.raises(UnsupportedOperatorError, match="Gelu, Hardmax"):
        CONVERTER.convert(subject, "float32", None)


def test_strings_are_refused():
    _, artifact = onnx_of("ridge")
    (spec,) = artifact.signature.inputs
    subject = replace(
        artifact, signature=replace(artifact.signature, inputs=(replace(spec, dtype="str", columns=()),))
    )
    offers = CONVERTER.offers(subject)
    assert set(offers) == set(SCHEMES)
    assert all("strings" in reason for reason in offers.values())
    with pytest.raises(ConversionError, match="strings"):
        CONVERTER.convert(subject, "float32", None)


def fingerprints(names: tuple[str, ...]) -> list[str]:
    made = [(name, "float32") for name in names] + [("mlp-binary-tanh", "int8-static")]
    return [f"{n} {s} {hashlib.sha256(converted(n, s)[1].content).hexdigest()}" for n, s in made]


def test_another_process_gives_the_same_bytes():
    there = printed_elsewhere(__file__, "print(*t.fingerprints(t.IN_ANOTHER_PROCESS[::-1]), sep='\\n')")
    assert sorted(there) == sorted(fingerprints(IN_ANOTHER_PROCESS))
