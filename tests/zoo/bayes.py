"""Naive Bayes."""

from __future__ import annotations

from zoo.specimen import Builder, coarse, fit, new, strings

SPECIMENS: dict[str, Builder] = {
    "gaussian-nb": fit(lambda: new("naive_bayes.GaussianNB"), "wine", strings),
    "bernoulli-nb": fit(lambda: new("naive_bayes.BernoulliNB", binarize=7.5), "digits"),
    "multinomial-nb": fit(lambda: new("naive_bayes.MultinomialNB"), "digits"),
    "complement-nb": fit(lambda: new("naive_bayes.ComplementNB"), "digits"),
    "categorical-nb": fit(lambda: new("naive_bayes.CategoricalNB", min_categories=5), "digits", coarse),
}
