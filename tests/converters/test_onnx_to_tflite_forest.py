"""The tables of tree ensembles, walked in numpy: against scikit-learn's `apply` and ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import require_module
from zoo import ZOO

from edgeml_converters.to_onnx.sklearn.origins import float32_thresholds
from edgeml_converters.to_tflite.lowering.forest import build_forest, walk
from edgeml_runtime.errors import UnsupportedOperatorError

FORESTS = ("random-forest-strings", "random-forest-missing", "extra-trees", "random-forest-regressor")
OPPOSITE = {"BRANCH_LEQ": "BRANCH_GT", "BRANCH_LT": "BRANCH_GTE"}


def attributes_of(model: Any, mode: str) -> dict[str, Any]:
    """An ensemble that adds, for tree k, the number of the leaf to target k."""
    names = ("treeids", "nodeids", "featureids", "values", "truenodeids", "falsenodeids")
    columns: dict[str, list[Any]] = {name: [] for name in (*names, "modes", "missing_value_tracks_true")}
    for k, member in enumerate(model.estimators_):
        tree = member.tree_
        leaf = tree.children_left == -1
        below = float32_thresholds(tree.threshold, (), single=True)
        # A test for missing values has an infinite threshold, which only the other modes keep as it is.
        strict = (mode in ("BRANCH_LT", "BRANCH_GTE")) & np.isfinite(below)
        children = [np.where(leaf, 0, c) for c in (tree.children_left, tree.children_right)]
        exchanged = mode in OPPOSITE.values()
        missing_left = tree.missing_go_to_left.astype(bool)
        columns["treeids"] += [k] * tree.node_count
        columns["nodeids"] += range(tree.node_count)
        columns["featureids"] += np.where(leaf, 0, tree.feature).tolist()
        columns["values"] += np.where(strict, np.nextafter(below, np.float32(np.inf)), below).tolist()
        columns["truenodeids"] += children[exchanged].tolist()
        columns["falsenodeids"] += children[not exchanged].tolist()
        closed = {"BRANCH_LT": "BRANCH_LEQ", "BRANCH_GTE": "BRANCH_GT"}.get(mode, mode)
        columns["modes"] += np.where(leaf, "LEAF", np.where(np.isfinite(below), mode, closed)).tolist()
        columns["missing_value_tracks_true"] += (missing_left != exchanged).astype(int).tolist()
    leaves = [i for i, mode in enumerate(columns["modes"]) if mode == "LEAF"]
    return {
        **{f"nodes_{name}": values for name, values in columns.items()},
        "target_treeids": [columns["treeids"][i] for i in leaves],
        "target_nodeids": [columns["nodeids"][i] for i in leaves],
        "target_ids": [columns["treeids"][i] for i in leaves],
        "target_weights": [float(columns["nodeids"][i]) for i in leaves],
    }


def boundary_rows(attributes: dict[str, Any], x: Any) -> Any:
    """Rows of x with one value at a threshold, or at one of its float32 neighbours."""
    rows, infinity = [], np.float32(np.inf)
    for i, mode in enumerate(attributes["nodes_modes"]):
        if mode == "LEAF":
            continue
        value = np.float32(attributes["nodes_values"][i])
        for moved in (np.nextafter(value, -infinity), value, np.nextafter(value, infinity)):
            if not np.isfinite(moved):  # scikit-learn's threshold of a test for missing values is infinite
                continue
            row = x[len(rows) % len(x)].copy()
            row[attributes["nodes_featureids"][i]] = moved
            rows.append(row)
    return np.stack(rows)


@pytest.mark.parametrize("mode", ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT", "BRANCH_GTE"])
@pytest.mark.parametrize("name", FORESTS)
def test_every_leaf_is_that_of_scikit_learn(name, mode):
    require_module("sklearn")
    specimen = ZOO[name]()
    attributes, trees = attributes_of(specimen.model, mode), len(specimen.model.estimators_)
    x = specimen.x.astype(np.float32)
    forest = build_forest(attributes, "target", trees, x.shape[1], takes_nan=True)
    rows = np.concatenate([x, boundary_rows(attributes, x)])
    np.testing.assert_array_equal(walk(forest, rows), specimen.model.apply(rows))


def test_tables_share_what_is_equal_and_start_with_the_deepest_tree():
    require_module("sklearn")
    specimen = ZOO["random-forest"]()
    forest = specimen.model[-1]
    attributes = attributes_of(forest, "BRANCH_LEQ")
    attributes["target_weights"] = [1.0] * len(attributes["target_weights"])
    built = build_forest(attributes, "target", 10, 64, takes_nan=False)
    assert built.depths.tolist() == sorted((t.get_depth() for t in forest.estimators_), reverse=True)
    assert built.weights.tolist() == [[1.0]]
    inner = {
        (f, v)
        for m, f, v in zip(
            attributes["nodes_modes"], attributes["nodes_featureids"], attributes["nodes_values"], strict=True
        )
        if m != "LEAF"
    }
    assert len(built.columns) == len(inner) + 1  # and the test of leaves, which sends everything left


def random_ensemble(random: Any, modes: list[str], features: int) -> dict[str, Any]:
    """Trees of random shape, modes, thresholds (few, so that values meet them) and weights."""
    columns: dict[str, list[Any]] = {
        name: []
        for name in (
            *("treeids", "nodeids", "featureids", "values", "truenodeids", "falsenodeids"),
            *("modes", "missing_value_tracks_true"),
        )
    }
    weights: dict[str, list[Any]] = {name: [] for name in ("treeids", "nodeids", "ids", "weights")}
    for tree in range(int(random.integers(1, 6))):
        inner = int(random.integers(0, 12))
        open_nodes, children, count = [0], {}, 1
        for _ in range(inner):
            node = open_nodes.pop(int(random.integers(len(open_nodes))))
            children[node] = (count, count + 1)
            open_nodes += [count, count + 1]
            count += 2
        for node in range(count):
            branch = node in children
            true, false = children.get(node, (0, 0))
            columns["treeids"].append(tree)
            columns["nodeids"].append(node)
            columns["featureids"].append(int(random.integers(features)) if branch else 0)
            mode = str(random.choice(modes))
            values = (-1.0, 0.0, 0.5, 2.0, float("inf") if mode in ("BRANCH_LEQ", "BRANCH_GT") else 3.0)
            columns["values"].append(float(random.choice(values)) if branch else 0.0)
            columns["modes"].append(mode if branch else "LEAF")
            columns["truenodeids"].append(true)
            columns["falsenodeids"].append(false)
            columns["missing_value_tracks_true"].append(int(random.integers(2)) if branch else 0)
            if not branch:
                weights["treeids"].append(tree)
                weights["nodeids"].append(node)
                weights["ids"].append(int(random.integers(2)))
                weights["weights"].append(float(random.integers(-8, 8)))
    return {f"nodes_{k}": v for k, v in columns.items()} | {f"target_{k}": v for k, v in weights.items()}


def onnxruntime_sums(attributes: dict[str, Any], x: Any) -> Any:
    import onnxruntime
    from onnx import TensorProto, helper

    node = helper.make_node(
        "TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", n_targets=2, **attributes
    )
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", k]) for n, k in (("x", 3), ("y", 2))]
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(
        helper.make_graph([node], "trees", infos[:1], infos[1:]), opset_imports=opsets, ir_version=8
    )
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


EVERY_MODE = [
    "BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT", "BRANCH_GTE", "BRANCH_EQ", "BRANCH_NEQ",
]  # fmt: skip


@pytest.mark.parametrize("modes", [*([mode] for mode in EVERY_MODE), EVERY_MODE], ids="-".join)
def test_every_mode_agrees_with_onnxruntime(modes):
    """scikit-learn writes one mode; files of others hold all of them, missing values on either side."""
    require_module("onnx", "onnxruntime")
    random = np.random.default_rng(len(modes))
    values = np.array([-2, -1, 0, 0.5, 2, 3, np.inf, -np.inf, np.nan], np.float32)
    for _ in range(25):
        attributes = random_ensemble(random, modes, 3)
        x = random.choice(values, (80, 3))
        forest = build_forest(attributes, "target", 2, 3, takes_nan=True)
        sums = walk(forest, x)
        padded = np.pad(sums, [(0, 0), (0, 2 - sums.shape[1])])
        np.testing.assert_array_equal(padded, onnxruntime_sums(attributes, x))


def stump(**changes: Any) -> dict[str, Any]:
    """One test and two leaves, with some arrays replaced."""
    attributes = {
        "nodes_treeids": [0, 0, 0],
        "nodes_nodeids": [0, 1, 2],
        "nodes_featureids": [0, 0, 0],
        "nodes_values": [0.5, 0.0, 0.0],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_truenodeids": [1, 0, 0],
        "nodes_falsenodeids": [2, 0, 0],
        "target_treeids": [0, 0],
        "target_nodeids": [1, 2],
        "target_ids": [0, 0],
        "target_weights": [1.0, 2.0],
    }
    return {**attributes, **changes}


DAMAGED = {
    "unknown-mode": (stump(nodes_modes=["BRANCH_MEMBER", "LEAF", "LEAF"]), "mode BRANCH_MEMBER"),
    "child-out-of-range": (stump(nodes_truenodeids=[7, 0, 0]), "a child or a feature that is not there"),
    "negative-child": (stump(nodes_falsenodeids=[-1, 0, 0]), "a child or a feature that is not there"),
    "feature-out-of-range": (stump(nodes_featureids=[2, 0, 0]), "a child or a feature that is not there"),
    "negative-feature": (stump(nodes_featureids=[-1, 0, 0]), "a child or a feature that is not there"),
    "no-threshold": (stump(nodes_values=[float("nan"), 0, 0]), "not there, or has no threshold"),
    "minus-infinity": (stump(nodes_values=[-np.inf, 0, 0]), "tell infinite values from large ones"),
    "equal-infinity": (
        stump(nodes_values=[np.inf, 0, 0], nodes_modes=["BRANCH_EQ", "LEAF", "LEAF"]),
        "tell infinite values from large ones",
    ),
    "node-twice": (stump(nodes_nodeids=[0, 1, 1]), "a node stands twice"),
    "own-child": (stump(nodes_truenodeids=[0, 0, 0]), "form no trees"),
    "shared-child": (stump(nodes_falsenodeids=[1, 0, 0]), "two roots"),
    "no-nodes": ({k: [] for k in stump()}, "different lengths, or none"),
    "short-array": (stump(nodes_values=[0.5]), "different lengths, or none"),
    "weights-differ": (stump(target_weights=[1.0]), "weights differ in length"),
    "target-out-of-range": (stump(target_ids=[0, 1]), "a target that is not there"),
    "weight-of-no-node": (stump(target_nodeids=[1, 9]), "weights of a node (0, 9) that is not there"),
    "cycle-below-the-root": (
        stump(
            nodes_treeids=[0] * 5,
            nodes_nodeids=[0, 1, 2, 3, 4],
            nodes_featureids=[0] * 5,
            nodes_values=[0.5] * 5,
            nodes_modes=["BRANCH_LEQ", "LEAF", "BRANCH_LEQ", "BRANCH_LEQ", "LEAF"],
            nodes_truenodeids=[1, 0, 3, 2, 0],
            nodes_falsenodeids=[2, 0, 4, 2, 0],
        ),
        "form a cycle",
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_trees_are_refused(name):
    attributes, message = DAMAGED[name]
    with pytest.raises(UnsupportedOperatorError, match="tree") as refused:
        build_forest(attributes, "target", 1, 2, takes_nan=False)
    assert message in str(refused.value)
