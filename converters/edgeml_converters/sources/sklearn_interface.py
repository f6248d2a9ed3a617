"""What a fitted estimator gives out of sample: its methods, and the outputs that implement them."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from edgeml_converters.model import Task
from edgeml_converters.sources.sklearn_columns import example_rows
from edgeml_converters.sources.sklearn_refused import REFUSED, left_out
from edgeml_converters.sources.sklearn_rows import as_fitted, quiet_names
from edgeml_converters.sources.sklearn_structure import final_estimator, input_width
from edgeml_runtime.errors import UnsupportedModelError
from edgeml_runtime.signature import Array, ClassLabels, Method, Scalar, TensorSpec

_TASKS: dict[str, Task] = {
    "classifier": "classification",
    "regressor": "regression",
    "clusterer": "clustering",
    "outlier_detector": "detection",
    "density_estimator": "density",
}
Targets = Literal["one", "several", "indicator"]
Interface = tuple[list[TensorSpec], list[Method]]


def task_of(model: Any, name: str) -> Task:
    """What the estimator does; raises UnsupportedModelError for one that does nothing with new rows."""
    from sklearn.utils import get_tags

    reason = REFUSED.get(type(model).__name__)
    if reason is not None:
        raise UnsupportedModelError(f"{name} ({type(model).__name__}) cannot be compiled: {reason}")
    kind = get_tags(model).estimator_type
    if type(model).__name__ == "CatBoost":
        return "regression"  # raw values, whatever its loss
    if kind == "density_estimator" and hasattr(model, "predict"):
        return "clustering"  # mixtures
    if kind in _TASKS and (kind != "clusterer" or hasattr(model, "predict")):
        return _TASKS[kind]
    for method, task in _UNTAGGED.items():
        if hasattr(model, method):
            return task
    raise UnsupportedModelError(
        f"{name} ({type(model).__name__}) has no method for new rows (predict, transform, "
        "decision_function or score_samples)"
    )


# Rankers give values and have no tag.
_UNTAGGED: dict[str, Task] = {"transform": "transform", "score_samples": "density", "predict": "regression"}


def targets_of(model: Any) -> Targets:
    """Of a classifier: one target, several with classes of their own, or an indicator matrix of labels.

    An indicator's probabilities are one array [n, labels]; those of several targets are a list.
    """
    if isinstance(model.classes_, list):
        if _gives(model, "predict_proba") and not isinstance(answer_to_a_row(model, "predict_proba"), list):
            return "indicator"
        return "several"
    columns = np.shape(answer_to_a_row(model, "predict"))[1:]
    # CatBoost gives the labels of several classes as one column.
    return "one" if columns == () or (columns == (1,) and len(model.classes_) > 1) else "indicator"


def interface(model: Any, task: Task, name: str) -> Interface:
    """The outputs in the artifact's order and the methods they implement, `predict` first."""
    outputs: list[TensorSpec] = []
    methods: list[Method] = []

    def add(method: str, output: str, shape: tuple[int, ...], dtype: str = "float32", **more: Any) -> None:
        outputs.append(TensorSpec(output, dtype, (None, *shape)))
        methods.append(Method(method, (output,), **more))

    if task == "classification":
        _classes(model, name, outputs, methods)
    elif task == "regression":
        add("predict", "prediction", _row_shape(model, "predict"))
    elif task == "detection" and hasattr(model, "predict"):
        # SGDOneClassSVM answers in int32.
        dtype = answer_to_a_row(model, "predict").dtype.name
        add("predict", "label", (), "int64", labels=(ClassLabels(dtype, (-1, 1)),))
    elif task == "clustering":
        add("predict", "label", (), "int64", labels=_clusters(model))
        if hasattr(model, "predict_proba"):
            add("predict_proba", "probabilities", _row_shape(model, "predict_proba"))
    if _gives(model, "decision_function"):
        add("decision_function", "decision", _row_shape(model, "decision_function"))
    if _gives(model, "score_samples"):
        add("score_samples", "scores", ())
    if _gives(model, "transform"):
        add("transform", "transformed", _row_shape(model, "transform"))
    return outputs, methods


def _clusters(model: Any) -> tuple[ClassLabels, ...]:
    """The clusters' numbers where they are not int64: k-means answers in int32."""
    dtype = answer_to_a_row(model, "predict").dtype.name
    centers = getattr(final_estimator(model), "cluster_centers_", None)
    if dtype == "int64" or centers is None:
        return ()
    return (ClassLabels(dtype, tuple(range(len(centers)))),)


def _classes(model: Any, name: str, outputs: list[TensorSpec], methods: list[Method]) -> None:
    """The label and the probabilities of a classifier."""
    targets = targets_of(model)
    answer = answer_to_a_row(model, "predict")
    tables: tuple[ClassLabels, ...]
    if targets == "one" or isinstance(model.classes_, list):
        tables = tuple(_labels(_as_answered(classes, answer), name) for classes in _predicted(model))
    else:
        tables = (_labels(np.array([0, 1], answer.dtype), name),) * answer.shape[1]
    columns = answer.shape[1:] if targets == "one" else (len(tables),)
    outputs.append(TensorSpec("label", "int64", (None, *columns)))
    methods.append(Method("predict", ("label",), labels=tables))
    if not _gives(model, "predict_proba"):
        return
    if targets != "several":
        shape = _row_shape(model, "predict_proba")  # of one class there may be two columns
        outputs.append(TensorSpec("probabilities", "float32", (None, *shape)))
        methods.append(Method("predict_proba", ("probabilities",)))
        return
    specs = [
        TensorSpec(f"probabilities_{i}", "float32", (None, len(classes)))
        for i, classes in enumerate(_in_order(model))
    ]
    outputs += specs
    methods.append(Method("predict_proba", tuple(s.name for s in specs), returns="list"))


def _as_answered(classes: Any, answer: Array) -> Array:
    """Numbers in the answer's dtype: XGBoost answers in int32, a chain in float64, whatever the classes."""
    known, numbers = np.asarray(classes), "biuf"
    both = known.dtype.kind in numbers and answer.dtype.kind in numbers
    return known.astype(answer.dtype) if both else known


def _predicted(model: Any) -> list[Array]:
    """What the label of each target may be: a class, or what rows without neighbours get and no class is."""
    tables = _in_order(model) if isinstance(model.classes_, list) else [model.classes_]
    last = final_estimator(model)
    if type(last).__name__ != "RadiusNeighborsClassifier" or last.outlier_label_ is None:
        return tables
    return [
        classes if label in classes else np.append(classes, label)
        for classes, label in zip(tables, last.outlier_label_, strict=True)
    ]


def _in_order(model: Any) -> list[Array]:
    """The classes of each target in the targets' order; a chain has them in its own."""
    last = final_estimator(model)
    if type(last).__name__ != "ClassifierChain":
        return list(model.classes_)
    return [last.classes_[i] for i in np.argsort(last.order_)]


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


def _gives(model: Any, method: str) -> bool:
    return hasattr(model, method) and left_out(final_estimator(model), method) is None


def _row_shape(model: Any, method: str) -> tuple[int, ...]:
    """The shape of one row's answer: () or (k,)."""
    return tuple(np.shape(answer_to_a_row(model, method))[1:])


def _width_of(last: Any) -> int:
    width = input_width(last)
    if width is not None:
        return width
    # Gaussian processes do not say it where their kernel looks at no column, nor inside a classifier; support
    # vector machines not with a kernel of their user's.
    fitted = np.shape(last.X_train_) if hasattr(last, "X_train_") else getattr(last, "shape_fit_", (0, 1))
    return int(fitted[1])


def answer_to_a_row(model: Any, method: str) -> Any:
    """What the last estimator's method returns for two rows: sparse PCA answers one without its axis.

    They are rows of zeros, of ones where it refuses zeros, or fitted ones where those have no neighbour.
    """
    last = final_estimator(model)
    rows_of_its_kind = example_rows(last)
    candidates = _numeric_rows(last) if rows_of_its_kind is None else [rows_of_its_kind]
    problem: Exception | None = None
    for rows in candidates:
        try:
            with quiet_names(), np.errstate(all="ignore"):
                answer = getattr(last, method)(as_fitted(last, rows))
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as exc:
            # Functions of the user's own inside it raise more than scikit-learn does.
            problem = exc
        else:
            return answer.toarray() if hasattr(answer, "toarray") else answer
    raise UnsupportedModelError(
        f"{type(last).__name__}: {method} refuses a row of zeros and one of ones, so the shape of its "
        f"output is unknown: {type(problem).__name__}: {problem}"
    ) from problem


def _numeric_rows(last: Any) -> list[Array]:
    shape = (2, _width_of(last))
    candidates: list[Array] = [np.zeros(shape), np.ones(shape)]
    fitted = getattr(getattr(last, "nbrs_", last), "_fit_X", None)
    if hasattr(last, "X_thresholds_"):  # isotonic regression, which may refuse what is outside of them
        fitted = np.repeat(last.X_thresholds_[:1], 2)[:, None]
    if hasattr(last, "bsplines_"):  # splines may refuse it as well
        fitted = np.array([[spline.t[spline.k] for spline in last.bsplines_]] * 2)
    return [*candidates, fitted[:2]] if isinstance(fitted, np.ndarray) else candidates
