"""Counts of words weighted and scaled; the runtime counts them (`sources/sklearn_documents.py`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.sources.sklearn_documents import document_encoding, untranslatable
from edgeml_converters.to_onnx.sklearn.emitter import Emitter, Rules
from edgeml_converters.to_onnx.sklearn.inputs import document_input


def _counts(emitter: Emitter, model: Any, x: str) -> str:
    return document_input(emitter, x, document_encoding(model))


def _hashing_vectorizer(emitter: Emitter, model: Any, x: str) -> str:
    return _normalized(emitter, _counts(emitter, model, x), model.norm)


def _tfidf_vectorizer(emitter: Emitter, model: Any, x: str) -> str:
    return _tfidf_transformer(emitter, model._tfidf, _counts(emitter, model, x))


def _tfidf_transformer(emitter: Emitter, model: Any, x: str) -> str:
    if model.sublinear_tf:
        # 1 + log(count) for words that occur; the logarithm is taken of 1 where none does.
        occurs = emitter.add("Greater", x, emitter.constant([0.0]))
        one, zero = emitter.constant([1.0]), emitter.constant([0.0])
        logarithm = emitter.add("Log", emitter.add("Where", occurs, x, one))
        x = emitter.add("Where", occurs, emitter.add("Add", logarithm, one), zero)
    if model.use_idf:
        x = emitter.add("Mul", x, emitter.constant(np.asarray(model.idf_)[None]))
    return _normalized(emitter, x, model.norm)


def _normalized(emitter: Emitter, x: str, norm: str | None) -> str:
    """Rows divided by their norm; rows of zeros stay."""
    if norm is None:
        return x
    if norm == "l2":
        size = emitter.add("Sqrt", emitter.sum(emitter.add("Mul", x, x)))
    elif norm == "l1":
        size = emitter.sum(emitter.add("Abs", x))
    else:
        size = emitter.add("ReduceMax", emitter.add("Abs", x), emitter.constant([1], "int64"), keepdims=1)
    zero = emitter.add("Equal", size, emitter.constant([0.0]))
    return emitter.add("Div", x, emitter.add("Where", zero, emitter.constant([1.0]), size))


RULES = Rules(
    transform={
        "CountVectorizer": _counts,
        "HashingVectorizer": _hashing_vectorizer,
        "TfidfTransformer": _tfidf_transformer,
        "TfidfVectorizer": _tfidf_vectorizer,
    },
    limits=dict.fromkeys(("CountVectorizer", "HashingVectorizer", "TfidfVectorizer"), untranslatable),
)
