"""Ensembles of arbitrary estimators: voting, stacking, bagging, AdaBoost, calibration, several targets."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.sources.sklearn_structure import children
from edgeml_converters.to_onnx.sklearn.emitter import Classified, Emitter, Rules
from edgeml_converters.to_onnx.sklearn.scores import normalized, one_vs_one_decision
from edgeml_converters.to_onnx.sklearn.trees import ensemble, from_cython
from edgeml_runtime.errors import UnsupportedModelError
from edgeml_runtime.signature import Array


def _add_up(emitter: Emitter, parts: list[str]) -> str:
    total = parts[0]
    for part in parts[1:]:
        total = emitter.add("Add", total, part)
    return total


def _mean(emitter: Emitter, parts: list[str], weights: Any = None) -> str:
    """The (weighted) mean of tensors of one shape."""
    shares = np.full(len(parts), 1.0) if weights is None else np.asarray(weights, np.float64)
    shares = shares / shares.sum()
    return _add_up(
        emitter, [emitter.add("Mul", p, emitter.constant([s])) for p, s in zip(parts, shares, strict=True)]
    )


def _places(found: Classified, classes: Array, model: Any) -> Array:
    """For each of a member's classes its index in `classes`; members may know encoded labels 0, 1, ..."""
    known = np.asarray(found.classes)
    places = {label: i for i, label in enumerate(np.asarray(classes).tolist())}
    if all(label in places for label in known.tolist()):
        return np.array([places[label] for label in known.tolist()], np.int64)
    if known.dtype.kind in "iu" and known.min() >= 0 and known.max() < len(classes):
        return known.astype(np.int64)
    raise UnsupportedModelError(f"{type(model).__name__}: a member knows classes that the ensemble does not")


def _votes(emitter: Emitter, found: Classified, places: Array, classes: int) -> str:
    """float32[n, classes]: 1 at the predicted class."""
    table = np.eye(classes)[places]
    return emitter.add("Gather", emitter.constant(table), found.label, axis=0)


def _spread(emitter: Emitter, found: Classified, places: Array, classes: int, model: Any) -> str:
    """A member's probabilities over the ensemble's classes."""
    if found.probabilities is None:
        raise UnsupportedModelError(f"{type(model).__name__}: a member has no probabilities")
    if len(places) == classes and (places == np.arange(classes)).all():
        return found.probabilities
    return emitter.dense(found.probabilities, np.eye(classes)[places], 0.0)


def _voting_classify(emitter: Emitter, model: Any, x: str) -> Classified:
    count = len(model.classes_)
    encoded = np.arange(count)  # members are fitted on class indices
    members = [emitter.classify(member, x) for member in model.estimators_]
    parts = []
    for found in members:
        places = _places(found, encoded, model)
        soft = model.voting == "soft"
        parts.append(
            _spread(emitter, found, places, count, model) if soft else _votes(emitter, found, places, count)
        )
    mean = _mean(emitter, parts, model._weights_not_none)
    return Classified(emitter.argmax(mean), model.classes_, mean if model.voting == "soft" else None)


def _voting_regress(emitter: Emitter, model: Any, x: str) -> str:
    return _mean(emitter, [emitter.regress(m, x) for m in model.estimators_], model._weights_not_none)


def _stacked(emitter: Emitter, model: Any, x: str, *, classes: bool) -> str:
    """The final estimator's input: the members' outputs, then x itself with passthrough."""
    parts = []
    for member, method in zip(model.estimators_, model.stack_method_, strict=True):
        if not classes:
            parts.append(emitter.regress(member, x))
            continue
        found = emitter.classify(member, x)
        if method == "predict_proba" and found.probabilities is not None:
            count = len(found.classes)
            # Of two probabilities the first says nothing new.
            kept = found.probabilities if count > 2 else emitter.columns(found.probabilities, [1])
            parts.append(kept)
        elif method == "decision_function" and found.decision is not None:
            parts.append(found.decision)
        else:
            table = np.asarray(found.classes, np.float64)[:, None]
            parts.append(emitter.add("Gather", emitter.constant(table), found.label, axis=0))
    return emitter.concat([*parts, x] if model.passthrough else parts)


def _stacking_classify(emitter: Emitter, model: Any, x: str) -> Classified:
    found = emitter.classify(model.final_estimator_, _stacked(emitter, model, x, classes=True))
    return Classified(found.label, model.classes_, found.probabilities, found.decision)


def _stacking_regress(emitter: Emitter, model: Any, x: str) -> str:
    return emitter.regress(model.final_estimator_, _stacked(emitter, model, x, classes=False))


def _bag_inputs(emitter: Emitter, model: Any, x: str) -> list[str]:
    every = np.arange(model.n_features_in_)
    return [
        x if np.array_equal(columns, every) else emitter.columns(x, columns)
        for columns in model.estimators_features_
    ]


def _bagging_classify(emitter: Emitter, model: Any, x: str) -> Classified:
    count = len(model.classes_)
    parts = []
    for member, rows in zip(model.estimators_, _bag_inputs(emitter, model, x), strict=True):
        found = emitter.classify(member, rows)
        places = _places(found, np.arange(count), model)
        if found.probabilities is None:
            parts.append(_votes(emitter, found, places, count))
        else:
            parts.append(_spread(emitter, found, places, count, model))
    shares = _mean(emitter, parts)
    return Classified(emitter.argmax(shares), model.classes_, shares)


def _bagging_regress(emitter: Emitter, model: Any, x: str) -> str:
    rows = _bag_inputs(emitter, model, x)
    return _mean(emitter, [emitter.regress(m, r) for m, r in zip(model.estimators_, rows, strict=True)])


def _ada_classify(emitter: Emitter, model: Any, x: str) -> Classified:
    """SAMME: each member gives its weight to the class it predicts and takes a share from the others."""
    count = len(model.classes_)
    size = len(model.estimators_)
    weights = model.estimator_weights_[:size] / model.estimator_weights_.sum()
    gain = np.eye(count) - (1 - np.eye(count)) / (count - 1)
    if all(type(m).__name__ in ("DecisionTreeClassifier", "ExtraTreeClassifier") for m in model.estimators_):
        trees = []
        for i, (member, weight) in enumerate(zip(model.estimators_, weights, strict=True)):
            chosen = member.tree_.value[:, 0, :].argmax(axis=1)
            places = _places(Classified("", member.classes_), model.classes_, model)
            leaves = weight * gain[places[chosen]]
            what = f"{type(model).__name__}, tree {i}"
            trees.append(from_cython(member.tree_, leaves, model.n_features_in_, what))
        scores = ensemble(emitter, x, trees)
    else:
        parts = []
        for member, weight in zip(model.estimators_, weights, strict=True):
            found = emitter.classify(member, x)
            table = emitter.constant(weight * gain[_places(found, model.classes_, model)])
            parts.append(emitter.add("Gather", table, found.label, axis=0))
        scores = _add_up(emitter, parts)
    if count == 2:
        # Both columns of the two are d / 2 and -d / 2 of the decision d, as scikit-learn halves it again.
        decision = emitter.dense(scores, [[-1.0], [1.0]], 0.0)
        probabilities = emitter.add("Softmax", scores, axis=1)
        return Classified(emitter.argmax(scores), model.classes_, probabilities, decision)
    scaled = emitter.add("Mul", scores, emitter.constant([1 / (count - 1)]))
    return Classified(emitter.argmax(scores), model.classes_, emitter.add("Softmax", scaled, axis=1), scores)


def _ada_regress(emitter: Emitter, model: Any, x: str) -> str:
    """The weighted median: the least prediction with half of the weight at or below it."""
    members = model.estimators_
    weights = model.estimator_weights_[: len(members)]
    if all(type(m).__name__ in ("DecisionTreeRegressor", "ExtraTreeRegressor") for m in members):
        trees = []
        for i, member in enumerate(members):
            leaves = member.tree_.value[:, 0, :] * np.eye(len(members))[i]
            what = f"{type(model).__name__}, tree {i}"
            trees.append(from_cython(member.tree_, leaves, model.n_features_in_, what))
        values = ensemble(emitter, x, trees)
    else:
        values = emitter.concat([emitter.regress(member, x) for member in members])
    own = emitter.add("Unsqueeze", values, emitter.constant([2], "int64"))
    other = emitter.add("Unsqueeze", values, emitter.constant([1], "int64"))
    below = emitter.add("Cast", emitter.add("LessOrEqual", other, own), to=1)
    share = emitter.add("Mul", below, emitter.constant((weights / weights.sum())[None, None]))
    reached = emitter.add("ReduceSum", share, emitter.constant([2], "int64"), keepdims=0)
    half = emitter.constant([0.5 - 1e-6])  # room for the sum's rounding
    enough = emitter.add("GreaterOrEqual", reached, half)
    ceiling = emitter.constant([np.finfo(np.float32).max])
    kept = emitter.add("Where", enough, values, ceiling)
    return emitter.add("ReduceMin", kept, emitter.constant([1], "int64"), keepdims=1)


def _calibrated_classify(emitter: Emitter, model: Any, x: str) -> Classified:
    parts = [_calibrated(emitter, member, x) for member in model.calibrated_classifiers_]
    shares = _mean(emitter, parts)
    return Classified(emitter.argmax(shares), model.classes_, shares)


def _calibrated(emitter: Emitter, member: Any, x: str) -> str:
    """One classifier's calibrated probabilities: float32[n, classes]."""
    found = emitter.classify(member.estimator, x)
    places = _places(found, member.classes, member)
    count = len(member.classes)
    scores = found.decision or found.probabilities
    if scores is None:
        raise UnsupportedModelError(
            "CalibratedClassifierCV: its classifier has neither scores nor probabilities"
        )
    if count == 2 and found.decision is None:
        scores = emitter.columns(scores, [1])
    calibrated = []
    for i, calibrator in enumerate(member.calibrators):
        column = scores if len(member.calibrators) == 1 else emitter.columns(scores, [i])
        calibrated.append(_calibrator(emitter, calibrator, column))
    if count == 2:
        one = emitter.add("Sub", emitter.constant([1.0]), calibrated[0])
        return emitter.concat([one, calibrated[0]])
    spread = emitter.concat(calibrated)
    if not (len(places) == count and (places == np.arange(count)).all()):
        spread = emitter.dense(spread, np.eye(count)[places], 0.0)
    return normalized(emitter, spread, len_classes=count)


def _calibrator(emitter: Emitter, calibrator: Any, scores: str) -> str:
    """Platt's sigmoid 1 / (1 + exp(a s + b)), or the steps of an isotonic regression; scores [n, 1]."""
    if type(calibrator).__name__ == "_SigmoidCalibration":
        return emitter.add("Sigmoid", emitter.dense(scores, [[-calibrator.a_]], [-calibrator.b_]))
    knots = np.asarray(calibrator.X_thresholds_, np.float64)
    values = np.asarray(calibrator.y_thresholds_, np.float64)
    if len(knots) == 1:
        return emitter.add("Add", emitter.dense(scores, [[0.0]], [0.0]), emitter.constant(values))
    # Linear between knots, constant beyond: the sum of what each stretch between knots has risen so far.
    past = emitter.add("Sub", scores, emitter.constant(knots[None, :-1]))
    share = emitter.add("Mul", past, emitter.constant(1 / np.diff(knots)[None]))
    share = emitter.add("Clip", share, emitter.constant(0.0), emitter.constant(1.0))
    return emitter.dense(share, np.diff(values)[:, None], values[:1])


def _one_vs_rest_classify(emitter: Emitter, model: Any, x: str) -> Classified:
    found = [emitter.classify(member, x) for member in model.estimators_]
    shares = [emitter.columns(f.probabilities, [1]) for f in found if f.probabilities is not None]
    count = len(model.classes_)
    if count == 2:
        return Classified(found[0].label, model.classes_, found[0].probabilities, found[0].decision)
    scores = emitter.concat([f.decision for f in found if f.decision is not None] or shares)
    # The last of equal scores wins here: the columns are turned around.
    turned = emitter.argmax(emitter.columns(scores, np.arange(count)[::-1]))
    label = emitter.add("Gather", emitter.constant(np.arange(count)[::-1], "int64"), turned, axis=0)
    probabilities = None
    if len(shares) == count:
        probabilities = normalized(emitter, emitter.concat(shares), len_classes=None)
    decision = scores if all(f.decision is not None for f in found) else None
    return Classified(label, model.classes_, probabilities, decision)


def _one_vs_one_classify(emitter: Emitter, model: Any, x: str) -> Classified:
    found = [emitter.classify(member, x) for member in model.estimators_]
    scores = [f.decision or emitter.columns(f.probabilities or "", [1]) for f in found]
    if len(model.classes_) == 2:
        return Classified(found[0].label, model.classes_, decision=scores[0])
    second = [emitter.add("Unsqueeze", f.label, emitter.constant([1], "int64")) for f in found]
    wins = emitter.add("Cast", emitter.concat(second), to=1)
    decision = one_vs_one_decision(emitter, wins, emitter.concat(scores), len(model.classes_))[1]
    return Classified(emitter.argmax(decision), model.classes_, decision=decision)


def _multi_output_classify(emitter: Emitter, model: Any, x: str) -> tuple[Classified, ...]:
    return tuple(emitter.classify(member, x) for member in model.estimators_)


def _multi_output_calls(model: Any, role: str) -> list[tuple[str, Any, str]]:
    return [(name, child, "classify") for name, child in children(model)]


def _multi_output_regress(emitter: Emitter, model: Any, x: str) -> str:
    return emitter.concat([emitter.regress(member, x) for member in model.estimators_])


def _calibration_method(model: Any) -> str | None:
    if model.method not in ("sigmoid", "isotonic"):
        return f"method={model.method!r} is not supported; use sigmoid or isotonic"
    return None


def _no_constant_class(model: Any) -> str | None:
    kinds = {type(member).__name__ for member in model.estimators_}
    return "a class was constant while fitting" if "_ConstantPredictor" in kinds else None


RULES = Rules(
    regress={
        "AdaBoostRegressor": _ada_regress,
        "BaggingRegressor": _bagging_regress,
        "MultiOutputRegressor": _multi_output_regress,
        "StackingRegressor": _stacking_regress,
        "VotingRegressor": _voting_regress,
    },
    classify={
        "AdaBoostClassifier": _ada_classify,
        "BaggingClassifier": _bagging_classify,
        "CalibratedClassifierCV": _calibrated_classify,
        "OneVsOneClassifier": _one_vs_one_classify,
        "OneVsRestClassifier": _one_vs_rest_classify,
        "StackingClassifier": _stacking_classify,
        "VotingClassifier": _voting_classify,
    },
    classify_many={"MultiOutputClassifier": _multi_output_classify},
    limits={"CalibratedClassifierCV": _calibration_method, "OneVsRestClassifier": _no_constant_class},
    calls={"MultiOutputClassifier": _multi_output_calls},
)
