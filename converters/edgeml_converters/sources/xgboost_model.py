"""XGBoost's model document as arrays, checked before any compiled code walks them.

The document is what `save_model` writes into .json files, and into .ubj files as binary JSON. Its schema:
XGBoost's doc/model.schema and src/tree/tree_model.cc.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from edgeml_converters.sources.tree_check import check_tree
from edgeml_converters.sources.ubjson import decode
from edgeml_runtime.errors import InputError, UnsupportedModelError
from edgeml_runtime.signature import Array


@dataclass(frozen=True, slots=True)
class XGBoostTree:
    """Nodes from the root 0 on, every one reached; a leaf's left and right are -1.

    feature, left, right: int64[n]; threshold: float32[n], left where x < threshold; default_left: bool[n],
    the way of missing values; value: float32[n, k], read at leaves; categories: by node, codes that go right.
    """

    feature: Array
    threshold: Array
    left: Array
    right: Array
    default_left: Array
    value: Array
    categories: Mapping[int, Array]


@dataclass(frozen=True, slots=True)
class XGBoostModel:
    """A whole model. Tree i adds `weights[i]` times its value to score `groups[i]`, or to all of them.

    base: float64[width] or [1], the start in terms of the objective's output; rounds: trees up to the end of
    each round; linear: float64[features + 1, width] of gblinear, its last row the bias; best: the best round
    of early stopping, which wrappers predict with; categories: by column of a frame that the model was fitted
    on, the values that codes 0, 1, ... stand for.
    """

    features: int
    width: int
    classes: int
    objective: str
    base: Array
    names: tuple[str, ...]
    types: tuple[str, ...]
    trees: tuple[XGBoostTree, ...] = field(repr=False)
    groups: tuple[int, ...] = field(repr=False)
    weights: tuple[float, ...] = field(repr=False)
    rounds: tuple[int, ...] = field(repr=False)
    categories: Mapping[int, tuple[Any, ...]] = field(default_factory=dict)
    linear: Array | None = field(default=None, repr=False)
    best: int | None = None
    estimator: str | None = None  # what saved the file: "classifier", "regressor", "ranker" or a Booster


def is_model_file(path: Path) -> bool:
    """Whether a .json or .ubj file begins as XGBoost's do."""
    with path.open("rb") as file:
        return b"learner" in file.read(64)


def booster_model(booster: Any, what: str) -> XGBoostModel:
    """The model in a live Booster."""
    return read_model(bytes(booster.save_raw("ubj")), what)


def read_model(content: bytes, what: str) -> XGBoostModel:
    """The model in a document; raises InputError where it is none, UnsupportedModelError for bad arrays."""
    try:
        binary = content[1:2] in (b"i", b"U", b"I", b"l", b"L")  # a length, where JSON has a name
        learner = (decode(content) if binary else json.loads(content))["learner"]
        parameters, booster = learner["learner_model_param"], learner["gradient_booster"]
        features = int(parameters["num_feature"])
        classes = int(parameters["num_class"])
        width = max(classes, int(parameters.get("num_target", 1)), 1)
        base = np.atleast_1d(np.array(json.loads(parameters["base_score"]), np.float64))
        objective = str(learner["objective"]["name"])
        kind = booster["name"]
    except (KeyError, TypeError, ValueError, RecursionError) as exc:
        raise InputError(f"{what} is no XGBoost model, or is damaged ({type(exc).__name__}: {exc})") from exc
    if base.shape not in ((1,), (width,)) or features < 1:
        raise UnsupportedModelError(
            f"{what}: {len(base)} base scores and {width} outputs of {features} features"
        )
    attributes = learner.get("attributes", {})
    common: dict[str, Any] = {
        "features": features,
        "width": width,
        "classes": classes,
        "objective": objective,
        "base": base,
        "names": tuple(learner.get("feature_names", ())),
        "types": tuple(learner.get("feature_types", ())),
        "best": int(attributes["best_iteration"]) if "best_iteration" in attributes else None,
        "estimator": _saved_by(attributes),
    }
    if kind == "gblinear":
        return XGBoostModel(**common, **_linear(booster, features, width, what))
    if kind not in ("gbtree", "dart"):
        raise UnsupportedModelError(f"{what}: booster {kind!r} is not one of gbtree, dart, gblinear")
    return XGBoostModel(**common, **_boosted(booster, features, width, what))


def _saved_by(attributes: Mapping[str, str]) -> str | None:
    try:
        kind = json.loads(attributes.get("scikit_learn", "{}")).get("_estimator_type")
    except (ValueError, AttributeError):
        return None
    return str(kind) if kind else None


def _linear(booster: Mapping[str, Any], features: int, width: int, what: str) -> dict[str, Any]:
    weights = np.array(booster["model"]["weights"], np.float64)
    if weights.shape != ((features + 1) * width,):
        raise UnsupportedModelError(
            f"{what}: {weights.size} weights for {features} features, {width} outputs"
        )
    empty: dict[str, Any] = dict.fromkeys(("trees", "groups", "weights", "rounds"), ())
    return {"linear": weights.reshape(features + 1, width), **empty}


def _boosted(booster: Mapping[str, Any], features: int, width: int, what: str) -> dict[str, Any]:
    try:
        model = booster["gbtree"]["model"] if booster["name"] == "dart" else booster["model"]
        documents, groups = model["trees"], tuple(map(int, model["tree_info"]))
        weights = tuple(map(float, booster.get("weight_drop", [1.0] * len(documents))))
        parallel = int(model["gbtree_model_param"].get("num_parallel_tree", 1))
    except (KeyError, TypeError, ValueError) as exc:
        raise UnsupportedModelError(f"{what}: its trees are damaged ({exc!r})") from exc
    trees = []
    for i, document in enumerate(documents):
        tree = f"{what}, tree {i}"
        try:
            trees.append(_tree(document, features, width, tree))
        except (KeyError, TypeError, ValueError, IndexError, OverflowError) as exc:
            raise UnsupportedModelError(f"{tree}: its arrays are damaged ({exc!r})") from exc
    listed = model.get("iteration_indptr")
    rounds = tuple(map(int, _rounds(len(trees), groups, parallel) if listed is None else listed))
    outside = any(not 0 <= group < width for group in groups) or any(not 0 <= r <= len(trees) for r in rounds)
    if not len(groups) == len(weights) == len(trees) or outside:
        raise UnsupportedModelError(
            f"{what}: its trees, their {width} outputs and rounds do not fit each other"
        )
    try:
        categories = dict(_frame_categories(model.get("cats", {}).get("enc", ()), features))
    except UnicodeDecodeError as exc:
        # It takes the number of letters for that of bytes, so what follows them is lost or another's.
        raise UnsupportedModelError(
            f"{what}: XGBoost does not keep categories with letters beyond ASCII as they are; rename them, "
            "or fit on their codes"
        ) from exc
    except (KeyError, TypeError, ValueError, IndexError) as exc:
        raise UnsupportedModelError(f"{what}: its categories are damaged ({exc!r})") from exc
    return {
        "trees": tuple(trees),
        "groups": groups,
        "weights": weights,
        "rounds": rounds,
        "categories": categories,
    }


def _frame_categories(encoded: Sequence[Any], features: int) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Column and categories: integers as they are, text as its bytes one behind the other."""
    for column, listed in enumerate(encoded[:features]):
        values = np.asarray(listed["values"])
        if "offsets" not in listed:
            yield column, tuple(values.tolist())
            continue
        text = values.astype(np.int8).tobytes()
        ends = np.asarray(listed["offsets"], np.int64).tolist()
        if len(ends) > 1:
            yield column, tuple(text[a:b].decode("ascii") for a, b in pairwise(ends))


def _rounds(trees: int, groups: Sequence[int], parallel: int) -> list[int]:
    """The ends of rounds of equal length, of files that do not list them."""
    return list(range(0, trees + 1, max(1, (max(groups, default=0) + 1) * parallel)))


def _tree(document: Mapping[str, Any], features: int, width: int, what: str) -> XGBoostTree:
    vector = int(document["tree_param"]["size_leaf_vector"])
    if vector not in (0, 1, width):
        raise ValueError(f"leaves of {vector} values for {width} outputs")
    with np.errstate(over="ignore", under="ignore"):
        threshold = np.array(document["split_conditions"], np.float32)
    count = len(threshold)
    left, right, feature, default, kinds = (
        _integers(document[name], count)
        for name in ("left_children", "right_children", "split_indices", "default_left", "split_type")
    )
    leaf = left == -1
    value = threshold[:, None] if vector <= 1 else _vectors(document, leaf, right, vector)
    check_tree(feature, np.where(leaf, 0, threshold), left, right, features, what)
    tree = XGBoostTree(
        feature=np.where(leaf, 0, feature),
        threshold=np.where(leaf, np.float32(0), threshold),
        left=left,
        right=np.where(leaf, -1, right),
        default_left=default.astype(bool),
        value=np.where(leaf[:, None], value, np.float32(0)),
        categories=_categories(document, np.flatnonzero(kinds == 1)),
    )
    return _reached(tree)


def _integers(values: Any, count: int) -> Array:
    numbers: Array = np.array(values, np.int64)
    if numbers.shape != (count,):
        raise ValueError(f"{numbers.size} numbers where {count} are due")
    return numbers


def _vectors(document: Mapping[str, Any], leaf: Array, right: Array, vector: int) -> Array:
    """float32[n, vector]: the values of leaves; they stand apart, a leaf's right child is its place there."""
    stored = document.get("leaf_weights")
    values = np.array(document["base_weights"] if stored is None else stored, np.float32).reshape(-1, vector)
    if stored is None:
        return values
    places = np.where(leaf, right, 0)
    if (places < 0).any():
        raise ValueError("a leaf without values")
    placed: Array = values[places]
    return placed


def _categories(document: Mapping[str, Any], nodes: Array) -> dict[int, Array]:
    """By node: the codes that are listed for it."""
    listed = _integers(document["categories_nodes"], len(document["categories_nodes"]))
    starts, sizes = (_integers(document[f"categories_{n}"], len(listed)) for n in ("segments", "sizes"))
    codes = np.array(document["categories"], np.int64)
    ends = starts + sizes
    if set(nodes.tolist()) - set(listed.tolist()) or (starts < 0).any() or (ends > len(codes)).any():
        raise ValueError("a node reads categories that are not there")
    if (sizes < 0).any() or (codes < 0).any() or (codes >= 1 << 24).any():
        raise ValueError("a category is no code")
    parts = zip(listed.tolist(), starts.tolist(), ends.tolist(), strict=True)
    wanted = set(nodes.tolist())
    return {node: np.unique(codes[start:end]) for node, start, end in parts if node in wanted}


def _reached(tree: XGBoostTree) -> XGBoostTree:
    """Without the nodes that pruning has left behind."""
    seen, level = np.zeros(len(tree.left), bool), np.zeros(1, np.int64)
    while level.size:
        seen[level] = True
        inner = level[tree.left[level] != -1]
        level = np.concatenate([tree.left[inner], tree.right[inner]])
    if seen.all():
        return tree
    place = np.cumsum(seen) - 1
    left, right = (np.where(child == -1, -1, place[child])[seen] for child in (tree.left, tree.right))
    return XGBoostTree(
        tree.feature[seen],
        tree.threshold[seen],
        left,
        right,
        tree.default_left[seen],
        tree.value[seen],
        {int(place[node]): codes for node, codes in tree.categories.items() if seen[node]},
    )
