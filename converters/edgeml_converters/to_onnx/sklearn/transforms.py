"""Transformers that bend single columns: powers, quantiles, splines, isotonic steps, iterated imputation."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.sources.sklearn_rows import quiet_names
from edgeml_converters.sources.sklearn_structure import children
from edgeml_converters.to_onnx.sklearn import piecewise
from edgeml_converters.to_onnx.sklearn.elementary import normal_quantile
from edgeml_converters.to_onnx.sklearn.emitter import Emitter, Rules
from edgeml_converters.to_onnx.sklearn.imputers import missing
from edgeml_converters.to_onnx.sklearn.origins import Map
from edgeml_converters.to_onnx.sklearn.piecewise import Piecewise, evaluate, through_points
from edgeml_converters.to_onnx.sklearn.powers import power
from edgeml_converters.to_onnx.sklearn.terms import Term, larger, smaller
from edgeml_runtime.signature import Array

_BOUNDS = 1e-7  # of scikit-learn: values this near the ends of a normal output count as the ends


def _power_transformer(emitter: Emitter, model: Any, x: str) -> str:
    y = power(model, Term(emitter, x)).name

    def column(index: int) -> Map:
        def transform(values: Array) -> Array:
            from scipy.special import boxcox  # type: ignore[import-untyped]
            from scipy.stats import yeojohnson  # type: ignore[import-untyped]

            with np.errstate(all="ignore"):
                if model.method == "box-cox":
                    bent = boxcox(np.maximum(values, 0.0), model.lambdas_[index])
                else:
                    bent = yeojohnson(values, model.lambdas_[index])
                if model.standardize:
                    bent = (bent - model._scaler.mean_[index]) / model._scaler.scale_[index]
            return np.asarray(bent)

        return transform

    return emitter.follow(x, y, [column(i) for i in range(len(model.lambdas_))])


def _shares(quantiles: Array, references: Array, *, normal: bool) -> Piecewise:
    """A column's quantile transform: the share of rows below, and above, for each value.

    Linear between quantiles; at one that occurs several times the middle of its shares, but 0 and 1 at the
    ends, with a normal output also within 1e-7 of them.
    """
    if np.isnan(quantiles).any():
        return piecewise.constant([np.nan, np.nan])
    values, first, count = np.unique(quantiles, return_index=True, return_counts=True)
    low, high = references[first], references[first + count - 1]
    last, near = len(values) - 1, np.full(2, _BOUNDS if normal else 0.0)
    near[np.spacing(np.abs(values[[0, -1]]).astype(np.float32)) > near] = 0.0  # float32 has none that near
    found = []  # (at, after, left, right, share at the left, share at the right)
    for i, value in enumerate(values[:-1]):
        several = i > 0 and count[i] > 1
        if several:
            middle = (low[i] + high[i]) / 2
            found.append((value, False, value, value, middle, middle))
        margin = 0.0 if i else near[0]
        after = several or not (i or margin)
        found.append((value + margin, after, value, values[i + 1], high[i], low[i + 1]))
    end = values[-1]
    # Of a constant column the lower end counts.
    begin = (end - near[1], near[1] > 0) if last else (end + near[0], near[0] == 0)
    found.append((*begin, end, end, 1.0, 1.0))
    at, after, left, right, start, stop = (np.array(column) for column in zip(*found, strict=True))
    origin, scale, base, rise = piecewise.lines(left, right, start, stop)
    below = np.stack([np.append(0.0, base), np.append(0.0, rise)], axis=1)
    above = np.stack([np.append(1.0, 1 - base), np.append(0.0, -rise)], axis=1)
    return Piecewise(
        at=at,
        after=after.astype(bool),
        of_data=at == left,
        origin=np.append(origin[:1], origin),
        scale=np.append(0.0, scale),
        coefficients=np.stack([below, above], axis=2),
    )


def _quantile_transformer(emitter: Emitter, model: Any, x: str) -> str:
    normal = model.output_distribution == "normal"
    columns = [
        _shares(np.asarray(column, np.float64), model.references_, normal=normal)
        for column in model.quantiles_.T
    ]
    values = evaluate(emitter, x, columns, between=True)
    below = Term(emitter, piecewise.output(emitter, values, 0))
    if normal:
        above = Term(emitter, piecewise.output(emitter, values, 1))
        y = normal_quantile(larger(below, _BOUNDS), larger(above, _BOUNDS))
    else:
        y = below

    def column(index: int) -> Map:
        def transform(values: Array) -> Array:
            with np.errstate(all="ignore"):
                return np.asarray(model._transform_col(values.copy(), model.quantiles_[:, index], False))

        return transform

    return emitter.follow(x, y.name, [column(i) for i in range(len(columns))])


def _spline_transformer(emitter: Emitter, model: Any, x: str) -> str:
    """The basis as its own values show it: whatever happens beyond the knots is a piece like any other."""
    width, degree = model.n_features_in_, model.degree
    splines = model.bsplines_[0].c.shape[1] - (0 if model.include_bias else 1)
    periodic = model.extrapolation == "periodic"

    def values_of(column: int) -> Any:
        others = np.array([spline.t[spline.k] for spline in model.bsplines_])

        def evaluate_at(values: Array) -> Array:
            rows = np.tile(others, (len(values), 1))
            rows[:, column] = values
            made = _rows(model, rows)
            return made[:, column * splines : (column + 1) * splines]

        return evaluate_at

    pieces = []
    for column, spline in enumerate(model.bsplines_):
        inner = spline.t[degree : len(spline.t) - degree]
        ends = inner if model.extrapolation in ("periodic", "error", "continue") else spline.t
        ends = np.unique(ends)
        data = inner if isinstance(model.knots, str) and model.knots == "quantile" else inner[[0, -1]]
        only = model.extrapolation == "error" or (model.extrapolation == "constant" and degree == 0)
        pieces.append(
            piecewise.sampled(ends, np.isin(ends, data), max(degree, 1), values_of(column), inside_only=only)
        )
    if periodic:
        x = _wrapped(emitter, x, model)
    y = evaluate(emitter, x, pieces)
    if model.handle_missing == "zeros":
        empty = Term(emitter, emitter.add("Unsqueeze", x, emitter.constant([2], "int64"))).is_nan()
        y = empty.choose(0.0, Term(emitter, y)).name
    flat = emitter.add("Reshape", y, emitter.constant([-1, width * splines], "int64"))
    return emitter.declare(flat, width * splines)


def _wrapped(emitter: Emitter, x: str, model: Any) -> str:
    """Values moved into the base interval by whole periods."""
    first = np.array([spline.t[spline.k] for spline in model.bsplines_])
    last = np.array([spline.t[-spline.k - 1] for spline in model.bsplines_])
    period = np.where(last > first, last - first, 1.0)
    values = Term(emitter, x)
    turns = ((values - first) * (1 / period)).floor()
    moved = values - turns * period
    # The last bit of float32 may leave the interval, at whose end the next turn begins.
    below = np.nextafter(last.astype(np.float32), np.float32(-np.inf))
    return turns.equals(0.0).choose(values, larger(smaller(moved, below), first)).name


def _rows(model: Any, rows: Array) -> Array:
    """What the fitted transformer answers, as an array."""
    with quiet_names():
        made = model.transform(rows)
    made = made.to_numpy() if hasattr(made, "to_numpy") else made
    return np.asarray(made.toarray() if hasattr(made, "toarray") else made, np.float64)


def _isotonic(emitter: Emitter, model: Any, x: str) -> str:
    """float32[n, 1]; outside of the fitted range, where out_of_bounds is not "clip", NaN."""
    known = np.asarray(model.X_thresholds_, np.float64), np.asarray(model.y_thresholds_, np.float64)
    if len(known[0]) == 1:
        line = piecewise.constant(known[1])
    else:
        line = through_points(*known, held=model.out_of_bounds == "clip")
    return piecewise.output(emitter, evaluate(emitter, x, [line], between=True), 0)


def _iterative_imputer(emitter: Emitter, model: Any, x: str) -> str:
    first = emitter.transform(model.initial_imputer_, x)
    empty = np.asarray(model._is_empty_feature)
    kept = np.arange(len(empty)) if model.keep_empty_features else np.flatnonzero(~empty)
    absent = missing(emitter, emitter.columns(x, kept) if len(kept) < len(empty) else x, model.missing_values)
    width = len(kept)
    values = [emitter.columns(first, [j]) for j in range(width)]
    gaps = [emitter.add("Gather", absent, emitter.constant([j], "int64"), axis=1) for j in range(width)]
    for step in model.imputation_sequence_ if model.n_iter_ else ():
        j = int(step.feat_idx)
        if empty[kept[j]]:  # filled in once and for all
            continue
        known = emitter.concat([values[int(i)] for i in step.neighbor_feat_idx])
        if known not in emitter.origins:
            emitter.declare(known, len(step.neighbor_feat_idx))
        guess = Term(emitter, emitter.regress(step.estimator, known))
        low, high = float(model._min_value[j]), float(model._max_value[j])
        guess = guess if low == -np.inf else larger(guess, low)
        guess = guess if high == np.inf else smaller(guess, high)
        values[j] = emitter.declare(emitter.add("Where", gaps[j], guess.name, values[j]), 1)
    whole = _unless_all(emitter, absent, emitter.concat(values), first) if model.n_iter_ else first
    emitter.declare(whole, width)
    if model.indicator_ is None:
        return whole
    return emitter.concat([whole, emitter.transform(model.indicator_, x)])


def _unless_all(emitter: Emitter, absent: str, filled: str, first: str) -> str:
    """Where nothing at all is known, in no row, scikit-learn leaves it at the first guess."""
    gaps = emitter.add("Cast", absent, to=1)
    least = emitter.add("ReduceMin", gaps, emitter.constant([0, 1], "int64"), keepdims=1)
    return (Term(emitter, least) > 0.5).choose(Term(emitter, first), Term(emitter, filled)).name


def _sampled_posterior(model: Any) -> str | None:
    return "sample_posterior=True draws its values at random" if model.sample_posterior else None


def _imputing(model: Any, role: str) -> list[tuple[str, Any, str]]:
    return [(name, child, "regress") for name, child in children(model)]


RULES = Rules(
    transform={
        "IsotonicRegression": _isotonic,
        "IterativeImputer": _iterative_imputer,
        "PowerTransformer": _power_transformer,
        "QuantileTransformer": _quantile_transformer,
        "SplineTransformer": _spline_transformer,
    },
    regress={"IsotonicRegression": _isotonic},
    limits={"IterativeImputer": _sampled_posterior},
    calls={"IterativeImputer": _imputing},
)
