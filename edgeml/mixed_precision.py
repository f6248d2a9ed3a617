"""When int8 misses the budget: another way to its ranges first, then single operators back to float.

    recipes without floats, best error first --judge--> fits?
    else operators by their error for the cost of float --one by one--> fits? --> take back the needless

Only the calibration rows choose; the judging rows say when it is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product

from edgeml.quality import Gates, quality_of
from edgeml.sensitivity import Bench, Effect, measure_effects
from edgeml_converters.model import Artifact
from edgeml_converters.recipe import CALIBRATORS, Quantizer, Recipe
from edgeml_runtime.errors import EngineError

_CONVERSIONS = 0.02  # of a call: to float and back around an operator without weights


@dataclass(frozen=True, slots=True)
class Refinement:
    """What was found: the recipe, its artifact, whether its quality suffices, and the operators' effects.

    errors: relative error on the calibration rows of every recipe without floats that was tried.
    """

    recipe: Recipe
    artifact: Artifact
    suffices: bool
    errors: tuple[tuple[Recipe, float], ...]
    effects: tuple[Effect, ...] = ()


def refine(
    quantizer: Quantizer,
    bench: Bench,
    gates: Gates,
    progress: Callable[[str, int, int], None],
    base: Recipe | None = None,
) -> Refinement | None:
    """The cheapest recipe whose quality suffices, or the best there is; None where no recipe gives a file.

    base: what holds for every recipe tried, such as a reduced range.
    """
    progress("looking for better ranges", 0, 0)
    errors = [
        (recipe, bench.error(bench.artifact(quantizer, recipe)))
        for recipe in _plain_recipes(quantizer, base or Recipe())
    ]
    errors.sort(key=lambda pair: pair[1])
    tried = tuple((recipe, error) for recipe, error in errors if error != float("inf"))
    for recipe, _ in tried:
        artifact = bench.artifact(quantizer, recipe)
        if artifact is not None and _suffices(artifact, bench, gates):
            return Refinement(recipe, artifact, True, tried)
    if not tried:
        return None
    best = tried[0][0]
    artifact = bench.artifact(quantizer, best)
    if artifact is None or "in_float" not in quantizer.varies:
        return None if artifact is None else Refinement(best, artifact, False, tried)

    def effects_progress(done: int, total: int) -> None:
        progress("measuring what each operator does to the answers", done, total)

    effects = measure_effects(quantizer, best, bench, effects_progress)
    progress("returning operators to float", 0, 0)
    found = _return(quantizer, bench, gates, best, effects)
    if found is None:
        return Refinement(best, artifact, False, tried, effects)
    recipe = _without_needless(quantizer, bench, gates, found, effects)
    artifact = bench.artifact(quantizer, recipe)
    return None if artifact is None else Refinement(recipe, artifact, True, tried, effects)


def _plain_recipes(quantizer: Quantizer, base: Recipe) -> Iterator[Recipe]:
    """Every recipe without floats, the default first."""
    varies = quantizer.varies
    for equalized, calibrator, corrected, per_channel in product(
        (False, True) if "equalized" in varies else (False,),
        CALIBRATORS if "calibrator" in varies else (base.calibrator,),
        (False, True) if "corrected_bias" in varies else (False,),
        (False, True) if "per_channel_dense" in varies else (False,),
    ):
        yield replace(
            base,
            calibrator=calibrator,
            per_channel_dense=per_channel,
            equalized=equalized,
            corrected_bias=corrected,
        )


def _suffices(artifact: Artifact, bench: Bench, gates: Gates) -> bool:
    try:
        return quality_of(bench.session(artifact), artifact.scheme, gates).suffices
    except EngineError:
        return False


def _return(
    quantizer: Quantizer, bench: Bench, gates: Gates, recipe: Recipe, effects: tuple[Effect, ...]
) -> Recipe | None:
    """The recipe with operators in float until its quality suffices; None where it never does.

    What an operator does alone decides: as long as another spoils the answers, returning it shows nothing.
    """
    for effect in sorted(effects, key=lambda e: (e.alone or 0.0) / cost_in_float(e, effects), reverse=True):
        recipe = replace(recipe, in_float=(*recipe.in_float, effect.operator.name))
        artifact = bench.artifact(quantizer, recipe)
        if artifact is not None and _suffices(artifact, bench, gates):
            return recipe
    return None


def cost_in_float(effect: Effect, effects: tuple[Effect, ...]) -> float:
    """What float costs, as a share of a call: by multiply-adds, since what is timed differs between runs."""
    whole = sum(other.operator.macs for other in effects)
    return effect.operator.macs / max(whole, 1) + _CONVERSIONS


def _without_needless(
    quantizer: Quantizer, bench: Bench, gates: Gates, recipe: Recipe, effects: tuple[Effect, ...]
) -> Recipe:
    """Operators go back to integers, the most expensive in float first, where the quality still suffices."""
    costs = {effect.operator.name: cost_in_float(effect, effects) for effect in effects}
    for name in sorted(recipe.in_float, key=lambda n: costs.get(n, 0.0), reverse=True):
        fewer = replace(recipe, in_float=tuple(n for n in recipe.in_float if n != name))
        artifact = bench.artifact(quantizer, fewer)
        if artifact is not None and _suffices(artifact, bench, gates):
            recipe = fewer
    return recipe
