"""The nodes of an ai.onnx.ml tree ensemble: read from its attributes, checked, brought to one kind of test.

Specification: ONNX operators of domain ai.onnx.ml, TreeEnsembleRegressor version 3. Every test becomes
`column > threshold`, true to the right, on the input's columns and on some that are made of them once a row
(`Derived`): so missing values and equality cost nothing while walking.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeml_runtime.errors import UnsupportedOperatorError
from edgeml_runtime.signature import Array

_EXCHANGED = {  # the same test with its children exchanged
    "BRANCH_GT": "BRANCH_LEQ",
    "BRANCH_GTE": "BRANCH_LT",
    "BRANCH_NEQ": "BRANCH_EQ",
}
_MODES = ("LEAF", "BRANCH_LEQ", "BRANCH_LT", "BRANCH_EQ", *_EXCHANGED)


@dataclass(frozen=True, slots=True)
class Derived:
    """Columns appended to the input's own, each group made of the input columns that it lists.

    high: a missing value reads as the largest float. missing: 1 where the value is missing, else 0. equal: 1
    where the value is `equal_to` (or missing, where `equal_missing`), else 0.
    """

    high: Array
    missing: Array
    equal: Array
    equal_to: Array
    equal_missing: Array

    def append(self, x: Array) -> Array:
        """x: float32[n, features] with the derived columns behind, in plain numpy."""
        high, absent, equal = x[:, self.high], np.isnan(x[:, self.missing]), x[:, self.equal]
        same = (equal == self.equal_to) | (np.isnan(equal) & self.equal_missing)
        high = np.where(np.isnan(high), np.finfo(np.float32).max, high)
        return np.concatenate([x, high, absent, same], axis=1, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Nodes:
    """Nodes in the file's order; children are node indices, a leaf's are itself.

    column: int64[n] of input and derived columns; threshold: float32[n], above it to the right. NaN sends
    every value left: +inf would become the largest float in TensorFlow's converter, which +inf exceeds.
    """

    tree: Array
    leaf: Array
    column: Array
    threshold: Array
    left: Array
    right: Array
    roots: Array
    derived: Derived
    index: Mapping[tuple[int, int], int]


def read_nodes(attributes: Mapping[str, Any], features: int, *, takes_nan: bool) -> Nodes:
    """Raises UnsupportedOperatorError for modes that have no lowering and for arrays that are no trees."""
    arrays = _arrays(attributes)
    tree, mode = arrays["treeids"], arrays["modes"]
    index = {key: i for i, key in enumerate(zip(tree.tolist(), arrays["nodeids"].tolist(), strict=True))}
    unknown = sorted(set(mode.tolist()) - set(_MODES))
    if unknown:
        raise UnsupportedOperatorError(f"TFLite: tree nodes of mode {', '.join(unknown)}")
    leaf, feature, value = mode == "LEAF", arrays["featureids"], arrays["values"].astype(np.float32)
    true, false = (_children(tree, leaf, arrays[name], index) for name in ("truenodeids", "falsenodeids"))
    outside = ~leaf & ((true < 0) | (false < 0) | (feature < 0) | (feature >= features) | np.isnan(value))
    if len(index) != len(tree) or outside.any():
        raise _damaged(
            "a node stands twice, names a child or a feature that is not there, or has no threshold"
        )
    child = np.zeros(len(tree), bool)
    child[true[~leaf]] = child[false[~leaf]] = True
    roots = np.flatnonzero(~child)
    if len(np.unique(tree[roots])) != len(roots):
        raise _damaged("a tree has two roots")
    # `x == v` holds to the right of a derived column, `x <= v` to the left of the value itself.
    equal = np.isin(mode, ["BRANCH_EQ", "BRANCH_NEQ"])
    mirrored = np.isin(mode, list(_EXCHANGED)) != equal
    # A missing value fails every comparison but `!=`.
    missing_true = arrays["missing_value_tracks_true"].astype(bool) | (mode == "BRANCH_NEQ")
    missing_right = np.where(mirrored, missing_true, ~missing_true)
    strict = np.isin(mode, ["BRANCH_LT", "BRANCH_GTE"])
    value = np.where(strict, np.nextafter(value, np.float32(-np.inf)), value)
    largest, missing_right = np.finfo(np.float32).max, ~leaf & takes_nan & missing_right
    # Constants beyond the largest float do not survive TensorFlow's converter.
    if (~leaf & (np.isneginf(value) | equal & np.isinf(value)) | missing_right & (value == largest)).any():
        raise UnsupportedOperatorError("TFLite: tree nodes that tell infinite values from large ones")
    column, threshold, derived = _tests(
        np.where(leaf, 0, feature),
        np.where(leaf, np.float32(np.nan), value).astype(np.float32),
        ~leaf & equal,
        missing_right,
        features,
    )
    return Nodes(
        tree=tree,
        leaf=leaf,
        column=column,
        threshold=threshold,
        left=np.where(mirrored, false, true),
        right=np.where(mirrored, true, false),
        roots=roots,
        derived=derived,
        index=index,
    )


def _arrays(attributes: Mapping[str, Any]) -> dict[str, Array]:
    wanted = dict.fromkeys(("treeids", "nodeids", "featureids", "truenodeids", "falsenodeids"), np.int64)
    types = {**wanted, "modes": np.str_, "values": np.float64}
    arrays: dict[str, Array] = {
        name: np.asarray(attributes[f"nodes_{name}"], dtype) for name, dtype in types.items()
    }
    count = len(arrays["treeids"])
    tracks = attributes.get("nodes_missing_value_tracks_true") or np.zeros(count)
    arrays["missing_value_tracks_true"] = np.asarray(tracks, np.int64)
    if count == 0 or any(array.shape != (count,) for array in arrays.values()):
        raise _damaged("its arrays of nodes have different lengths, or none")
    return arrays


def _children(tree: Array, leaf: Array, ids: Array, index: Mapping[tuple[int, int], int]) -> Array:
    """Node indices; -1 for a child that is not there."""
    keys = enumerate(zip(tree.tolist(), ids.tolist(), strict=True))
    return np.array([i if leaf[i] else index.get(key, -1) for i, key in keys], np.int64)


def _tests(
    feature: Array, value: Array, equal: Array, missing_right: Array, features: int
) -> tuple[Array, Array, Derived]:
    """Column and threshold of each node, and the derived columns.

    A missing value fails `column > threshold`, so by itself it goes left. To go right it reads as the largest
    float; where +inf is the threshold, which sends every other value left, a column of its own says so.
    """
    endless = missing_right & ~equal & np.isposinf(value)
    high = missing_right & ~equal & ~endless
    highs, high_column = np.unique(feature[high], return_inverse=True)
    absents, absent_column = np.unique(feature[endless], return_inverse=True)
    equals, equal_column = unique_rows(feature[equal], value[equal], missing_right[equal])
    column, threshold = feature.copy(), value.copy()
    column[high] = features + high_column
    column[endless] = features + len(highs) + absent_column
    column[equal] = features + len(highs) + len(absents) + equal_column
    threshold[np.isposinf(threshold)] = np.nan
    threshold[endless | equal] = 0.5
    derived = Derived(highs, absents, *equals)
    return column, threshold, derived


def unique_rows(*columns: Array) -> tuple[list[Array], Array]:
    """The different rows of equally long columns, as columns, and the place among them of each given row."""
    bits = [column.view(np.int32) if column.dtype == np.float32 else column for column in columns]
    order = np.lexsort(bits[::-1])  # by bits, since NaN differs from itself
    ordered = [column[order] for column in bits]
    new = np.ones(len(order), bool)
    new[1:] = np.any([column[1:] != column[:-1] for column in ordered], axis=0)
    place = np.empty(len(order), np.int64)
    place[order] = np.cumsum(new) - 1
    return [column[order][new] for column in columns], place


def _damaged(what: str) -> UnsupportedOperatorError:
    return UnsupportedOperatorError(f"tree ensemble is damaged: {what}")
