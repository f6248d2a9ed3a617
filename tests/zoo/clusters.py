"""Clusters with a rule for new rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.specimen import Builder, fit, new, scaled


def _agglomeration(**options: Any) -> Any:
    return lambda: new("cluster.FeatureAgglomeration", **{"n_clusters": 5} | options)


_POOLINGS = ("amin", "average", "nanmax", "max", "mean", "median", "min", "prod", "ptp", "std", "sum", "var")
SPECIMENS: dict[str, Builder] = {
    "k-means": fit(lambda: new("cluster.KMeans", 5, n_init=1, random_state=0), "digits"),
    "k-means-one": fit(lambda: new("cluster.KMeans", 1, n_init=1, random_state=0), "iris"),
    "k-means-elkan": fit(
        lambda: new("cluster.KMeans", 4, n_init=1, algorithm="elkan", random_state=0), "breast_cancer"
    ),
    "mini-batch-k-means": fit(
        lambda: scaled("cluster.MiniBatchKMeans", n_clusters=3, n_init=1, random_state=0), "wine"
    ),
    "bisecting-k-means": fit(lambda: new("cluster.BisectingKMeans", 6, random_state=0), "digits"),
    "bisecting-k-means-largest": fit(
        lambda: scaled(
            "cluster.BisectingKMeans", n_clusters=7, bisecting_strategy="largest_cluster", random_state=0
        ),
        "breast_cancer",
    ),
    "mean-shift": fit(lambda: scaled("cluster.MeanShift", bandwidth=2.5, bin_seeding=True), "wine"),
    "mean-shift-orphans": fit(
        lambda: scaled("cluster.MeanShift", bandwidth=1.0, bin_seeding=True, cluster_all=False), "iris"
    ),
    "affinity-propagation": fit(
        lambda: scaled("cluster.AffinityPropagation", damping=0.8, random_state=0), "wine"
    ),
    "birch": fit(lambda: new("cluster.Birch"), "iris"),
    "birch-threshold": fit(lambda: scaled("cluster.Birch", threshold=2.0, n_clusters=4), "wine"),
    "birch-subclusters": fit(
        lambda: scaled("cluster.Birch", threshold=2.5, branching_factor=10, n_clusters=None), "breast_cancer"
    ),
    "birch-estimator": fit(
        lambda: scaled(
            "cluster.Birch", threshold=1.5, n_clusters=new("cluster.KMeans", 3, n_init=1, random_state=0)
        ),
        "wine",
    ),
    "feature-agglomeration": fit(_agglomeration(), "digits"),
    **{
        f"feature-agglomeration-{name}": fit(_agglomeration(pooling_func=getattr(np, name)), "wine")
        for name in _POOLINGS
    },
}
