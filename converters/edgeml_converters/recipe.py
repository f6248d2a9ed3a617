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

# They move values between representations and compute nothing.
CONVERSIONS = ("QUANTIZE", "DEQUANTIZE", "QuantizeLinear", "DequantizeLinear")
_RETURNED = "in integers it spoils the answers"
_BESIDE = "stands beside operators that are kept in float"
_CONVERTS = "converts values around operators that are kept in float"


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


def explained(
    left: Sequence[FloatOperator], recipe: Recipe, plain: Sequence[FloatOperator]
) -> tuple[FloatOperator, ...]:
    """Operators of a recipe's file that compute in float, each with what left it there.

    left: all of them, conversions to and from integers included. plain: those that no recipe concerns, with
    the reasons that they have without it.
    """
    if not recipe.in_float:
        return tuple(plain)
    kept = Counter(name.partition(" ")[2] for name in recipe.in_float)
    rest: Counter[str] = Counter()
    for operator in left:
        rest[operator.operator] += operator.count
    rest -= kept
    found = [FloatOperator(kind, count, _RETURNED) for kind, count in kept.items()]
    for operator in plain:
        count = min(operator.count, rest[operator.operator])
        rest[operator.operator] -= count
        found += [FloatOperator(operator.operator, count, operator.reason)] if count else []
    for kind, count in (+rest).items():
        found.append(FloatOperator(kind, count, _CONVERTS if kind in CONVERSIONS else _BESIDE))
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
