"""All rules, gathered."""

from __future__ import annotations

from dataclasses import fields

from edgeml_converters.to_onnx.sklearn import (
    adaboost,
    approximation,
    bagging,
    bayes,
    calibration,
    catboost_trees,
    composition,
    cross_decomposition,
    decomposition,
    delegates,
    dummies,
    factorization,
    gaussian_process,
    histogram_boosting,
    isolation,
    kernel_ridge,
    kernels,
    lightgbm_trees,
    linear,
    manifold,
    mixtures,
    multiclass,
    multioutput,
    neighbors,
    outliers,
    preprocessing,
    sparse_coding,
    stacking,
    thresholds,
    topics,
    trees,
    voting,
    xgboost_trees,
)
from edgeml_converters.to_onnx.sklearn.emitter import Rules

_MODULES = (
    adaboost, approximation, bagging, bayes, calibration, catboost_trees, composition,
    cross_decomposition, decomposition, delegates, dummies, factorization, gaussian_process,
    histogram_boosting, isolation, kernel_ridge, kernels, lightgbm_trees, linear, manifold, mixtures,
    multiclass, multioutput, neighbors, outliers, preprocessing, sparse_coding, stacking, thresholds,
    topics, trees, voting, xgboost_trees,
)  # fmt: skip


def all_rules() -> Rules:
    """Every module's rules and limits together, by role and class name."""
    return Rules(
        **{
            role.name: {name: rule for m in _MODULES for name, rule in getattr(m.RULES, role.name).items()}
            for role in fields(Rules)
        }
    )
