"""Classes of users' own, through the converters that they registered with skl2onnx in this process.

`skl2onnx.update_registered_converter(cls, ...)` is how custom steps are taught to ONNX; such a class is taken
as it is there, and parity judges it like everything else.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.emitter import ML, Classified, Emitter, Rule
from edgeml_runtime.errors import ConversionError

OPSETS = {"": 18, ML: 3}
"""The operator sets of every graph: all that ONNX Runtime since 1.17 and the lowerings accept."""


_DOMAINS = ("", "ai.onnx", ML, "com.microsoft")

_ROLES = ("transform", "regress", "classify", "cluster")


def is_registered(estimator: Any) -> bool:
    """Whether skl2onnx was told in this process how to convert exactly that class."""
    if "skl2onnx" not in sys.modules:  # nobody can have registered anything
        return False
    from skl2onnx._supported_operators import sklearn_operator_name_map

    return type(estimator) in sklearn_operator_name_map


def lacking(estimator: Any, role: str) -> str | None:
    """Why a class that is not scikit-learn's cannot be converted; None where its converter is registered."""
    if not is_registered(estimator):
        return (
            f"is defined in {type(estimator).__module__}, not in scikit-learn, so what it computes is not "
            "known; rewrite it as a FunctionTransformer or with scikit-learn's steps, register a converter "
            "for it with skl2onnx.update_registered_converter, or leave it outside of the model"
        )
    return None if role in _ROLES else f"a converter registered with skl2onnx cannot {role}"


def _nodes(emitter: Emitter, model: Any, x: str) -> list[str]:
    """Convert, rename everything in the way of our names, append; returns the names of the outputs."""
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.base import is_classifier

    options = {id(model): {"zipmap": False}} if is_classifier(model) else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of versions and deprecations inside skl2onnx
            converted = convert_sklearn(
                model,
                initial_types=[("x", FloatTensorType([None, model.n_features_in_]))],
                target_opset=OPSETS,
                options=options,
                black_op={"LinearClassifier", "LinearRegressor"},
            )
    except Exception as exc:  # its converters raise whatever goes wrong inside
        raise ConversionError(
            f"skl2onnx cannot convert {type(model).__name__}: {type(exc).__name__}: {exc}"
        ) from exc
    foreign = sorted({node.domain for node in converted.graph.node if node.domain not in _DOMAINS})
    if foreign:
        raise ConversionError(
            f"skl2onnx converts {type(model).__name__} to operators of {', '.join(foreign)}, "
            "which no engine has"
        )
    prefix = f"skl2onnx_{len(emitter.nodes)}_"
    emitter.take(converted.graph, prefix, {"x": x})
    return [prefix + output.name for output in converted.graph.output]


def _matrix(emitter: Emitter, model: Any, x: str) -> str:
    return emitter.add("Cast", _nodes(emitter, model, x)[0], to=1)


def _classify(emitter: Emitter, model: Any, x: str) -> Classified:
    label, *probabilities = _nodes(emitter, model, x)
    classes = np.asarray(model.classes_)
    flat = emitter.add("Reshape", label, emitter.constant([-1], "int64"))
    if classes.dtype.kind in "US" or isinstance(classes[0], str):
        index = emitter.add(
            "LabelEncoder",
            flat,
            domain=ML,
            keys_strings=classes.tolist(),
            values_int64s=list(range(len(classes))),
            default_int64=0,
        )
    else:
        column = emitter.add("Unsqueeze", flat, emitter.constant([1], "int64"))
        same = emitter.add("Equal", column, emitter.constant(classes[None], "int64"))
        index = emitter.argmax(emitter.add("Cast", same, to=1))
    shares = emitter.add("Cast", probabilities[0], to=1) if hasattr(model, "predict_proba") else None
    return Classified(index, classes, shares)


def _cluster(emitter: Emitter, model: Any, x: str) -> str:
    label = emitter.add("Cast", _nodes(emitter, model, x)[0], to=7)
    return emitter.add("Reshape", label, emitter.constant([-1], "int64"))


RULES_BY_ROLE: dict[str, Rule] = {
    "transform": _matrix,
    "regress": _matrix,
    "classify": _classify,
    "cluster": _cluster,
}
