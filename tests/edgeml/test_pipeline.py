"""The whole way from a fitted scikit-learn model to a bundle that answers like it, towards ONNX."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits, load_linnerud, load_wine
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import edgeml
from edgeml_runtime.bundle import decode_bundle
from edgeml_runtime.errors import InputError, NothingFitsError, UnknownNameError
from edgeml_runtime.session import Session, load
from edgeml_runtime.verify import verify

ONNX = ("onnx",)
X, Y = load_wine(return_X_y=True)
NAMES = np.array(["barolo", "grignolino", "barbera"])[Y]
TRAIN, TEST = np.arange(178) % 2 == 0, np.arange(178) % 2 == 1


def wine_model(y=NAMES):
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(X[TRAIN], y[TRAIN])


@pytest.fixture(scope="module")
def wine():
    """String labels for a Raspberry Pi 4: an accuracy limit that holds, a latency limit nobody can prove."""
    model = wine_model()
    budget = edgeml.Budget(max_accuracy_drop=0.01, max_latency_ms=5)
    data = edgeml.Data(X[TEST], NAMES[TEST])
    return model, edgeml.compile(
        model, device="raspberry-pi-4", data=data, budget=budget, formats=ONNX, objective="size", name="wine"
    )


def test_the_bundle_answers_as_the_original(wine, tmp_path):
    model, result = wine
    path = result.save(tmp_path / "wine.edgeml")
    session = load(path)
    assert (session.predict(X) == model.predict(X)).mean() > 0.98
    agreement = result.chosen.parity.label_agreement
    assert (
        agreement == (session.predict(result.split.judging.x) == model.predict(result.split.judging.x)).mean()
    )
    assert np.allclose(session.predict_proba(X), model.predict_proba(X), atol=0.05)
    bundle = decode_bundle(path.read_bytes())
    assert bundle.manifest.name == "wine"
    assert bundle.manifest.device == "raspberry-pi-4"
    assert bundle.manifest.budget == result.budget
    assert verify(bundle).golden == "ok"


def test_float32_answers_exactly_as_the_original(wine):
    model, result = wine
    [float32] = [o for o in result.outcomes if o.candidate.name == "onnx/float32"]
    assert float32.bundle is not None
    assert Session(float32.bundle).predict(X).tolist() == model.predict(X).tolist()
    assert float32.parity.flips == ()
    assert float32.accuracy.drop == 0


def test_verdicts_say_what_was_proven_where(wine):
    _, result = wine
    verdicts = {v.gate: v for v in result.chosen.verdicts}
    assert verdicts["accuracy-drop"].status == "passed"
    assert (verdicts["latency"].status, verdicts["latency"].measured_on) == ("unproven", "this host")
    assert (verdicts["memory"].status, verdicts["memory"].limit) == ("measured", None)
    # No row both calibrates and judges, and none is lost.
    assert len(result.split.calibration) + len(result.split.judging) == TEST.sum()


def test_every_scheme_is_told_about(wine):
    _, result = wine
    told = {o.candidate.scheme for o in result.outcomes} | {o.scheme for o in result.left_out}
    assert told == {"float32", "float16", "int8-dynamic", "int8-static", "int16x8-static"}


def test_the_report_is_json_and_a_frame(wine):
    _, result = wine
    document = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert document["chosen"] == result.chosen.candidate.name
    assert document["original"]["metric"] == "accuracy"
    assert document["budget"]["max_latency_ms"] == 5
    by_name = {c["name"]: c for c in document["candidates"]}
    assert by_name[document["chosen"]]["status"] == "fits"
    assert set(document["pareto_front"]) <= set(by_name)
    assert document["explanation"] is None
    frame = result.to_frame()
    assert frame["status"].tolist().count("chosen") == 1
    assert {"format", "scheme", "size_bytes", "accuracy", "flips", "host_latency_ms", "verdict"} <= set(frame)
    assert frame["verdict"].str.contains("latency unproven").all()


def test_on_this_machine_a_latency_is_proven():
    result = edgeml.compile(
        wine_model(),
        device="host",
        budget=edgeml.Budget(max_latency_ms=1000),
        formats=ONNX,
        schemes=["float32"],
    )
    [latency] = [v for v in result.chosen.verdicts if v.gate == "latency"]
    assert (latency.status, latency.measured_on) == ("passed", "host")
    assert result.split.synthetic
    assert result.chosen.accuracy is None


def test_nothing_fits_says_what_binds_and_what_would_fit(wine, tmp_path):
    model, _ = wine
    result = edgeml.compile(
        model,
        device="raspberry-pi-4",
        data=edgeml.Data(X[TEST], NAMES[TEST]),
        budget=edgeml.Budget(max_size_kb=0.1),
        formats=ONNX,
        schemes=["float32", "float16"],
    )
    assert result.chosen is None
    explanation = result.explanation
    assert explanation.binding == ("max_size_kb",)
    smallest = min(o.size_bytes for o in result.outcomes)
    [relaxation] = explanation.relaxations
    [limit] = relaxation.limits
    assert (limit.current, limit.needed) == (0.1, smallest / 1000)
    assert explanation.nearest == relaxation.candidate
    with pytest.raises(NothingFitsError, match="max_size_kb binds"):
        result.save(tmp_path / "wine.edgeml")
    assert list(tmp_path.iterdir()) == []
    assert json.loads(json.dumps(result.to_dict()))["explanation"]["binding"] == ["max_size_kb"]


def test_a_network_of_scikit_learn_gets_integers_within_its_budget():
    x, y = load_digits(return_X_y=True)
    train = np.arange(len(x)) % 3 > 0
    model = MLPClassifier(32, max_iter=200, random_state=0, tol=1e-3).fit(x[train], y[train])
    result = edgeml.compile(
        model,
        device="raspberry-pi-4",
        data=edgeml.Data(x[~train], y[~train]),
        budget=edgeml.Budget(max_accuracy_drop=0.02),
        formats=ONNX,
        objective="size",
    )
    assert result.chosen.candidate.scheme.startswith("int8")
    by_scheme = {o.candidate.scheme: o for o in result.outcomes}
    assert result.chosen.size_bytes < by_scheme["float16"].size_bytes < by_scheme["float32"].size_bytes
    # The report's accuracy is what the packed bundle scores on the rows that judged it.
    judging = result.split.judging
    scored = (Session(decode_bundle(result.to_bytes())).predict(judging.x) == judging.y).mean()
    assert result.chosen.accuracy.candidate == pytest.approx(scored)
    assert result.chosen.accuracy.original - scored <= 0.02


@pytest.mark.parametrize("case", ["regression", "several targets", "several labels"])
def test_other_tasks_come_through(case):
    if case == "regression":
        x, y = load_diabetes(return_X_y=True)
        model = LinearRegression().fit(x, y)
    elif case == "several targets":
        x, y = load_linnerud(return_X_y=True)
        model = LinearRegression().fit(x, y)
    else:
        x, y = StandardScaler().fit_transform(X), np.stack([Y, Y == 0], axis=1)
        model = MultiOutputClassifier(LogisticRegression()).fit(x, y)
    result = edgeml.compile(
        model, device="raspberry-pi-4", data=edgeml.Data(x, y), formats=ONNX, schemes=["float32"]
    )
    session = Session(decode_bundle(result.to_bytes()))
    predicted, expected = session.predict(x), model.predict(x)
    assert predicted.shape == expected.shape
    if case == "several labels":
        assert (predicted == expected).all()
        assert all(
            np.allclose(p, q, atol=1e-6)
            for p, q in zip(session.predict_proba(x), model.predict_proba(x), strict=True)
        )
    else:
        assert np.allclose(predicted, expected, rtol=1e-4)
        assert result.chosen.accuracy.metric == "r2"


COMPILE = """
import hashlib, sys
import numpy as np
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import edgeml

x, y = load_wine(return_X_y=True)
model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(x, y)
result = edgeml.compile(
    model, device="raspberry-pi-4", data=edgeml.Data(x, y), formats=["onnx"], schemes=["int8-static"],
    objective="size", budget=edgeml.Budget(max_accuracy_drop=0.1, max_latency_ms=1)
)
digest = hashlib.sha256(result.to_bytes()).hexdigest()
tops = {name.partition(".")[0] for name in sys.modules}
loaded = tops & {"tensorflow", "keras", "tf_keras", "ai_edge_litert"}
"""


def test_the_same_compile_gives_the_same_bytes_in_every_process_and_never_imports_tensorflow():
    script = COMPILE + "print(digest, sorted(loaded))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    here: dict[str, str] = {}
    exec(COMPILE, here)
    assert done.stdout.split() == [here["digest"], "[]"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"device": "rasberry-pi-4"}, UnknownNameError, "did you mean raspberry-pi-4"),
        ({"objective": "speed"}, UnknownNameError, "unknown objective 'speed'; known: latency, memory, size"),
        ({"schemes": ["int4"]}, UnknownNameError, "unknown scheme 'int4'"),
        ({"formats": ["tf-lite"]}, UnknownNameError, "unknown format 'tf-lite'; did you mean tflite"),
        (
            {"budget": edgeml.Budget(max_accuracy_drop=0.1)},
            InputError,
            "accuracy limit needs data with labels",
        ),
        (
            {"budget": edgeml.Budget(max_accuracy_drop=0.1), "data": edgeml.Data(X)},
            InputError,
            "accuracy limit needs labels: give them as `y`",
        ),
        ({"data": edgeml.Data(X[:, :4])}, InputError, "axis 1 must be 13, got shape"),
        (
            {"data": edgeml.Data(np.where(X > 1000, np.nan, X))},
            InputError,
            "nan at index .* finite values only",
        ),
        ({"data": edgeml.Data(X[:3])}, InputError, "data has 3 rows; at least 4"),
        ({"data": (X, Y)}, InputError, r"data must be edgeml.Data\(x, y\) or a file's path, got tuple"),
        ({"data": edgeml.Data(X), "target": "y"}, InputError, "target 'y' names a column of a file"),
        ({"formats": "onnx"}, InputError, "formats must be a list of names, got the text 'onnx'"),
        ({"budget": {"max_size_kb": 3}}, InputError, r"budget must be an edgeml\.Budget, got dict"),
    ],
)
def test_bad_input_is_refused_before_anything_is_built(options, error, message, monkeypatch):
    monkeypatch.setattr("edgeml.job.build", lambda *_: pytest.fail("something was built"))
    with pytest.raises(error, match=message):
        edgeml.compile(wine_model(), **{"device": "raspberry-pi-4", "formats": ONNX} | options)


def test_tables_with_named_columns_come_through():
    import pandas

    columns = [f"c{i}" for i in range(13)]
    table, labels = pandas.DataFrame(X, columns=columns), pandas.Series(NAMES, dtype="category")
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(table, labels)
    options = {"device": "raspberry-pi-4", "formats": ONNX, "schemes": ["float32"]}
    result = edgeml.compile(model, data=edgeml.Data(table, labels), **options)
    assert result.chosen.accuracy.drop == 0
    assert Session(decode_bundle(result.to_bytes())).predict(table).tolist() == model.predict(table).tolist()
    with pytest.raises(InputError, match=r"expected columns c0, c1, .*; got c12, c11"):
        edgeml.compile(model, data=edgeml.Data(table[columns[::-1]], labels), **options)


def test_an_accuracy_limit_on_a_model_without_a_task():
    with pytest.raises(InputError, match="needs a classifier or a regressor; this model is judged by parity"):
        edgeml.compile(
            StandardScaler().fit(X),
            device="host",
            data=edgeml.Data(X, Y),
            budget=edgeml.Budget(max_accuracy_drop=0.1),
            formats=ONNX,
        )


def test_constant_calibration_data_fails_what_needs_calibration_and_nothing_else():
    model = wine_model(Y)
    result = edgeml.compile(
        model, device="raspberry-pi-4", data=edgeml.Data(np.ones((40, 13)), np.zeros(40)), formats=ONNX
    )
    by_scheme = {o.candidate.scheme: o for o in result.outcomes}
    assert "is 1.0 everywhere; ranges need varied rows" in str(by_scheme["int8-static"].error)
    assert by_scheme["float32"].status == "fits"
    assert result.chosen.candidate.scheme != "int8-static"
