"""numpy's element-wise functions on traced arrays, as nodes that are accurate in float32."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn import elementary as e
from edgeml_converters.to_onnx.sklearn.terms import Term, larger, smaller
from edgeml_converters.to_onnx.sklearn.traced_array import (
    Kind,
    Traced,
    UntraceableError,
    broadcast,
    constant,
    kind_of,
    shape_of,
)

_LN2, _LN10 = float(np.log(2)), float(np.log(10))


def apply(ufunc: Any, method: str, inputs: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """What numpy's ufunc gives of operands of which one at least is traced."""
    from edgeml_converters.to_onnx.sklearn.traced_frame import Frame, columnwise

    if any(isinstance(value, Frame) for value in inputs):
        return columnwise(lambda *values: apply(ufunc, method, values, kwargs), inputs)
    if method == "reduce":
        return _reduced(ufunc, inputs[0], kwargs)
    if method != "__call__":
        raise UntraceableError(f"it uses numpy.{ufunc.__name__}.{method}")
    given = dict(kwargs)
    out, condition = given.pop("out", None), given.pop("where", True)
    given.pop("dtype", None)
    given.pop("casting", None)
    if given:
        raise UntraceableError(f"it passes {', '.join(given)} to numpy.{ufunc.__name__}")
    result = _called(ufunc, inputs)
    target = out[0] if isinstance(out, tuple) else out
    if target is None and condition is True:
        return result
    if not isinstance(target, Traced) or isinstance(result, tuple):
        raise UntraceableError(f"it passes out or where to numpy.{ufunc.__name__}")
    target[...] = result if condition is True else where(condition, result, target)
    return target


def _called(ufunc: Any, inputs: Sequence[Any]) -> Any:
    name = ufunc.__name__
    if name == "matmul":
        from edgeml_converters.to_onnx.sklearn.traced_shapes import matmul

        return matmul(*inputs)
    if name == "divmod":
        return elementwise("floor_divide", *inputs), elementwise("remainder", *inputs)
    if name == "clip":
        low = elementwise("maximum", inputs[0], inputs[1])
        return elementwise("minimum", low, inputs[2])
    return elementwise(name, *inputs)


def elementwise(name: str, *inputs: Any) -> Traced:
    """The ufunc of that name."""
    kinds = [kind_of(value) for value in inputs]
    if name in _LOGICAL_OF_TRUTH and all(kind == "b" for kind in kinds):
        name = _LOGICAL_OF_TRUTH[name]
    traced = next(value for value in inputs if isinstance(value, Traced))
    emitter = traced.term.emitter
    shape = broadcast(*(shape_of(value) for value in inputs))
    if name in _LOGICAL:
        truths = [
            v.truth() if isinstance(v, Traced) else constant(emitter, np.asarray(v).astype(bool))
            for v in inputs
        ]
        return Traced(_LOGICAL[name](*truths), shape, "b")
    if name not in _FLOATS:
        raise UntraceableError(f"numpy.{name} is not translated")
    kind, formula = _FLOATS[name]
    if kind == "same" and "f" not in kinds:
        whole: Kind = "i"
    else:
        whole = "b" if kind == "b" else "f"
    operands = [
        v.floats() if isinstance(v, Traced) else constant(emitter, np.asarray(v, np.float64)) for v in inputs
    ]
    if name == "power" and not isinstance(inputs[1], Traced) and np.size(inputs[1]) == 1:
        return Traced(_power(operands[0], float(np.ravel(inputs[1])[0])), shape, whole)
    return Traced(formula(*operands), shape, whole)


def where(condition: Any, yes: Any, no: Any) -> Traced:
    """Element by element one or the other, as numpy's where."""
    values = (condition, yes, no)
    traced = next(value for value in values if isinstance(value, Traced))
    emitter = traced.term.emitter
    shape = broadcast(*(shape_of(value) for value in values))
    kinds = {kind_of(yes), kind_of(no)}
    kind: Kind = "f" if "f" in kinds else "i" if "i" in kinds else "b"
    chosen = [
        (v.term if kind == "b" else v.floats())
        if isinstance(v, Traced)
        else constant(emitter, np.asarray(v) if kind == "b" else np.asarray(v, np.float64))
        for v in (yes, no)
    ]
    if kind == "b":  # Where of truth values is no operator of every engine
        numbers = [term.as_float() for term in chosen]
        return Traced(~_truth(condition, emitter).choose(*numbers).equals(0.0), shape, "b")
    return Traced(_truth(condition, emitter).choose(*chosen), shape, kind)


def _truth(value: Any, emitter: Any) -> Term:
    return value.truth() if isinstance(value, Traced) else constant(emitter, np.asarray(value).astype(bool))


def _reduced(ufunc: Any, array: Any, kwargs: Mapping[str, Any]) -> Any:
    from edgeml_converters.to_onnx.sklearn.traced_functions import METHODS

    names = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min",
             "logical_and": "all", "logical_or": "any"}  # fmt: skip
    given = {key: value for key, value in kwargs.items() if key in ("axis", "keepdims")}
    if ufunc.__name__ not in names or len(given) < len([v for v in kwargs.values() if v is not None]):
        raise UntraceableError(f"it uses numpy.{ufunc.__name__}.reduce")
    return METHODS[names[ufunc.__name__]](array, **{"axis": 0} | given)


def _power(x: Term, exponent: float) -> Term:
    if exponent == 0.5:
        return x.sqrt()
    if exponent == -1.0:
        return 1.0 / x
    if exponent in (2.0, 3.0):
        return x * x if exponent == 2.0 else x * x * x
    return _pow(x, x.of(exponent))


def _pow(x: Term, y: Term) -> Term:
    return Term(x.emitter, x.emitter.add("Pow", x.name, y.name))


def _remainder_of_c(x: Term, y: Term) -> Term:
    return Term(x.emitter, x.emitter.add("Mod", x.name, y.name, fmod=1))


def _ignoring_nan(choose: Callable[[Term, Any], Term]) -> Callable[[Term, Term], Term]:
    return lambda x, y: x.is_nan().choose(y, y.is_nan().choose(x, choose(x, y)))


def _sign(x: Term) -> Term:
    return x.is_nan().choose(x, x.sign())


def _both_larger(x: Term, y: Term) -> Term:
    return y.is_nan().choose(y, larger(x, y))


def _both_smaller(x: Term, y: Term) -> Term:
    return y.is_nan().choose(y, smaller(x, y))


def _arcsin(x: Term) -> Term:
    return e.atan2(x, ((1.0 - x) * (1.0 + x)).sqrt())


def _arccos(x: Term) -> Term:
    return e.atan2(((1.0 - x) * (1.0 + x)).sqrt(), x)


def _infinite(x: Term) -> Term:
    return abs(x) > float(np.finfo(np.float32).max)


def _expit(x: Term) -> Term:
    return x.unary("Sigmoid")


def _normal(x: Term) -> Term:
    tail = e.normal_tail(x)
    return (x < 0.0).choose(tail, 1.0 - tail)


def _logit(x: Term) -> Term:
    return e.log1p((2.0 * x - 1.0) / (1.0 - x), x / (1.0 - x))


# By name: the kind of the result ("same": whole numbers of whole numbers) and the formula.
_FLOATS: dict[str, tuple[str, Callable[..., Term]]] = {
    "absolute": ("same", abs),
    "add": ("same", lambda x, y: x + y),
    "arccos": ("f", _arccos),
    "arccosh": ("f", e.acosh),
    "arcsin": ("f", _arcsin),
    "arcsinh": ("f", e.asinh),
    "arctan": ("f", lambda x: x.unary("Atan")),
    "arctan2": ("f", e.atan2),
    "arctanh": ("f", e.atanh),
    "cbrt": ("f", e.cbrt),
    "ceil": ("same", lambda x: x.unary("Ceil")),
    "copysign": ("f", lambda x, y: (y < 0.0).choose(-abs(x), abs(x))),
    "cos": ("f", lambda x: x.unary("Cos")),
    "cosh": ("f", e.cosh),
    "deg2rad": ("f", lambda x: x * float(np.pi / 180)),
    "degrees": ("f", lambda x: x * float(180 / np.pi)),
    "divide": ("f", lambda x, y: x / y),
    "equal": ("b", lambda x, y: x.equals(y)),
    "exp": ("f", lambda x: x.exp()),
    "exp2": ("f", lambda x: _pow(x.of([2.0]), x)),
    "expit": ("f", _expit),
    "expm1": ("f", e.expm1),
    "fabs": ("f", abs),
    "float_power": ("f", _pow),
    "floor": ("same", lambda x: x.floor()),
    "floor_divide": ("same", lambda x, y: (x / y).floor()),
    "fmax": ("same", _ignoring_nan(larger)),
    "fmin": ("same", _ignoring_nan(smaller)),
    "fmod": ("same", _remainder_of_c),
    "greater": ("b", lambda x, y: x > y),
    "greater_equal": ("b", lambda x, y: x >= y),
    "heaviside": ("f", lambda x, h: x.is_nan().choose(x, x.equals(0.0).choose(h, (x > 0.0).as_float()))),
    "hypot": ("f", e.hypot),
    "isfinite": ("b", lambda x: abs(x) <= float(np.finfo(np.float32).max)),
    "isinf": ("b", _infinite),
    "isnan": ("b", lambda x: x.is_nan()),
    "less": ("b", lambda x, y: x < y),
    "less_equal": ("b", lambda x, y: x <= y),
    "log": ("f", lambda x: x.log()),
    "log10": ("f", lambda x: x.log() * (1 / _LN10)),
    "log1p": ("f", e.log1p),
    "log2": ("f", lambda x: x.log() * (1 / _LN2)),
    "logaddexp": ("f", e.log_add_exp),
    "logaddexp2": ("f", lambda x, y: e.log_add_exp(x * _LN2, y * _LN2) * (1 / _LN2)),
    "logit": ("f", _logit),
    "maximum": ("same", _both_larger),
    "minimum": ("same", _both_smaller),
    "multiply": ("same", lambda x, y: x * y),
    "ndtr": ("f", _normal),
    "negative": ("same", lambda x: -x),
    "not_equal": ("b", lambda x, y: ~x.equals(y)),
    "positive": ("same", lambda x: x),
    "power": ("same", _pow),
    "rad2deg": ("f", lambda x: x * float(180 / np.pi)),
    "radians": ("f", lambda x: x * float(np.pi / 180)),
    "reciprocal": ("f", lambda x: 1.0 / x),
    "remainder": ("same", e.remainder),
    "rint": ("f", lambda x: x.unary("Round")),
    "sign": ("same", _sign),
    "signbit": ("b", lambda x: x < 0.0),
    "sin": ("f", lambda x: x.unary("Sin")),
    "sinh": ("f", e.sinh),
    "sqrt": ("f", lambda x: x.sqrt()),
    "square": ("same", lambda x: x * x),
    "subtract": ("same", lambda x, y: x - y),
    "tan": ("f", lambda x: x.unary("Sin") / x.unary("Cos")),
    "tanh": ("f", lambda x: x.unary("Tanh")),
    "trunc": ("same", e.truncate),
    "xlogy": ("f", lambda x, y: (x.equals(0.0) & ~y.is_nan()).choose(0.0, x * y.log())),
}
_LOGICAL: dict[str, Callable[..., Term]] = {
    "logical_and": lambda x, y: x & y,
    "logical_not": lambda x: ~x,
    "logical_or": lambda x, y: x | y,
    "logical_xor": lambda x, y: Term(x.emitter, x.emitter.add("Xor", x.name, y.name)),
}
# What numpy does with truth values alone.
_LOGICAL_OF_TRUTH = {
    "add": "logical_or",
    "bitwise_and": "logical_and",
    "bitwise_or": "logical_or",
    "bitwise_xor": "logical_xor",
    "invert": "logical_not",
    "maximum": "logical_or",
    "minimum": "logical_and",
    "multiply": "logical_and",
    "not_equal": "logical_xor",
}
