"""scikit-learn: estimators, pipelines and their files (.skops; .joblib and .pkl run code when read)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from edgeml_converters.model import Task, TrainedModel, as_feeds
from edgeml_converters.registry import Source
from edgeml_converters.sources.sklearn_digest import digest
from edgeml_converters.sources.sklearn_files import PICKLE_SUFFIXES, load
from edgeml_converters.sources.sklearn_structure import (
    estimators,
    final_estimator,
    object_columns,
    steps,
    takes_nan,
)
from edgeml_converters.sources.sklearn_trees import check_trees
from edgeml_runtime.errors import SignatureError, UnsupportedModelError
from edgeml_runtime.signature import Array, ClassLabels, Method, Scalar, Signature, TensorSpec

__all__ = ["PICKLE_SUFFIXES", "SOURCE"]

_TASKS: dict[str, Task] = {
    "classifier": "classification",
    "regressor": "regression",
    "clusterer": "clustering",
}


def _recognises(model: object) -> bool:
    """True for scikit-learn's estimators and classes derived from them; a class itself is not a model."""
    if isinstance(model, type):
        return False
    return any(
        cls.__name__ == "BaseEstimator" and cls.__module__.partition(".")[0] == "sklearn"
        for cls in type(model).__mro__
    )


def _describe(model: Any, name: str) -> TrainedModel:
    _check_fitted(model)
    check_trees(model)
    width = _input_width(model, name)
    task = _task(model, name)
    outputs, methods = _interface(model, task, name)
    columns = tuple(map(str, getattr(model, "feature_names_in_", ())))
    x = TensorSpec("x", "float32", (None, width), allow_nan=takes_nan(model), columns=columns)
    return TrainedModel(
        kind="sklearn",
        name=name,
        model=model,
        task=task,
        signature=Signature((x,), tuple(outputs), tuple(methods)),
        steps=tuple(steps(model)),
        digest=digest(model),
    )


def _check_fitted(model: Any) -> None:
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    for path, estimator in estimators(model):
        kind = type(estimator).__name__
        try:
            check_is_fitted(estimator)
        except NotFittedError as exc:
            raise UnsupportedModelError(f"{path} ({kind}) is not fitted: call fit before compiling") from exc
        if kind.endswith("SearchCV") and not hasattr(estimator, "best_estimator_"):
            raise UnsupportedModelError(
                f"{path} ({kind}) was fitted with refit=False and holds no best estimator: "
                "set refit=True, or compile the estimator that you choose"
            )


def _input_width(model: Any, name: str) -> int:
    from sklearn.utils import get_tags

    for path, estimator in estimators(model):
        if not get_tags(estimator).input_tags.two_d_array:
            raise UnsupportedModelError(
                f"{path} ({type(estimator).__name__}) takes text or other rows that are not numbers; "
                "only models whose columns are all numeric can be compiled so far"
            )
        columns = object_columns(estimator)
        if columns:
            raise UnsupportedModelError(
                f"{path} ({type(estimator).__name__}) was fitted on columns that are not numeric "
                f"({columns}); only models whose columns are all numeric can be compiled so far: "
                "encode those columns before the model"
            )
    # A pipeline asks its first step, and a step that passes everything through does not know.
    widths = (getattr(estimator, "n_features_in_", None) for _, estimator in estimators(model))
    width = next((width for width in widths if width is not None), None)
    if width is None:
        raise UnsupportedModelError(
            f"{name} ({type(model).__name__}) does not say how many features it takes (n_features_in_): "
            "fit it on a two-dimensional numeric array"
        )
    return int(width)


def _task(model: Any, name: str) -> Task:
    from sklearn.utils import get_tags

    kind = get_tags(model).estimator_type
    if kind in _TASKS:
        return _TASKS[kind]
    if kind is None and hasattr(model, "transform"):
        return "transform"
    what = "an outlier detector" if kind == "outlier_detector" else "neither a predictor nor a transformer"
    raise UnsupportedModelError(
        f"{name} ({type(model).__name__}) is {what}; "
        "classifiers, regressors, clusterers and transformers can be compiled"
    )


def _interface(model: Any, task: Task, name: str) -> tuple[list[TensorSpec], list[Method]]:
    """The outputs and the methods they implement, in the order of the artifact."""
    if task == "classification":
        return _classifier_interface(model, name)
    if task == "regression":
        columns = _prediction_shape(model)
        return [TensorSpec("prediction", "float32", (None, *columns))], [Method("predict", ("prediction",))]
    outputs, methods = [], []
    if task == "clustering":
        if not hasattr(model, "predict"):
            raise UnsupportedModelError(
                f"{name} ({type(model).__name__}) cannot assign rows that it was not fitted on (no predict)"
            )
        outputs.append(TensorSpec("label", "int64", (None,)))
        methods.append(Method("predict", ("label",)))
    if hasattr(model, "transform"):
        outputs.append(TensorSpec("transformed", "float32", (None, _transformed_width(model))))
        methods.append(Method("transform", ("transformed",)))
    return outputs, methods


def _classifier_interface(model: Any, name: str) -> tuple[list[TensorSpec], list[Method]]:
    classes = model.classes_
    proba = hasattr(model, "predict_proba")
    if isinstance(classes, list):
        tables = tuple(_labels(c, name) for c in classes)
        outputs = [TensorSpec("label", "int64", (None, len(tables)))]
        methods = [Method("predict", ("label",), labels=tables)]
        if proba:
            specs = [
                TensorSpec(f"probabilities_{i}", "float32", (None, len(table.values)))
                for i, table in enumerate(tables)
            ]
            outputs += specs
            methods.append(Method("predict_proba", tuple(s.name for s in specs), returns="list"))
        return outputs, methods
    if _prediction_shape(model) != ():
        raise UnsupportedModelError(
            f"{name} ({type(model).__name__}) was fitted on a multilabel indicator matrix; targets with one "
            "column of classes each (MultiOutputClassifier, trees, forests) can be compiled"
        )
    table = _labels(classes, name)
    outputs = [TensorSpec("label", "int64", (None,))]
    methods = [Method("predict", ("label",), labels=(table,))]
    if proba:
        outputs.append(TensorSpec("probabilities", "float32", (None, len(table.values))))
        methods.append(Method("predict_proba", ("probabilities",)))
    return outputs, methods


def _labels(classes: Array, name: str) -> ClassLabels:
    values: list[Scalar] = np.asarray(classes).tolist()
    kinds = {type(value) for value in values}
    if len(kinds) != 1 or not kinds <= {bool, int, float, str}:
        raise UnsupportedModelError(
            f"{name}: class labels must be all integers, strings, booleans or floats, "
            f"got {', '.join(sorted(k.__name__ for k in kinds))}"
        )
    dtype = "str" if kinds == {str} else np.asarray(values).dtype.name
    if np.asarray(classes).dtype.kind in "biuf":
        dtype = np.asarray(classes).dtype.name
    return ClassLabels(dtype, tuple(values))


def _prediction_shape(model: Any) -> tuple[int, ...]:
    """The shape of one row's prediction: () or (k,). Asked of the last estimator, on a row of zeros."""
    last = final_estimator(model)
    zeros = np.zeros((1, last.n_features_in_))
    try:
        with _quiet_names():
            return tuple(np.shape(last.predict(_as_fitted(last, zeros)))[1:])
    except ValueError as exc:
        raise UnsupportedModelError(
            f"{type(last).__name__}: predict refuses a row of zeros, so the shape of its output is unknown: "
            f"{exc}"
        ) from exc


def _transformed_width(model: Any) -> int:
    try:
        return len(model.get_feature_names_out())
    except (AttributeError, ValueError):  # not every transformer can name its outputs
        last = final_estimator(model)
        with _quiet_names():
            return int(last.transform(_as_fitted(last, np.zeros((1, last.n_features_in_)))).shape[1])


def _predict(model: TrainedModel, method: str, x: Any) -> Any:
    """What the estimator's own method returns for rows x, [n, features], always as an array."""
    model.signature.method(method)
    rows = as_feeds(model, x).get("x")
    if rows is None:
        raise SignatureError(f"{model.name} has one input, x; got {', '.join(x)}")
    with _quiet_names():
        result = getattr(model.model, method)(_as_fitted(model.model, rows))
    if hasattr(result, "to_numpy"):  # set_output(transform="pandas")
        return result.to_numpy()
    return result.toarray() if hasattr(result, "toarray") else result


def _as_fitted(model: Any, rows: Any) -> Any:
    """Rows of an array as the model was fitted on them: in its precision, with its column names.

    float32 rows would make scalers and products run in float32, with other roundings than those of fitting,
    and k-means refuses rows that are not of its centres' dtype. Columns chosen by name need a frame.
    """
    if not isinstance(rows, np.ndarray) or rows.dtype not in (np.float32, np.float64):
        return rows
    centers = getattr(final_estimator(model), "cluster_centers_", None)
    rows = rows.astype(np.float64 if centers is None else centers.dtype, copy=False)
    names = getattr(model, "feature_names_in_", None)
    if names is None or rows.ndim != 2 or rows.shape[1] != len(names):
        return rows
    try:
        from pandas import DataFrame
    except ImportError:  # fitted elsewhere; models that need no names take the array
        return rows
    return DataFrame(rows, columns=names)


def _scores(model: TrainedModel, x: Any) -> Array | None:
    """Real scores [n, classes]: probabilities, else decision values; None where there are neither.

    One decision value d of a two-class model becomes (-d/2, d/2): their difference is the margin itself.
    """
    if model.task != "classification" or len(model.signature.method("predict").labels) != 1:
        return None
    estimator = model.model
    rows = _as_fitted(estimator, as_feeds(model, x)["x"])
    with _quiet_names():
        if hasattr(estimator, "predict_proba"):
            return np.asarray(estimator.predict_proba(rows))
        if not hasattr(estimator, "decision_function"):
            return None
        decision = np.asarray(estimator.decision_function(rows))
    if decision.ndim == 1:
        return np.stack([-decision / 2, decision / 2], axis=1)
    classes = len(model.signature.method("predict").labels[0].values)
    return decision if decision.shape[1] == classes else None


@contextmanager
def _quiet_names() -> Iterator[None]:
    """Let arrays into a model fitted on a DataFrame, and the reverse; sklearn compares names itself."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"X does not have valid feature names", UserWarning)
        warnings.filterwarnings("ignore", r"X has feature names, but", UserWarning)
        yield


SOURCE = Source(
    kind="sklearn",
    suffixes=(".skops", *PICKLE_SUFFIXES),
    requires=("sklearn", "joblib"),
    extra="sklearn",
    recognises=_recognises,
    load=load,
    describe=_describe,
    predict=_predict,
    scores=_scores,
)
