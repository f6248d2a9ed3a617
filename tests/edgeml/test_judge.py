"""Every gate's verdict on real artifacts: what holds anywhere, what only the device proves, what fails."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from zoo import ZOO

from edgeml.build import Trial, build
from edgeml.data import split
from edgeml.devices import load_device
from edgeml.judge import Outcome, measured, prove
from edgeml.pack import golden_data, provenance_of
from edgeml.plan import plan
from edgeml.quality import Gates
from edgeml.reference import consult
from edgeml_converters.intake import describe
from edgeml_converters.model import Artifact, Data
from edgeml_runtime.errors import ConversionError, EngineFailedError
from edgeml_runtime.manifest import Budget, Verdict


class Case:
    """A model of the zoo with its float32 artifact, and everything to judge it with."""

    def __init__(self, name: str) -> None:
        specimen = ZOO[name]()
        self.model = describe(specimen.model, name)
        planned = plan(
            self.model, load_device("raspberry-pi-4"), wanted_formats=("onnx",), wanted_schemes=("float32",)
        )
        self.trial = build(planned.candidates[0], self.model, planned, None)
        rows = split(Data(specimen.x, specimen.y), 0).judging
        reference = consult(self.model, rows)
        self.gates = Gates(
            self.model,
            load_device("raspberry-pi-4"),
            Budget(),
            rows,
            golden_data(rows, reference),
            reference,
            synthetic=False,
        )

    def judge(self, trial: Trial | None = None, **changes) -> Outcome:
        provenance = provenance_of(self.model, "onnx", (), "0" * 64, {})
        gates = replace(self.gates, **changes)
        return measured(prove(trial or self.trial, gates, provenance), gates)

    def changed(self, change) -> Trial:
        """The trial with its weights changed by a function of (name, array)."""
        import onnx
        from onnx import numpy_helper

        artifact = self.trial.artifact
        assert artifact is not None
        graph = onnx.load_from_string(artifact.content)
        for tensor in graph.graph.initializer:
            tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor)), tensor.name))
        return replace(self.trial, artifact=replace(artifact, content=graph.SerializeToString()))


@pytest.fixture(scope="module")
def classifier() -> Case:
    return Case("logistic-regression-digits")


@pytest.fixture(scope="module")
def regressor() -> Case:
    return Case("linear-regression")


def verdicts(outcome: Outcome) -> dict[str, Verdict]:
    assert outcome.error is None
    return {v.gate: v for v in outcome.verdicts}


def artifact_of(case: Case) -> Artifact:
    assert case.trial.artifact is not None
    return case.trial.artifact


def test_without_limits_everything_is_measured_and_parity_still_judges(classifier):
    outcome = classifier.judge()
    found = verdicts(outcome)
    assert outcome.status == "fits"
    assert {gate: v.status for gate, v in found.items()} == {
        "fits": "passed",
        "size": "measured",
        "parity": "passed",
        "accuracy-drop": "measured",
        "latency": "measured",
        "memory": "measured",
    }
    assert found["size"].value == outcome.size_bytes / 1000 == len(artifact_of(classifier).content) / 1000
    assert (found["parity"].value, found["parity"].limit) == (0.0, 0.0)
    assert found["latency"].value == outcome.latency_ms > 0
    assert found["memory"].value == outcome.memory_bytes / 1000 > 1000
    assert [found[gate].measured_on for gate in found] == ["any"] * 4 + ["this host"] * 2


def test_limits_on_cost_are_unproven_for_a_device_that_is_not_here(classifier):
    hard = Budget(max_latency_ms=0, max_memory_kb=0)
    outcome = classifier.judge(budget=hard)
    found = verdicts(outcome)
    assert outcome.status == "fits"  # unproven is not failed
    for gate, limit in (("latency", 0), ("memory", 0)):
        verdict = found[gate]
        assert (verdict.status, verdict.limit, verdict.measured_on) == ("unproven", limit, "this host")
        assert verdict.value > 0
    # What is known of the device stands beside what was measured here: of so small a model nothing.
    assert "; on raspberry-pi-4 no estimate: " in found["latency"].detail


def test_limits_on_cost_are_proven_on_the_machine_itself(classifier):
    host = load_device("host")
    found = verdicts(classifier.judge(device=host, budget=Budget(max_latency_ms=1e4, max_memory_kb=1e7)))
    assert [(found[g].status, found[g].measured_on) for g in ("latency", "memory")] == [
        ("passed", "host")
    ] * 2
    outcome = classifier.judge(device=host, budget=Budget(max_latency_ms=0, max_memory_kb=0))
    assert outcome.status == "exceeds"
    assert {v.gate for v in outcome.verdicts if v.status == "failed"} == {"latency", "memory"}


def test_limits_hold_to_the_value_itself(classifier):
    size_kb = len(artifact_of(classifier).content) / 1000
    assert verdicts(classifier.judge(budget=Budget(max_size_kb=size_kb)))["size"].status == "passed"
    assert verdicts(classifier.judge(budget=Budget(max_size_kb=size_kb - 0.001)))["size"].status == "failed"


def test_no_drop_is_within_a_limit_of_zero(classifier):
    found = verdicts(classifier.judge(budget=Budget(max_accuracy_drop=0)))
    assert (found["accuracy-drop"].status, found["accuracy-drop"].value) == ("passed", 0.0)
    assert found["parity"].limit == 0.0  # float32 has no excuse, whatever the budget says


def test_wrong_weights_fail_parity_and_accuracy(classifier):
    wrong = classifier.changed(lambda a: np.roll(a, 1, axis=-1))
    outcome = classifier.judge(wrong, budget=Budget(max_accuracy_drop=0.01))
    found = verdicts(outcome)
    assert outcome.status == "exceeds"
    assert found["parity"].status == found["accuracy-drop"].status == "failed"
    parity = outcome.parity
    assert parity is not None
    assert len(parity.flips) == round((1 - parity.label_agreement) * parity.rows) > 10
    assert found["parity"].detail.startswith(f"{len(parity.flips)} of {parity.rows} rows change their label")
    assert outcome.accuracy is not None
    assert outcome.accuracy.drop == outcome.accuracy.original - outcome.accuracy.candidate > 0.1


def test_an_accuracy_limit_judges_quantized_schemes_in_place_of_parity(classifier):
    """The same artifact, called int8-static: its flips are what the accuracy limit is about."""
    artifact = replace(artifact_of(classifier), scheme="int8-static")
    trial = replace(classifier.trial, artifact=artifact)
    assert verdicts(classifier.judge(trial))["parity"].limit == pytest.approx(0.01)
    limited = verdicts(classifier.judge(trial, budget=Budget(max_accuracy_drop=0.5)))["parity"]
    assert (limited.limit, limited.status) == (None, "measured")


def test_values_are_judged_relative_to_the_originals(regressor):
    found = verdicts(regressor.judge())
    assert "accuracy-drop" in found
    assert (found["parity"].status, found["parity"].unit, found["parity"].limit) == (
        "passed",
        "relative",
        1e-3,
    )
    off = verdicts(
        regressor.judge(regressor.changed(lambda a: a * np.float32(1.01) if a.dtype.kind == "f" else a))
    )
    assert off["parity"].status == "failed"
    assert 0.005 < off["parity"].value < 0.1


def test_synthetic_rows_are_called_so(regressor):
    found = verdicts(regressor.judge(synthetic=True))
    assert "synthetic rows" in found["parity"].detail


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_artifact_that_answers_no_numbers_failed(regressor, value):
    broken = regressor.changed(lambda a: np.full_like(a, value) if a.dtype.kind == "f" else a)
    outcome = regressor.judge(broken)
    assert outcome.status == "failed"
    assert isinstance(outcome.error, ConversionError)
    assert "loses values" in str(outcome.error)
    assert outcome.verdicts == ()


def test_an_artifact_that_the_engine_refuses_failed(classifier):
    artifact = artifact_of(classifier)
    trial = replace(classifier.trial, artifact=replace(artifact, content=artifact.content[:-100]))
    outcome = classifier.judge(trial)
    assert outcome.status == "failed"
    assert isinstance(outcome.error, EngineFailedError)
    assert outcome.bundle is None


def test_what_was_not_built_keeps_its_error(classifier):
    error = ConversionError("no")
    outcome = classifier.judge(Trial(classifier.trial.candidate, None, error))
    assert (outcome.status, outcome.error) == ("failed", error)


def test_a_module_of_the_user_that_is_named_like_ours_is_not_measured(regressor, tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise RuntimeError('the user has a json.py')\n")
    monkeypatch.chdir(tmp_path)
    assert regressor.judge().status == "fits"
