"""Semi-supervised labels: sums of the fitted rows' label distributions, by a kernel or over neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.decimals import double
from edgeml_converters.to_onnx.sklearn.distances import Metric, distances
from edgeml_converters.to_onnx.sklearn.emitter import Classified, Emitter, Rules
from edgeml_converters.to_onnx.sklearn.nearest import nearest

_FLOAT = 1  # onnx.TensorProto.FLOAT
_UNDERFLOW = 745.2  # from here on exp(-x) is zero in float64
_NOTHING = -1e30  # the logarithm of 0, in numbers that float32 has


def _classify(emitter: Emitter, model: Any, x: str) -> Classified:
    known = np.asarray(model.label_distributions_, np.float64)
    if model.kernel == "knn":
        _, rows = nearest(emitter, model.nn_fit, x, model.n_neighbors)
        chosen = emitter.add("Gather", double(emitter, known), rows, axis=0)
        sums = emitter.add("ReduceSum", chosen, emitter.constant([1], "int64"), keepdims=0)
        shares = emitter.add("Cast", emitter.add("Div", sums, emitter.sum(sums)), to=_FLOAT)
        return Classified(emitter.argmax(shares), model.classes_, shares)
    squares = distances(emitter, x, model.X_, Metric("sqeuclidean", {}))
    exponents = emitter.add("Mul", squares, double(emitter, [float(model.gamma)]))
    # From the largest term on: the kernel itself vanishes in float32 long before it does in float64. Far from
    # all labels a fitted row's own distribution may be as small, so it counts in the logarithm too.
    largest = known.max(axis=1, initial=0.0)
    with np.errstate(divide="ignore"):
        exponents = emitter.add("Sub", exponents, double(emitter, np.maximum(np.log(largest), _NOTHING)))
    known = known / np.where(largest == 0.0, 1.0, largest)[:, None]
    least = emitter.add("ReduceMin", exponents, emitter.constant([1], "int64"), keepdims=1)
    kernel = emitter.add("Exp", emitter.add("Sub", least, exponents))
    sums = emitter.add("MatMul", kernel, double(emitter, known))
    shares = emitter.add("Cast", emitter.add("Div", sums, emitter.sum(sums)), to=_FLOAT)
    # Where it vanishes in float64 too, scikit-learn divides zeros and takes the first class.
    vanished = emitter.add("GreaterOrEqual", least, double(emitter, [_UNDERFLOW]))
    label = emitter.argmax(emitter.add("Where", vanished, emitter.constant([0.0]), shares))
    shares = emitter.add("Where", vanished, emitter.constant([np.nan]), shares)
    return Classified(label, model.classes_, shares)


def _known_kernel(model: Any) -> str | None:
    if not callable(model.kernel):
        return None
    name = getattr(model.kernel, "__name__", type(model.kernel).__name__)
    return f"its kernel is the function {name}, and what it computes is not known; use rbf or knn"


_NAMES = ("LabelPropagation", "LabelSpreading")
RULES = Rules(classify=dict.fromkeys(_NAMES, _classify), limits=dict.fromkeys(_NAMES, _known_kernel))
