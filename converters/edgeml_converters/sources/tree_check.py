"""The arrays of a decision tree, checked before any compiled code walks them without looking."""

from __future__ import annotations

import numpy as np

from edgeml_runtime.errors import UnsupportedModelError
from edgeml_runtime.signature import Array


def check_tree(feature: Array, threshold: Array, left: Array, right: Array, features: int, what: str) -> None:
    """Refuse a tree unless every node is reached at most once from node 0 and reads a feature that exists.

    feature, left, right: int64[nodes], threshold: float64[nodes]; leaves have left == -1. Raises
    UnsupportedModelError.
    """
    count = len(left)
    seen = np.zeros(count, bool)
    level = np.zeros(1, np.int64)
    while level.size:
        if ((level < 0) | (level >= count)).any():
            raise UnsupportedModelError(f"{what}: a child index is outside of its {count} nodes")
        if seen[level].any() or len(np.unique(level)) != len(level):
            raise UnsupportedModelError(f"{what}: a node is reached twice, so this is not a tree")
        seen[level] = True
        inner = level[left[level] != -1]
        if ((feature[inner] < 0) | (feature[inner] >= features)).any():
            raise UnsupportedModelError(f"{what}: a node reads a feature outside of the model's {features}")
        if np.isnan(threshold[inner]).any():
            raise UnsupportedModelError(f"{what}: a threshold is not a number")
        level = np.concatenate([left[inner], right[inner]])
