"""skl2onnx for the estimators that have no rule of ours: one estimator's graph, put into ours."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from edgeml_converters.sources.sklearn_structure import estimators
from edgeml_converters.to_onnx.sklearn.emitter import ML, Classified, Emitter, Rule
from edgeml_runtime.errors import ConversionError

OPSETS = {"": 18, ML: 3}
"""The operator sets of every graph: all that ONNX Runtime since 1.17 and the lowerings accept."""


_DOMAINS = ("", "ai.onnx", ML, "com.microsoft")
# Measured with skl2onnx 1.20: graphs that no engine opens, or other labels than the model's.
_REFUSED = {
    "KNNImputer": "its graph needs a distance that leaves out NaN, which is no ONNX operator",
    "TunedThresholdClassifierCV": "its threshold cannot be converted; compile its estimator_",
}


def skl2onnx_takes(model: Any, role: str) -> str | None:
    """None where skl2onnx has converters for the estimator and all nested in it, else the reason."""
    from skl2onnx._supported_operators import sklearn_operator_name_map

    refused = _REFUSED.get(type(model).__name__)
    if refused:
        return refused
    if role == "inverse":
        return "its inverse_transform is not translated"
    if role == "classify_many":
        return "no converter gives several targets for it"
    for path, estimator in estimators(model, "it"):
        if type(estimator) not in sklearn_operator_name_map:
            inner = "" if path == "it" else f" inside it ({type(estimator).__name__})"
            return f"no converter takes it{inner}"
    return None


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


FALLBACK: dict[str, Rule] = {
    "transform": _matrix,
    "regress": _matrix,
    "classify": _classify,
    "cluster": _cluster,
}
