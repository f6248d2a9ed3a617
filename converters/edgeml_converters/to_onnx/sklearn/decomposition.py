"""Decompositions whose transform is a projection: PCA and its kin, and discriminants.

Columns are centred before the product: folded into a bias, the mean would cancel against large features.
A KernelPCA that keeps components of small variance needs float64, which ONNX has and TFLite has not.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.emitter import ML, Emitter, Rules
from edgeml_converters.to_onnx.sklearn.pairwise_kernels import METRICS, cast, pairwise_kernel, product
from edgeml_runtime.signature import Array


def projection(
    emitter: Emitter, x: str, weights: Array, *, mean: Any = None, scale: Any = None, bias: Any = 0.0
) -> str:
    """((x - mean) / scale) @ weights + bias, weights [features, k]: float32[n, k]; None leaves one out."""
    weights = np.asarray(weights, np.float64)
    if mean is None and scale is None:
        return emitter.dense(x, weights, bias)
    width = len(weights)
    mean = np.broadcast_to(np.asarray(0.0 if mean is None else mean, np.float64), width)
    factor = np.broadcast_to(1.0 / np.asarray(1.0 if scale is None else scale, np.float64), width)
    offset = mean.astype(np.float32)
    centred = emitter.add("Scaler", x, domain=ML, offset=offset.tolist(), scale=_single(factor).tolist())
    # What the mean lost in float32 is known, and goes into the bias.
    rest = ((offset - mean) * factor) @ weights
    return emitter.dense(centred, weights, np.broadcast_to(bias, rest.shape) + rest)


def _single(values: Array) -> Array:
    return values.astype(np.float32)


def _pca(emitter: Emitter, model: Any, x: str) -> str:
    components = np.asarray(model.components_, np.float64)
    if model.whiten:
        scale = np.sqrt(model.explained_variance_)
        tiny = np.finfo(scale.dtype).eps  # as scikit-learn, components without variance are not blown up
        components = components / np.maximum(scale, tiny)[:, None]
    return projection(emitter, x, components.T, mean=model.mean_)


def _log_likelihood(emitter: Emitter, model: Any, x: str) -> str:
    """Of a Gaussian: -|(x - mean) @ root|^2 / 2 and a constant, root @ root.T the precision.

    Squares of one projection cannot cancel, as the products with the precision itself would.
    """
    from sklearn.utils.extmath import fast_logdet

    precision = np.asarray(model.get_precision(), np.float64)
    variances, axes = np.linalg.eigh(precision)
    root = axes * np.sqrt(np.maximum(variances, 0.0))
    constant = -0.5 * (len(root) * np.log(2.0 * np.pi) - fast_logdet(precision))
    whitened = projection(emitter, x, root, mean=model.mean_)
    squares = emitter.add("Mul", whitened, whitened)
    return emitter.dense(squares, np.full((len(root), 1), -0.5), constant)


def _truncated_svd(emitter: Emitter, model: Any, x: str) -> str:
    return emitter.dense(x, np.asarray(model.components_).T, 0.0)


def _sparse_pca(emitter: Emitter, model: Any, x: str) -> str:
    """Ridge regression of a row on the components is linear in the row."""
    from sklearn.linear_model import ridge_regression

    components = np.asarray(model.components_, np.float64)
    unit = np.eye(components.shape[1])
    weights = ridge_regression(components.T, unit, model.ridge_alpha, solver="cholesky")
    return projection(emitter, x, weights, mean=model.mean_)


def _factor_analysis(emitter: Emitter, model: Any, x: str) -> str:
    components = np.asarray(model.components_, np.float64)
    weighted = components / model.noise_variance_
    inverse = np.linalg.inv(np.eye(len(components)) + weighted @ components.T)
    return projection(emitter, x, weighted.T @ inverse, mean=model.mean_)


def _fast_ica(emitter: Emitter, model: Any, x: str) -> str:
    mean = model.mean_ if model.whiten else None
    return projection(emitter, x, np.asarray(model.components_).T, mean=mean)


def _discriminants(emitter: Emitter, model: Any, x: str) -> str:
    scalings = np.asarray(model.scalings_, np.float64)[:, : model._max_components]
    bias = -model.xbar_ @ scalings if model.solver == "svd" else 0.0
    # Not centred first: the classifier reads x as well, and int8 gives x one scale a column for both or none.
    return emitter.dense(x, scalings, bias)


def _hidden_units(emitter: Emitter, model: Any, x: str) -> str:
    activation = emitter.dense(x, np.asarray(model.components_).T, model.intercept_hidden_)
    return emitter.add("Sigmoid", activation)


def centred_kernel(emitter: Emitter, kernel: str, centerer: Any, weights: Array) -> str:
    """A kernel float64[n, rows], centred as a KernelCenterer does, @ weights [rows, k]: float32[n, k].

    The mean of each row of the kernel is left out of it and taken from the weights' columns instead, which is
    the same.
    """
    apart = emitter.add("Sub", kernel, emitter.constant(centerer.K_fit_rows_, "float64"))
    weights = np.asarray(weights, np.float64)
    return cast(emitter, product(emitter, apart, weights - weights.mean(axis=0), "float64"), "float32")


def kernel_components(model: Any) -> Array:
    """What a KernelPCA multiplies its centred kernel with: float64[rows, components]."""
    weights = np.zeros_like(model.eigenvectors_)
    found = np.flatnonzero(model.eigenvalues_)
    weights[:, found] = model.eigenvectors_[:, found] / np.sqrt(model.eigenvalues_[found])
    return np.asarray(weights, np.float64)


def _kernel_pca(emitter: Emitter, model: Any, x: str) -> str:
    weights = kernel_components(model)
    if model.kernel == "precomputed":
        return centred_kernel(emitter, cast(emitter, x, "float64"), model._centerer, weights)
    rows = np.asarray(model.X_fit_, np.float64)
    if model.kernel == "linear":
        centred = weights - weights.mean(axis=0)
        return projection(emitter, x, rows.T @ centred, mean=rows.mean(axis=0))
    parameters = {"gamma": model.gamma_, "degree": model.degree, "coef0": model.coef0}
    kernel = pairwise_kernel(emitter, x, rows, model.kernel, **parameters, precision="float64")
    return centred_kernel(emitter, kernel, model._centerer, weights)


def _kernel_centerer(emitter: Emitter, model: Any, x: str) -> str:
    return centred_kernel(emitter, cast(emitter, x, "float64"), model, np.eye(model.n_features_in_))


def known_kernel(model: Any) -> str | None:
    """Why the kernel of an estimator cannot be computed in a graph; None where it can."""
    if callable(model.kernel):
        name = getattr(model.kernel, "__name__", type(model.kernel).__name__)
        return f"its kernel is the function {name}, which is not translated; use one of {', '.join(METRICS)}"
    return None


RULES = Rules(
    transform={
        "BernoulliRBM": _hidden_units,
        "FactorAnalysis": _factor_analysis,
        "FastICA": _fast_ica,
        "IncrementalPCA": _pca,
        "KernelCenterer": _kernel_centerer,
        "KernelPCA": _kernel_pca,
        "LinearDiscriminantAnalysis": _discriminants,
        "MiniBatchSparsePCA": _sparse_pca,
        "PCA": _pca,
        "SparsePCA": _sparse_pca,
        "TruncatedSVD": _truncated_svd,
    },
    score=dict.fromkeys(("FactorAnalysis", "PCA"), _log_likelihood),
    limits={"KernelPCA": known_kernel},
)
