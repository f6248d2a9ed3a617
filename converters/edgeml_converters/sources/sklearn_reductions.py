"""Smaller estimators out of a fitted one, for finding the least that a conversion gets wrong."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from edgeml_converters.model import Reduction
from edgeml_converters.sources.sklearn_rows import quiet_names
from edgeml_converters.sources.sklearn_structure import children
from edgeml_runtime.signature import Array

FEW = 8  # of so few trees each is left out in turn
# Attributes with one entry for each member, which go with it.
_ALONGSIDE = (
    "estimators_features_", "estimator_weights_", "_average_path_length_per_tree", "_decision_path_lengths",
)  # fmt: skip


def reductions(model: Any) -> Iterator[Reduction]:
    """Estimators that do a part of what `model` does, the most drastic first; fitted values are shared."""
    kind = type(model).__name__
    if kind == "Pipeline" and len(model.steps) > 1:
        if hasattr(model.steps[-1][1], "get_params"):  # and not "passthrough"
            yield Reduction("the last step alone", model.steps[-1][1], _before_last(model))
        yield Reduction("without the last step", model[:-1], _as_they_are)
        return
    if kind == "Pipeline":
        yield Reduction("its only step", model.steps[0][1], _as_they_are)
        return
    for kept in _parts(_member_count(model)):
        yield Reduction(
            f"{len(kept)} of {_member_count(model)} trees or members", _with(model, kept), _as_they_are
        )
    if hasattr(model, "estimators_features_"):
        return  # its members see other columns
    for name, child in children(model):
        if getattr(child, "n_features_in_", None) == getattr(model, "n_features_in_", 0):
            yield Reduction(f"its member {name} alone", child, _as_they_are)


def _as_they_are(rows: Any) -> Any:
    return rows


def _before_last(pipeline: Any) -> Callable[[Any], Any]:
    def rows_of_the_last(rows: Any) -> Any:
        with quiet_names():
            made = pipeline[:-1].transform(rows)
        return made.toarray() if hasattr(made, "toarray") else made

    return rows_of_the_last


def _member_count(model: Any) -> int:
    if hasattr(model, "_predictors"):
        return len(model._predictors)
    return len(getattr(model, "estimators_", ())) if _alike(model) else 0


def _alike(model: Any) -> bool:
    """Whether members can be left out without changing what the others mean."""
    words = ("Forest", "ExtraTrees", "GradientBoosting", "AdaBoost", "Bagging", "RandomTreesEmbedding")
    return any(word in type(model).__name__ for word in words)


def _parts(count: int) -> Iterator[Array]:
    every = np.arange(count)
    if count > 1:
        yield from np.array_split(every, 2)
    if 2 < count <= FEW:
        yield from (np.delete(every, left_out) for left_out in every)


def _with(model: Any, kept: Array) -> Any:
    made = copy.copy(model)
    if hasattr(model, "_predictors"):
        made._predictors = [model._predictors[i] for i in kept]
        return made
    for name in ("estimators_", *_ALONGSIDE):
        members = getattr(model, name, None)
        if members is not None:
            setattr(
                made, name, members[kept] if isinstance(members, np.ndarray) else [members[i] for i in kept]
            )
    if "n_estimators" in model.get_params(deep=False):
        made.n_estimators = len(kept)
    return made
