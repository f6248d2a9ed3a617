"""Dictionaries and codes over them."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.specimen import Array, Builder, fit, load, new


def _centred(x: Array, y: Array) -> tuple[Array, Array]:
    """Rows of length around 1."""
    x = x - x.mean(axis=0)
    return x / np.linalg.norm(x, axis=1).mean(), y


def _atoms(count: int) -> Array:
    """Rows of the data themselves, of length 1: they go together, so paths drop atoms again."""
    rows = _centred(*load("digits"))[0][100 : 100 + count]
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _coder(algorithm: str, count: int = 30, **parameters: Any) -> Builder:
    settings = {"transform_algorithm": algorithm} | parameters
    return fit(lambda: new("decomposition.SparseCoder", _atoms(count), **settings), "digits", _centred)


def _learned(kind: str, algorithm: str, **parameters: Any) -> Builder:
    settings = {"n_components": 8, "max_iter": 5, "random_state": 0} | parameters
    return fit(
        lambda: new(f"decomposition.{kind}", transform_algorithm=algorithm, **settings), "digits", _centred
    )


SPECIMENS: dict[str, Builder] = {
    "sparse-coder-omp": _coder("omp"),
    "sparse-coder-omp-ten": _coder("omp", transform_n_nonzero_coefs=10),
    "sparse-coder-lars": _coder("lars"),
    "sparse-coder-lars-ten": _coder("lars", transform_n_nonzero_coefs=10),
    "sparse-coder-lars-all": _coder("lars", 12, transform_n_nonzero_coefs=12),
    "sparse-coder-lasso-lars": _coder("lasso_lars", transform_alpha=0.1),
    "sparse-coder-lasso-lars-small": _coder("lasso_lars", transform_alpha=0.02),
    "sparse-coder-lasso-lars-positive": _coder("lasso_lars", transform_alpha=0.05, positive_code=True),
    "sparse-coder-lasso-lars-default": _coder("lasso_lars"),
    "sparse-coder-lasso-cd": _coder("lasso_cd", transform_alpha=0.05),
    "sparse-coder-lasso-cd-positive": _coder(
        "lasso_cd", transform_alpha=0.02, positive_code=True, split_sign=True
    ),
    "sparse-coder-threshold": _coder("threshold", transform_alpha=0.2),
    "sparse-coder-threshold-positive": _coder("threshold", transform_alpha=0.2, positive_code=True),
    "dictionary-learning": _learned("DictionaryLearning", "omp"),
    "dictionary-learning-lasso": _learned(
        "DictionaryLearning", "lasso_lars", transform_alpha=0.1, split_sign=True, fit_algorithm="cd"
    ),
    "mini-batch-dictionary-learning": _learned("MiniBatchDictionaryLearning", "omp"),
    "mini-batch-dictionary-learning-lasso": _learned(
        "MiniBatchDictionaryLearning", "lasso_cd", alpha=0.1, transform_max_iter=3000
    ),
}
