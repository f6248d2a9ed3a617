"""Documents into counts of their terms: what scikit-learn's text vectorizers do, in its order of steps."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Any

import numpy as np

from edgeml_runtime.affine import Array
from edgeml_runtime.encodings.cells import cells, is_missing, scatter, shown
from edgeml_runtime.encodings.murmurhash import column_and_sign
from edgeml_runtime.encodings.text import Analyzer, HashedWords, Words, compile_pattern
from edgeml_runtime.errors import SignatureError

_WHITE_SPACE = re.compile(r"\s\s+")

Terms = Callable[[str], list[str]]


def word_encoder(encoding: Words, where: str) -> Callable[[Any], Array]:
    """Documents [n] -> float32[n, len(vocabulary)] of counts; it raises SignatureError naming `where`."""
    column_of = {term: column for column, term in enumerate(encoding.vocabulary)}.get
    terms = term_splitter(encoding.analyzer)
    width = encoding.width

    def encode(documents: Any) -> Array:
        texts = _documents(documents, where)
        positions: list[int] = []
        for row, text in enumerate(texts):
            columns = map(column_of, terms(text))
            positions += [row * width + column for column in columns if column is not None]
        counts = scatter(len(texts), width, positions, 1.0)
        return np.minimum(counts, np.float32(1.0)) if encoding.binary else counts

    return encode


def hashed_word_encoder(encoding: HashedWords, where: str) -> Callable[[Any], Array]:
    """Documents [n] -> float32[n, n_features]; it raises SignatureError naming `where`."""
    terms = term_splitter(encoding.analyzer)
    width = encoding.n_features

    def encode(documents: Any) -> Array:
        texts = _documents(documents, where)
        positions: list[int] = []
        signs: list[float] = []
        for row, text in enumerate(texts):
            try:
                for term in terms(text):
                    column, sign = column_and_sign(term, width)
                    positions.append(row * width + column)
                    signs.append(sign)
            except UnicodeEncodeError as error:
                raise SignatureError(f"{where}: the document in row {row} has a lone surrogate") from error
        if not encoding.binary:
            return scatter(len(texts), width, positions, signs if encoding.alternate_sign else 1.0)
        # Terms that cancel each other out count too: scikit-learn keeps their zero, and makes it 1.
        return np.minimum(scatter(len(texts), width, positions, 1.0), np.float32(1.0))

    return encode


def _documents(value: Any, where: str) -> list[str]:
    texts = cells(value, where)
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            got = "nothing" if is_missing(text) else shown(text)
            raise SignatureError(f"{where}: expected text, got {got} in row {row}")
    return texts


def term_splitter(analyzer: Analyzer) -> Terms:
    """A document's terms in the order in which they occur."""
    split = _splitter(analyzer)
    strip = _STRIPPERS[analyzer.strip_accents]
    if not analyzer.lowercase:
        return split if strip is None else lambda text: split(strip(text))
    return (lambda text: split(text.lower())) if strip is None else lambda text: split(strip(text.lower()))


def _splitter(analyzer: Analyzer) -> Terms:
    smallest, largest = analyzer.ngram_range
    if analyzer.analyzer == "char":
        return lambda text: _character_ngrams(text, smallest, largest)
    if analyzer.analyzer == "char_wb":
        return lambda text: _word_bounded_ngrams(text, smallest, largest)
    find = compile_pattern(analyzer.token_pattern).findall
    stop_words = frozenset(analyzer.stop_words)

    def words(text: str) -> list[str]:
        tokens: list[str] = find(text)
        if stop_words:
            tokens = [token for token in tokens if token not in stop_words]
        return tokens if largest == 1 else _word_ngrams(tokens, smallest, largest)

    return words


def _strip_unicode(text: str) -> str:
    if text.isascii():
        return text
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def _strip_ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")


_STRIPPERS = {None: None, "unicode": _strip_unicode, "ascii": _strip_ascii}


def _word_ngrams(tokens: list[str], smallest: int, largest: int) -> list[str]:
    return [
        " ".join(tokens[start : start + n])
        for n in range(smallest, min(largest, len(tokens)) + 1)
        for start in range(len(tokens) - n + 1)
    ]


def _character_ngrams(text: str, smallest: int, largest: int) -> list[str]:
    text = _WHITE_SPACE.sub(" ", text)
    return [
        text[start : start + n]
        for n in range(smallest, min(largest, len(text)) + 1)
        for start in range(len(text) - n + 1)
    ]


def _word_bounded_ngrams(text: str, smallest: int, largest: int) -> list[str]:
    ngrams: list[str] = []
    for word in _WHITE_SPACE.sub(" ", text).split():
        padded = f" {word} "
        for n in range(smallest, largest + 1):
            ngrams += [padded[start : start + n] for start in range(max(1, len(padded) - n + 1))]
            if n >= len(padded):  # a short word counts once
                break
    return ngrams
