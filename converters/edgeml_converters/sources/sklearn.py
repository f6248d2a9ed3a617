"""scikit-learn: estimators, pipelines and their files (.skops; .joblib and .pkl run code when read)."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.model import TrainedModel
from edgeml_converters.registry import Source
from edgeml_converters.sources.sklearn_boundaries import boundary_rows
from edgeml_converters.sources.sklearn_columns import inputs_of
from edgeml_converters.sources.sklearn_digest import digest
from edgeml_converters.sources.sklearn_files import FITTED_BY, PICKLE_SUFFIXES, load
from edgeml_converters.sources.sklearn_interface import interface, task_of
from edgeml_converters.sources.sklearn_reductions import reductions
from edgeml_converters.sources.sklearn_rows import framework_rows, quiet_names
from edgeml_converters.sources.sklearn_structure import estimators, final_estimator, steps
from edgeml_converters.sources.sklearn_thresholds import CLASSIFIERS, deciding, distances
from edgeml_converters.sources.sklearn_trees import check_trees
from edgeml_converters.sources.sklearn_undecided import undecided
from edgeml_runtime.errors import UnsupportedModelError
from edgeml_runtime.signature import Array, Signature

__all__ = ["PICKLE_SUFFIXES", "SOURCE"]


def _recognises(model: object) -> bool:
    """True for scikit-learn's estimators and classes derived from them; a class itself is not a model."""
    if isinstance(model, type):
        return False
    return any(
        cls.__name__ == "BaseEstimator" and cls.__module__.partition(".")[0] == "sklearn"
        for cls in type(model).__mro__
    )


def _describe(model: Any, name: str) -> TrainedModel:
    try:
        return _description(model, name)
    except (AttributeError, UnsupportedModelError) as exc:
        problem = exc.__cause__ if isinstance(exc, UnsupportedModelError) else exc
        saved_by = getattr(model, FITTED_BY, None)
        if saved_by is None or not isinstance(problem, AttributeError):
            raise
        raise UnsupportedModelError(
            f"{name} ({type(model).__name__}) was saved by scikit-learn {saved_by}, and the one installed "
            f"here cannot call it ({problem}): fit it again, or install scikit-learn {saved_by}"
        ) from exc


def _description(model: Any, name: str) -> TrainedModel:
    _check_fitted(model)
    check_trees(model)
    task = task_of(model, name)
    inputs = inputs_of(model, name)
    outputs, methods = interface(model, task, name)
    return TrainedModel(
        kind="sklearn",
        name=name,
        model=model,
        task=task,
        signature=Signature(inputs.specs, tuple(outputs), tuple(methods), inputs.columns),
        steps=tuple(steps(model)),
        digest=digest(model),
        warnings=_warnings(model),
    )


def _warnings(model: Any) -> tuple[str, ...]:
    import sklearn

    saved_by = getattr(model, FITTED_BY, None)
    if saved_by is None:
        return ()
    return (
        f"the model was saved by scikit-learn {saved_by} and is read by {sklearn.__version__}: it may "
        f"predict otherwise than where it was trained, and what is proven is {sklearn.__version__}'s answer; "
        f"fit it again, or install scikit-learn {saved_by}",
    )


def _check_fitted(model: Any) -> None:
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    for path, estimator in estimators(model):
        kind = type(estimator).__name__
        if kind == "FixedThresholdClassifier":  # may itself stay unfitted around a fitted estimator
            continue
        try:
            check_is_fitted(estimator)
        except NotFittedError as exc:
            raise UnsupportedModelError(f"{path} ({kind}) is not fitted: call fit before compiling") from exc
        if kind.endswith("SearchCV") and not hasattr(estimator, "best_estimator_"):
            raise UnsupportedModelError(
                f"{path} ({kind}) was fitted with refit=False and holds no best estimator: "
                "set refit=True, or compile the estimator that you choose"
            )


def _predict(model: TrainedModel, method: str, x: Any) -> Any:
    """What the estimator's own method returns for rows x, [n, features], always as an array."""
    model.signature.method(method)
    with quiet_names():
        result = getattr(model.model, method)(framework_rows(model, x))
    if hasattr(result, "to_numpy"):  # set_output(transform="pandas")
        return result.to_numpy()
    (output, *_) = (s for s in model.signature.outputs if s.name in model.signature.method(method).outputs)
    if method == "transform" and np.ndim(result) < len(output.shape):
        return result[None]  # sparse PCA's answer to one row
    return result.toarray() if hasattr(result, "toarray") else result


def _scores(model: TrainedModel, x: Any) -> Array | None:
    """Real scores [n, labels]: probabilities, decision values or nearness; None where there are none.

    One decision value d of two labels becomes (-d/2, d/2): their difference is the margin itself.
    """
    if model.task not in ("classification", "clustering", "detection"):
        return None
    if len(model.signature.method("predict").labels) > 1:
        return None
    estimator = model.model
    rows = framework_rows(model, x)
    with quiet_names():
        if type(final_estimator(estimator)).__name__ in CLASSIFIERS:
            return distances(estimator, deciding(final_estimator(estimator)), rows)
        if any(method.name == "predict_proba" for method in model.signature.methods):
            shares = np.asarray(estimator.predict_proba(rows))
            return shares if shares.shape[1] > 1 else None  # of one class or component nothing competes
        if hasattr(estimator, "decision_function"):
            return _of_decision(model, np.asarray(estimator.decision_function(rows)))
        if model.task == "clustering" and hasattr(estimator, "transform"):
            nearness = -np.asarray(estimator.transform(rows))
            return nearness if nearness.shape[1] > 1 else None
    return None


def _of_decision(model: TrainedModel, decision: Array) -> Array | None:
    if decision.ndim == 1:
        return np.stack([-decision / 2, decision / 2], axis=1)
    classes = len(model.signature.method("predict").labels[0].values)
    return decision if decision.shape[1] == classes else None


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
    boundaries=boundary_rows,
    reductions=reductions,
    undecided=undecided,
)
