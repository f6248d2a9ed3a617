"""Estimators that read no matrix: documents, records, sets and labels, and the runtime's encoding of each."""

from __future__ import annotations

from typing import Any

from edgeml_runtime.encodings import (
    Analyzer,
    Categories,
    Encoding,
    HashedRecords,
    HashedWords,
    Records,
    Sets,
    Words,
)

_VECTORIZERS = ("CountVectorizer", "TfidfVectorizer", "HashingVectorizer")
_OTHERS = ("DictVectorizer", "FeatureHasher", "LabelBinarizer", "LabelEncoder", "MultiLabelBinarizer")


def reads_documents(estimator: Any) -> bool:
    """Whether an estimator's input is one column of text, records, sets or labels."""
    if type(estimator).__name__ == "LabelBinarizer" and estimator.y_type_ == "multilabel-indicator":
        return False  # a matrix of 0 and 1
    return type(estimator).__name__ in (*_VECTORIZERS, *_OTHERS)


def document_encoding(estimator: Any) -> Encoding:
    """The runtime's encoding that does what the fitted estimator does before any arithmetic."""
    kind = type(estimator).__name__
    if kind == "DictVectorizer":
        return Records(tuple(estimator.feature_names_), estimator.separator)
    if kind == "FeatureHasher":
        return HashedRecords(estimator.n_features, estimator.input_type, estimator.alternate_sign)
    if kind == "MultiLabelBinarizer":
        return Sets(tuple(estimator.classes_.tolist()))
    if kind == "LabelBinarizer":
        return Categories(tuple(estimator.classes_.tolist()), "code")
    if kind == "LabelEncoder":
        return Categories(tuple(estimator.classes_.tolist()), "refuse")
    if kind == "HashingVectorizer":
        return HashedWords(
            estimator.n_features, _analyzer(estimator), estimator.alternate_sign, estimator.binary
        )
    terms = sorted(estimator.vocabulary_, key=estimator.vocabulary_.get)
    return Words(tuple(terms), _analyzer(estimator), estimator.binary)


def untranslatable(estimator: Any) -> str | None:
    """Why the runtime cannot analyze documents as a vectorizer does; None where it can."""
    if type(estimator).__name__ not in _VECTORIZERS:
        return None
    for name in ("tokenizer", "preprocessor", "analyzer", "strip_accents"):
        if callable(getattr(estimator, name)):
            return (
                f"{name} is a function, which cannot be sent to a device; rewrite it with the options "
                "token_pattern, ngram_range, lowercase and strip_accents, or leave it outside: apply it to "
                "the documents before the model"
            )
    if estimator.input != "content":
        return f"input={estimator.input!r} reads files; use input='content'"
    return None


def _analyzer(estimator: Any) -> Analyzer:
    if untranslatable(estimator) is not None:
        return Analyzer()  # the coverage says why; a signature needs something
    default = Analyzer()
    words = estimator.analyzer == "word"
    stop_words = estimator.get_stop_words() if words else None
    return Analyzer(
        analyzer=estimator.analyzer,
        lowercase=bool(estimator.lowercase),
        strip_accents=estimator.strip_accents,
        token_pattern=estimator.token_pattern if words else default.token_pattern,
        stop_words=tuple(sorted(stop_words or ())),
        ngram_range=tuple(estimator.ngram_range),
    )
