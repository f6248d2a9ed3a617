"""Estimators that look up the nearest fitted rows, or those within a radius."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.decimals import double
from edgeml_converters.to_onnx.sklearn.distances import (
    fitted_rows,
    from_reduced,
    metric_of,
    reduced_distances,
    to_reduced,
    unknown_metric,
)
from edgeml_converters.to_onnx.sklearn.emitter import Classified, Detected, Emitter, Rules
from edgeml_converters.to_onnx.sklearn.nearest import nearest
from edgeml_converters.to_onnx.sklearn.outliers import beyond_percentile
from edgeml_runtime.signature import Array

_FLOAT, _DOUBLE = 1, 11  # onnx.TensorProto's


def inverse_distances(emitter: Emitter, apart: str, among: str | None = None) -> str:
    """The weights 1 / distance float64[n, k]; in rows with a distance of 0, 1 for these and 0 for others.

    among: bool[n, k], which of them count; None for all.
    """
    zero, one = double(emitter, [0.0]), double(emitter, [1.0])
    touching = emitter.add("Equal", apart, zero)
    inverse = emitter.add("Div", one, emitter.add("Where", touching, one, apart))
    if among is not None:
        touching = emitter.add("And", touching, among)
        inverse = emitter.add("Where", among, inverse, zero)
    touched = emitter.add("Cast", touching, to=_DOUBLE)
    any_touched = emitter.add("ReduceMax", touched, emitter.constant([1], "int64"), keepdims=1)
    return emitter.add("Where", emitter.add("Greater", any_touched, zero), touched, inverse)


def _within(emitter: Emitter, model: Any, x: str) -> tuple[str, str]:
    """The distances float64[n, fitted rows] and whether they are within the radius: bool."""
    metric = metric_of(model)
    reduced = reduced_distances(emitter, x, fitted_rows(model), metric)
    limit = double(emitter, [to_reduced(float(model.radius), metric)])
    return from_reduced(emitter, reduced, metric), emitter.add("LessOrEqual", reduced, limit)


def _sums_of_nearest(emitter: Emitter, model: Any, x: str, values: Array) -> tuple[str, str]:
    """Weighted sums float64[n, k] of values [rows, k] over the nearest rows; the sum of weights [n, 1]."""
    near, rows = nearest(emitter, model, x, model.n_neighbors)
    chosen = emitter.add("Gather", double(emitter, values), rows, axis=0)
    middle = emitter.constant([1], "int64")
    if model.weights != "distance":
        return emitter.add("ReduceSum", chosen, middle, keepdims=0), double(emitter, [model.n_neighbors])
    weights = inverse_distances(emitter, near)
    weighted = emitter.add("Mul", chosen, emitter.add("Unsqueeze", weights, emitter.constant([2], "int64")))
    return emitter.add("ReduceSum", weighted, middle, keepdims=0), emitter.sum(weights)


def _sums_within(emitter: Emitter, model: Any, x: str, values: Array) -> tuple[str, str]:
    """Weighted sums float64[n, k] of values [rows, k] over the rows within the radius, and of the weights."""
    apart, within = _within(emitter, model, x)
    if model.weights == "distance":
        weights = inverse_distances(emitter, apart, within)
    else:
        weights = emitter.add("Cast", within, to=_DOUBLE)
    return emitter.add("MatMul", weights, double(emitter, values)), emitter.sum(weights)


def _votes(model: Any) -> tuple[list[Array], Array]:
    """The classes of each target, and who votes for which: float64[rows, classes of all targets]."""
    several = isinstance(model.classes_, list)
    tables = model.classes_ if several else [model.classes_]
    known = np.reshape(model._y, (len(model._y), -1))
    votes = [np.eye(len(classes))[known[:, k]] for k, classes in enumerate(tables)]
    return list(tables), np.concatenate(votes, axis=1)


def _parts(emitter: Emitter, tables: Sequence[Array], whole: str) -> list[str]:
    """Of columns for the classes of all targets, those of each target."""
    if len(tables) == 1:
        return [whole]
    starts = np.cumsum([0, *(len(classes) for classes in tables)])
    return [
        emitter.columns(whole, np.arange(start, start + len(classes)))
        for start, classes in zip(starts, tables, strict=False)
    ]


def _classify_nearest_many(emitter: Emitter, model: Any, x: str) -> tuple[Classified, ...]:
    tables, votes = _votes(model)
    sums, total = _sums_of_nearest(emitter, model, x, votes)
    shares = emitter.add("Cast", emitter.add("Div", sums, total), to=_FLOAT)
    parts = _parts(emitter, tables, shares)
    return tuple(
        Classified(emitter.argmax(part), classes, part) for part, classes in zip(parts, tables, strict=True)
    )


def _classify_nearest(emitter: Emitter, model: Any, x: str) -> Classified:
    return _classify_nearest_many(emitter, model, x)[0]


def _regress_nearest(emitter: Emitter, model: Any, x: str) -> str:
    targets = np.asarray(model._y, np.float64)
    sums, total = _sums_of_nearest(emitter, model, x, targets.reshape(len(targets), -1))
    return emitter.add("Cast", emitter.add("Div", sums, total), to=_FLOAT)


def _classify_within_many(emitter: Emitter, model: Any, x: str) -> tuple[Classified, ...]:
    tables, votes = _votes(model)
    sums, total = _sums_within(emitter, model, x, votes)
    alone = emitter.add("Equal", total, double(emitter, [0.0]))
    divisor = emitter.add("Where", alone, double(emitter, [1.0]), total)
    shares = emitter.add("Cast", emitter.add("Div", sums, divisor), to=_FLOAT)
    outliers = [None] * len(tables) if model.outlier_label_ is None else model.outlier_label_
    return tuple(
        _with_outliers(emitter, model, Classified(emitter.argmax(part), classes, part), alone, outlier)
        for part, classes, outlier in zip(_parts(emitter, tables, shares), tables, outliers, strict=True)
    )


def _with_outliers(emitter: Emitter, model: Any, found: Classified, alone: str, outlier: Any) -> Classified:
    """Rows without neighbours get the outlier's label; where it is no class, an index after the classes.

    Without such a label scikit-learn refuses these rows; here they have no shares and the first class.
    """
    if outlier is None:
        return found
    known = found.classes
    classes = known if outlier in known else np.append(known, outlier)
    certain = np.flatnonzero(known == outlier)
    if _counts_at_once(model):  # scikit-learn then takes the parameter for a class's index
        certain = np.array([i for i in range(len(known)) if np.all(i == model.outlier_label)], np.int64)
    place = certain[:1] if len(certain) else np.flatnonzero(classes == outlier)
    label = emitter.add("Where", emitter.flat(alone), emitter.constant(place, "int64"), found.label)
    if not len(certain):
        return replace(found, label=label, classes=classes)
    shares = emitter.constant(np.eye(len(known))[certain[:1]])
    shares = emitter.add("Where", alone, shares, str(found.probabilities))
    return replace(found, label=label, classes=classes, probabilities=shares)


def _counts_at_once(model: Any) -> bool:
    """Whether scikit-learn counts the classes within the radius while it computes the distances."""
    if model.weights != "uniform" or model._fit_method != "brute" or model.outputs_2d_:
        return False
    reduction = importlib.import_module("sklearn.metrics._pairwise_distances_reduction")
    metric = "euclidean" if model.metric == "minkowski" and model.p == 2 else model.metric
    row = np.zeros((1, model.n_features_in_))
    return bool(reduction.RadiusNeighborsClassMode.is_usable_for(row, model._fit_X, metric))


def _classify_within(emitter: Emitter, model: Any, x: str) -> Classified:
    return _classify_within_many(emitter, model, x)[0]


def _regress_within(emitter: Emitter, model: Any, x: str) -> str:
    targets = np.asarray(model._y)
    targets = targets.reshape(len(targets), -1)
    sums, total = _sums_within(emitter, model, x, targets.astype(np.float64))
    alone = emitter.add("Equal", total, double(emitter, [0.0]))
    divided = emitter.add("Div", sums, emitter.add("Where", alone, double(emitter, [1.0]), total))
    with np.errstate(invalid="ignore"):
        nothing = np.full_like(targets[:1], np.nan)  # scikit-learn's, which for integers is one too
    return emitter.add("Where", alone, emitter.constant(nothing), emitter.add("Cast", divided, to=_FLOAT))


def _transform_nearest(emitter: Emitter, model: Any, x: str) -> str:
    """float32[n, fitted rows]: the distances of the nearest rows, or ones, and 0 for all others."""
    by_distance = model.mode == "distance"
    near, rows = nearest(emitter, model, x, model.n_neighbors + by_distance)
    where = emitter.add(
        "OneHot", rows, emitter.constant(model.n_samples_fit_, "int64"), emitter.constant([0.0, 1.0]), axis=-1
    )
    if by_distance:
        near = emitter.add("Unsqueeze", emitter.add("Cast", near, to=_FLOAT), emitter.constant([2], "int64"))
        where = emitter.add("Mul", where, near)
    return emitter.add("ReduceSum", where, emitter.constant([1], "int64"), keepdims=0)


def _transform_within(emitter: Emitter, model: Any, x: str) -> str:
    """float32[n, fitted rows]: the distances within the radius, or ones, and 0 for all others."""
    apart, within = _within(emitter, model, x)
    shown = emitter.add("Cast", apart, to=_FLOAT) if model.mode == "distance" else emitter.constant([1.0])
    return emitter.add("Where", within, shown, emitter.constant([0.0]))


def _score_local(emitter: Emitter, model: Any, x: str) -> str:
    """Minus the local outlier factor: the neighbours' density over the row's own."""
    count = model.n_neighbors_
    near, rows = nearest(emitter, model, x, count)
    reach = emitter.add("Gather", double(emitter, model._distances_fit_X_[:, count - 1]), rows, axis=0)
    middle = emitter.constant([1], "int64")
    mean = emitter.add("ReduceMean", emitter.add("Max", near, reach), middle, keepdims=1)
    densities = emitter.add("Gather", double(emitter, model._lrd), rows, axis=0)
    # A density is one over the mean distance, to which scikit-learn adds 1e-10.
    inverse = emitter.add("Add", mean, double(emitter, [1e-10]))
    ratio = emitter.add("Mul", emitter.add("ReduceMean", densities, middle, keepdims=1), inverse)
    return emitter.add("Cast", emitter.add("Neg", ratio), to=_FLOAT)


def _detect_local(emitter: Emitter, model: Any, x: str) -> Detected:
    return beyond_percentile(emitter, _score_local(emitter, model, x), model.offset_)


def _components(emitter: Emitter, model: Any, x: str) -> str:
    return emitter.dense(x, np.asarray(model.components_).T, 0.0)


def _convertible(model: Any) -> str | None:
    if callable(getattr(model, "weights", None)):
        name = getattr(model.weights, "__name__", type(model.weights).__name__)
        return f"weights {name} is a function, and what it computes is not known; use uniform or distance"
    return unknown_metric(model)


RULES = Rules(
    transform={
        "KNeighborsTransformer": _transform_nearest,
        "NeighborhoodComponentsAnalysis": _components,
        "RadiusNeighborsTransformer": _transform_within,
    },
    regress={"KNeighborsRegressor": _regress_nearest, "RadiusNeighborsRegressor": _regress_within},
    classify={"KNeighborsClassifier": _classify_nearest, "RadiusNeighborsClassifier": _classify_within},
    classify_many={
        "KNeighborsClassifier": _classify_nearest_many,
        "RadiusNeighborsClassifier": _classify_within_many,
    },
    detect={"LocalOutlierFactor": _detect_local},
    score={"LocalOutlierFactor": _score_local},
    limits=dict.fromkeys(
        (
            "KNeighborsClassifier",
            "KNeighborsRegressor",
            "KNeighborsTransformer",
            "LocalOutlierFactor",
            "RadiusNeighborsClassifier",
            "RadiusNeighborsRegressor",
            "RadiusNeighborsTransformer",
        ),
        _convertible,
    ),
)
