"""Decision trees, forests and gradient boosting as one TreeEnsembleRegressor each.

Decisions are kept exactly: scikit-learn compares a float32 feature with a float64 threshold, `x <= t`, which
for every float32 x is `x <= t32` with t32 the largest float32 not above t; `origins` has the other cases. A
leaf holds one weight a target: class shares, regression outputs, boosting scores; the ensemble is their sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeml_converters.sources.sklearn_structure import final_estimator, has_init
from edgeml_converters.sources.tree_check import check_tree
from edgeml_converters.to_onnx.sklearn.emitter import ML, Classified, Emitter, Rules
from edgeml_converters.to_onnx.sklearn.origins import float32_thresholds
from edgeml_converters.to_onnx.sklearn.scores import from_decision
from edgeml_runtime.errors import UnsupportedModelError
from edgeml_runtime.signature import Array


@dataclass(frozen=True, slots=True)
class Tree:
    """One binary tree over nodes 0 (the root) to n - 1; a leaf's left and right are -1.

    feature, left, right: int64[n]; threshold: float64[n], go left when x <= threshold; missing_left: bool[n],
    NaN goes left; weights: float64[n, k], read at leaves, added to the k targets from `target` on.
    """

    feature: Array
    threshold: Array
    left: Array
    right: Array
    missing_left: Array
    weights: Array
    target: int = 0


def check(tree: Tree, features: int, what: str) -> None:
    """Refuse arrays that are no tree over that many features (UnsupportedModelError)."""
    check_tree(tree.feature, tree.threshold, tree.left, tree.right, features, what)


def from_cython(tree: Any, weights: Array, features: int, what: str) -> Tree:
    """A scikit-learn `tree_` with leaf weights [nodes, targets], checked."""
    missing = getattr(tree, "missing_go_to_left", None)
    checked = Tree(
        feature=np.asarray(tree.feature, np.int64),
        threshold=np.asarray(tree.threshold, np.float64),
        left=np.asarray(tree.children_left, np.int64),
        right=np.asarray(tree.children_right, np.int64),
        missing_left=np.zeros(tree.node_count, bool) if missing is None else np.asarray(missing, bool),
        weights=np.asarray(weights, np.float64),
    )
    check(checked, features, what)
    return checked


def ensemble(
    emitter: Emitter,
    x: str,
    trees: Sequence[Tree],
    *,
    single: bool = True,
    above_values: bool = False,
    targets: int | None = None,
) -> str:
    """The sum of the trees' leaf weights: float32[n, targets], as many as leaves have weights if not said.

    single: the trees read their input rounded to float32, as all of scikit-learn's but histogram boosting;
    above_values: see `float32_thresholds`.
    """
    sizes = [len(tree.left) for tree in trees]
    tree_ids = np.repeat(np.arange(len(trees)), sizes)
    node_ids = np.concatenate([np.arange(size) for size in sizes])
    left = np.concatenate([tree.left for tree in trees])
    right = np.concatenate([tree.right for tree in trees])
    weights = np.concatenate([tree.weights for tree in trees])
    leaf = left == -1
    feature = np.where(leaf, 0, np.concatenate([tree.feature for tree in trees]))
    threshold = np.where(leaf, 0.0, np.concatenate([tree.threshold for tree in trees]))
    x, feature, threshold = unscaled(emitter, x, feature, threshold, single=single, above_values=above_values)
    # A leaf lists the targets it adds to; zeros may be left out, except that every leaf must be listed.
    listed = (weights != 0) & leaf[:, None]
    listed[leaf & ~listed.any(axis=1), 0] = True
    rows, columns = np.nonzero(listed)
    starts = np.repeat([tree.target for tree in trees], sizes)
    with np.errstate(over="ignore"):
        weights32 = weights.astype(np.float32)
    return emitter.add(
        "TreeEnsembleRegressor",
        x,
        domain=ML,
        n_targets=targets or weights.shape[1],
        aggregate_function="SUM",
        post_transform="NONE",
        nodes_treeids=tree_ids.tolist(),
        nodes_nodeids=node_ids.tolist(),
        nodes_modes=np.where(leaf, "LEAF", "BRANCH_LEQ").tolist(),
        nodes_featureids=feature.tolist(),
        nodes_values=threshold.tolist(),
        nodes_truenodeids=np.where(leaf, 0, left).tolist(),
        nodes_falsenodeids=np.where(leaf, 0, right).tolist(),
        nodes_missing_value_tracks_true=np.where(
            leaf, 0, np.concatenate([t.missing_left for t in trees])
        ).tolist(),
        target_treeids=tree_ids[rows].tolist(),
        target_nodeids=node_ids[rows].tolist(),
        target_ids=(starts[rows] + columns).tolist(),
        target_weights=weights32[rows, columns].tolist(),
    )


def unscaled(
    emitter: Emitter,
    x: str,
    feature: Array,
    threshold: Array,
    *,
    single: bool,
    above_values: bool = False,
) -> tuple[str, Array, Array]:
    """Input, features and float32 thresholds of the same decisions on columns before scaling."""
    origins = emitter.origins.get(x, ())
    if all(origin.base == x for origin in origins):
        return x, feature, float32_thresholds(threshold, (), single=single)
    bases = list(dict.fromkeys(origin.base for origin in origins))
    widths = [len(emitter.origins[base]) for base in bases]
    starts = dict(zip(bases, np.cumsum([0, *widths]).tolist(), strict=False))
    moved, rounded = np.zeros_like(feature), np.zeros(len(feature), np.float32)
    for column in np.unique(feature):
        origin, rows = origins[column], feature == column
        moved[rows] = starts[origin.base] + origin.column
        rounded[rows] = float32_thresholds(
            threshold[rows], origin.maps, single=single, above_values=above_values
        )
    return emitter.concat(bases), moved, rounded


def _members(model: Any) -> list[Any]:
    return list(model.estimators_) if hasattr(model, "estimators_") else [model]


def _named(model: Any, index: int) -> str:
    return f"{type(model).__name__}, tree {index}"


def _class_shares(tree: Any, counts: list[int]) -> Array:
    """Leaf values [nodes, outputs, most classes] as [nodes, sum of classes], shares of 1 in each output."""
    shares = tree.value / tree.value.sum(axis=2, keepdims=True)
    return np.concatenate([shares[:, k, :count] for k, count in enumerate(counts)], axis=1)


def _class_sums(emitter: Emitter, model: Any, x: str, counts: list[int]) -> tuple[str, int]:
    trees = [
        from_cython(member.tree_, _class_shares(member.tree_, counts), model.n_features_in_, _named(model, i))
        for i, member in enumerate(_members(model))
    ]
    # Summed before the division by their number: votes of pure leaves are whole numbers, and ties stay ties.
    return ensemble(emitter, x, trees), len(trees)


def _share(emitter: Emitter, sums: str, trees: int) -> str:
    return sums if trees == 1 else emitter.add("Mul", sums, emitter.constant([1 / trees]))


def classify(emitter: Emitter, model: Any, x: str) -> Classified:
    """A decision tree or forest: mean class shares of the leaves, the first of the largest."""
    sums, trees = _class_sums(emitter, model, x, [len(model.classes_)])
    return Classified(emitter.argmax(sums), model.classes_, _share(emitter, sums, trees))


def classify_many(emitter: Emitter, model: Any, x: str) -> tuple[Classified, ...]:
    """The same with several targets: all their classes are targets of one ensemble."""
    counts = [len(classes) for classes in model.classes_]
    sums, trees = _class_sums(emitter, model, x, counts)
    found = []
    for classes, start in zip(model.classes_, np.cumsum([0, *counts]), strict=False):
        part = emitter.columns(sums, np.arange(start, start + len(classes)))
        found.append(Classified(emitter.argmax(part), classes, _share(emitter, part, trees)))
    return tuple(found)


def regress(emitter: Emitter, model: Any, x: str) -> str:
    """A decision tree or forest: the mean of the leaves' values."""
    members = _members(model)
    return ensemble(
        emitter,
        x,
        [
            from_cython(
                member.tree_,
                member.tree_.value[:, :, 0] / len(members),
                model.n_features_in_,
                _named(model, i),
            )
            for i, member in enumerate(members)
        ],
    )


def _boosted(emitter: Emitter, model: Any, x: str) -> str:
    """Raw predictions of gradient boosting, float32[n, 1 or classes]: start values plus the stages' trees."""
    width = model.estimators_.shape[1]
    trees = []
    for i, member in enumerate(model.estimators_.ravel()):
        weights = np.zeros((member.tree_.node_count, width))
        weights[:, i % width] = model.learning_rate * member.tree_.value[:, 0, 0]
        trees.append(from_cython(member.tree_, weights, model.n_features_in_, _named(model, i)))
    return emitter.add("Add", ensemble(emitter, x, trees), _start(emitter, model, x))


_SURE = float(np.finfo(np.float64).eps)  # scikit-learn keeps probabilities of init that far from 0 and 1
# Their probabilities are the sigmoid or softmax of their decisions, which keep the digits of small ones.
_LINKED = (
    "HistGradientBoostingClassifier", "LinearDiscriminantAnalysis", "LogisticRegression",
    "LogisticRegressionCV",
)  # fmt: skip


def _start(emitter: Emitter, model: Any, x: str) -> str:
    """What boosting adds to: a constant [k], or the init estimator's own prediction float32[n, k]."""
    if not has_init(model):
        return emitter.constant(model._raw_predict_init(np.zeros((1, model.n_features_in_)))[0])
    if not hasattr(model, "classes_"):
        return emitter.regress(model.init_, x)
    found = emitter.classify(model.init_, x)
    if found.probabilities is None or len(found.classes) != len(model.classes_):
        raise UnsupportedModelError(
            f"{type(model).__name__}: its init estimator gives no probability for each class"
        )
    several = len(model.classes_) > 2
    half = 0.5 if model.loss == "exponential" else 1.0
    linked = found.decision is not None and type(final_estimator(model.init_)).__name__ in _LINKED
    if linked and not several:
        bounds = (emitter.constant(side * -np.log(_SURE)) for side in (-1, 1))
        odds = emitter.add("Clip", str(found.decision), *bounds)
        return emitter.add("Mul", odds, emitter.constant([half]))
    if linked:
        logarithms = emitter.add("LogSoftmax", str(found.decision), axis=1)
        logarithms = emitter.add("Max", logarithms, emitter.constant([np.log(_SURE)]))
    else:
        shares = emitter.add("Max", found.probabilities, emitter.constant([_SURE]))
        logarithms = emitter.add("Log", shares)
    if several:
        middle = emitter.add("ReduceMean", logarithms, emitter.constant([1], "int64"), keepdims=1)
        return emitter.add("Sub", logarithms, middle)
    # From both probabilities: of 1 - p little is left where p is near 1.
    return emitter.dense(logarithms, half * np.array([[-1.0], [1.0]]), 0.0)


def _boosted_classify(emitter: Emitter, model: Any, x: str) -> Classified:
    raw = _boosted(emitter, model, x)
    if len(model.classes_) > 2:
        return from_decision(emitter, raw, model.classes_, "Softmax")
    # decision_function is the log odds, also of the exponential loss, whose scores are half of them.
    odds = emitter.add("Add", raw, raw) if model.loss == "exponential" else raw
    found = from_decision(emitter, odds, model.classes_, "Sigmoid")
    # Zero odds are the second class here, unlike elsewhere.
    positive = emitter.add("GreaterOrEqual", raw, emitter.constant([0.0]))
    label = emitter.flat(emitter.add("Cast", positive, to=7))
    return Classified(label, model.classes_, found.probabilities, raw)


def _init_calls(model: Any, role: str) -> list[tuple[str, Any, str]]:
    return [("init", model.init_, role)] if has_init(model) else []


_CLASSIFIERS = (
    "DecisionTreeClassifier", "ExtraTreeClassifier", "RandomForestClassifier", "ExtraTreesClassifier",
)  # fmt: skip
_REGRESSORS = ("DecisionTreeRegressor", "ExtraTreeRegressor", "RandomForestRegressor", "ExtraTreesRegressor")
RULES = Rules(
    regress=dict.fromkeys(_REGRESSORS, regress) | {"GradientBoostingRegressor": _boosted},
    classify=dict.fromkeys(_CLASSIFIERS, classify) | {"GradientBoostingClassifier": _boosted_classify},
    classify_many=dict.fromkeys(_CLASSIFIERS, classify_many),
    calls=dict.fromkeys(("GradientBoostingClassifier", "GradientBoostingRegressor"), _init_calls),
)
