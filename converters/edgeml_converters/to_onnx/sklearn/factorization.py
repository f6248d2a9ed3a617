"""Non-negative matrix factorization and latent Dirichlet allocation: a row is transformed by a solver.

The solvers are scikit-learn's own, iteration for iteration in float64, and stop where it stops. NMF asks the
whole batch: its start and its stopping rule depend on the rows that are transformed together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.emitter import Emitter, Rules
from edgeml_converters.to_onnx.sklearn.loops import DOUBLE, loop
from edgeml_converters.to_onnx.sklearn.pairwise_kernels import cast, product
from edgeml_runtime.signature import Array

_EPSILON = float(np.finfo(np.float32).eps)  # scikit-learn's floor under divisors
_UNROLLED = 16  # coordinates: more are a loop of their own
_CHECKED = 10  # updates between two looks at the divergence


def _double(emitter: Emitter, value: Any) -> str:
    return emitter.constant(value, "float64")


def _total(emitter: Emitter, x: str) -> str:
    """The sum over rows and columns: [1, 1]."""
    return emitter.add("ReduceSum", x, emitter.constant([0, 1], "int64"), keepdims=1)


def _scalar(emitter: Emitter, condition: str) -> str:
    return emitter.add("Reshape", condition, emitter.constant([], "int64"))


def filled(emitter: Emitter, x: str, columns: int, value: str) -> str:
    """That value float64[1, 1] in as many rows as x float64[n, k] has and in so many columns."""
    nothing = emitter.add("Mul", emitter.sum(x), _double(emitter, np.zeros((1, columns))))
    return emitter.add("Add", nothing, value)


def _penalties(model: Any) -> tuple[float, float]:
    """The weights of the absolute values and of the squares of the transformed row."""
    whole = model.n_features_in_ * model.alpha_W
    return whole * model.l1_ratio, whole * (1.0 - model.l1_ratio)


def _nmf(emitter: Emitter, model: Any, x: str) -> str:
    x = cast(emitter, x, "float64")
    solve = _descend if model.solver == "cd" else _multiply
    return cast(emitter, solve(emitter, model, x), "float32")


def _descend(emitter: Emitter, model: Any, x: str) -> str:
    """Coordinate descent from zeros until the projected gradients' sum is small beside the first one."""
    components = np.asarray(model.components_, np.float64)
    count = len(components)
    absolute, square = _penalties(model)
    gram = components @ components.T + square * np.eye(count)
    cross = product(emitter, x, components.T, "float64")
    if absolute:
        cross = emitter.add("Sub", cross, _double(emitter, absolute))
    curvature = np.diag(gram)
    steps = np.divide(1.0, curvature, out=np.zeros(count), where=curvature != 0)
    tables = [_double(emitter, table) for table in (np.eye(count), gram, steps[:, None])]
    order = emitter.constant(_order(model, count), "int64")  # [iterations, components]

    def coordinate(body: Emitter, place: str, weights: str, violation: str) -> tuple[str, str]:
        chosen, row, step = (body.add("Gather", table, place, axis=0) for table in tables)
        gradient = body.sum(body.add("Sub", body.add("Mul", weights, row), body.add("Mul", cross, chosen)))
        weight = body.sum(body.add("Mul", weights, chosen))
        bound = body.add("Equal", weight, _double(body, 0.0))
        descent = body.add("Min", gradient, _double(body, 0.0))
        projected = body.add("Abs", body.add("Where", bound, descent, gradient))
        violation = body.add("Add", violation, _total(body, projected))
        moved = body.add("Sub", weight, body.add("Mul", gradient, step))
        moved = body.add("Max", moved, _double(body, 0.0))
        others = body.add("Sub", _double(body, 1.0), chosen)
        kept = body.add("Mul", weights, others)
        return body.add("Add", kept, body.add("Mul", moved, chosen)), violation

    def sweep(body: Emitter, iteration: str, state: Sequence[str]) -> tuple[str, list[str]]:
        weights, first = state
        violation = _double(body, [[0.0]])
        places = body.add("Gather", order, iteration, axis=0)
        if count <= _UNROLLED:
            for place in range(count):
                index = body.add("Gather", places, body.constant([place], "int64"), axis=0)
                weights, violation = coordinate(body, index, weights, violation)
        else:

            def one(inner: Emitter, number: str, state: Sequence[str]) -> tuple[None, tuple[str, str]]:
                at = inner.add("Reshape", number, inner.constant([1], "int64"))
                return None, coordinate(inner, inner.add("Gather", places, at, axis=0), *state)

            weights, violation = loop(body, count, (weights, violation), (DOUBLE, DOUBLE), one)
        is_first = body.add("Equal", iteration, body.constant(0, "int64"))
        first = body.add("Where", is_first, violation, first)
        limit = body.add("Mul", first, _double(body, float(model.tol)))
        return _scalar(body, body.add("Greater", violation, limit)), [weights, first]

    start = [filled(emitter, x, count, _double(emitter, [[0.0]]))]
    return loop(emitter, model.max_iter, [*start, _double(emitter, [[0.0]])], (DOUBLE, DOUBLE), sweep)[0]


def _order(model: Any, count: int) -> Array:
    """Which coordinate comes when: int64[iterations, components]."""
    if not model.shuffle:
        return np.tile(np.arange(count), (model.max_iter, 1))
    drawn = np.random.RandomState(model.random_state)
    return np.stack([drawn.permutation(count) for _ in range(model.max_iter)])


def _start(emitter: Emitter, model: Any, x: str) -> str:
    """The square root of the batch's mean over the components, everywhere: float64[n, components]."""
    count = len(model.components_)
    mean = emitter.add("ReduceMean", x, emitter.constant([0, 1], "int64"), keepdims=1)
    level = emitter.add("Sqrt", emitter.add("Div", mean, _double(emitter, float(count))))
    return filled(emitter, x, count, level)


def _multiply(emitter: Emitter, model: Any, x: str) -> str:
    """Multiplicative updates until ten of them hardly lower the divergence."""
    start = _start(emitter, model, x)
    beta = float(model._beta_loss)

    def update(body: Emitter, number: str, weights: str) -> str:
        weights = _updated(body, model, x, weights, _gamma(beta), number)
        if beta >= 1:
            return weights
        tiny = body.add("Less", weights, _double(body, float(np.finfo(np.float64).eps)))
        return body.add("Where", tiny, _double(body, 0.0), weights)

    if not model.tol > 0:

        def forever(body: Emitter, number: str, state: Sequence[str]) -> tuple[None, list[str]]:
            return None, [update(body, number, state[0])]

        return loop(emitter, model.max_iter, [start], [DOUBLE], forever)[0]
    first = _divergence(emitter, model, x, start)
    ten, all_steps = (emitter.constant(v, "int64") for v in (_CHECKED, model.max_iter))

    def several(body: Emitter, number: str, state: Sequence[str]) -> tuple[str, list[str]]:
        done = body.add("Mul", number, ten)

        def one(inner: Emitter, more: str, state: Sequence[str]) -> tuple[None, list[str]]:
            return None, [update(inner, inner.add("Add", done, more), state[0])]

        left = body.add("Min", ten, body.add("Sub", all_steps, done))
        (weights,) = loop(body, left, [state[0]], [DOUBLE], one)
        found = _divergence(body, model, x, weights)
        gain = body.add("Div", body.add("Sub", state[1], found), first)
        small = body.add("Less", gain, _double(body, float(model.tol)))
        return _scalar(body, body.add("Not", small)), [weights, found]

    rounds = -(-model.max_iter // _CHECKED)
    return loop(emitter, rounds, [start, first], [DOUBLE, DOUBLE], several)[0]


def _mini_batch_nmf(emitter: Emitter, model: Any, x: str) -> str:
    """Multiplicative updates until one of them hardly moves the batch."""
    x = cast(emitter, x, "float64")

    def one(body: Emitter, number: str, state: Sequence[str]) -> tuple[str | None, list[str]]:
        weights = _updated(body, model, x, state[0], model._gamma, None)
        if not model.tol > 0:
            return None, [weights]
        parts = body.add("Sub", weights, state[0]), weights
        sizes = [body.add("Sqrt", _total(body, body.add("Mul", part, part))) for part in parts]
        still = body.add("LessOrEqual", body.add("Div", *sizes), _double(body, float(model.tol)))
        return _scalar(body, body.add("Not", still)), [weights]

    start = _start(emitter, model, x)
    return cast(emitter, loop(emitter, model._transform_max_iter, [start], [DOUBLE], one)[0], "float32")


def _gamma(beta: float) -> float:
    """The exponent that keeps updates from raising the divergence (Fevotte and Idier 2011)."""
    if beta < 1:
        return 1.0 / (2.0 - beta)
    return 1.0 / (beta - 1.0) if beta > 2 else 1.0


def _floored(emitter: Emitter, x: str) -> str:
    return emitter.add("Max", x, _double(emitter, _EPSILON))


def _updated(emitter: Emitter, model: Any, x: str, weights: str, gamma: float, number: str | None) -> str:
    """One multiplicative update. number: int64[], of the update, where scikit-learn adds up penalties."""
    components = np.asarray(model.components_, np.float64)
    beta = float(model._beta_loss)
    absolute, square = _penalties(model)
    if beta == 2:
        numerator = product(emitter, x, components.T, "float64")
        denominator = product(emitter, weights, components @ components.T, "float64")
    else:
        made = product(emitter, weights, components, "float64")
        safe = _floored(emitter, made) if beta < 2 else made
        if beta == 1:
            ratio = emitter.add("Div", x, safe)
        else:
            ratio = emitter.add("Mul", emitter.add("Pow", safe, _double(emitter, beta - 2)), x)
        numerator = product(emitter, ratio, components.T, "float64")
        if beta == 1:
            denominator = _double(emitter, components.sum(axis=1)[None])
        else:
            base = _floored(emitter, made) if beta < 1 else made
            power = emitter.add("Pow", base, _double(emitter, beta - 1))
            denominator = product(emitter, power, components.T, "float64")
    if absolute > 0:
        penalty = _double(emitter, absolute)
        if beta == 1 and number is not None:
            # scikit-learn 1.9 keeps the sums of components and adds the penalty to them at every update.
            passed = emitter.add("Add", emitter.add("Cast", number, to=DOUBLE), _double(emitter, 1.0))
            penalty = emitter.add("Mul", penalty, passed)
        denominator = emitter.add("Add", denominator, penalty)
    if square > 0:
        denominator = emitter.add("Add", denominator, emitter.add("Mul", weights, _double(emitter, square)))
    empty = emitter.add("Equal", denominator, _double(emitter, 0.0))
    denominator = emitter.add("Where", empty, _double(emitter, _EPSILON), denominator)
    change = emitter.add("Div", numerator, denominator)
    if gamma != 1:
        change = emitter.add("Pow", change, _double(emitter, gamma))
    return emitter.add("Mul", weights, change)


def _divergence(emitter: Emitter, model: Any, x: str, weights: str) -> str:
    """The square root of twice the beta divergence of x from weights @ components: float64[1, 1]."""
    components = np.asarray(model.components_, np.float64)
    beta = float(model._beta_loss)
    made = product(emitter, weights, components, "float64")
    if beta == 2:
        apart = emitter.add("Sub", x, made)
        return emitter.add("Sqrt", _total(emitter, emitter.add("Mul", apart, apart)))
    one, zero = _double(emitter, 1.0), _double(emitter, 0.0)
    present = emitter.add("Greater", x, _double(emitter, _EPSILON))
    values = emitter.add("Where", present, x, zero)
    safe = _floored(emitter, made)
    if beta in (0, 1):
        ratio = emitter.add("Where", present, emitter.add("Div", x, safe), one)
        logarithm = emitter.add("Log", ratio)
        if beta == 1:
            terms = emitter.add("Sub", emitter.add("Mul", values, logarithm), values)
            total = _total(emitter, emitter.add("Add", terms, made))
        else:
            terms = emitter.add("Sub", emitter.add("Sub", ratio, one), logarithm)
            # Absent values count among all, but have no ratio.
            total = _total(emitter, emitter.add("Where", present, terms, _double(emitter, -1.0)))
    else:
        power = emitter.add("Pow", emitter.add("Where", present, x, one), _double(emitter, beta))
        power = emitter.add("Where", present, power, zero)
        mixed = emitter.add("Mul", values, emitter.add("Pow", safe, _double(emitter, beta - 1)))
        whole = emitter.add("Pow", made, _double(emitter, beta))
        terms = emitter.add("Sub", power, emitter.add("Mul", mixed, _double(emitter, beta)))
        terms = emitter.add("Add", terms, emitter.add("Mul", whole, _double(emitter, beta - 1)))
        total = emitter.add("Div", _total(emitter, terms), _double(emitter, beta * (beta - 1)))
    doubled = emitter.add("Mul", emitter.add("Max", total, zero), _double(emitter, 2.0))
    return emitter.add("Sqrt", doubled)


def _shuffled(model: Any) -> str | None:
    if model.solver == "cd" and model.shuffle and not isinstance(model.random_state, (int, np.integer)):
        return (
            "shuffle=True without a whole random_state visits the components in another order at every "
            "call; set random_state to a number"
        )
    return None


RULES = Rules(
    transform={
        "MiniBatchNMF": _mini_batch_nmf,
        "NMF": _nmf,
    },
    limits={"NMF": _shuffled},
)
