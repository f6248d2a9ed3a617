"""Embeddings of new rows by their nearest fitted rows."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from zoo.specimen import Builder, Specimen, load, new


def _embedded(kind: str, data: str = "wine", **parameters: Any) -> Builder:
    """Fitted on every other row, so that half of the rows are new."""

    @functools.cache
    def build() -> Specimen:
        x, y = load(data)
        x = (x - x.mean(axis=0)) / x.std(axis=0).clip(1e-9)
        return Specimen(new(f"manifold.{kind}", **parameters).fit(x[::2]), x, y)

    return build


def _from_distances() -> Specimen:
    x = load("wine")[0]
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    apart = np.sqrt(((x[:, None] - x[None, :90]) ** 2).sum(axis=2))
    return Specimen(new("manifold.Isomap", metric="precomputed").fit(apart[:90]), apart, load("wine")[1])


SPECIMENS: dict[str, Builder] = {
    "isomap": _embedded("Isomap"),
    "isomap-manhattan": _embedded("Isomap", metric="manhattan", n_neighbors=9, n_components=3),
    "isomap-minkowski": _embedded("Isomap", p=3, n_neighbors=7),
    "isomap-radius": _embedded("Isomap", n_neighbors=None, radius=6.0),
    "isomap-precomputed": _from_distances,
    "locally-linear-embedding": _embedded("LocallyLinearEmbedding", random_state=0),
    "locally-linear-embedding-modified": _embedded(
        "LocallyLinearEmbedding", method="modified", n_neighbors=12, n_components=3, random_state=0
    ),
    "locally-linear-embedding-many-neighbors": _embedded(
        "LocallyLinearEmbedding", "diabetes", n_neighbors=20, reg=0.01, random_state=0
    ),
    "locally-linear-embedding-hessian": _embedded(
        "LocallyLinearEmbedding", method="hessian", n_neighbors=15, random_state=0
    ),
}
