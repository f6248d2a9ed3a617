"""LightGBM's model text (version 4) as arrays, checked before any compiled code walks them.

The text is what `Booster.save_model` writes and `model_to_string` returns; its numbers are exact. Format and
decisions: LightGBM's src/io/tree.cpp, include/LightGBM/tree.h, src/boosting/gbdt_model_text.cpp.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgeml_converters.sources.tree_check import check_tree
from edgeml_runtime.errors import InputError, UnsupportedModelError
from edgeml_runtime.signature import Array

MISSING_NONE, MISSING_ZERO, MISSING_NAN = 0, 1, 2
_CATEGORICAL, _DEFAULT_LEFT = (
    1,
    2,
)  # bits of decision_type; the two above: what is missing


@dataclass(frozen=True, slots=True)
class LinearLeaf:
    """constant + coefficients @ x[features], unless one of these is missing: then the leaf's plain value."""

    constant: float
    features: Array  # int64[k]
    coefficients: Array  # float64[k]


@dataclass(frozen=True, slots=True)
class LightGBMTree:
    """Nodes 0 .. m - 1 decide, nodes m .. 2m are leaves (left and right -1).

    feature, left, right: int64[2m + 1]; threshold, value: float64[2m + 1]; missing: int64[2m + 1], what the
    node takes as missing; default_left: bool[2m + 1], its way; categories: by node, codes of those that go
    left; linear: by leaf node, where leaves hold linear models.
    """

    feature: Array
    threshold: Array
    left: Array
    right: Array
    missing: Array
    default_left: Array
    value: Array
    categories: Mapping[int, Array]
    linear: Mapping[int, LinearLeaf]


@dataclass(frozen=True, slots=True)
class LightGBMModel:
    """A whole model. Tree i adds to score i % width; `objective` has its options behind its name.

    categories: by column of a frame that the model was fitted on, the values that codes 0, 1, ... stand for.
    """

    features: int
    width: int
    classes: int
    objective: tuple[str, ...]
    average: bool
    names: tuple[str, ...]
    categories: Mapping[int, tuple[Any, ...]]
    trees: tuple[LightGBMTree, ...] = field(repr=False)


def is_model_text(path: Path) -> bool:
    """Whether a file begins as LightGBM's do."""
    with path.open("rb") as file:
        return file.read(64).lstrip().split(b"\n", 1)[0].strip() == b"tree"


def read_model(text: str, what: str) -> LightGBMModel:
    """The model in a text; raises InputError where it is truncated, UnsupportedModelError for bad arrays."""
    sections = text.split("\nTree=")
    header = _fields(sections[0])
    try:
        width = int(header["num_tree_per_iteration"])
        features = int(header["max_feature_idx"]) + 1
        classes = int(header["num_class"])
    except (KeyError, ValueError) as exc:
        raise InputError(f"{what} is no LightGBM model, or is damaged: its header lacks {exc}") from exc
    sizes = header.get("tree_sizes", "").split()
    if len(sizes) != len(sections) - 1 or (sizes and "end of trees" not in sections[-1]):
        raise InputError(
            f"{what} is truncated: its header announces {len(sizes)} trees, {len(sections) - 1} follow"
        )
    if width < 1 or classes < 1 or features < 1 or len(sizes) % width:
        raise UnsupportedModelError(f"{what}: {len(sizes)} trees do not make whole iterations of {width}")
    trees = []
    for i, section in enumerate(sections[1:]):
        tree = f"{what}, tree {i}"
        try:
            trees.append(_tree(_fields(section), tree))
        except (KeyError, ValueError, IndexError) as exc:
            raise UnsupportedModelError(f"{tree}: its arrays are damaged ({exc})") from exc
        check_tree(trees[-1].feature, trees[-1].threshold, trees[-1].left, trees[-1].right, features, tree)
        _check_linear(trees[-1], features, tree)
    return LightGBMModel(
        features=features,
        width=width,
        classes=classes,
        objective=tuple(header.get("objective", "").split()),
        average="average_output" in header,
        names=tuple(header.get("feature_names", "").split()),
        categories=_frame_categories(text, features),
        trees=tuple(trees),
    )


def _fields(section: str) -> dict[str, str]:
    """The lines `name=value` of a section, up to the text behind the trees."""
    found = {}
    for line in section.partition("\nend of trees")[0].split("\n"):
        name, _, value = line.partition("=")
        found[name.strip()] = value
    return found


def _numbers(line: str, dtype: type, count: int) -> Array:
    numbers: Array = np.array(line.split(), dtype)
    if numbers.shape != (count,):
        raise ValueError(f"{len(numbers)} numbers where {count} are due")
    return numbers


def _tree(fields: Mapping[str, str], what: str) -> LightGBMTree:
    leaves = int(fields["num_leaves"])
    if leaves < 1:
        raise ValueError("it has no leaves")
    inner = leaves - 1

    def nodes(name: str, dtype: type, fill: float) -> Array:
        line = fields[name] if inner else ""
        return np.concatenate([_numbers(line, dtype, inner), np.full(leaves, fill, dtype)])

    kind = nodes("decision_type", np.int64, 0)
    threshold = nodes("threshold", np.float64, 0.0)
    left, right = (_placed(nodes(name, np.int64, -1), inner) for name in ("left_child", "right_child"))
    categorical = np.flatnonzero(kind & _CATEGORICAL)
    return LightGBMTree(
        feature=nodes("split_feature", np.int64, 0),
        threshold=threshold,
        left=left,
        right=right,
        missing=(kind >> 2) & 3,
        default_left=(kind & _DEFAULT_LEFT) != 0,
        value=np.concatenate([np.zeros(inner), _numbers(fields["leaf_value"], np.float64, leaves)]),
        categories=_categories(fields, categorical, threshold),
        linear=dict(_linear(fields, inner, leaves)) if fields.get("is_linear", "0") == "1" else {},
    )


def _placed(child: Array, inner: int) -> Array:
    """Children as node indices: leaf j is stored as ~j and stands at inner + j."""
    placed = np.where(child < 0, inner + ~child, child)
    placed[inner:] = -1
    return placed


def _categories(fields: Mapping[str, str], nodes: Array, threshold: Array) -> dict[int, Array]:
    """By node: the categories whose bits are set in the words that its threshold points at."""
    if not len(nodes):
        return {}
    count = int(fields["num_cat"])
    bounds = _numbers(fields["cat_boundaries"], np.int64, count + 1)
    words = np.array(fields["cat_threshold"].split(), np.uint32)
    found = {}
    for node in nodes.tolist():
        index = int(threshold[node])
        if not 0 <= index < count or not 0 <= bounds[index] <= bounds[index + 1] <= len(words):
            raise ValueError(f"node {node} reads categories that are not there")
        bits = words[bounds[index] : bounds[index + 1]].astype("<u4").view(np.uint8)
        found[node] = np.flatnonzero(np.unpackbits(bits, bitorder="little"))
    return found


def _linear(fields: Mapping[str, str], inner: int, leaves: int) -> Iterator[tuple[int, LinearLeaf]]:
    constants = _numbers(fields["leaf_const"], np.float64, leaves)
    counts = _numbers(fields["num_features"], np.int64, leaves)
    features = _numbers(fields["leaf_features"], np.int64, int(counts.sum()))
    coefficients = _numbers(fields["leaf_coeff"], np.float64, int(counts.sum()))
    ends = np.cumsum(counts)
    for leaf in range(leaves):
        part = slice(int(ends[leaf] - counts[leaf]), int(ends[leaf]))
        yield inner + leaf, LinearLeaf(float(constants[leaf]), features[part], coefficients[part])


def _check_linear(tree: LightGBMTree, features: int, what: str) -> None:
    for leaf in tree.linear.values():
        if ((leaf.features < 0) | (leaf.features >= features)).any():
            raise UnsupportedModelError(f"{what}: a leaf reads a feature outside of the model's {features}")


def _frame_categories(text: str, features: int) -> dict[int, tuple[Any, ...]]:
    """By column: the categories of the frame that the model was fitted on.

    LightGBM lists the categories of ordered columns as well, but not which columns these are; with such
    columns nothing is known, and the codes themselves are the model's input.
    """
    _, found, line = text.rpartition("\npandas_categorical:")
    columns = re.search(r"^\[categorical_feature: ([\d,]+)\]$", text, re.MULTILINE)
    if not found or columns is None:
        return {}
    places = [int(place) for place in columns[1].split(",") if place]
    listed = json.loads(line)
    if not isinstance(listed, list) or len(listed) != len(places) or not all(p < features for p in places):
        return {}
    return {place: tuple(values) for place, values in zip(places, listed, strict=True)}
