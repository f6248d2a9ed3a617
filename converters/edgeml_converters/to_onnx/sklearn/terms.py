"""Formulas over tensors, written as formulas: `Term` records an ONNX node for every operator of Python's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgeml_converters.to_onnx.sklearn.emitter import Emitter

_FLOAT = 1  # onnx.TensorProto.FLOAT


@dataclass(frozen=True, slots=True)
class Term:
    """A tensor of a graph under construction: float32, or bool after a comparison."""

    emitter: Emitter
    name: str

    def _with(self, op: str, other: Any, *, swapped: bool = False) -> Term:
        names = [self.name, self.of(other).name]
        return Term(self.emitter, self.emitter.add(op, *(names[::-1] if swapped else names)))

    def of(self, value: Any) -> Term:
        """A constant beside this term; a term is itself."""
        return value if isinstance(value, Term) else Term(self.emitter, self.emitter.constant(value))

    def unary(self, op: str, **attributes: Any) -> Term:
        """An ONNX operator of one input."""
        return Term(self.emitter, self.emitter.add(op, self.name, **attributes))

    def __add__(self, other: Any) -> Term:
        return self._with("Add", other)

    def __radd__(self, other: Any) -> Term:
        return self._with("Add", other)

    def __sub__(self, other: Any) -> Term:
        return self._with("Sub", other)

    def __rsub__(self, other: Any) -> Term:
        return self._with("Sub", other, swapped=True)

    def __mul__(self, other: Any) -> Term:
        return self._with("Mul", other)

    def __rmul__(self, other: Any) -> Term:
        return self._with("Mul", other)

    def __truediv__(self, other: Any) -> Term:
        return self._with("Div", other)

    def __rtruediv__(self, other: Any) -> Term:
        return self._with("Div", other, swapped=True)

    def __neg__(self) -> Term:
        return self.unary("Neg")

    def __abs__(self) -> Term:
        return self.unary("Abs")

    def __lt__(self, other: Any) -> Term:
        return self._with("Less", other)

    def __le__(self, other: Any) -> Term:
        return self._with("LessOrEqual", other)

    def __gt__(self, other: Any) -> Term:
        return self._with("Greater", other)

    def __ge__(self, other: Any) -> Term:
        return self._with("GreaterOrEqual", other)

    def equals(self, other: Any) -> Term:
        """bool: where both are the same number."""
        return self._with("Equal", other)

    def __and__(self, other: Term) -> Term:
        return self._with("And", other)

    def __or__(self, other: Term) -> Term:
        return self._with("Or", other)

    def __invert__(self) -> Term:
        return self.unary("Not")

    def choose(self, yes: Any, no: Any) -> Term:
        """Of a condition: `yes` where it holds, else `no`."""
        one, other = self.of(yes), self.of(no)
        return Term(self.emitter, self.emitter.add("Where", self.name, one.name, other.name))

    def as_float(self) -> Term:
        """1 and 0 of a condition."""
        return self.unary("Cast", to=_FLOAT)

    def is_nan(self) -> Term:
        """Where it is not a number."""
        return self.unary("IsNaN")

    def exp(self) -> Term:
        """The exponential."""
        return self.unary("Exp")

    def log(self) -> Term:
        """The natural logarithm; NaN below 0."""
        return self.unary("Log")

    def sqrt(self) -> Term:
        """The square root; NaN below 0."""
        return self.unary("Sqrt")

    def floor(self) -> Term:
        """The largest whole number that is not above."""
        return self.unary("Floor")

    def sign(self) -> Term:
        """-1, 0 or 1."""
        return self.unary("Sign")


def larger(x: Term, y: Any) -> Term:
    """Numpy's maximum: NaN where either is. A NaN in a constant y is not looked for."""
    other = x.of(y)
    above = x > other
    return (above | x.is_nan()).choose(x, other)


def smaller(x: Term, y: Any) -> Term:
    """Numpy's minimum: NaN where either is. A NaN in a constant y is not looked for."""
    other = x.of(y)
    below = x < other
    return (below | x.is_nan()).choose(x, other)
