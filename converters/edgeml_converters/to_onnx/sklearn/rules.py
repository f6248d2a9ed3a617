"""All rules, gathered."""

from __future__ import annotations

from dataclasses import fields

from edgeml_converters.to_onnx.sklearn import (
    approximation,
    bayes,
    catboost_trees,
    composition,
    cross_decomposition,
    decomposition,
    ensembles,
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
    neighbors,
    outliers,
    preprocessing,
    sparse_coding,
    topics,
    trees,
    xgboost_trees,
)
from edgeml_converters.to_onnx.sklearn.emitter import Rules

_MODULES = (
    approximation, bayes, catboost_trees, composition, cross_decomposition, decomposition, ensembles,
    factorization, gaussian_process, histogram_boosting, isolation, kernel_ridge, kernels,
    lightgbm_trees, linear, manifold, mixtures, neighbors, outliers, preprocessing, sparse_coding,
    topics, trees, xgboost_trees,
)  # fmt: skip


def all_rules() -> Rules:
    """Every module's rules and limits together, by role and class name."""
    return Rules(
        **{
            role.name: {name: rule for m in _MODULES for name, rule in getattr(m.RULES, role.name).items()}
            for role in fields(Rules)
        }
    )
