"""Documents, records, sets and labels: the vectorizers with their options, alone and before models."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from zoo.real_rows import descriptions, fit_rows, wine_records, wine_sets, wine_table
from zoo.specimen import Builder, Specimen, fit, new, pipe

_TEXT = "feature_extraction.text."


def _words(kind: str, **options: Any) -> Builder:
    return fit_rows(lambda: new(f"{_TEXT}{kind}", **options), descriptions)


def _read(last: Any, kind: str = "TfidfVectorizer", **options: Any) -> Any:
    return pipe(new(f"{_TEXT}{kind}", **options), last)


def _union() -> Any:
    parts = [
        ("words", new(f"{_TEXT}TfidfVectorizer", min_df=2)),
        (
            "characters",
            new(f"{_TEXT}CountVectorizer", analyzer="char_wb", ngram_range=(2, 3), max_features=80),
        ),
        ("again", new(f"{_TEXT}TfidfVectorizer", min_df=2, norm="l1")),
    ]
    return new("pipeline.FeatureUnion", parts, transformer_weights={"characters": 0.25})


def _of_labels(kind: str, labels: Callable[[], Any], **options: Any) -> Builder:
    """A specimen of an encoder that is fitted on labels alone."""

    @functools.cache
    def build() -> Specimen:
        given = labels()
        return Specimen(new(f"preprocessing.{kind}", **options).fit(given), given, np.arange(len(given)))

    return build


def _words_of_digits(x: Any, y: Any) -> Any:
    return np.floor(x[:, 1:7]), y


_OTHERS = (
    "alcohol", "malic_acid", "alcalinity_of_ash", "magnesium", "total_phenols", "flavanoids",
    "nonflavanoid_phenols", "proanthocyanins", "color_intensity", "od280/od315_of_diluted_wines", "proline",
)  # fmt: skip
_LOGISTIC = "linear_model.LogisticRegression"
SPECIMENS: dict[str, Builder] = {
    "count": _words("CountVectorizer"),
    "count-options": _words(
        "CountVectorizer", stop_words="english", ngram_range=(1, 2), min_df=2, max_df=0.5, max_features=60
    ),
    "count-binary-cased": _words(
        "CountVectorizer", binary=True, lowercase=False, token_pattern=r"[A-Za-z]{3,}"
    ),
    "count-characters": _words("CountVectorizer", analyzer="char", ngram_range=(1, 2), max_features=90),
    "count-given-vocabulary": _words("CountVectorizer", vocabulary=["patients", "the", "wine", "absent"]),
    "count-accents": _words("CountVectorizer", strip_accents="unicode", stop_words=["the", "of"]),
    "tfidf": _words("TfidfVectorizer"),
    "tfidf-sublinear-l1": _words("TfidfVectorizer", sublinear_tf=True, norm="l1", smooth_idf=False),
    "tfidf-no-norm": _words("TfidfVectorizer", norm=None, binary=True, strip_accents="ascii"),
    "tfidf-no-idf": _words(
        "TfidfVectorizer", use_idf=False, analyzer="char_wb", ngram_range=(3, 3), min_df=3
    ),
    "hashing": _words("HashingVectorizer", n_features=256),
    "hashing-counts": _words("HashingVectorizer", n_features=64, norm=None, alternate_sign=False),
    "hashing-binary-l1": _words(
        "HashingVectorizer", n_features=128, norm="l1", binary=True, ngram_range=(1, 2)
    ),
    "tfidf-transformer": fit(lambda: new(f"{_TEXT}TfidfTransformer", sublinear_tf=True), "digits"),
    "tfidf-transformer-l1": fit(
        lambda: new(f"{_TEXT}TfidfTransformer", norm="l1", smooth_idf=False), "digits", _words_of_digits
    ),
    "tfidf-logistic": fit_rows(lambda: _read(new(_LOGISTIC)), descriptions),
    "tfidf-svd-svc": fit_rows(
        lambda: pipe(
            new(f"{_TEXT}TfidfVectorizer", min_df=2),
            new("decomposition.TruncatedSVD", 8, random_state=0),
            new("svm.SVC"),
        ),
        descriptions,
    ),
    "count-tfidf-transformer-naive-bayes": fit_rows(
        lambda: pipe(
            new(f"{_TEXT}CountVectorizer"), new(f"{_TEXT}TfidfTransformer"), new("naive_bayes.MultinomialNB")
        ),
        descriptions,
    ),
    "count-complement-naive-bayes": fit_rows(
        lambda: _read(new("naive_bayes.ComplementNB"), "CountVectorizer", binary=True), descriptions
    ),
    "hashing-sgd": fit_rows(
        lambda: _read(new("linear_model.SGDClassifier", random_state=0), "HashingVectorizer", n_features=512),
        descriptions,
    ),
    "text-union-linear-svc": fit_rows(
        lambda: pipe(_union(), new("svm.LinearSVC", C=0.1, max_iter=5000)), descriptions
    ),
    "text-search": fit_rows(
        lambda: new(
            "model_selection.GridSearchCV",
            _read(new(_LOGISTIC), min_df=2),
            {"logisticregression__C": [1.0, 10.0]},
            cv=2,
        ),
        descriptions,
    ),
    "dict-vectorizer": fit_rows(lambda: new("feature_extraction.DictVectorizer"), wine_records),
    "dict-vectorizer-dense-logistic": fit_rows(
        lambda: pipe(
            new("feature_extraction.DictVectorizer", separator=":", sparse=False, sort=False),
            new("preprocessing.StandardScaler"),
            new(_LOGISTIC),
        ),
        wine_records,
    ),
    "feature-hasher": fit_rows(lambda: new("feature_extraction.FeatureHasher", 32), wine_records),
    "feature-hasher-names-naive-bayes": fit_rows(
        lambda: pipe(
            new("feature_extraction.FeatureHasher", 64, input_type="string", alternate_sign=False),
            new("naive_bayes.MultinomialNB"),
        ),
        wine_sets,
    ),
    "label-encoder": _of_labels("LabelEncoder", lambda: wine_table()[0]["label"].to_numpy()),
    "label-encoder-numbers": _of_labels("LabelEncoder", lambda: np.array([-7, 3, 40])[wine_table()[1]]),
    "label-binarizer": _of_labels(
        "LabelBinarizer", lambda: wine_table()[0]["label"].to_numpy(), neg_label=-2, pos_label=3
    ),
    "label-binarizer-sparse": _of_labels(
        "LabelBinarizer", lambda: np.array([-7, 3, 40])[wine_table()[1]], sparse_output=True
    ),
    "label-binarizer-two": _of_labels("LabelBinarizer", lambda: wine_table()[0]["strong"].to_numpy()),
    "multi-label-binarizer": _of_labels("MultiLabelBinarizer", lambda: wine_sets()[0]),
    "multi-label-binarizer-given": _of_labels(
        "MultiLabelBinarizer", lambda: wine_sets()[0], classes=("hue", "ash", *_OTHERS), sparse_output=True
    ),
}
