"""Nearest neighbours and k-means."""

from __future__ import annotations

from zoo.specimen import Builder, fit, new, scaled, strings

SPECIMENS: dict[str, Builder] = {
    "k-neighbors": fit(lambda: scaled("neighbors.KNeighborsClassifier", n_neighbors=3), "digits"),
    "k-neighbors-strings": fit(
        lambda: scaled("neighbors.KNeighborsClassifier", n_neighbors=4), "wine", strings
    ),
    "k-neighbors-regressor": fit(lambda: scaled("neighbors.KNeighborsRegressor", n_neighbors=5), "diabetes"),
    "k-means": fit(lambda: new("cluster.KMeans", 5, n_init=1, random_state=0), "digits"),
    "mini-batch-k-means": fit(
        lambda: scaled("cluster.MiniBatchKMeans", n_clusters=3, n_init=1, random_state=0), "wine"
    ),
}
