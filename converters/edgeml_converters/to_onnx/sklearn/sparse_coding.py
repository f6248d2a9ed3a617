"""Sparse codes: a row as a combination of few atoms of a dictionary.

Orthogonal matching pursuit, least angle regression and the lasso move one atom at a time into or out of the
active set. All rows of a batch take such a step together, as matrix products: the inverse of the Gram matrix
of a row's active atoms, zero elsewhere, changes by one outer product, so a step costs atoms^2 a row.

The lasso follows its path of solutions from zero down to the penalty (Efron et al. 2004). It ends in the
solution itself, where scikit-learn's coordinate descent ends within its tolerance of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.emitter import Emitter, Rules
from edgeml_converters.to_onnx.sklearn.factorization import filled
from edgeml_converters.to_onnx.sklearn.loops import BOOL, DOUBLE, loop
from edgeml_converters.to_onnx.sklearn.pairwise_kernels import cast, product
from edgeml_runtime.signature import Array

_FAR = 1e30  # no step is as long
_TINY = float(np.finfo(np.float32).tiny)
_EQUAL = float(np.finfo(np.float32).eps)  # of correlations over features, as scikit-learn compares them
_DEPENDENT = 1e-12  # what is left of an atom's square, the active atoms taken out, for it to be one more


def _encode(emitter: Emitter, model: Any, x: str) -> str:
    atoms = np.asarray(model.dictionary if hasattr(model, "dictionary") else model.components_, np.float64)
    x = cast(emitter, x, "float64")
    correlation = product(emitter, x, atoms.T, "float64")
    algorithm, slack = model.transform_algorithm, _EQUAL * atoms.shape[1]
    if algorithm == "threshold":
        code = _shrunk(emitter, correlation, _penalty(model), model.positive_code)
    elif algorithm == "omp":
        code = _pursue(emitter, atoms, correlation, _count(model, atoms))
    elif algorithm == "lars":
        count = _count(model, atoms)
        code = _follow(emitter, atoms, correlation, None, count, slack=slack, positive=False)
    else:
        penalty, steps = _penalty(model), model.transform_max_iter
        slack = slack if algorithm == "lasso_lars" else 0.0
        positive = model.positive_code
        code = _follow(emitter, atoms, correlation, penalty, steps, slack=slack, positive=positive)
    code = cast(emitter, code, "float32")
    if not model.split_sign:
        return code
    return emitter.concat([emitter.add("Relu", code), emitter.add("Relu", emitter.add("Neg", code))])


def _penalty(model: Any) -> float:
    given = model.transform_alpha
    if given is None:
        given = getattr(model, "alpha", None)
    return 1.0 if given is None else float(given)


def _count(model: Any, atoms: Array) -> int:
    """How many atoms a code may have."""
    given = model.transform_n_nonzero_coefs
    if given is None:
        given = min(max(atoms.shape[1] / 10, 1), len(atoms))
    return int(given)


def _double(emitter: Emitter, value: Any) -> str:
    return emitter.constant(value, "float64")


def _number(emitter: Emitter, condition: str) -> str:
    return emitter.add("Cast", condition, to=DOUBLE)


def _shrunk(emitter: Emitter, correlation: str, penalty: float, positive: bool) -> str:
    zero = _double(emitter, 0.0)
    above = emitter.add("Max", emitter.add("Sub", correlation, _double(emitter, penalty)), zero)
    if positive:
        return above
    below = emitter.add("Min", emitter.add("Add", correlation, _double(emitter, penalty)), zero)
    return emitter.add("Add", above, below)


def _largest(emitter: Emitter, scores: str, allowed: str) -> tuple[str, str]:
    """The largest score [n, 1] of those allowed (0 or 1), at least 0, and where it is: one-hot [n, k]."""
    kept = emitter.add("Where", emitter.add("Cast", allowed, to=BOOL), scores, _double(emitter, -1.0))
    place = emitter.add("ArgMax", kept, axis=1, keepdims=1)
    best = emitter.add("ReduceMax", kept, emitter.constant([1], "int64"), keepdims=1)
    return emitter.add("Max", best, _double(emitter, 0.0)), place


def _one_hot(emitter: Emitter, place: str, count: int) -> str:
    """float64[n, count] of places int64[n, 1]."""
    return _number(emitter, emitter.add("Equal", place, emitter.constant(np.arange(count)[None], "int64")))


def _times(emitter: Emitter, inverse: str, vector: str) -> str:
    """A matrix [k, k] a row times a vector [n, k]: [n, k]."""
    column = emitter.add("Unsqueeze", vector, emitter.constant([2], "int64"))
    return emitter.add("Squeeze", emitter.add("MatMul", inverse, column), emitter.constant([2], "int64"))


def _outer(emitter: Emitter, vector: str, factor: str) -> str:
    """Each row's vector [k] times itself times a factor [n, 1]: [n, k, k]."""
    column = emitter.add("Unsqueeze", emitter.add("Mul", vector, factor), emitter.constant([2], "int64"))
    return emitter.add("Mul", column, emitter.add("Unsqueeze", vector, emitter.constant([1], "int64")))


def _added(emitter: Emitter, gram: Array, inverse: str, atom: str, least: float) -> tuple[str, str]:
    """The inverse with one more atom (one-hot [n, k], or zeros for none), and whether it was added [n, 1].

    An atom that the active ones nearly span is not: what is left of it has to be above `least`.
    """
    row = product(emitter, atom, gram, "float64")
    spanned = _times(emitter, inverse, row)
    diagonal = product(emitter, atom, np.diag(gram)[:, None], "float64")
    left = emitter.add("Sub", diagonal, emitter.sum(emitter.add("Mul", row, spanned)))
    usable = emitter.add("Greater", left, _double(emitter, least))
    factor = emitter.add("Div", _double(emitter, 1.0), left)
    factor = emitter.add("Where", usable, factor, _double(emitter, 0.0))
    change = _outer(emitter, emitter.add("Sub", spanned, atom), factor)
    return emitter.add("Add", inverse, change), _number(emitter, usable)


def _removed(emitter: Emitter, inverse: str, atom: str) -> str:
    """The inverse without an atom (one-hot [n, k], or zeros for none)."""
    column = _times(emitter, inverse, atom)
    pivot = emitter.sum(emitter.add("Mul", column, atom))
    none = emitter.add("Equal", pivot, _double(emitter, 0.0))
    factor = emitter.add("Where", none, _double(emitter, 1.0), pivot)
    factor = emitter.add("Neg", emitter.add("Div", _double(emitter, 1.0), factor))
    return emitter.add("Add", inverse, _outer(emitter, column, factor))


def _cleared(emitter: Emitter, inverse: str, active: str) -> str:
    """Zero outside the active atoms' rows and columns, where rounding may have left something."""
    return emitter.add("Mul", inverse, _outer(emitter, active, _double(emitter, [[1.0]])))


def _nothing(emitter: Emitter, correlation: str, count: int) -> tuple[str, str]:
    """Zeros float64[n, k] and float64[n, k, k]."""
    zeros = filled(emitter, correlation, count, _double(emitter, [[0.0]]))
    return zeros, _outer(emitter, zeros, _double(emitter, [[0.0]]))


def _any(emitter: Emitter, flags: str) -> str:
    """bool[]: whether any flag float64[n, 1] is not zero."""
    largest = emitter.add("ReduceMax", flags, emitter.constant([0, 1], "int64"), keepdims=0)
    return emitter.add("Cast", largest, to=BOOL)


def _pursue(emitter: Emitter, atoms: Array, correlation: str, count: int) -> str:
    """Orthogonal matching pursuit: the atom nearest to what is left, then least squares over all chosen."""
    gram, size = atoms @ atoms.T, len(atoms)
    zeros, inverse = _nothing(emitter, correlation, size)
    running = filled(emitter, correlation, 1, _double(emitter, [[1.0]]))
    smallest = float(np.finfo(np.float64).eps)

    def step(body: Emitter, _: str, state: Sequence[str]) -> tuple[str, list[str]]:
        code, active, inverse, running = state
        left = body.add("Sub", correlation, product(body, code, gram, "float64"))
        free = body.add("Sub", _double(body, 1.0), active)
        best, place = _largest(body, body.add("Abs", left), free)
        enough = body.add("GreaterOrEqual", body.add("Mul", best, best), _double(body, smallest))
        running = body.add("Mul", running, _number(body, enough))
        atom = body.add("Mul", _one_hot(body, place, size), running)
        inverse, usable = _added(body, gram, inverse, atom, smallest)
        running = body.add("Mul", running, usable)
        active = body.add("Add", active, body.add("Mul", atom, usable))
        code = _times(body, inverse, body.add("Mul", correlation, active))
        return _any(body, running), [code, active, inverse, running]

    return loop(emitter, count, [zeros, zeros, inverse, running], [DOUBLE] * 4, step)[0]


def _follow(
    emitter: Emitter,
    atoms: Array,
    correlation: str,
    penalty: float | None,
    steps: int,
    *,
    slack: float,
    positive: bool,
) -> str:
    """The path of the lasso down to the penalty, or of least angle regression (None) for so many steps.

    slack: how near to the penalty a step may end and count as there.
    """
    gram, size = atoms @ atoms.T, len(atoms)
    end = penalty or 0.0
    zeros, inverse = _nothing(emitter, correlation, size)
    ones = filled(emitter, correlation, 1, _double(emitter, [[1.0]]))
    nought = filled(emitter, correlation, 1, _double(emitter, [[0.0]]))

    def step(body: Emitter, _: str, state: Sequence[str]) -> tuple[str, list[str]]:
        code, active, signs, spoiled, inverse, dropped, passed, running = state
        one, zero = _double(body, 1.0), _double(body, 0.0)
        left = body.add("Sub", correlation, product(body, code, gram, "float64"))
        free = body.add("Sub", body.add("Sub", one, active), spoiled)
        level, place = _largest(body, left if positive else body.add("Abs", left), free)
        above = _number(body, body.add("Greater", level, _double(body, end + slack)))
        more = _number(body, body.add("Less", passed, _double(body, float(steps))))
        running = body.add("Mul", running, body.add("Mul", above, more))

        joins = body.add("Mul", running, body.add("Sub", one, dropped))
        atom = body.add("Mul", _one_hot(body, place, size), joins)
        inverse, usable = _added(body, gram, inverse, atom, _DEPENDENT)
        fails = body.add("Mul", joins, body.add("Sub", one, usable))
        # Left out for good. scikit-learn's Lars means to do so, and mixes up the atoms' order from then on.
        spoiled = body.add("Add", spoiled, body.add("Mul", atom, fails))
        atom = body.add("Mul", atom, usable)
        active = body.add("Add", active, atom)
        signs = body.add("Add", signs, body.add("Mul", atom, body.add("Sign", left)))
        moving = body.add("Mul", running, body.add("Sub", one, fails))

        solved = _times(body, inverse, signs)
        square = body.sum(body.add("Mul", solved, signs))
        is_none = body.add("LessOrEqual", square, zero)
        angle = body.add("Div", one, body.add("Sqrt", body.add("Where", is_none, one, square)))
        direction = body.add("Mul", solved, angle)
        pull = product(body, direction, gram, "float64")
        free = body.add("Cast", body.add("Sub", body.add("Sub", one, active), spoiled), to=BOOL)
        length = body.add("Div", level, angle)
        for gap, speed in (("Sub", "Sub"),) if positive else (("Sub", "Sub"), ("Add", "Add")):
            slower = body.add("Add", body.add(speed, angle, pull), _double(body, _TINY))
            reach = body.add("Div", body.add(gap, level, left), slower)
            length = body.add("Min", length, _least_positive(body, reach, free))
        crossing = body.add("Neg", body.add("Div", code, body.add("Add", direction, _double(body, _TINY))))
        is_active = body.add("Cast", active, to=BOOL)
        first = _least_positive(body, crossing, is_active)
        crosses = body.add("Less", first, length)
        there = body.add("And", body.add("Equal", crossing, first), body.add("And", is_active, crosses))
        leaves = body.add("Mul", _number(body, there), moving)
        if penalty is not None:
            length = body.add("Min", length, first)
            after = body.add("Sub", level, body.add("Mul", length, angle))
            arrives = body.add("LessOrEqual", after, _double(body, end + slack))
            stopped = body.add("Sub", one, body.add("Mul", moving, _number(body, arrives)))
            running = body.add("Mul", running, stopped)
            # The last step goes to the penalty and no further.
            is_past = body.add("Less", after, _double(body, end - slack))
            remaining = body.add("Div", body.add("Sub", level, _double(body, end)), angle)
            length = body.add("Where", is_past, remaining, length)
            leaves = body.add("Where", is_past, zero, leaves)
        code = body.add("Add", code, body.add("Mul", direction, body.add("Mul", length, moving)))
        if penalty is not None:
            inverse = _removed(body, inverse, leaves)
            stays = body.add("Sub", one, leaves)
            active, signs, code = (body.add("Mul", v, stays) for v in (active, signs, code))
            inverse = _cleared(body, inverse, active)
        else:
            # scikit-learn turns the sign of a coefficient that crosses zero, and adds no atom the next time.
            turned = body.add("Sub", one, body.add("Mul", leaves, _double(body, 2.0)))
            signs = body.add("Mul", signs, turned)
        dropped = body.add("ReduceMax", leaves, body.constant([1], "int64"), keepdims=1)
        passed = body.add("Add", passed, moving)
        return _any(body, running), [code, active, signs, spoiled, inverse, dropped, passed, running]

    state = [zeros, zeros, zeros, zeros, inverse, nought, nought, ones]
    return loop(emitter, steps + size, state, [DOUBLE] * 8, step)[0]


def _least_positive(emitter: Emitter, values: str, allowed: str) -> str:
    """The least of the allowed values above zero, else far away: [n, 1]."""
    positive = emitter.add("And", allowed, emitter.add("Greater", values, _double(emitter, 0.0)))
    kept = emitter.add("Where", positive, values, _double(emitter, _FAR))
    return emitter.add("ReduceMin", kept, emitter.constant([1], "int64"), keepdims=1)


RULES = Rules(
    transform=dict.fromkeys(("DictionaryLearning", "MiniBatchDictionaryLearning", "SparseCoder"), _encode)
)
