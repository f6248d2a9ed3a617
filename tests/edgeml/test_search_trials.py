"""What is tried, in which order, and what comes to the front: functions of the trials and the seed alone."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from conftest import require_module

from edgeml.plan import Candidate
from edgeml.search.evaluate import Worth
from edgeml.search.front import best_of, front_of, to_judge
from edgeml.search.journal import Tried
from edgeml.search.propose import BATCH, propose
from edgeml.search.space import Family, Point, Space, ladder_of
from edgeml_converters.recipe import PLAIN, Recipe

MACS = {"0 Conv": 900, "1 Relu": 0, "2 Gemm": 100}
LADDER = ((), ("2 Gemm",), ("2 Gemm", "1 Relu"))


def family(name="onnx", base=PLAIN, varies=("calibrator", "corrected_bias", "in_float"), ladder=LADDER):
    return Family(Candidate(name, "int8-static", ("made",), base), frozenset(varies), ladder, MACS)


@pytest.fixture
def space():
    return Space(
        {
            "onnx/int8-static": family(),
            "tflite/int8-static": family("tflite", varies=("calibrator", "per_channel_dense"), ladder=((),)),
        }
    )


def worth(loss=0.1, size=100, macs=0, quality=0.0, too_large=0.0, digest=""):
    return Worth(loss, size, macs, quality, too_large, digest)


def invented(space, point):
    """A worth that depends on the point alone, and no recipe at all for one in eight."""
    drawn = hashlib.sha256(repr(point).encode()).digest()
    if drawn[0] < 32:
        return None
    return worth(
        drawn[1] / 255, 100 + drawn[2], 50 * len(point.recipe.in_float), quality=drawn[3] / 255 - 0.5
    )


def run(space, first, count, seed, tried=None):
    """The numbers of a search whose worths are invented."""
    tried = {} if tried is None else dict(tried)
    for start in range(0, count, BATCH):
        numbers = range(start, min(start + BATCH, count))
        before = {number: trial for number, trial in tried.items() if number < start}
        for number, point in zip(numbers, propose(space, first, before, numbers, seed), strict=True):
            if number not in tried:
                tried[number] = Tried(number, point.family, point.recipe, invented(space, point))
    return tried


def test_a_space_counts_names_and_finds_its_recipes(space):
    points = list(space.points())
    assert len(points) == len(set(points)) == len(space) == 3 * 2 * 3 + 3 * 2
    for point in points:
        own = space.families[point.family]
        assert own.holds(point.recipe)
        assert own.recipe(own.chosen(point.recipe)) == point.recipe
    names = [space.candidate(point).name for point in points]
    assert len(set(names)) == len(names)  # reports, fronts and contests know candidates by name


@pytest.mark.parametrize(
    "recipe",
    [Recipe(equalized=True), Recipe(in_float=("1 Relu",)), Recipe(reduced_range=True)],
    ids=["does not vary", "not on the ladder", "not the device's"],
)
def test_a_recipe_of_another_space_is_none_of_it(recipe):
    assert not family().holds(recipe)


def test_what_the_device_asks_for_holds_for_every_recipe():
    assert all(r.reduced_range for r in family(base=Recipe(reduced_range=True)).recipes())


def test_a_ladder_has_one_set_of_each_size_and_leaves_weights_in_integers():
    ranked = [f"{n} Conv" for n in range(20)]
    macs = dict.fromkeys([*ranked, "20 Gemm"], 10)
    steps = ladder_of(ranked, [("20 Gemm", "3 Conv", "5 Conv"), ("4 Conv",) * 5, ()], macs)
    assert [len(step) for step in steps] == [0, 1, 2, 3, 4, 5, 6, 8, 12, 16]
    assert steps[2] == ("0 Conv", "1 Conv")
    assert steps[3] == ("20 Gemm", "3 Conv", "5 Conv")
    assert ladder_of(["a", "b"], [], {"a": 1, "b": 1, "c": 0}) == ((), ("a",))
    assert ladder_of([], [], {"a": 1}) == ((),)


def test_no_recipe_is_proposed_twice_until_all_were(space):
    require_module("optuna")
    first = [Point("tflite/int8-static", Recipe()), Point("onnx/int8-static", Recipe())]
    tried = run(space, first, len(space), seed=0)
    assert [trial.point for trial in tried.values()][:2] == first
    assert {trial.point for trial in tried.values()} == set(space.points())
    assert propose(space, first, tried, range(len(space), len(space) + 4), seed=0) == []


def test_a_seed_repeats_the_trials_and_another_does_not(space):
    require_module("optuna")
    assert run(space, [], 20, seed=3) == run(space, [], 20, seed=3)
    assert run(space, [], 20, seed=3) != run(space, [], 20, seed=4)


def test_wherever_a_search_was_cut_off_it_goes_on_alike(space):
    require_module("optuna")
    whole = run(space, [], 22, seed=1)
    for cut in (1, 7, 8, 13, 21):
        kept = {number: trial for number, trial in whole.items() if number < cut}
        assert run(space, [], 22, seed=1, tried=kept) == whole
    # Several workers finish out of order: of the batch from 8 on, 9 and 14 were done.
    scattered = {number: trial for number, trial in whole.items() if number < 8 or number in (9, 14)}
    assert run(space, [], 22, seed=1, tried=scattered) == whole
    assert run(space, [], 15, seed=1) == {number: trial for number, trial in whole.items() if number < 15}


def test_the_sampler_finds_the_good_corner_sooner_than_chance():
    require_module("optuna")
    wide = Space({"onnx/int8-static": family(ladder=tuple(tuple("abcdefgh"[:n]) for n in range(8)))})

    def good(point):
        recipe = point.recipe
        return (
            worth(len(recipe.in_float) + 8 * (recipe.calibrator != "entropy"), 100, len(recipe.in_float))
            if recipe.corrected_bias
            else None
        )

    tried = {}
    for start in range(0, 32, BATCH):
        numbers = range(start, start + BATCH)
        for number, point in zip(numbers, propose(wide, [], tried, numbers, 0), strict=True):
            tried[number] = Tried(number, point.family, point.recipe, good(point))
    later = [trial.recipe for number, trial in tried.items() if number >= 16]
    assert sum(recipe.corrected_bias and recipe.calibrator == "entropy" for recipe in later) > 16 / 6


def trials(*worths, name="onnx/int8-static"):
    return [Tried(n, name, Recipe(in_float=("x",) * n), found) for n, found in enumerate(worths)]


def test_the_front_is_of_each_candidate_by_itself():
    found = trials(
        worth(0.2, 100), worth(0.1, 120), worth(0.2, 120), None, worth(0.05, 120, 10), worth(0.1, 120)
    )
    assert [t.number for t in front_of(found)] == [0, 1, 4]
    elsewhere = replace(found[2], family="tflite/int8-static", number=9)
    assert [t.number for t in front_of([*found, elsewhere])] == [0, 1, 4, 9]


def test_the_best_in_each_respect_are_judged_first_and_never_what_is_too_large():
    found = trials(
        worth(0.5, 100, 0, quality=1.0),  # smallest, but beyond the accuracy limit on these rows
        worth(0.4, 110, 0),
        worth(0.3, 120, 5),
        worth(0.2, 130, 9),
        worth(0.1, 140, 20, too_large=0.1),
    )
    assert [t.number for t in to_judge(found, 2)] == [1, 3]
    assert [t.number for t in to_judge(found, 12)] == [1, 3, 2, 0]


@pytest.mark.parametrize(("objective", "expected"), [("size", 0), ("memory", 0), ("latency", 1)])
def test_the_best_so_far_follows_the_objective(objective, expected):
    found = trials(worth(0.1, 100, 50), worth(0.1, 110, 10), worth(0.01, 90, 0, quality=0.2), None)
    assert best_of(found, objective)[0].number == expected
    assert best_of(found[2:], objective)[0].number == 2
    assert best_of(found[3:], objective) is None
