"""PCA and its kin, discriminants, partial least squares, kernel approximations."""

from __future__ import annotations

import functools
from typing import Any

from zoo.specimen import Array, Builder, Specimen, fit, load, new, pipe, scaled


def _unit(x: Array, y: Array) -> tuple[Array, Array]:
    """Columns from 0 to 1: kernels of histograms take no negative values."""
    return x / x.max(axis=0).clip(1e-9), y


def _measures(x: Array, y: Array) -> tuple[Array, Array]:
    """Columns of one scale; the targets are two of them."""
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    return x[:, 2:], x[:, :2]


def _gram(make: Any) -> Builder:
    """Fitted on a kernel matrix, for rows of one."""

    @functools.cache
    def build() -> Specimen:
        x, y = _unit(*load("iris"))
        kernel = x @ x.T[:, :60]
        return Specimen(make().fit(kernel[:60]), kernel, y)

    return build


def _decomposed(kind: str, data: str = "wine", *args: Any, **parameters: Any) -> Builder:
    return fit(lambda: scaled(f"decomposition.{kind}", *args, **parameters), data)


def _kernel_pca(kernel: str, **parameters: Any) -> Builder:
    return _decomposed("KernelPCA", n_components=4, kernel=kernel, **parameters)


def _discriminants(**parameters: Any) -> Builder:
    return fit(lambda: scaled("discriminant_analysis.LinearDiscriminantAnalysis", **parameters), "wine")


def _least_squares(kind: str, **parameters: Any) -> Builder:
    return fit(lambda: new(f"cross_decomposition.{kind}", 2, **parameters), "wine", _measures)


def _approximated(kind: str, **parameters: Any) -> Builder:
    return fit(lambda: scaled(f"kernel_approximation.{kind}", random_state=0, **parameters), "wine")


def _histogram(kind: str, data: str = "digits", **parameters: Any) -> Builder:
    return fit(lambda: new(f"kernel_approximation.{kind}", **parameters), data, _unit)


def _nystroem(kernel: str, **parameters: Any) -> Builder:
    return _histogram("Nystroem", "wine", kernel=kernel, n_components=6, random_state=0, **parameters)


_PROJECTIONS: dict[str, Builder] = {
    "pca-raw": fit(lambda: new("decomposition.PCA", 3), "wine"),
    "pca-share": _decomposed("PCA", n_components=0.9, svd_solver="full"),
    "pca-mle": _decomposed("PCA", n_components="mle", whiten=True),
    "incremental-pca": _decomposed("IncrementalPCA", n_components=4, batch_size=60),
    "incremental-pca-whitened": _decomposed("IncrementalPCA", n_components=4, whiten=True),
    "truncated-svd": fit(
        lambda: new("decomposition.TruncatedSVD", 5, algorithm="arpack", random_state=0), "digits"
    ),
    "sparse-pca": _decomposed("SparsePCA", n_components=3, alpha=0.5, max_iter=20, random_state=0),
    "mini-batch-sparse-pca": _decomposed(
        "MiniBatchSparsePCA", n_components=3, max_iter=10, ridge_alpha=0.1, random_state=0
    ),
    "factor-analysis": _decomposed("FactorAnalysis", n_components=3),
    "factor-analysis-lapack-rotated": _decomposed(
        "FactorAnalysis", n_components=3, svd_method="lapack", rotation="varimax"
    ),
    "fast-ica": _decomposed("FastICA", n_components=4, random_state=0, max_iter=500),
    "fast-ica-arbitrary-variance": _decomposed(
        "FastICA", n_components=4, whiten="arbitrary-variance", fun="exp", random_state=0, max_iter=500
    ),
    "fast-ica-not-whitened": fit(
        lambda: pipe(
            new("decomposition.PCA", 4, whiten=True),
            new("decomposition.FastICA", whiten=False, random_state=0, max_iter=500),
        ),
        "wine",
    ),
    "bernoulli-rbm": fit(
        lambda: new("neural_network.BernoulliRBM", 12, n_iter=3, random_state=0), "digits", _unit
    ),
    "discriminants": _discriminants(),
    "discriminants-one": _discriminants(n_components=1),
    "discriminants-eigen-shrinkage": _discriminants(solver="eigen", shrinkage="auto"),
    "discriminants-least-squares": _discriminants(solver="lsqr"),
    "cca": _least_squares("CCA"),
    "pls-canonical": _least_squares("PLSCanonical"),
    "pls-regression": fit(lambda: new("cross_decomposition.PLSRegression", 3), "diabetes"),
    "pls-regression-two-targets": _least_squares("PLSRegression", scale=False),
    "pls-svd": _least_squares("PLSSVD"),
    "gaussian-random-projection": fit(
        lambda: new("random_projection.GaussianRandomProjection", 8, random_state=0), "digits"
    ),
    "sparse-random-projection": fit(
        lambda: new("random_projection.SparseRandomProjection", 8, random_state=0), "digits"
    ),
}
_KERNELS: dict[str, Builder] = {
    "kernel-pca-linear": _kernel_pca("linear"),
    "kernel-pca-rbf": _kernel_pca("rbf", gamma=0.05),
    "kernel-pca-poly": _kernel_pca("poly", degree=2, coef0=0.5),
    "kernel-pca-sigmoid": _kernel_pca("sigmoid", gamma=0.02),
    "kernel-pca-cosine": _kernel_pca("cosine"),
    "kernel-pca-all": _decomposed("KernelPCA", kernel="rbf", gamma=1.0, remove_zero_eig=True),
    "kernel-pca-precomputed": _gram(lambda: new("decomposition.KernelPCA", 2, kernel="precomputed")),
    "kernel-centerer": _gram(lambda: new("preprocessing.KernelCenterer")),
    "rbf-sampler": _approximated("RBFSampler", gamma=0.1, n_components=20),
    "rbf-sampler-scale": _approximated("RBFSampler", gamma="scale", n_components=20),
    "skewed-chi2-sampler": _histogram("SkewedChi2Sampler", n_components=15, random_state=0, skewedness=0.5),
    "additive-chi2-sampler": _histogram("AdditiveChi2Sampler"),
    "additive-chi2-sampler-1": _histogram("AdditiveChi2Sampler", sample_steps=1),
    "additive-chi2-sampler-4": _histogram("AdditiveChi2Sampler", sample_steps=4, sample_interval=0.3),
    "polynomial-count-sketch": _approximated("PolynomialCountSketch", n_components=20),
    "polynomial-count-sketch-3": _approximated(
        "PolynomialCountSketch", n_components=15, degree=3, gamma=0.2, coef0=1
    ),
    "polynomial-count-sketch-1": _approximated("PolynomialCountSketch", n_components=9, degree=1),
    "nystroem-rbf": _nystroem("rbf", gamma=2.0),
    "nystroem-default": _nystroem("rbf"),
    "nystroem-laplacian": _nystroem("laplacian"),
    "nystroem-cosine": _nystroem("cosine"),
    "nystroem-chi2": _nystroem("chi2"),
    "nystroem-additive-chi2": _nystroem("additive_chi2"),
    "nystroem-poly": _nystroem("poly", degree=2, coef0=1.0),
    "nystroem-polynomial": _nystroem("polynomial", kernel_params={"degree": 3, "gamma": 0.5}),
    "nystroem-sigmoid": _nystroem("sigmoid", gamma=0.1),
    "nystroem-linear": _nystroem("linear"),
}
SPECIMENS: dict[str, Builder] = _PROJECTIONS | _KERNELS
