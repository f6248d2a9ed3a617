"""Naive Bayes."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from zoo.specimen import Builder, Specimen, bools, coarse, fit, load, new, sparse_ints, strings


def _in_parts(name: str, data: str, change: Any = None, **options: Any) -> Builder:
    """Fitted on the first class alone, then on the others; a last one is known by name only."""

    @functools.cache
    def build() -> Specimen:
        x, y = load(data)
        if change is not None:
            x, y = change(x, y)
        classes, model = np.unique(y), new(f"naive_bayes.{name}", **options)
        first, later = y == classes[0], y != classes[0]
        model.partial_fit(x[first], y[first], classes=[*classes, classes[-1] + 1])
        return Specimen(model.partial_fit(x[later], y[later]), x, y)

    return build


def _weighted(name: str, data: str, **options: Any) -> Builder:
    @functools.cache
    def build() -> Specimen:
        x, y = load(data)
        weights = np.linspace(0.1, 2.0, len(y))
        return Specimen(new(f"naive_bayes.{name}", **options).fit(x, y, sample_weight=weights), x, y)

    return build


@functools.cache
def _without_smoothing() -> Specimen:
    x, y = load("digits")
    x = np.floor(x[:, 18:30] / 3)
    with np.errstate(divide="ignore"):
        model = new("naive_bayes.CategoricalNB", alpha=0, force_alpha=True).fit(x, y)
    return Specimen(model, x, y)


SPECIMENS: dict[str, Builder] = {
    "gaussian-nb": fit(lambda: new("naive_bayes.GaussianNB"), "wine", strings),
    "gaussian-nb-priors": fit(
        lambda: new("naive_bayes.GaussianNB", priors=[0.7, 0.2, 0.1], var_smoothing=1e-3), "iris", sparse_ints
    ),
    "gaussian-nb-digits": fit(lambda: new("naive_bayes.GaussianNB", var_smoothing=1e-2), "digits"),
    "gaussian-nb-weighted": _weighted("GaussianNB", "breast_cancer"),
    "bernoulli-nb": fit(lambda: new("naive_bayes.BernoulliNB", binarize=7.5), "digits"),
    "bernoulli-nb-binary": fit(
        lambda: new("naive_bayes.BernoulliNB", binarize=20.0, fit_prior=False), "breast_cancer", bools
    ),
    "bernoulli-nb-indicators": fit(
        lambda: new("naive_bayes.BernoulliNB", binarize=None, alpha=1e-3),
        "digits",
        lambda x, y: ((x > 4).astype(float), y),
    ),
    "bernoulli-nb-parts": _in_parts("BernoulliNB", "digits", binarize=4.0),
    "multinomial-nb": fit(lambda: new("naive_bayes.MultinomialNB"), "digits"),
    "multinomial-nb-prior": fit(
        lambda: new("naive_bayes.MultinomialNB", class_prior=[0.5, 0.3, 0.2], alpha=0.1), "wine", strings
    ),
    "multinomial-nb-no-smoothing": fit(
        lambda: new("naive_bayes.MultinomialNB", alpha=0, force_alpha=True), "iris"
    ),
    "multinomial-nb-alphas": fit(
        lambda: new("naive_bayes.MultinomialNB", alpha=np.linspace(0.01, 5, 64)), "digits"
    ),
    "multinomial-nb-parts": _in_parts("MultinomialNB", "digits"),
    "complement-nb": fit(lambda: new("naive_bayes.ComplementNB"), "digits"),
    "complement-nb-norm": fit(lambda: new("naive_bayes.ComplementNB", norm=True, alpha=0.5), "digits"),
    "categorical-nb": fit(lambda: new("naive_bayes.CategoricalNB", min_categories=5), "digits", coarse),
    "categorical-nb-no-smoothing": _without_smoothing,
    "categorical-nb-prior": fit(
        lambda: new("naive_bayes.CategoricalNB", class_prior=[0.3, 0.3, 0.4], min_categories=10),
        "iris",
        lambda x, y: (np.floor(x), y),
    ),
}
