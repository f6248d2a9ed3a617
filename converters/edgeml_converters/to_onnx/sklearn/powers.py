"""PowerTransformer, both ways: Box and Cox's, Yeo and Johnson's powers, standardized.

Powers of a narrow range far from 1 differ in their last digits only, and standardizing shows nothing but the
difference. So no power stands alone: with c the number that becomes the mean,

    (x**l - c**l) / l = c**l * expm1(l * log(x / c)) / l,  log(x / c) = log1p((x - c) / c)

which is exact to float32 wherever x is. Yeo and Johnson's has that form in 1 + x above 0 and, with 2 - l for
l, in 1 - x below; the side on which c does not lie is added to the mean, which has the same sign there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.elementary import expm1, expm1_ratio, log1p
from edgeml_converters.to_onnx.sklearn.terms import Term
from edgeml_runtime.signature import Array

_TINY = 1e-30  # a power this near to 0 is the logarithm


@dataclass(frozen=True, slots=True)
class _Side:
    """(power - 1) / exponent of a base that is x + shift, seen from `centre`: float64[k] each.

    The standardized value is factor * expm1(exponent * log(base / centre)) / exponent + offset.
    """

    exponent: Array
    centre: Array
    shift: float  # of x, or of -x
    factor: Array
    offset: Array

    def forward(self, x: Term) -> Term:
        """x: the column, or its negative below 0."""
        away = _minus(x, self.centre - self.shift) * (1 / self.centre)
        ratio = (x + self.shift if self.shift else x) * (1 / self.centre)
        logarithm = log1p(away, ratio)
        exponent, divisor = self._exponents()
        v = logarithm * exponent
        bent = (abs(v) < 0.5).choose(logarithm * expm1_ratio(v), (v.exp() - 1.0) / divisor)
        return bent * self.factor + self.offset

    def back(self, y: Term) -> Term:
        """What `forward` was given."""
        bent = (y - self.offset) * (1 / self.factor)
        exponent, divisor = self._exponents()
        logarithm = log1p(bent * exponent) / divisor
        logarithm = (
            y.of((np.abs(self.exponent) < _TINY)[None].astype(np.float32)).equals(1.0).choose(bent, logarithm)
        )
        return expm1(logarithm) * self.centre + (self.centre - self.shift)

    def _exponents(self) -> tuple[Array, Array]:
        """With 0 for those that stand for the logarithm, and with 1 for them."""
        is_log = np.abs(self.exponent) < _TINY
        return np.where(is_log, 0.0, self.exponent), np.where(is_log, 1.0, self.exponent)


def _minus(x: Term, values: Array) -> Term:
    """The difference to float64 values of which all digits count where x is near."""
    with np.errstate(over="ignore"):
        high = values.astype(np.float32).astype(np.float64)
    rest = values - high
    difference = x - high if high.any() else x
    return difference - rest if rest.any() else difference


def power(model: Any, x: Term) -> Term:
    """A fitted PowerTransformer's transform of x float32[n, k]."""
    if model.method == "box-cox":
        return _box_cox(model).forward(x)
    above, below = _yeo_johnson(model)
    return (x >= 0.0).choose(above.forward(x), -below.forward(-x))


def inverse_power(model: Any, y: Term) -> Term:
    """Its inverse_transform of y float32[n, k]; NaN where no number becomes y."""
    if model.method == "box-cox":
        return _box_cox(model).back(y)
    mean, scale = _standard(model)
    above, below = _yeo_johnson(model)
    return (y * scale + mean >= 0.0).choose(above.back(y), -below.back(-y))


def _standard(model: Any) -> tuple[Array, Array]:
    width = len(model.lambdas_)
    if not model.standardize:
        return np.zeros(width), np.ones(width)
    return np.asarray(model._scaler.mean_, np.float64), np.asarray(model._scaler.scale_, np.float64)


def _box_cox(model: Any) -> _Side:
    from scipy.special import inv_boxcox  # type: ignore[import-untyped]

    exponent = np.asarray(model.lambdas_, np.float64)
    mean, scale = _standard(model)
    centre = inv_boxcox(mean, exponent)
    return _Side(exponent, centre, 0.0, centre**exponent / scale, np.zeros(len(exponent)))


def _yeo_johnson(model: Any) -> tuple[_Side, _Side]:
    """Of x from 0 up, and the negative of -x below 0."""
    exponent = np.asarray(model.lambdas_, np.float64)
    mean, scale = _standard(model)
    with np.errstate(all="ignore"):
        centre = np.array(
            [
                model._yeo_johnson_inverse_transform(np.array([m]), power)[0]
                for m, power in zip(mean, exponent, strict=True)
            ]
        )
    return (
        _half(exponent, centre, mean, scale),
        _half(2 - exponent, -centre, -mean, scale),
    )


def _half(exponent: Array, centre: Array, mean: Array, scale: Array) -> _Side:
    here = centre >= 0
    base = np.where(here, 1 + centre, 1.0)
    offset = np.where(here, 0.0, -mean / scale)
    return _Side(exponent, base, 1.0, base**exponent / scale, offset)
