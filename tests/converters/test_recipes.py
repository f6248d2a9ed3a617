"""Recipes of int8-static: ranges, equalized channels, corrected biases, operators in float, 7-bit weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from broken_networks import unequal_channels
from conftest import require_module

from edgeml_converters.channel_scales import factors
from edgeml_converters.observation import (
    BINS,
    LEVELS,
    MAX_BATCH_ROWS,
    Range,
    batch_rows,
    bins_of,
    entropy_range,
    percentile_range,
)
from edgeml_converters.recipe import CALIBRATORS, PLAIN, Recipe, explained
from edgeml_runtime.manifest import FloatOperator


def counted(values):
    seen = Range(float(values.min()), float(values.max()))
    return bins_of(values, seen), seen


@pytest.fixture(scope="module")
def normal():
    return np.random.default_rng(0).standard_normal(200_000)


def test_every_value_is_counted_once(normal):
    counts, _ = counted(normal)
    assert counts.shape == (BINS,)
    assert counts.sum() == len(normal)
    counts, _ = counted(np.full(10, 3.0))
    assert counts.sum() == 10


def test_a_percentile_leaves_out_the_tails(normal):
    found = percentile_range(*counted(normal))
    wanted = np.quantile(normal, [0.00005, 0.99995])
    np.testing.assert_allclose([found.low, found.high], wanted, atol=0.05)


@pytest.mark.parametrize("find", [percentile_range, entropy_range])
def test_one_outlier_does_not_set_the_range(find, normal):
    found = find(*counted(np.append(normal, 1000.0)))
    assert 3.0 < found.high < 150.0
    assert found.low < -3.0


@pytest.mark.parametrize("find", [percentile_range, entropy_range])
def test_zero_stays_inside(find):
    found = find(*counted(np.random.default_rng(0).uniform(5, 6, 10_000)))
    assert found.low <= 0 or found.low == pytest.approx(5, abs=0.01)


def test_what_relu_cut_does_not_decide():
    values = np.maximum(np.random.default_rng(0).standard_normal(100_000), 0)
    found = entropy_range(*counted(values))
    assert found.low == 0
    assert found.high > 2.5


def test_a_range_of_one_value_is_left():
    seen = Range(2.0, 2.0)
    assert entropy_range(bins_of(np.full(5, 2.0), seen), seen) == seen


def test_evenly_spread_values_keep_their_range():
    values = np.random.default_rng(0).uniform(-1, 1, 500_000)
    found = entropy_range(*counted(values))
    assert found.high - found.low > 2 * (1 - 2 / LEVELS)


def test_rows_at_a_time_stay_within_the_cap():
    assert batch_rows(1000, cap=10_000) == 10
    assert batch_rows(1, cap=10_000) == MAX_BATCH_ROWS
    assert batch_rows(20_000, cap=10_000) == 0


def test_factors_bring_channels_to_one_range():
    largest = np.array([0.01, 1.0, 100.0, 0.0])
    found = factors(largest, None)
    np.testing.assert_allclose((largest / found)[:3], (largest / found)[0])
    assert found[3] == 1
    assert factors(np.array([1.0, 2.0, 3.0]), None) is None


def test_factors_are_shared_with_weights_of_one_scale():
    largest, weights = np.array([1.0, 100.0]), np.array([1.0, 1.0])
    found = factors(largest, weights)
    np.testing.assert_allclose((largest / found)[1] / (largest / found)[0], 10)
    np.testing.assert_allclose((weights * found)[1] / (weights * found)[0], 10)


def test_a_recipe_says_what_it_is():
    assert PLAIN.describe() == ""
    recipe = Recipe("entropy", reduced_range=True, corrected_bias=True, in_float=("3 Conv", "4 Relu"))
    assert recipe.describe() == "entropy, reduced range, corrected bias, 2 operators in float"


def test_operators_kept_in_float_say_so():
    left = (
        FloatOperator("CONV_2D", 4, "float"),
        FloatOperator("SOFTMAX", 1, "float"),
        FloatOperator("RELU", 1, "float"),
        FloatOperator("DEQUANTIZE", 2, "float"),
    )
    plain = (FloatOperator("CONV_2D", 1, "no kernel"), FloatOperator("SOFTMAX", 1, "no kernel"))
    found = explained(left, Recipe(in_float=("0 CONV_2D", "4 CONV_2D")), plain)
    assert [(o.operator, o.count, o.reason) for o in found] == [
        ("CONV_2D", 2, "in integers it spoils the answers"),
        ("CONV_2D", 1, "no kernel"),
        ("CONV_2D", 1, "stands beside operators that are kept in float"),
        ("DEQUANTIZE", 2, "converts values around operators that are kept in float"),
        ("RELU", 1, "stands beside operators that are kept in float"),
        ("SOFTMAX", 1, "no kernel"),
    ]


@pytest.fixture(scope="module")
def unequal():
    require_module("tensorflow", "ai_edge_litert", "onnxruntime", "tf2onnx")
    from edgeml_converters.intake import describe
    from edgeml_converters.registry import routes

    model, x, _ = unequal_channels()
    described = describe(model, "unequal")
    (name,) = (spec.name for spec in described.signature.inputs)
    made = {}
    for target in ("onnx", "tflite"):
        route = next(r for r in routes("keras", target) if r[-1].quantizer is not None)
        subject = described
        for converter in route[:-1]:
            subject = converter.convert(subject, "float32", None)
        made[target] = route[-1].quantizer(subject, {name: x[:100]})
    return described, x[100:400], made


def predicted(described, x, artifact):
    from edgeml.pack import bundle_of, provenance_of
    from edgeml_converters.model import Data
    from edgeml_runtime.manifest import Budget
    from edgeml_runtime.session import Session

    provenance = provenance_of(described, artifact.format, (), "", {})
    session = Session(
        bundle_of(artifact, described, Data(x[:2]), device="", budget=Budget(), provenance=provenance)
    )
    return session.predict(x)


def error(described, x, artifact):
    """Root mean square, relative to the network's own values."""
    wanted = described.model.predict(x, verbose=0)
    return float(
        np.sqrt(np.square(predicted(described, x, artifact) - wanted).mean() / np.square(wanted).mean())
    )


@pytest.mark.slow
class TestUnequalChannels:
    def test_the_plain_recipe_loses_the_answers(self, unequal):
        described, x, made = unequal
        for quantizer in made.values():
            assert error(described, x, quantizer.artifact(PLAIN)) > 0.3

    @pytest.mark.parametrize("target", ["onnx", "tflite"])
    def test_equalized_channels_keep_them(self, unequal, target):
        described, x, made = unequal
        quantizer = made[target]
        assert "equalized" in quantizer.varies
        artifact = quantizer.artifact(Recipe(equalized=True))
        assert error(described, x, artifact) < 0.02
        assert len(artifact.content) == len(quantizer.artifact(PLAIN).content)

    @pytest.mark.parametrize("target", ["onnx", "tflite"])
    def test_corrected_biases_take_the_mean_error_away(self, unequal, target):
        described, x, made = unequal
        quantizer = made[target]
        wanted = described.model.predict(x, verbose=0).mean(axis=0)
        off = []
        for recipe in (Recipe("percentile", equalized=True), Recipe("percentile", False, False, True, True)):
            off.append(
                np.abs(predicted(described, x, quantizer.artifact(recipe)).mean(axis=0) - wanted).max()
            )
        assert off[1] < 0.7 * off[0]

    @pytest.mark.parametrize("target", ["onnx", "tflite"])
    def test_operators_in_float_keep_them(self, unequal, target):
        described, x, made = unequal
        quantizer = made[target]
        convolutions = [o.name for o in quantizer.operators if "CONV" in o.kind.upper()]
        artifact = quantizer.artifact(Recipe(in_float=tuple(convolutions[:2])))
        assert error(described, x, artifact) < 0.02
        plain = {o.operator for o in quantizer.artifact(PLAIN).float_operators}
        reasons = {o.operator: o.reason for o in artifact.float_operators}
        for operator, reason in reasons.items():
            assert operator in plain or reason.endswith(("spoils the answers", "kept in float"))
        assert "in integers it spoils the answers" in reasons.values()
        if target == "onnx":
            assert reasons["Relu"] == "stands beside operators that are kept in float"

    @pytest.mark.parametrize("target", ["onnx", "tflite"])
    def test_every_recipe_runs_and_is_the_same_again(self, unequal, target):
        described, x, made = unequal
        quantizer = made[target]
        for calibrator in CALIBRATORS:
            recipe = Recipe(calibrator, corrected_bias="corrected_bias" in quantizer.varies)
            artifact = quantizer.artifact(recipe)
            assert np.isfinite(error(described, x, artifact))
            assert quantizer.artifact(recipe).content == artifact.content

    @pytest.mark.parametrize("target", ["onnx", "tflite"])
    def test_all_operators_in_float_is_the_float_network(self, unequal, target):
        described, x, made = unequal
        everything = tuple(o.name for o in made[target].operators)
        assert error(described, x, made[target].artifact(Recipe(in_float=everything))) < 0.01

    def test_an_operator_that_is_not_there_is_refused(self, unequal):
        from edgeml_runtime.errors import ConversionError

        for quantizer in unequal[2].values():
            with pytest.raises(ConversionError, match="no operator '99 NONE' to keep in float; there are 0 "):
                quantizer.artifact(Recipe(in_float=("99 NONE",)))

    def test_weights_of_seven_bits_cannot_saturate_pairs(self, unequal):
        import onnx

        model = onnx.load_from_string(unequal[2]["onnx"].artifact(replace(PLAIN, reduced_range=True)).content)
        stored = [onnx.numpy_helper.to_array(t) for t in model.graph.initializer if t.data_type == 3]
        largest = max(np.abs(values.astype(np.int32)).max() for values in stored)
        assert largest == 64
        assert 2 * 255 * largest < 2**15

    def test_multiply_adds_are_counted(self, unequal):
        counts = {t: [o.macs for o in q.operators if o.macs] for t, q in unequal[2].items()}
        assert counts["tflite"] == counts["onnx"] == [6 * 6 * 8 * 9, 4 * 4 * 8 * 9, 4 * 4 * 8 * 16, 256 * 10]
