"""The way back through transformers, for the targets that TransformedTargetRegressor transforms."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn import piecewise
from edgeml_converters.to_onnx.sklearn.elementary import normal_tail
from edgeml_converters.to_onnx.sklearn.emitter import Emitter, Rule, Rules
from edgeml_converters.to_onnx.sklearn.piecewise import evaluate, through_points
from edgeml_converters.to_onnx.sklearn.powers import inverse_power
from edgeml_converters.to_onnx.sklearn.terms import Term
from edgeml_runtime.signature import Array

_BOUNDS = 1e-7  # of scikit-learn: shares this near 0 and 1 are the ends


def _unscaled(emitter: Emitter, y: str, scale: Any, offset: Any) -> str:
    """Times the scale, plus the offset, either None for none."""
    result = Term(emitter, y)
    result = result if scale is None else result * np.asarray(scale)
    return (result if offset is None else result + np.asarray(offset)).name


def _standard_scaler(emitter: Emitter, model: Any, y: str) -> str:
    return _unscaled(emitter, y, model.scale_, model.mean_ if model.with_mean else None)


def _robust_scaler(emitter: Emitter, model: Any, y: str) -> str:
    return _unscaled(emitter, y, model.scale_, model.center_)


def _max_abs_scaler(emitter: Emitter, model: Any, y: str) -> str:
    return _unscaled(emitter, y, model.scale_, None)


def _min_max_scaler(emitter: Emitter, model: Any, y: str) -> str:
    low = float(model.feature_range[0])
    # From the lower end of the range, not from the 0 that min_ stands for: it may be far away.
    above = Term(emitter, y) - low if low else Term(emitter, y)
    return _unscaled(emitter, above.name, 1 / model.scale_, low / model.scale_ - model.min_ / model.scale_)


def _power_transformer(emitter: Emitter, model: Any, y: str) -> str:
    return inverse_power(model, Term(emitter, y)).name


def _quantile_transformer(emitter: Emitter, model: Any, y: str) -> str:
    quantiles = np.asarray(model.quantiles_, np.float64).T
    rising = [_quantiles(model.references_, column) for column in quantiles]
    if model.output_distribution == "uniform":
        return piecewise.output(emitter, evaluate(emitter, y, rising, between=True), 0)
    # Shares above the middle are counted from 1 down, where float32 is as fine as at 0.
    falling = [_quantiles((1 - model.references_)[::-1], column[::-1]) for column in quantiles]
    x = Term(emitter, y)
    tail = normal_tail(x)
    below, above = (
        Term(emitter, piecewise.output(emitter, evaluate(emitter, tail.name, side, between=True), 0))
        for side in (rising, falling)
    )
    ends = tail < _BOUNDS
    low, high = ends.choose(quantiles[:, 0], below), ends.choose(quantiles[:, -1], above)
    return (x < 0.0).choose(low, high).name


def _quantiles(shares: Array, values: Array) -> piecewise.Piecewise:
    return piecewise.constant([np.nan]) if np.isnan(values).any() else through_points(shares, values)


def _k_bins_discretizer(emitter: Emitter, model: Any, y: str) -> str:
    """The middle of each bin; a number between bins is cut off, as scikit-learn does."""
    middles = [(np.asarray(edges)[1:] + np.asarray(edges)[:-1]) / 2 for edges in model.bin_edges_]
    parts = []
    for column, middle in enumerate(middles):
        place = emitter.add("Cast", emitter.columns(y, [column]), to=7)
        parts.append(emitter.add("Gather", emitter.constant(middle), place, axis=0))
    return emitter.concat(parts)


def _bins_of_one_column(model: Any) -> str | None:
    if model.encode == "ordinal":
        return None
    return f"encode={model.encode!r} has no way back in a graph; use encode='ordinal'"


def _linear(components: Any) -> Rule:
    """Rules that multiply by a matrix [components, k] of the model and add its mean where it has one."""

    def rule(emitter: Emitter, model: Any, y: str) -> str:
        mean = getattr(model, "mean_", None)
        return emitter.dense(y, components(model), 0.0 if mean is None else mean)

    return rule


def _principal(model: Any) -> Array:
    scale = np.sqrt(model.explained_variance_)[:, None] if model.whiten else 1.0
    return np.asarray(model.components_ * scale)


def _selected(emitter: Emitter, model: Any, y: str) -> str:
    """Columns that were left out are 0."""
    support = model.get_support()
    return emitter.dense(y, np.eye(len(support))[support], 0.0)


_SELECTORS = (
    "GenericUnivariateSelect", "RFE", "RFECV", "SelectFdr", "SelectFpr", "SelectFromModel", "SelectFwe",
    "SelectKBest", "SelectPercentile", "SequentialFeatureSelector", "VarianceThreshold",
)  # fmt: skip
RULES = Rules(
    inverse=dict.fromkeys(_SELECTORS, _selected)
    | {
        "FastICA": _linear(lambda model: model.mixing_.T),
        "IncrementalPCA": _linear(_principal),
        "KBinsDiscretizer": _k_bins_discretizer,
        "MaxAbsScaler": _max_abs_scaler,
        "MinMaxScaler": _min_max_scaler,
        "MiniBatchNMF": _linear(lambda model: model.components_),
        "NMF": _linear(lambda model: model.components_),
        "PCA": _linear(_principal),
        "PowerTransformer": _power_transformer,
        "QuantileTransformer": _quantile_transformer,
        "RobustScaler": _robust_scaler,
        "StandardScaler": _standard_scaler,
        "TruncatedSVD": _linear(lambda model: model.components_),
    },
    inverse_limits={"KBinsDiscretizer": _bins_of_one_column},
)
