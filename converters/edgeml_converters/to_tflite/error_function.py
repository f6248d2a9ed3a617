"""The error function in TFLite's arithmetic, where the converter does not find a GELU around it.

A quotient of polynomials in x on [-4, 4], the one that Eigen and XLA evaluate in float32: within 5e-7.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgeml_converters.tensorflow_rewrite import Rule

_ABOVE = (
    -2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05,
    -7.34990630326855e-04, -2.95459980854025e-03, -1.60960333262415e-02,
)  # fmt: skip
_BELOW = (
    -1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03, -7.37332916720468e-03,
    -1.42647390514189e-02,
)  # fmt: skip


def _polynomial(square: Any, coefficients: Sequence[float]) -> Any:
    value = square * coefficients[0] + coefficients[1]
    for coefficient in coefficients[2:]:
        value = value * square + coefficient
    return value


def _erf(tf: Any, _node: Any, inputs: Sequence[Any]) -> Sequence[Any]:
    x = tf.clip_by_value(inputs[0], -4.0, 4.0)
    square = x * x
    return [x * _polynomial(square, _ABOVE) / _polynomial(square, _BELOW)]


def _erfc(tf: Any, node: Any, inputs: Sequence[Any]) -> Sequence[Any]:
    return [1.0 - _erf(tf, node, inputs)[0]]


RULES: Mapping[str, Rule] = {"Erf": _erf, "Erfc": _erfc}
