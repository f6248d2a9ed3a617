"""Estimators of scikit-learn that say nothing about new rows, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping

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
    "ShrunkCovariance": _COVARIANCE,
    "SpectralBiclustering": _CLUSTERS,
    "SpectralClustering": _CLUSTERS,
    "SpectralCoclustering": _CLUSTERS,
    "SpectralEmbedding": _EMBEDS,
    "TSNE": _EMBEDS,
}
"""By class name: why no method of the estimator can be compiled."""
