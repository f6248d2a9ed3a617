"""Estimators of scikit-learn that say nothing about new rows, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_COVARIANCE = (
    "it estimates a covariance matrix and neither predicts nor transforms; EllipticEnvelope, PCA and "
    "Gaussian mixtures use one on new rows"
)
_CLUSTERS = (
    "it groups the rows it is fitted on and has no rule for new ones; train a classifier on its labels, or "
    "use KMeans, MeanShift, Birch or a mixture"
)
_EMBEDS = (
    "it embeds the rows it is fitted on and has no rule for new ones; use PCA, KernelPCA, Isomap or "
    "LocallyLinearEmbedding"
)

REFUSED: Mapping[str, str] = {
    "AgglomerativeClustering": _CLUSTERS,
    "ClassicalMDS": _EMBEDS,
    "DBSCAN": _CLUSTERS,
    "EmpiricalCovariance": _COVARIANCE,
    "GraphicalLasso": _COVARIANCE,
    "GraphicalLassoCV": _COVARIANCE,
    "HDBSCAN": _CLUSTERS,
    "LedoitWolf": _COVARIANCE,
    "MDS": _EMBEDS,
    "MinCovDet": _COVARIANCE,
    "NearestNeighbors": (
        "it finds neighbours and neither predicts nor transforms; use KNeighborsTransformer, or a classifier "
        "or regressor of neighbours"
    ),
    "OAS": _COVARIANCE,
    "OPTICS": _CLUSTERS,
    "PatchExtractor": (
        "it makes several rows of each image, so that the first axis of what it gives is not the batch's; "
        "cut the patches before the model (sklearn.feature_extraction.image.extract_patches_2d)"
    ),
    "ShrunkCovariance": _COVARIANCE,
    "SpectralBiclustering": _CLUSTERS,
    "SpectralClustering": _CLUSTERS,
    "SpectralCoclustering": _CLUSTERS,
    "SpectralEmbedding": _EMBEDS,
    "TSNE": _EMBEDS,
}
"""By class name: why no method of the estimator can be compiled."""

REFUSED_METHODS: Mapping[tuple[str, str], str] = {
    ("BernoulliRBM", "score_samples"): "it flips a bit of every row at random, so that no two calls agree",
}
"""By class and method: why that method alone is left out of the signature."""


def left_out(estimator: Any, method: str) -> str | None:
    """Why a method of the estimator gives nothing that could be compiled; None where it does."""
    kind = type(estimator).__name__
    if (kind, method) == ("LinearDiscriminantAnalysis", "transform") and estimator.solver == "lsqr":
        return "solver='lsqr' finds no directions to transform with; use svd or eigen"
    if (kind, method) == ("GaussianProcessClassifier", "predict_proba"):
        several = len(estimator.classes_) > 2 and estimator.multi_class == "one_vs_one"
        return "multi_class='one_vs_one' has labels only; use one_vs_rest" if several else None
    if (kind, method) == ("VotingClassifier", "transform") and estimator.voting == "soft":
        return None if estimator.flatten_transform else "flatten_transform=False puts rows on the second axis"
    if kind == "ClassifierChain" and method in ("predict_proba", "decision_function"):
        several = any(len(classes) > 2 for classes in estimator.classes_)
        return "scikit-learn fails where a target has more than two classes" if several else None
    if (kind, method) == ("StackingClassifier", "predict_proba") and isinstance(estimator.classes_, list):
        final = estimator.final_estimator_
        a_list = isinstance(final.classes_, list) and type(final).__name__ != "ClassifierChain"
        return None if a_list else "scikit-learn fails where the final estimator gives one array"
    if kind == "OneVsRestClassifier" and method in ("predict_proba", "decision_function"):
        lacking = [type(m).__name__ for m in estimator.estimators_ if not hasattr(m, method)]
        return f"its {lacking[0]} has none" if lacking else None
    return REFUSED_METHODS.get((kind, method))
