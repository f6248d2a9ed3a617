"""Numbers of 48 bits as the sum of two float32, for engines that have no float64.

Dekker 1971 (A floating-point technique for extending the available precision), Knuth 4.2.2 theorem B, Hida,
Li and Bailey 2001. Every step is one TFLite operator, which rounds to float32: that is what the error terms
rest on, so nothing here may be rearranged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeml_runtime.signature import Array

Value = Any  # np.ndarray[Any, Any] | tf.Tensor, float32
_SPLIT = np.float32(4097)  # 2^12 + 1: halves of 12 bits, whose products are exact
_LARGEST = 60.0  # of exponents, far from what float32 cannot hold
_SMALLEST = -100.0
_STEPS = 16  # of the exponential's table, for each factor of 2
_TURN = 32  # of the sine's table, for half a turn


@dataclass(frozen=True, slots=True)
class Double:
    """The number high + low, with low at most half of high's last bit; low None is zero."""

    high: Value
    low: Value | None = None


def of_array(values: Array) -> Double:
    """float64 values as constants."""
    high = np.asarray(values, np.float64).astype(np.float32)
    return Double(high, (values - high.astype(np.float64)).astype(np.float32))


def both(x: Double, function: Callable[[Value], Value]) -> Double:
    """What only moves values about or changes their sign, done to both parts."""
    return Double(function(x.high), None if x.low is None else function(x.low))


def _two_sum(a: Value, b: Value) -> tuple[Value, Value]:
    total = a + b
    rest = total - a
    return total, (a - (total - rest)) + (b - rest)


def _renormalized(high: Value, low: Value) -> Double:
    total = high + low
    return Double(total, low - (total - high))


def _halves(a: Value) -> tuple[Value, Value]:
    scaled = _SPLIT * a
    high = scaled - (scaled - a)
    return high, a - high


def _two_product(a: Value, b: Value) -> tuple[Value, Value]:
    product = a * b
    (a1, a2), (b1, b2) = _halves(a), _halves(b)
    return product, ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2


def negative(x: Double) -> Double:
    """Minus x."""
    return both(x, lambda part: part * np.float32(-1))


def add(x: Double, y: Double) -> Double:
    """The sum, to 46 bits of the larger."""
    total, error = _two_sum(x.high, y.high)
    if x.low is not None and y.low is not None:
        low, rest = _two_sum(x.low, y.low)
        middle = _renormalized(total, error + low)
        return _renormalized(middle.high, middle.low + rest)
    for low in (x.low, y.low):
        error = error if low is None else error + low
    return _renormalized(total, error)


def subtract(x: Double, y: Double) -> Double:
    """The difference, to 46 bits of the larger."""
    return add(x, negative(y))


def multiply(x: Double, y: Double) -> Double:
    """The product, to 46 bits."""
    product, error = _two_product(x.high, y.high)
    if y.low is not None:
        error = error + x.high * y.low
    if x.low is not None:
        error = error + x.low * y.high
    return _renormalized(product, error)


def divide(x: Double, y: Double) -> Double:
    """The quotient, to 46 bits."""
    first = x.high / y.high
    rest = subtract(x, multiply(Double(first), y))
    return _renormalized(first, rest.high / y.high)


def square_root(tf: Any, x: Double) -> Double:
    """Of numbers that are not negative."""
    root = tf.math.sqrt(x.high)
    square, error = _two_product(root, root)
    rest = (x.high - square) - error
    rest = rest if x.low is None else rest + x.low
    positive = tf.math.greater(root, 0.0)
    low = rest / tf.where(positive, root + root, np.float32(1))
    return _renormalized(root, tf.where(positive, low, np.float32(0)))


def sliced(x: Double, axis: int, start: int, end: int) -> Double:
    """Those places along an axis."""
    index: list[Any] = [slice(None)] * len(x.high.shape)
    index[axis] = slice(start, end)
    return both(x, lambda part: part[tuple(index)])


def sum_over(tf: Any, x: Double, axis: int) -> Double:
    """The sum over an axis of known size, which disappears; by halves: few steps follow each other."""
    size = int(x.high.shape[axis])
    while size > 1:
        half = size // 2
        folded = add(sliced(x, axis, 0, half), sliced(x, axis, half, 2 * half))
        if size % 2:
            last = sliced(x, axis, size - 1, size)
            low = tf.zeros_like(last.high) if last.low is None else last.low
            folded = Double(tf.concat([folded.high, last.high], axis), tf.concat([folded.low, low], axis))
        x, size = folded, half + size % 2
    return both(x, lambda part: tf.squeeze(part, axis=[axis]))


def exponential(tf: Any, x: Double) -> Double:
    """To 1e-13 of itself: a table for sixteenths of a factor of 2, and few terms for the rest."""
    step = np.log(2.0) / _STEPS
    # Whole numbers times the first two parts of the step, of 12 bits each, are exact.
    first = np.round(step * 2**15) / 2**15
    second = np.round((step - first) * 2**27) / 2**27
    parts = [np.float32(value) for value in (first, second, step - first - second)]
    high = tf.math.minimum(tf.math.maximum(x.high, np.float32(_SMALLEST)), np.float32(_LARGEST))
    count = tf.math.round(high * np.float32(1 / step))
    rest, error = _two_sum(high - count * parts[0], count * -parts[1])
    error = error - count * parts[2]
    r = _renormalized(rest, error if x.low is None else error + x.low)
    cube = r.high * r.high * r.high
    tail = cube * (r.high * (r.high * np.float32(1 / 120) + np.float32(1 / 24)) + np.float32(1 / 6))
    half_square = both(multiply(r, r), lambda part: part * np.float32(0.5))
    growth = add(add(r, half_square), Double(tail))
    power = tf.math.floor(count * np.float32(1 / _STEPS))
    table = of_array(np.exp(step * np.arange(_STEPS)))
    factor = _looked_up(tf, table, count - power * np.float32(_STEPS))
    powers = np.exp2(np.arange(np.floor(_SMALLEST / np.log(2)), np.ceil(_LARGEST / np.log(2)) + 1))
    lowest = np.float32(np.log2(powers[0]))
    scale = tf.gather(powers.astype(np.float32), tf.cast(power - lowest, tf.int32))
    return both(add(factor, multiply(factor, growth)), lambda part: part * scale)


def _looked_up(tf: Any, table: Double, at: Value) -> Double:
    place = tf.cast(at, tf.int32)
    return both(table, lambda part: tf.gather(part, place))


def logarithm(tf: Any, x: Double) -> Double:
    """Of positive numbers: float32's, and one step of Newton's."""
    start = tf.math.log(x.high)
    error = add(multiply(x, exponential(tf, Double(-start))), Double(np.float32(-1)))
    return add(
        Double(start), _renormalized(error.high, error.low - error.high * error.high * np.float32(0.5))
    )


def power(tf: Any, x: Double, exponent: float) -> Double:
    """Powers of positive numbers, whole ones of any."""
    if exponent == int(exponent) and 1 <= abs(exponent) <= 16:
        result = x
        for _ in range(int(abs(exponent)) - 1):
            result = multiply(result, x)
        return result if exponent > 0 else divide(Double(np.float32(1)), result)
    raised = exponential(tf, multiply(logarithm(tf, x), of_array(np.asarray(exponent))))
    zero = tf.math.equal(x.high, 0.0)
    at_zero = np.float32(exponent == 0)
    return Double(tf.where(zero, at_zero, raised.high), tf.where(zero, np.float32(0), raised.low))


def hyperbolic_tangent(tf: Any, x: Double) -> Double:
    """To 1e-13, by the exponential."""
    kept = tf.math.less(tf.math.abs(x.high), 20.0)  # beyond, it is 1
    doubled = both(x, lambda part: tf.where(kept, part + part, tf.math.sign(part) * np.float32(40)))
    share = divide(Double(np.float32(2)), add(exponential(tf, doubled), Double(np.float32(1))))
    return subtract(Double(np.float32(1)), share)


def sine(tf: Any, x: Double) -> Double:
    """Of at most a quarter of a turn to either side, to 1e-12: a table, and few terms for the rest."""
    step = np.pi / _TURN
    count = tf.math.round(x.high * np.float32(1 / step))
    count = tf.math.minimum(tf.math.maximum(count, np.float32(-_TURN / 2)), np.float32(_TURN / 2))
    r = subtract(x, multiply(Double(count), of_array(np.asarray(step))))
    square = multiply(r, r)
    tail = r.high * square.high * (square.high * np.float32(1 / 120) - np.float32(1 / 6))
    sine_rest = add(r, Double(tail))
    tail = square.high * square.high * (np.float32(1 / 24) - square.high * np.float32(1 / 720))
    cosine_less_one = add(both(square, lambda part: part * np.float32(-0.5)), Double(tail))
    angles = step * np.arange(-_TURN // 2, _TURN // 2 + 1)
    place = count + np.float32(_TURN / 2)
    at_sine, at_cosine = (_looked_up(tf, of_array(f(angles)), place) for f in (np.sin, np.cos))
    return add(at_sine, add(multiply(at_sine, cosine_less_one), multiply(at_cosine, sine_rest)))
