"""Sensitivity: what each operator of an int8 artifact does to the answers, and what float would cost it.

Everything is measured on the calibration rows against the original, so that the rows that judge stay unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edgeml.pack import bundle_of
from edgeml.parity import compare
from edgeml.quality import answers
from edgeml.reference import Reference
from edgeml_converters.model import Artifact, Data, TrainedModel, take_rows
from edgeml_converters.recipe import QuantizedOperator, Quantizer, Recipe
from edgeml_runtime.bench import BenchPlan, measure, percentile_ns
from edgeml_runtime.errors import ConversionError, EngineError
from edgeml_runtime.manifest import Budget, Provenance
from edgeml_runtime.session import Session

MAX_ROWS = 64
_PLAN = BenchPlan(threads=1, batch=1, warmup_seconds=0.005, seconds=0.02)


@dataclass(frozen=True, slots=True)
class Effect:
    """One operator's part in the error of an int8 artifact.

    alone: the answers' relative error where it alone computes in integers. returned: the same where it alone
    computes in float; None where that gives no file that runs. slower: the share of a call's time that it
    adds in float, on this host; None where nothing was timed.
    """

    operator: QuantizedOperator
    alone: float | None
    returned: float | None
    slower: float | None


@dataclass(frozen=True, slots=True)
class Bench:
    """Where recipes are tried: the model, rows that do not judge, what the original says of them.

    timed: whether calls are timed, which beside other work would be no measurement.
    """

    model: TrainedModel
    rows: Data
    reference: Reference
    provenance: Provenance
    timed: bool = True
    made: dict[Recipe, Artifact | None] = field(default_factory=dict, repr=False)

    def artifact(self, quantizer: Quantizer, recipe: Recipe) -> Artifact | None:
        """The recipe's artifact, made once; None where it cannot be."""
        if recipe not in self.made:
            try:
                self.made[recipe] = quantizer.artifact(recipe)
            except ConversionError:
                self.made[recipe] = None
        return self.made[recipe]

    def session(self, artifact: Artifact) -> Session:
        """An artifact, opened."""
        golden = Data(take_rows(self.rows.x, np.arange(min(2, len(self.rows)))))
        return Session(
            bundle_of(artifact, self.model, golden, device="", budget=Budget(), provenance=self.provenance)
        )

    def error(self, artifact: Artifact | None) -> float:
        """Relative root mean square difference of the answers; the share of other labels where it is 0.

        Infinite where there is no artifact, it does not run or it loses values.
        """
        if artifact is None:
            return float("inf")
        try:
            parity = compare(self.reference, *answers(self.session(artifact), self.model, self.rows))
        except EngineError:
            return float("inf")
        if parity.lost:
            return float("inf")
        return parity.relative_difference or 1.0 - (parity.label_agreement or 1.0)

    def latency_ms(self, artifact: Artifact) -> float:
        """Median of a call with one row, in this process."""
        golden = Data(take_rows(self.rows.x, np.arange(1)))
        bundle = bundle_of(
            artifact, self.model, golden, device="", budget=Budget(), provenance=self.provenance
        )
        return percentile_ns(measure(bundle, _PLAN).samples_ns, 50) / 1e6


def measure_effects(
    quantizer: Quantizer, recipe: Recipe, bench: Bench, progress: Callable[[int, int], None]
) -> tuple[Effect, ...]:
    """The effect of every operator that the recipe leaves in integers, in the order of computation."""
    operators: Sequence[QuantizedOperator] = [
        operator for operator in quantizer.operators if operator.name not in recipe.in_float
    ]
    whole = bench.artifact(quantizer, recipe)
    baseline = bench.latency_ms(whole) if bench.timed and whole is not None else None
    names = [operator.name for operator in operators]
    effects = []
    for number, operator in enumerate(operators):
        progress(number, len(operators))
        others = tuple(name for name in names if name != operator.name)
        alone = bench.artifact(quantizer, replace(recipe, in_float=(*recipe.in_float, *others)))
        without = bench.artifact(quantizer, replace(recipe, in_float=(*recipe.in_float, operator.name)))
        slower = None
        if without is not None and baseline is not None:
            slower = bench.latency_ms(without) / baseline - 1.0
        effects.append(Effect(operator, _finite(bench.error(alone)), _finite(bench.error(without)), slower))
    return tuple(effects)


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
