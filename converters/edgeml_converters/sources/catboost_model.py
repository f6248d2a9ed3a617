"""CatBoost's JSON model as arrays, checked.

The document is what `save_model(path, format="json")` writes. Symmetric trees ask one question a level, leaf
i is the one whose bits, lowest first, are the answers; other trees are nested. Format: CatBoost's
catboost/libs/model/model_export/json_model_helpers.cpp.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgeml_runtime.errors import UnsupportedModelError
from edgeml_runtime.signature import Array


@dataclass(frozen=True, slots=True)
class SymmetricTree:
    """Level l asks whether feature[l] > border[l]; values: float64[2 ** levels, width]."""

    feature: Array
    border: Array
    values: Array


@dataclass(frozen=True, slots=True)
class NestedTree:
    """Nodes from the root 0 on; leaves have left and right -1. Left where feature <= border."""

    feature: Array
    border: Array
    left: Array
    right: Array
    values: Array


@dataclass(frozen=True, slots=True)
class CatBoostModel:
    """A whole model: `bias` float64[width] plus the trees' values, which hold its scale.

    missing_high: bool[features], a missing value is above every border, not below; threshold: of the
    probability of the second class of two; unreadable: why a part of it has no meaning for rows of numbers.
    """

    features: int
    width: int
    loss: str
    bias: Array
    missing_high: Array
    threshold: float
    trees: tuple[SymmetricTree | NestedTree, ...] = field(repr=False)
    unreadable: str | None = None


def model_json(model: Any) -> str:
    """What predicts in a fitted CatBoost model, without times and identifiers: the same in every process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.json")
        model.save_model(str(path), format="json")
        document = json.loads(path.read_text("utf-8"))
    info = document.pop("model_info", {})
    loss = info.get("params", {}).get("loss_function", {})
    kept = {"loss": loss, "class_params": info.get("class_params")}
    kept["threshold"] = info.get("binclass_probability_threshold")
    return json.dumps({**document, "model": kept}, sort_keys=True)


def read_model(document: str, what: str) -> CatBoostModel:
    """The model in a text of `model_json`; raises UnsupportedModelError where its arrays are damaged."""
    try:
        return _read(json.loads(document), what)
    except (KeyError, TypeError, ValueError, IndexError, RecursionError, OverflowError) as exc:
        raise UnsupportedModelError(f"{what}: its trees are damaged ({exc!r})") from exc


def _read(document: Mapping[str, Any], what: str) -> CatBoostModel:
    info = document["features_info"]
    kinds = {name: listed for name, listed in info.items() if name.endswith("_features") and listed}
    floats = kinds.get("float_features", [])
    features = 1 + max((int(f["flat_feature_index"]) for listed in kinds.values() for f in listed), default=0)
    scale, bias = document["scale_and_bias"]
    bias = np.atleast_1d(np.array(bias, np.float64))
    places = {int(f["feature_index"]): int(f["flat_feature_index"]) for f in floats}
    high = np.zeros(features, bool)
    high[[int(f["flat_feature_index"]) for f in floats if f["nan_value_treatment"] == "AsTrue"]] = True
    threshold = document["model"].get("threshold")
    others = [name.removesuffix("_features") for name in kinds if name != "float_features"]
    trees: list[SymmetricTree | NestedTree] = []
    if not others:
        form = (places, len(bias), float(scale))
        trees += [_symmetric(tree, *form) for tree in document.get("oblivious_trees", ())]
        trees += [_nested(tree, *form) for tree in document.get("trees", ())]
    return CatBoostModel(
        features=features,
        width=len(bias),
        loss=str(document["model"]["loss"].get("type", "")),
        bias=bias,
        missing_high=high,
        threshold=0.5 if threshold is None else float(threshold),
        trees=tuple(trees),
        unreadable=_unreadable(others) if others else None,
    )


def _unreadable(kinds: Sequence[str]) -> str:
    if list(kinds) == ["categorical"]:
        return (
            "it has categorical features, of which CatBoost keeps hashes and statistics but no categories; "
            "encode them before the model (OrdinalEncoder, OneHotEncoder, TargetEncoder)"
        )
    return f"it has {' and '.join(kinds)} features; only numeric features can be compiled"


def _question(split: Mapping[str, Any], places: Mapping[int, int]) -> tuple[int, float]:
    if split.get("split_type", "FloatFeature") != "FloatFeature":
        raise ValueError(f"split of type {split['split_type']}")
    return places[int(split["float_feature_index"])], float(split["border"])


def _symmetric(tree: Mapping[str, Any], places: Mapping[int, int], width: int, scale: float) -> SymmetricTree:
    questions = [_question(split, places) for split in tree["splits"] or ()]
    values = np.array(tree["leaf_values"], np.float64).reshape(1 << len(questions), width)
    return SymmetricTree(
        np.array([feature for feature, _ in questions], np.int64),
        np.array([border for _, border in questions], np.float64),
        values * scale,
    )


def _nested(tree: Mapping[str, Any], places: Mapping[int, int], width: int, scale: float) -> NestedTree:
    feature, border, left, right, values = [0], [0.0], [-1], [-1], [np.zeros(width)]
    pending: list[tuple[int, Mapping[str, Any]]] = [(0, tree)]
    while pending:
        place, node = pending.pop()
        if "split" not in node:
            values[place] = np.array(node["value"], np.float64).reshape(width) * scale
            continue
        feature[place], border[place] = _question(node["split"], places)
        left[place], right[place] = len(left), len(left) + 1
        for side in ("left", "right"):
            pending.append((len(left), node[side]))
            feature.append(0)
            border.append(0.0)
            left.append(-1)
            right.append(-1)
            values.append(np.zeros(width))
    return NestedTree(np.array(feature), np.array(border), np.array(left), np.array(right), np.stack(values))
