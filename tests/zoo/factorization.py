"""Non-negative matrix factorization and topics: transforms that iterate."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from zoo.specimen import Array, Builder, Specimen, fit, new


def _unit(x: Array, y: Array) -> tuple[Array, Array]:
    return x / x.max(axis=0).clip(1e-9), y


def _positive(x: Array, y: Array) -> tuple[Array, Array]:
    return _unit(x, y)[0] + 0.01, y


def _counts(x: Array, y: Array) -> tuple[Array, Array]:
    return np.floor(x), y


def _unfinished(build: Builder) -> Builder:
    """Without the warning that fitting took all iterations: few are enough for a test."""

    def quiet() -> Specimen:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Maximum number of iterations")
            return build()

    return quiet


def _nmf(data: str = "wine", kind: str = "NMF", change: Any = _unit, **parameters: Any) -> Builder:
    settings = {"n_components": 4, "init": "nndsvda", "random_state": 0, "max_iter": 500} | parameters
    return _unfinished(fit(lambda: new(f"decomposition.{kind}", **settings), data, change))


def _mini_batch(**parameters: Any) -> Builder:
    return _nmf("digits", "MiniBatchNMF", **({"max_iter": 60, "batch_size": 120} | parameters))


def _topics(**parameters: Any) -> Builder:
    settings = {"n_components": 5, "max_iter": 3, "random_state": 0} | parameters
    return fit(lambda: new("decomposition.LatentDirichletAllocation", **settings), "digits", _counts)


SPECIMENS: dict[str, Builder] = {
    "nmf": _nmf(),
    "nmf-penalties": _nmf(alpha_W=0.01, l1_ratio=0.4),
    "nmf-many-components": _nmf("digits", n_components=20, max_iter=60, tol=1e-2, alpha_H=0.0),
    "nmf-shuffled": _nmf(shuffle=True, n_components=3, max_iter=100),
    "nmf-updates": _nmf(solver="mu"),
    "nmf-updates-penalties": _nmf(solver="mu", alpha_W=0.01, l1_ratio=0.5, max_iter=45),
    "nmf-updates-no-tolerance": _nmf(solver="mu", tol=0, max_iter=30),
    "nmf-kullback-leibler": _nmf(solver="mu", beta_loss="kullback-leibler"),
    "nmf-kullback-leibler-penalties": _nmf(
        "digits", solver="mu", beta_loss=1, alpha_W=0.001, l1_ratio=1.0, max_iter=40
    ),
    "nmf-itakura-saito": _nmf(solver="mu", beta_loss="itakura-saito", change=_positive),
    "nmf-beta-half": _nmf(solver="mu", beta_loss=0.5),
    "nmf-beta-one-and-half": _nmf(solver="mu", beta_loss=1.5),
    "nmf-beta-three": _nmf(solver="mu", beta_loss=3, max_iter=60),
    "mini-batch-nmf": _mini_batch(),
    "mini-batch-nmf-kullback-leibler": _mini_batch(
        beta_loss="kullback-leibler", alpha_W=0.001, transform_max_iter=40
    ),
    "mini-batch-nmf-no-tolerance": _mini_batch(tol=0, transform_max_iter=12, max_iter=10),
    "latent-dirichlet-allocation": _topics(),
    "latent-dirichlet-allocation-online": _topics(
        learning_method="online", doc_topic_prior=0.05, mean_change_tol=1e-4, max_doc_update_iter=30
    ),
}
