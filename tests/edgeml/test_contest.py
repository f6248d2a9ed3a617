"""Contests: the interval of a median, what it says of two contestants, and processes that fail."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeml import contest as module
from edgeml.contest import MIN_ROUNDS, Contestant, Times, compare, contest, median_interval
from edgeml_runtime.bundle import Bundle, decode_bundle, encode_bundle
from edgeml_runtime.codec import encode
from edgeml_runtime.errors import EngineFailedError
from edgeml_runtime.npy import npy_bytes
from edgeml_runtime.tuning import DEFAULTS
from tests.bundles import tiny_bundle_bytes

SAMPLES = st.lists(st.floats(0.1, 10.0), min_size=MIN_ROUNDS, max_size=60)


@given(SAMPLES)
def test_the_interval_holds_the_samples_median(samples: list[float]):
    low, high = median_interval(samples)
    assert min(samples) <= low <= np.median(samples) <= high <= max(samples)


@given(SAMPLES, st.randoms())
def test_the_interval_does_not_depend_on_the_order(samples: list[float], shuffle):
    shuffled = samples.copy()
    shuffle.shuffle(shuffled)
    assert median_interval(shuffled) == median_interval(samples)


def test_too_few_samples_say_nothing():
    assert median_interval([]) == (-math.inf, math.inf)
    assert median_interval([1.0] * 7) == (-math.inf, math.inf)  # all on one side: once in 128
    assert median_interval([1.0] * 8) == (1.0, 1.0)  # once in 256


def test_any_number_of_samples():
    low, high = median_interval(list(range(5000)))
    assert (low, high) == (2500 - 1 - 91, 2500 + 91)  # 2.576 standard deviations of sqrt(5000) / 2


@pytest.mark.parametrize("count", [15, 40, 101])
def test_the_interval_misses_as_rarely_as_it_says(count: int):
    """Of a skewed distribution whose median is known; on each side at most 0.5%."""
    draw = np.random.default_rng(1)
    intervals = [median_interval(draw.exponential(size=count).tolist()) for _ in range(2000)]
    median = math.log(2)
    assert np.mean([low > median for low, _ in intervals]) < 0.01
    assert np.mean([high < median for _, high in intervals]) < 0.01


def times(*launches: float, noise: float = 0.01) -> Times:
    """Launches in which `a` takes that share of the time of `b`."""
    draw = np.random.default_rng(0)

    def taken(level: float) -> tuple[float, ...]:
        return tuple(level * (1.0 + noise * draw.standard_normal(30)))

    return Times(tuple({"a": taken(ratio), "b": taken(1.0)} for ratio in launches), {})


def test_faster_slower_cannot_tell():
    assert compare(times(0.9, 0.9, 0.9), "a", "b").says == "faster"
    assert compare(times(1.1, 1.1, 1.1), "a", "b").says == "slower"
    assert compare(times(1.0, 1.0, 1.0), "a", "b").says == "cannot tell"
    assert compare(times(0.9, 0.9, 0.9), "b", "a").says == "slower"
    assert compare(times(0.9, 0.9, 0.9, noise=0.5), "a", "b").says == "cannot tell"


def test_one_launch_that_says_otherwise_is_enough():
    """What memory's place does to one process for its whole life must not pass for a difference."""
    found = compare(times(0.9, 0.9, 1.02), "a", "b")
    assert found.says == "cannot tell"
    assert found.ratio == pytest.approx(0.9, abs=0.01)
    assert found.low < 0.9 < 1.02 < found.high + 0.01


def test_what_is_surely_saved():
    found = compare(times(0.9, 0.9, 0.9), "a", "b")
    assert found.saves(0.05)
    assert not found.saves(0.1)
    assert not compare(times(1.0, 1.0, 1.0), "a", "b").saves(0.0)


def contestant(name: str, bundle: Bundle, **options: bool | int | str) -> Contestant:
    return Contestant(name, bundle, "onnxruntime", encode(DEFAULTS) | options)


@pytest.fixture(scope="module")
def tiny() -> Bundle:
    return decode_bundle(tiny_bundle_bytes())


@pytest.mark.slow
def test_processes_take_turns(tiny: Bundle):
    told: list[str] = []
    found = contest(
        [contestant("one", tiny), contestant("two", tiny, memory_arena=False)],
        seconds=0.02,
        launches=2,
        progress=lambda what, _done, _total: told.append(what),
    )
    assert told == ["comparing one, two"] * 2
    assert found.refused == {}
    for launch in found.launches:
        assert set(launch) == {"one", "two"}
        assert len(launch["one"]) == len(launch["two"]) >= MIN_ROUNDS
    assert found.median_ns("one") > 0


@pytest.mark.slow
def test_who_cannot_run_is_refused_with_the_reason(tiny: Bundle):
    files = {**tiny.files, "golden-out-0.npy": npy_bytes(np.float32([[7.0]]))}
    wrong = decode_bundle(encode_bundle(tiny.manifest, files))
    others = [contestant("wrong", wrong), Contestant("absent", tiny, "tomorrow", {})]
    found = contest([contestant("one", tiny), *others], seconds=0.01, launches=1)
    assert set(found.launches[0]) == {"one"}
    assert found.refused["wrong"] == "its golden vectors do not hold: drift"
    assert "tomorrow" in found.refused["absent"]
    with pytest.raises(EngineFailedError, match="test: its golden vectors do not hold"):
        contest([contestant("wrong", wrong)], seconds=0.01, launches=1)


@pytest.mark.slow
def test_a_process_that_dies_is_told(tiny: Bundle, tmp_path):
    with module._Worker(contestant("one", tiny), tmp_path) as worker:
        assert worker.opened() is None
        assert worker.burst() > 0
        worker._process.kill()
        with pytest.raises(EngineFailedError, match="its process ended with exit code -9"):
            worker.burst()
