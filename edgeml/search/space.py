"""The space: every recipe of every candidate that has more than one, finite and in a fixed order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from edgeml.plan import Candidate
from edgeml_converters.recipe import CALIBRATORS, Recipe

# How many operators are kept in float: single ones matter while there are few.
_COUNTS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
_SWITCHES = ("equalized", "corrected_bias", "per_channel_dense")
IN_FLOAT = "in_float"
CANDIDATE = "candidate"


@dataclass(frozen=True, slots=True)
class Family:
    """A candidate of the plan that has recipes.

    varies: the fields of a recipe that matter. ladder: sets of operators to keep in float, by size, the first
    empty. macs: multiply-adds of every operator by name.
    """

    candidate: Candidate
    varies: frozenset[str]
    ladder: tuple[tuple[str, ...], ...]
    macs: Mapping[str, int]

    @property
    def name(self) -> str:
        """`onnx/int8-static`."""
        return f"{self.candidate.format}/{self.candidate.scheme}"

    @staticmethod
    def is_ordered(parameter: str) -> bool:
        """Whether its choices are places on a ladder."""
        return parameter.startswith(IN_FLOAT)

    @property
    def size(self) -> int:
        """How many recipes there are."""
        return math.prod(map(len, self.choices().values()))

    def choices(self) -> dict[str, tuple[Any, ...]]:
        """By parameter what it may be; operators in float as a place on the ladder."""
        found: dict[str, tuple[Any, ...]] = {}
        if "calibrator" in self.varies:
            found["calibrator"] = CALIBRATORS
        found |= {name: (False, True) for name in _SWITCHES if name in self.varies}
        if len(self.ladder) > 1:
            found[f"{IN_FLOAT} {self.name}"] = tuple(range(len(self.ladder)))
        return found

    def recipe(self, chosen: Mapping[str, Any]) -> Recipe:
        """The recipe of a choice for each parameter; what does not vary is the candidate's."""
        step = chosen.get(f"{IN_FLOAT} {self.name}")
        fields = {name: value for name, value in chosen.items() if not name.startswith(IN_FLOAT)}
        recipe = replace(self.candidate.recipe, **fields)
        return recipe if step is None else replace(recipe, in_float=self.ladder[step])

    def chosen(self, recipe: Recipe) -> dict[str, Any]:
        """The other way round; the recipe must be one of the family's."""
        return {
            name: self.ladder.index(recipe.in_float) if name.startswith(IN_FLOAT) else getattr(recipe, name)
            for name in self.choices()
        }

    def recipes(self) -> Iterator[Recipe]:
        """All of them."""
        choices = self.choices()
        for values in product(*choices.values()):
            yield self.recipe(dict(zip(choices, values, strict=True)))

    def holds(self, recipe: Recipe) -> bool:
        """Whether it is one of them."""
        return recipe.in_float in self.ladder and self.recipe(self.chosen(recipe)) == recipe


@dataclass(frozen=True, slots=True)
class Point:
    """A recipe of a family."""

    family: str
    recipe: Recipe


@dataclass(frozen=True, slots=True)
class Space:
    """The families by name."""

    families: Mapping[str, Family]

    def __len__(self) -> int:
        return sum(family.size for family in self.families.values())

    def points(self) -> Iterator[Point]:
        """All of them, family after family."""
        for name, family in self.families.items():
            for recipe in family.recipes():
                yield Point(name, recipe)

    def distance(self, one: Point, other: Point) -> float:
        """How different two points are: 1 for each choice, half of that for a step on the ladder."""
        if one.family != other.family:
            return math.inf
        family = self.families[one.family]
        ours, theirs = family.chosen(one.recipe), family.chosen(other.recipe)
        steps: float = sum(abs(ours[name] - theirs[name]) for name in ours if family.is_ordered(name))
        others: float = sum(ours[name] != theirs[name] for name in ours if not family.is_ordered(name))
        return others + steps / 2

    def candidate(self, point: Point) -> Candidate:
        """What is built of a point."""
        return replace(self.families[point.family].candidate, recipe=point.recipe)


def ladder_of(
    ranked: Sequence[str], others: Sequence[tuple[str, ...]], macs: Mapping[str, int]
) -> tuple[tuple[str, ...], ...]:
    """Sets of operators to keep in float, of different sizes, the smallest first.

    ranked: names, those that pay most first. others: sets that are known to be good; one replaces the set of
    its size. What leaves no operator with weights in integers is no quantization and left out.
    """
    weighted = {name for name, count in macs.items() if count}
    sets = [tuple(ranked[:count]) for count in _COUNTS if count <= len(ranked)]
    by_count = {len(names): names for names in sets if not names or weighted - set(names)}
    by_count |= {len(names): names for names in others if names}
    return tuple(by_count[count] for count in sorted(by_count))
