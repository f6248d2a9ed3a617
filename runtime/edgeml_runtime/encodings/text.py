"""Documents: counts of words or of hashed words, with the analysis of scikit-learn's text vectorizers."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import Literal

MAX_PATTERN = 1000  # characters of a token pattern
MAX_NGRAM = 1000
MAX_FEATURES = (1 << 31) - 1  # of hashing: scikit-learn's limit


@dataclass(frozen=True, slots=True)
class Analyzer:
    """How a document becomes terms: CountVectorizer's parameters of the same names, with its defaults.

    `token_pattern` and `stop_words` are for the analyzer "word" alone. Lower-casing, accents and the pattern
    go by the Unicode tables of the Python that runs it.
    """

    analyzer: Literal["word", "char", "char_wb"] = "word"
    lowercase: bool = True
    strip_accents: Literal["ascii", "unicode"] | None = None
    token_pattern: str = r"(?u)\b\w\w+\b"  # noqa: S105  no password
    stop_words: tuple[str, ...] = ()
    ngram_range: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        smallest, largest = self.ngram_range
        if not 1 <= smallest <= largest <= MAX_NGRAM:
            raise ValueError(f"ngram_range {self.ngram_range} is not 1 <= smallest <= largest <= {MAX_NGRAM}")
        if len(self.token_pattern) > MAX_PATTERN:
            raise ValueError(f"token_pattern has more than {MAX_PATTERN} characters")
        if compile_pattern(self.token_pattern).groups > 1:
            raise ValueError("token_pattern has more than one capturing group")


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """The compiled token pattern; raises ValueError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a later Python may read differently
            return re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"token_pattern is not a regular expression: {error}") from error


@dataclass(frozen=True, slots=True)
class Words:
    """Documents -> float32[n, len(vocabulary)]: how often each term occurs (CountVectorizer).

    `vocabulary` in the order of the columns. `binary`: 1 for a term that occurs at all. Weights and norms
    (TfidfTransformer) are the artifact's.
    """

    vocabulary: tuple[str, ...]
    analyzer: Analyzer = Analyzer()
    binary: bool = False
    kind: Literal["words"] = "words"

    def __post_init__(self) -> None:
        if not self.vocabulary or len(set(self.vocabulary)) != len(self.vocabulary):
            raise ValueError("terms of a vocabulary must be different from each other and at least one")

    @property
    def width(self) -> int:
        """Columns of the encoded matrix."""
        return len(self.vocabulary)


@dataclass(frozen=True, slots=True)
class HashedWords:
    """Documents -> float32[n, n_features]: terms counted by their hash (HashingVectorizer without its norm).

    `binary`: 1 for every column that a term fell into. The norm is the artifact's.
    """

    n_features: int
    analyzer: Analyzer = Analyzer()
    alternate_sign: bool = True
    binary: bool = False
    kind: Literal["hashed-words"] = "hashed-words"

    def __post_init__(self) -> None:
        check_feature_count(self.n_features)

    @property
    def width(self) -> int:
        """Columns of the encoded matrix."""
        return self.n_features


def check_feature_count(n_features: int) -> None:
    """Raises ValueError for a number of columns that hashing cannot have."""
    if not 1 <= n_features <= MAX_FEATURES:
        raise ValueError(f"n_features must be 1 to {MAX_FEATURES}, got {n_features}")
