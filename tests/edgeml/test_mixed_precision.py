"""A model that breaks int8 meets its budget by itself: ranges, equalized channels, operators in float."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import Any

import pytest
from broken_networks import huge_values, unequal_channels
from conftest import require_module

pytestmark = pytest.mark.slow

FORMATS = ("onnx", "tflite")


@pytest.fixture(autouse=True, scope="module")
def _installed():
    require_module("sklearn", "keras", "tensorflow", "ai_edge_litert", "onnxruntime", "tf2onnx")


def compiled(network):
    import edgeml

    model, x, y = network()
    return edgeml.compile(
        model,
        device="host",
        data=edgeml.Data(x[:900], y[:900]),
        budget=edgeml.Budget(max_accuracy_drop=0.01),
        schemes=["int8-static"],
        objective="size",
    )


@pytest.fixture(scope="module")
def unequal():
    return compiled(unequal_channels)


@pytest.fixture(scope="module")
def huge():
    return compiled(huge_values)


def plain_and_refined(result, target):
    of_format = [o for o in result.outcomes if o.candidate.format == target]
    (plain,) = (o for o in of_format if o.refinement is None)
    (refined,) = (o for o in of_format if o.refinement is not None)
    return plain, refined


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("network", ["unequal", "huge"])
def test_the_budget_is_met(request, network, target):
    result = request.getfixturevalue(network)
    plain, refined = plain_and_refined(result, target)
    assert plain.accuracy.drop > 0.05
    assert plain.status != "fits"
    assert refined.accuracy.drop <= 0.01
    assert refined.status == "fits"
    assert refined.refinement.suffices


@pytest.mark.parametrize("target", FORMATS)
def test_unequal_channels_are_equalized(unequal, target):
    _, refined = plain_and_refined(unequal, target)
    assert refined.candidate.recipe.equalized
    assert refined.candidate.recipe.in_float == ()


@pytest.mark.parametrize("target", FORMATS)
def test_huge_values_are_left_out_of_the_ranges(huge, target):
    _, refined = plain_and_refined(huge, target)
    assert refined.candidate.recipe.calibrator in ("percentile", "entropy")
    assert refined.candidate.recipe.in_float == ()


def test_the_report_says_which_and_why(unequal):
    from rich.console import Console

    from edgeml.report import print_result

    text = io.StringIO()
    print_result(unequal, Console(file=text, width=200))
    for target in FORMATS:
        _, refined = plain_and_refined(unequal, target)
        assert refined.candidate.name in text.getvalue()
        errors = dict(refined.refinement.errors)
        recipe = refined.candidate.recipe
        assert errors[recipe] == min(errors.values()) < 0.05 < errors[replace(recipe, **PLAINLY)]
    assert "relative error on the calibration rows" in text.getvalue()
    (document, *_) = (c for c in unequal.to_dict()["candidates"] if c["refinement"])
    assert document["recipe"]["equalized"] is True
    assert len(document["refinement"]["tried"]) > 3


PLAINLY: dict[str, Any] = {
    "equalized": False,
    "calibrator": "min-max",
    "corrected_bias": False,
    "per_channel_dense": False,
}


@dataclass(frozen=True)
class Only:
    """A quantizer that offers some of its choices."""

    whole: Any
    varies: frozenset[str]

    @property
    def operators(self):
        return self.whole.operators

    def artifact(self, recipe):
        return self.whole.artifact(recipe)


def bench_of(target):
    """What `refine` takes, for the network with unequal channels."""
    from edgeml.data import calibration_feeds
    from edgeml.devices import load_device
    from edgeml.pack import golden_data, provenance_of
    from edgeml.quality import Gates
    from edgeml.reference import consult
    from edgeml.sensitivity import Bench
    from edgeml_converters.intake import describe
    from edgeml_converters.model import Data
    from edgeml_converters.registry import routes
    from edgeml_runtime.manifest import Budget

    model, x, y = unequal_channels()
    described = describe(model, "unequal")
    route = next(r for r in routes("keras", target) if r[-1].quantizer is not None)
    subject = described
    for converter in route[:-1]:
        subject = converter.convert(subject, "float32", None)
    quantizer = route[-1].quantizer(subject, calibration_feeds(described, Data(x[:100])))
    seen, judging = Data(x[:64], y[:64]), Data(x[400:800], y[400:800])
    reference = consult(described, judging)
    gates = Gates(
        model=described,
        device=load_device("host"),
        budget=Budget(max_accuracy_drop=0.01),
        rows=judging,
        golden=golden_data(judging, reference),
        reference=reference,
        synthetic=False,
    )
    bench = Bench(described, seen, consult(described, seen), provenance_of(described, target, (), "", {}))
    return Only(quantizer, frozenset({"in_float"})), bench, gates


@pytest.mark.parametrize("target", FORMATS)
def test_operators_return_to_float_and_none_in_vain(target):
    from edgeml.mixed_precision import refine
    from edgeml.quality import quality_of

    quantizer, bench, gates = bench_of(target)
    said = []
    found = refine(quantizer, bench, gates, lambda what, done, total: said.append(what))
    assert found.suffices
    kept = found.recipe.in_float
    names = [operator.name for operator in quantizer.operators]
    assert 0 < len(kept) < len(names)
    for name in kept:
        fewer = replace(found.recipe, in_float=tuple(n for n in kept if n != name))
        artifact = quantizer.artifact(fewer)
        assert not quality_of(bench.session(artifact), artifact.scheme, gates).suffices
    assert [effect.operator.name for effect in found.effects] == names
    alone = {effect.operator.name: effect.alone for effect in found.effects}
    assert max(alone, key=lambda name: alone[name] or 0.0) in kept
    assert said[-1] == "returning operators to float"


def test_what_no_recipe_reaches_is_told_with_the_best():
    from edgeml.mixed_precision import refine

    quantizer, bench, gates = bench_of("onnx")
    unreachable = replace(gates, reference=replace(gates.reference, score=2.0))
    found = refine(quantizer, bench, unreachable, lambda *_: None)
    assert not found.suffices
    assert found.recipe.in_float == ()
    assert len(found.effects) == len(quantizer.operators)
