"""What is worth building: the device's formats, the schemes that routes honour, each omission's reason."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import numpy as np
import pytest
from zoo import ZOO

from edgeml.build import build
from edgeml.devices import load_device
from edgeml.plan import plan
from edgeml_converters.intake import describe
from edgeml_converters.onnx_graph import constants, parse
from edgeml_converters.recipe import Recipe
from edgeml_converters.registry import converters
from edgeml_converters.schemes import CALIBRATED, SCHEMES
from edgeml_runtime.errors import NothingFitsError, UnknownNameError, UnsupportedModelError

PI = load_device("raspberry-pi-4")
ARMV7 = load_device("generic-armv7")


def model(name="logistic-regression-digits"):
    return describe(ZOO[name]().model, name)


def onnx_plan(name="logistic-regression-digits", **options):
    """Only towards ONNX: no TensorFlow in this lane."""
    return plan(model(name), PI, wanted_formats=("onnx",), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"wanted_formats": ["onx"]}, "unknown format 'onx'; did you mean onnx?"),
        ({"wanted_formats": ["onnx", "torch"]}, "unknown format 'torch'; known: onnx, tflite"),
        ({"wanted_schemes": ["int8"]}, "unknown scheme 'int8'; did you mean int8-static or int8-dynamic?"),
    ],
)
def test_unknown_names_come_with_the_nearest(options, message):
    with pytest.raises(UnknownNameError, match=re.escape(message)):
        plan(model(), PI, **options)


def test_every_scheme_is_a_candidate_or_left_out_with_a_reason():
    planned = onnx_plan()
    named = {c.scheme for c in planned.candidates} | {o.scheme for o in planned.left_out}
    assert named == set(SCHEMES)
    assert len(planned.candidates) + len(planned.left_out) == len(SCHEMES)
    assert all(o.reason for o in planned.left_out)
    [first, *_] = planned.candidates
    assert (first.name, first.route) == ("onnx/float32", ("sklearn-to-onnx",))


def test_routes_lead_from_the_source_to_the_format_and_share_the_hub():
    planned = onnx_plan()
    for candidate in planned.candidates:
        steps = [converters()[name] for name in candidate.route]
        assert steps[0].source == "sklearn"
        assert steps[-1].target == candidate.format
        assert all(a.target == b.source for a, b in itertools.pairwise(steps))
        assert candidate.route[:-1] == () or candidate.route[:-1] in planned.hubs


def test_only_wanted_schemes_are_planned_or_mentioned():
    planned = onnx_plan(wanted_schemes=("float32", "int16x8-static"))
    assert [c.name for c in planned.candidates] == ["onnx/float32"]
    assert [o.scheme for o in planned.left_out] == ["int16x8-static"]


def test_a_format_asked_for_twice_is_planned_once():
    once = onnx_plan()
    twice = plan(model(), PI, wanted_formats=("onnx", "onnx"))
    assert twice.candidates == once.candidates
    assert twice.left_out == once.left_out


def test_calibrated_schemes_need_data():
    without = onnx_plan(with_data=False)
    assert not any(c.scheme in CALIBRATED for c in without.candidates)
    offered = {c.scheme for c in onnx_plan().candidates} & set(CALIBRATED)
    assert offered
    for scheme in offered:
        [reason] = [o.reason for o in without.left_out if o.scheme == scheme]
        assert reason == "needs data to calibrate on; pass data"


@pytest.mark.slow
def test_a_microcontroller_gets_what_its_library_reads():
    planned = plan(model("mlp-digits"), load_device("stm32h743"))
    assert [c.name for c in planned.candidates] == [
        "tflite/float32",
        "tflite/int8-static",
        "tflite/int16x8-static",
    ]
    assert {o.name: o.reason for o in planned.left_out} == {
        "onnx": "stm32h743: no library reads onnx (tflite-micro)",
        "tflite/float16": "stm32h743: TensorFlow Lite Micro does not expand float16 weights",
        "tflite/int8-dynamic": "stm32h743: TensorFlow Lite Micro has no kernels for float activations "
        "with int8 weights",
    }


def test_a_format_without_an_engine_on_the_device_is_left_out():
    with pytest.raises(
        NothingFitsError, match=r"nothing to build for logistic-regression-digits on generic-armv7: onnx: "
    ):
        plan(model(), ARMV7, wanted_formats=("onnx",))


def test_an_unsupported_step_is_named_before_anything_is_converted(monkeypatch):
    from scipy.spatial.distance import euclidean
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    specimen = ZOO["logistic-regression-digits"]()
    fitted = make_pipeline(StandardScaler(), KNeighborsClassifier(metric=euclidean)).fit(
        specimen.x[:40], specimen.y[:40]
    )

    def converted(*_):
        pytest.fail("a conversion started")

    for converter in converters().values():
        monkeypatch.setitem(converters(), converter.name, replace(converter, convert=converted))
    for formats in (("onnx",), ("tflite",), None):
        with pytest.raises(UnsupportedModelError, match=r"^pipeline\.kneighborsclassifier \(KNeighborsC"):
            plan(describe(fitted), PI, wanted_formats=formats)


@pytest.mark.parametrize(
    ("device", "reduced"),
    [("x86-64-avx2", True), ("x86-64-avx512", False), ("intel-n100", False), ("intel-n5105", False),
     ("raspberry-pi-4", False), ("raspberry-pi-5", False)],
)  # fmt: skip
def test_weights_of_seven_bits_where_pairs_of_products_saturate(device, reduced):
    planned = plan(model(), load_device(device), wanted_formats=("onnx",))
    recipes = {c.scheme: c.recipe for c in planned.candidates}
    assert recipes["int8-static"] == recipes["int8-dynamic"] == Recipe(reduced_range=reduced)
    assert recipes["float32"] == Recipe()


def test_a_reduced_range_is_built():
    trained = model()
    planned = plan(trained, load_device("x86-64-avx2"), wanted_formats=("onnx",))
    rows = {"x": ZOO["logistic-regression-digits"]().x[:100].astype(np.float32)}
    for candidate in planned.candidates:
        if candidate.scheme.startswith("int8"):
            trial = build(candidate, trained, planned, rows)
            held = constants(parse(trial.artifact.content).graph).values()
            assert max(np.abs(v.astype(int)).max() for v in held if v.dtype == np.int8) == 64
            assert candidate.name == f"onnx/{candidate.scheme} (reduced range)"
