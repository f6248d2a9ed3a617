"""Elementary functions that ONNX or TFLite lacks, or computes with a large relative error near zero.

Made of operators that both have, to a few units in the last place of float32 where not said otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeml_converters.to_onnx.sklearn.terms import Term, larger, smaller


def polynomial(x: Term, coefficients: Sequence[float]) -> Term:
    """The sum of coefficients[i] * x**i, by Horner's scheme."""
    *rest, last = coefficients
    result = x * last + rest[-1]
    for coefficient in rest[-2::-1]:
        result = result * x + coefficient
    return result


def log1p(x: Term, whole: Term | None = None) -> Term:
    """log(1 + x), also where x is tiny: 2 atanh(x / (2 + x)) there.

    whole: 1 + x, where it is known better than by adding.
    """
    s = x / (x + 2.0)
    series = 2.0 * s * polynomial(s * s, [1.0, 1 / 3, 1 / 5, 1 / 7, 1 / 9])
    return (abs(x) < 0.3).choose(series, (x + 1.0 if whole is None else whole).log())


def expm1_ratio(x: Term) -> Term:
    """(exp(x) - 1) / x for |x| < 0.5, 1 at 0."""
    factorials = np.cumprod([1.0, *range(2, 10)])
    return polynomial(x, [1.0 / f for f in factorials])


def expm1(x: Term) -> Term:
    """exp(x) - 1, also where x is tiny."""
    return (abs(x) < 0.5).choose(x * expm1_ratio(x), x.exp() - 1.0)


def sinh(x: Term) -> Term:
    """(exp(x) - exp(-x)) / 2, infinite beyond 88."""
    rise = expm1(abs(x))
    # rise / (1 + rise) is NaN where the exponential is infinite; it is 1 long before.
    fall = (rise > 1e9).choose(1.0, rise / (rise + 1.0))
    return _odd(x, 0.5 * (rise + fall))


def cosh(x: Term) -> Term:
    """(exp(x) + exp(-x)) / 2, infinite beyond 88."""
    return 0.5 * (x.exp() + (-x).exp())


def asinh(x: Term) -> Term:
    """The inverse of sinh."""
    size = abs(x)
    near = log1p(size + size * (size / (((size * size) + 1.0).sqrt() + 1.0)))
    return _odd(x, (size > 1e9).choose(size.log() + float(np.log(2)), near))


def acosh(x: Term) -> Term:
    """The inverse of cosh; NaN below 1."""
    over = x - 1.0
    near = log1p(over + over.sqrt() * (x + 1.0).sqrt())
    return (x > 1e9).choose(x.log() + float(np.log(2)), near)


def atanh(x: Term) -> Term:
    """The inverse of tanh; NaN beyond 1."""
    return 0.5 * log1p((x * 2.0) / (1.0 - x))


def cbrt(x: Term) -> Term:
    """The cube root, of negative numbers too."""
    size = abs(x)
    root = Term(x.emitter, x.emitter.add("Pow", size.name, x.of(1 / 3).name))
    return _odd(x, root)


def hypot(x: Term, y: Term) -> Term:
    """The length of (x, y), without squares that overflow."""
    a, b = abs(x), abs(y)
    long, short = larger(a, b), smaller(a, b)
    ratio = short / long.equals(0.0).choose(1.0, long)
    return long * (ratio * ratio + 1.0).sqrt()


def log_add_exp(x: Term, y: Term) -> Term:
    """log(exp(x) + exp(y))."""
    return larger(x, y) + log1p((-abs(x - y)).exp())


def atan2(y: Term, x: Term) -> Term:
    """The angle of (x, y); a zero counts as positive."""
    quotient = y / x.equals(0.0).choose(1.0, x)
    half = (y < 0.0).choose(-np.pi, np.pi)
    slanted = quotient.unary("Atan") + (x < 0.0).choose(half, 0.0)
    upright = y.sign() * float(np.pi / 2)
    return x.equals(0.0).choose(upright, slanted)


def truncate(x: Term) -> Term:
    """The whole number next to it towards 0."""
    return _odd(x, abs(x).floor())


def remainder(x: Term, y: Term) -> Term:
    """numpy's: of the divisor's sign."""
    rest = Term(x.emitter, x.emitter.add("Mod", x.name, y.name, fmod=1))
    wrong = ~rest.equals(0.0) & ~(rest < 0.0).as_float().equals((y < 0.0).as_float())
    return wrong.choose(rest + y, rest)


def _odd(x: Term, positive: Term) -> Term:
    """An odd function from what it is of |x|."""
    return (x < 0.0).choose(-positive, positive)


# Wichura, Algorithm AS 241, PPND7 (Applied Statistics 37, 1988): about 1 part in 10**7.
_CENTRE = ([3.3871327179, 50.434271938, 159.29113202, 59.109374720],
           [1.0, 17.895169469, 78.757757664, 67.187563600])  # fmt: skip
_TAIL = ([1.4234372777, 2.7568153900, 1.3067284816, 0.17023821103],
         [1.0, 0.73700164250, 0.12021132975])  # fmt: skip


def normal_quantile(lower: Term, upper: Term) -> Term:
    """The normal distribution's quantile of a share, given as itself and as 1 minus it, both above 1.5e-11.

    Both, because next to 1 the share itself does not say in float32 how near it is.
    """
    middle = 0.5 * (lower - upper)
    r = 0.180625 - middle * middle
    central = middle * (polynomial(r, _CENTRE[0]) / polynomial(r, _CENTRE[1]))
    tail = (-smaller(lower, upper).log()).sqrt() - 1.6
    far = polynomial(tail, _TAIL[0]) / polynomial(tail, _TAIL[1])
    outer = (middle < 0.0).choose(-far, far)
    return (abs(middle) <= 0.425).choose(central, outer)


# Press et al., Numerical Recipes, section 6.2: the complementary error function, relative error below 1.2e-7.
_ERFC = [-1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398,
         1.48851587, -0.82215223, 0.17087277]  # fmt: skip


def normal_tail(x: Term) -> Term:
    """The share of the normal distribution beyond |x|, to 2e-6 of itself."""
    z = abs(x) * float(np.sqrt(0.5))
    t = 1.0 / (z * 0.5 + 1.0)
    return 0.5 * t * (polynomial(t, _ERFC) - z * z).exp()
