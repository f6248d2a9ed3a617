"""Choosing on constructed outcomes: objectives, ties, what binds when nothing fits, what relaxing buys."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgeml.build import Trial
from edgeml.choose import Choice, Relaxation, RelaxedLimit, choose, pareto_front
from edgeml.judge import Outcome
from edgeml.parity import MethodParity, Parity
from edgeml.plan import Candidate
from edgeml.quality import Accuracy
from edgeml_runtime.bench import Measurement
from edgeml_runtime.errors import ConversionError, UnknownNameError
from edgeml_runtime.host import host_info
from edgeml_runtime.manifest import Verdict


def measurement(latency_ms: float, memory_kb: float) -> Measurement:
    return Measurement(
        bundle="test",
        bundle_digest="0" * 64,
        scheme="float32",
        engine="onnxruntime",
        engine_version="1",
        method="predict",
        threads=1,
        batch=1,
        warmup_calls=1,
        open_ns=1,
        samples_ns=(int(latency_ms * 1e6),),
        idle_memory_bytes=0,
        peak_memory_bytes=int(memory_kb * 1000),
        host=host_info(),
    )


def outcome(
    name: str,
    *,
    size: int = 1000,
    latency_ms: float = 1.0,
    memory_kb: float = 50_000,
    drop: float = 0.0,
    broken: dict[str, tuple[float, float]] | None = None,
) -> Outcome:
    """A judged candidate; `broken`: gate -> (value, limit) of its failed verdicts."""
    file_format, scheme = name.split("/")
    failed = tuple(Verdict(g, "failed", v, limit, "u", "any") for g, (v, limit) in (broken or {}).items())
    return Outcome(
        Candidate(file_format, scheme, ("test",)),
        "exceeds" if failed else "fits",
        (Verdict("quality", "measured", 0.0, None, "", "any"), *failed),
        accuracy=Accuracy("accuracy", 0.9, 0.9 - drop, drop),
        size_bytes=size,
        measurement=measurement(latency_ms, memory_kb),
    )


def failed(name: str, message: str) -> Outcome:
    file_format, scheme = name.split("/")
    trial = Trial(Candidate(file_format, scheme, ("test",)), None, ConversionError(message))
    return Outcome(trial.candidate, "failed", error=trial.error)


def chosen(choice: Choice) -> str:
    assert choice.chosen is not None
    assert choice.explanation is None
    return choice.chosen.candidate.name


def test_each_objective_takes_its_own_best():
    outcomes = [
        outcome("onnx/float32", size=4000, latency_ms=1.0, memory_kb=60_000),
        outcome("onnx/int8-static", size=1000, latency_ms=2.0, memory_kb=50_000),
        outcome("tflite/float16", size=2000, latency_ms=3.0, memory_kb=20_000),
    ]
    assert chosen(choose(outcomes, "latency")) == "onnx/float32"
    assert chosen(choose(outcomes, "size")) == "onnx/int8-static"
    assert chosen(choose(outcomes, "memory")) == "tflite/float16"


def test_an_unknown_objective_names_the_nearest():
    with pytest.raises(UnknownNameError, match="unknown objective 'latancy'; did you mean latency"):
        choose([outcome("onnx/float32")], "latancy")


@pytest.mark.parametrize(
    ("slower_ms", "winner"), [(1.1, "onnx/int8-dynamic"), (1.11, "onnx/float32")], ids=["equal", "slower"]
)
def test_latencies_within_noise_are_equal_and_the_smaller_file_wins(slower_ms, winner):
    outcomes = [
        outcome("onnx/float32", size=4000, latency_ms=1.0),
        outcome("onnx/int8-dynamic", size=1000, latency_ms=slower_ms),
    ]
    assert chosen(choose(outcomes, "latency")) == winner
    assert chosen(choose(outcomes[::-1], "latency")) == winner


def test_sizes_within_a_tenth_are_equal_and_integers_win():
    outcomes = [outcome("tflite/int8-dynamic", size=1000), outcome("tflite/int8-static", size=1100)]
    assert chosen(choose(outcomes, "size")) == "tflite/int8-static"
    outcomes[1] = outcome("tflite/int8-static", size=1101)
    assert chosen(choose(outcomes, "size")) == "tflite/int8-dynamic"


def test_a_saving_that_makes_the_model_much_slower_is_passed_over_and_said():
    trap = outcome("onnx/int8-dynamic", size=900, latency_ms=5.1)
    fast = outcome("onnx/float32", size=4000, latency_ms=1.0)
    choice = choose([trap, fast, outcome("onnx/int8-static", size=1000, latency_ms=4.9)], "size")
    assert chosen(choice) == "onnx/int8-static"
    assert [(p.candidate, p.reason) for p in choice.passed_over] == [
        ("onnx/int8-dynamic", "less size, but 5.1 times slower here than the fastest that fits")
    ]
    assert chosen(choose([trap], "size")) == "onnx/int8-dynamic"
    assert choose([trap, fast], "latency").passed_over == ()


def test_a_saving_that_makes_a_model_five_times_slower_is_passed_over():
    fast, slow = outcome("onnx/float32", size=4000), outcome("onnx/int8-dynamic", size=1000, latency_ms=5.1)
    for objective in ("size", "memory"):
        saving = outcome("onnx/int8-dynamic", size=1000, memory_kb=10_000, latency_ms=5.1)
        choice = choose([fast, saving], objective)
        assert chosen(choice) == "onnx/float32"
        [passed_over] = choice.passed_over
        assert (passed_over.candidate, passed_over.reason) == (
            "onnx/int8-dynamic",
            f"less {objective}, but 5.1 times slower here than the fastest that fits",
        )
    # It wins where it is the only one that fits, and nothing is passed over where it would not have won.
    too_big = outcome("onnx/float32", size=4000, broken={"size": (4.0, 2.0)})
    assert chosen(choose([too_big, slow], "size")) == "onnx/int8-dynamic"
    assert choose([fast, slow], "latency").passed_over == ()
    nearly = outcome("onnx/int8-dynamic", size=1000, latency_ms=5.0)
    assert chosen(choose([fast, nearly], "size")) == "onnx/int8-dynamic"


@pytest.mark.parametrize(
    ("objective", "winner"),
    [("latency", "tflite/int8-static"), ("memory", "tflite/int8-static"), ("size", "tflite/int16x8-static")],
)
def test_where_this_host_tells_nothing_of_the_device_integers_come_first(objective, winner):
    outcomes = [
        outcome("tflite/float32", size=4000, latency_ms=1, memory_kb=10),
        outcome("tflite/int8-static", size=2000, latency_ms=9, memory_kb=30),
        outcome("tflite/int16x8-static", size=1500, latency_ms=20, memory_kb=20),
    ]
    assert chosen(choose(outcomes, objective, host_tells=False)) == winner
    assert choose(outcomes, objective, host_tells=False).passed_over == ()


def test_of_equal_candidates_the_more_accurate_wins_then_the_name():
    alike = [outcome("tflite/float32", drop=0.01), outcome("onnx/float32", drop=0.02)]
    assert chosen(choose(alike, "latency")) == "tflite/float32"
    alike = [outcome("tflite/float32"), outcome("onnx/float32")]
    for objective in ("latency", "size", "memory"):
        assert chosen(choose(alike, objective)) == "onnx/float32"
        assert chosen(choose(alike[::-1], objective)) == "onnx/float32"


def test_of_equal_candidates_without_labels_the_one_closest_to_the_original_wins():
    def without_labels(name, difference):
        parity = Parity(9, None, None, (), (MethodParity("predict", 0.1, 0.1, difference, 0),))
        return replace(outcome(name), accuracy=None, parity=parity)

    alike = [without_labels("onnx/int8-static", 0.03), without_labels("tflite/int8-static", 0.02)]
    for objective in ("latency", "size", "memory"):
        assert chosen(choose(alike, objective)) == "tflite/int8-static"


def test_only_what_fits_is_chosen():
    outcomes = [
        failed("onnx/float16", "no"),
        outcome("onnx/int8-static", size=10, broken={"accuracy-drop": (0.2, 0.01)}),
        outcome("onnx/float32", size=4000),
    ]
    assert chosen(choose(outcomes, "size")) == "onnx/float32"


def test_the_front_holds_what_nothing_beats_in_every_respect():
    outcomes = [
        outcome("onnx/float32", size=4000, latency_ms=2.0),
        outcome("onnx/int8-static", size=1000, latency_ms=1.0, drop=0.02),
        outcome("onnx/float16", size=4000, latency_ms=3.0),  # float32 is as good or better throughout
        outcome("tflite/int8-dynamic", size=5000, latency_ms=0.5, drop=0.03, broken={"size": (5, 4)}),
    ]
    front = ("onnx/float32", "onnx/int8-static", "tflite/int8-dynamic")
    assert pareto_front(outcomes) == front
    assert choose([*outcomes, failed("tflite/float32", "no")], "size").front == front


def test_equals_are_both_on_the_front():
    assert pareto_front([outcome("onnx/float32"), outcome("tflite/float32")]) == (
        "onnx/float32",
        "tflite/float32",
    )
    assert pareto_front([]) == ()


def test_nothing_fits_the_nearest_miss_is_the_one_closest_to_its_limit():
    choice = choose(
        [
            outcome("onnx/float32", broken={"size": (4.0, 1.0)}),
            outcome("onnx/float16", broken={"size": (2.0, 1.0)}),
            outcome("onnx/int8-static", broken={"size": (1.1, 1.0), "accuracy-drop": (0.011, 0.01)}),
        ],
        "latency",
    )
    assert choice.chosen is None
    explanation = choice.explanation
    assert explanation is not None
    # One broken limit is nearer than two, however little those two are missed by.
    assert explanation.nearest == "onnx/float16"
    assert explanation.binding == ("max_size_kb",)
    assert [v.value for v in explanation.nearest_verdicts] == [2.0]
    assert explanation.summary == (
        "nothing fits: max_size_kb binds; nearest is onnx/float16 with size 2 u over the limit of 1"
    )
    [relaxation] = explanation.relaxations
    assert relaxation == Relaxation("onnx/float16", (RelaxedLimit("max_size_kb", 1.0, 2.0, "u"),))


def test_each_limit_has_its_cheapest_relaxation():
    choice = choose(
        [
            outcome("onnx/float32", broken={"size": (4.0, 1.0)}),
            outcome("tflite/float32", broken={"size": (3.0, 1.0)}),
            outcome("onnx/int8-static", broken={"accuracy-drop": (0.04, 0.01)}),
            outcome("onnx/int8-dynamic", broken={"accuracy-drop": (0.02, 0.01)}),
            outcome("onnx/float16", broken={"parity": (0.02, 0.01)}),
        ],
        "latency",
    )
    assert choice.explanation is not None
    assert {r.limits[0].limit: (r.limits[0].needed, r.candidate) for r in choice.explanation.relaxations} == {
        "max_size_kb": (3.0, "tflite/float32"),
        "max_accuracy_drop": (0.02, "onnx/int8-dynamic"),
        "parity": (0.02, "onnx/float16"),
    }


def test_a_limit_of_zero_still_has_a_nearest_miss():
    choice = choose(
        [
            outcome("onnx/float16", broken={"accuracy-drop": (0.3, 0.0)}),
            outcome("onnx/int8-static", broken={"accuracy-drop": (0.1, 0.0)}),
            outcome("tflite/float16", broken={"accuracy-drop": (0.2, 0.0)}),
        ],
        "latency",
    )
    assert choice.explanation is not None
    assert choice.explanation.nearest == "onnx/int8-static"
    assert choice.explanation.relaxations[0].limits[0].needed == 0.1


def test_where_every_candidate_breaks_two_limits_both_bind_and_both_have_to_move():
    choice = choose(
        [outcome("onnx/float32", broken={"size": (4.0, 1.0), "latency": (9.0, 5.0)})],
        "latency",
    )
    assert choice.explanation is not None
    assert choice.explanation.binding == ("max_size_kb", "max_latency_ms")
    [relaxation] = choice.explanation.relaxations
    assert [(limit.limit, limit.needed) for limit in relaxation.limits] == [
        ("max_size_kb", 4.0),
        ("max_latency_ms", 9.0),
    ]
    assert choice.explanation.summary.startswith("nothing fits: max_size_kb and max_latency_ms bind; nearest")
    assert "size 4 u over the limit of 1, latency 9 u over the limit of 5" in choice.explanation.summary


def test_nothing_judged_lists_every_error():
    choice = choose([failed("onnx/float32", "first"), failed("tflite/float32", "second")], "size")
    assert choice.chosen is None
    assert choice.front == ()
    assert choice.explanation is not None
    assert choice.explanation.nearest is None
    assert choice.explanation.summary == (
        "no artifact could be judged: onnx/float32: first; tflite/float32: second"
    )
