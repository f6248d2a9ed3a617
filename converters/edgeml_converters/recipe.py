"""How a calibrated scheme is carried out: what the search varies within one scheme."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from edgeml_converters.model import Artifact
from edgeml_runtime.manifest import FloatOperator

Calibrator = Literal["min-max", "percentile", "entropy"]
CALIBRATORS: tuple[Calibrator, ...] = get_args(Calibrator)

_RETURNED = "in integers it spoils the answers"


@dataclass(frozen=True, slots=True)
class Recipe:
    """The choices within a calibrated scheme; the default is the plain form of the scheme.

    calibrator: how an activation's range comes from the values seen (`observation`). per_channel_dense: a
    scale for each unit of dense layers where the format leaves the choice. reduced_range: weights of 7 bits,
    for processors that add pairs of 8-bit products in 16. equalized: channels between weighted operators
    have one range (`channel_scales`). corrected_bias: biases take back the mean error of each channel.
    in_float: operators, as `Quantizer.operators` names them, that stay in float32.
    """

    calibrator: Calibrator = "min-max"
    per_channel_dense: bool = False
    reduced_range: bool = False
    equalized: bool = False
    corrected_bias: bool = False
    in_float: tuple[str, ...] = ()

    def describe(self) -> str:
        """`percentile, corrected bias, 2 operators in float`; empty for the default."""
        parts: list[str] = [self.calibrator] if self.calibrator != "min-max" else []
        parts += ["per-channel dense"] if self.per_channel_dense else []
        parts += ["reduced range"] if self.reduced_range else []
        parts += ["equalized"] if self.equalized else []
        parts += ["corrected bias"] if self.corrected_bias else []
        if self.in_float:
            count = len(self.in_float)
            parts.append(f"{count} operator{'s' if count > 1 else ''} in float")
        return ", ".join(parts)


PLAIN = Recipe()


def explained(left: Sequence[FloatOperator], recipe: Recipe) -> tuple[FloatOperator, ...]:
    """Operators left in float, those that the recipe keeps there with that as their reason."""
    kept = Counter(name.partition(" ")[2] for name in recipe.in_float)
    found = [FloatOperator(kind, count, _RETURNED) for kind, count in kept.items()]
    for operator in left:
        taken = min(operator.count, kept[operator.operator])
        kept[operator.operator] -= taken
        if operator.count > taken:
            found.append(FloatOperator(operator.operator, operator.count - taken, operator.reason))
    return tuple(sorted(found, key=lambda o: (o.operator, o.reason)))


@dataclass(frozen=True, slots=True)
class QuantizedOperator:
    """An operator that a scheme computes in integers.

    name: unique, the place in the float graph and the kind, `3 CONV_2D`. tensor: what it gives, as the float
    graph calls it. macs: multiply-adds for one row, 0 for an operator without weights.
    """

    name: str
    kind: str
    tensor: str
    macs: int


class Quantizer(Protocol):
    """A float graph that was calibrated once, and the artifacts of a scheme made of it."""

    @property
    def operators(self) -> Sequence[QuantizedOperator]:
        """What the default recipe computes in integers, in the order of computation."""
        ...

    @property
    def varies(self) -> frozenset[str]:
        """The fields of a recipe that make a difference here."""
        ...

    def artifact(self, recipe: Recipe) -> Artifact:
        """The artifact of a recipe; raises ConversionError."""
        ...
