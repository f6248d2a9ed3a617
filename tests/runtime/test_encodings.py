"""Encodings against scikit-learn itself: analyzers, hashes, records and sets, and what each refuses."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeml_runtime.encodings import (
    Analyzer,
    Categories,
    Encoding,
    HashedRecords,
    HashedWords,
    Records,
    Sets,
    Words,
    encoder,
)
from edgeml_runtime.encodings.murmurhash import column_and_sign, murmurhash3
from edgeml_runtime.errors import SignatureError
from tests.conftest import require_module

NAN = float("nan")
DOCUMENTS = [
    "The quick brown Fox, the quick dog's fox.",
    "Crème brûlée — ΣΊΣΥΦΟΣ naïve ﬁnance Straße İstanbul",
    "  two   spaces\t\ttabs\n\nlines a I  ",
    "",
    "x",
    "日本語 の テキスト 100 3.14 e-mail user@example.org",
    "e\u0301 \u00e9 \u1e9b\u0323 combining e\u0301\u0323",
    "don't stop-word the and of fox fox",
]
# Letters with accents, ligatures, several kinds of white space, digits, and whatever Unicode has.
documents = st.lists(
    st.text(
        st.sampled_from("abcAB 1é\u0301ßİﬁΣς\t\n\u00a0\u2003\x1f.-'_日") | st.characters(codec="utf-8"),
        max_size=30,
    ),
    min_size=1,
    max_size=4,
)
ANALYZERS = {
    "default": {},
    "as it is": {"lowercase": False},
    "unicode accents": {"strip_accents": "unicode"},
    "ascii accents": {"strip_accents": "ascii", "lowercase": False},
    "pairs": {"ngram_range": (1, 2)},
    "pairs and triples": {"ngram_range": (2, 3), "lowercase": False},
    "stop words": {"stop_words": ["the", "of", "fox"], "ngram_range": (1, 2)},
    "single letters": {"token_pattern": r"\b\w+\b"},
    "a group": {"token_pattern": r"(?u)\b(\w)\w*-?"},
    "no words": {"token_pattern": r"[^ ]+"},
    "characters": {"analyzer": "char", "ngram_range": (1, 3)},
    "triples of characters": {"analyzer": "char", "ngram_range": (3, 3), "strip_accents": "unicode"},
    "characters in words": {"analyzer": "char_wb", "ngram_range": (1, 4)},
    "long characters in words": {"analyzer": "char_wb", "ngram_range": (4, 6), "lowercase": False},
}  # fmt: skip


def analyzer(options: dict[str, Any]) -> Analyzer:
    return Analyzer(**options | {"stop_words": tuple(options.get("stop_words", ()))})


def encode(encoding: Encoding, rows: Any, *, allow_missing: bool = False) -> Any:
    matrix = encoder(encoding, "column 'c'", allow_missing=allow_missing)(rows)
    assert matrix.dtype == np.float32
    assert matrix.shape[1] == encoding.width
    return matrix


# --- words ---


@pytest.mark.parametrize("binary", [False, True], ids=["counts", "binary"])
@pytest.mark.parametrize("name", ANALYZERS)
def test_words_are_count_vectorizers(name: str, binary: bool):
    require_module("sklearn")
    from sklearn.feature_extraction.text import CountVectorizer

    fitted = CountVectorizer(**ANALYZERS[name], binary=binary).fit(DOCUMENTS[:6])
    words = Words(tuple(fitted.get_feature_names_out().tolist()), analyzer(ANALYZERS[name]), binary)
    expected = fitted.transform(DOCUMENTS).toarray()
    assert expected.sum() > 10
    for rows in (DOCUMENTS, np.array(DOCUMENTS), np.array(DOCUMENTS, object)[:, None]):
        np.testing.assert_array_equal(encode(words, rows), expected)


@given(documents, st.sampled_from(list(ANALYZERS)))
def test_words_of_any_document(texts: list[str], name: str):
    require_module("sklearn")
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(**ANALYZERS[name])
    terms = sorted({term for text in texts for term in vectorizer.build_analyzer()(text)})
    if not terms:
        return
    expected = CountVectorizer(**ANALYZERS[name], vocabulary=terms).transform(texts).toarray()
    np.testing.assert_array_equal(encode(Words(tuple(terms), analyzer(ANALYZERS[name])), texts), expected)


@pytest.mark.parametrize("binary", [False, True], ids=["counts", "binary"])
@pytest.mark.parametrize("alternate_sign", [False, True], ids=["unsigned", "signed"])
@pytest.mark.parametrize("n_features", [1, 7, 1 << 12])
def test_hashed_words_are_hashing_vectorizers(n_features: int, alternate_sign: bool, binary: bool):
    require_module("sklearn")
    from sklearn.feature_extraction.text import HashingVectorizer

    for name, options in ANALYZERS.items():
        oracle = HashingVectorizer(
            **options, n_features=n_features, alternate_sign=alternate_sign, binary=binary, norm=None
        )
        hashed = HashedWords(n_features, analyzer(options), alternate_sign, binary)
        expected = oracle.transform(DOCUMENTS).toarray()
        np.testing.assert_array_equal(encode(hashed, DOCUMENTS), expected, err_msg=name)


@given(st.binary(max_size=40))
def test_murmurhash(key: bytes):
    require_module("sklearn")
    from sklearn.utils import murmurhash3_32

    assert murmurhash3(key) == murmurhash3_32(key)


@given(st.text(max_size=20), st.integers(1, 2**31 - 1))
def test_a_hash_falls_into_the_column_of_feature_hasher(name: str, n_features: int):
    require_module("sklearn")
    from sklearn.feature_extraction import FeatureHasher

    row = FeatureHasher(n_features, input_type="string").transform([[name]])
    assert column_and_sign(name, n_features) == (row.indices[0], row.data[0])


def test_the_hash_whose_absolute_value_32_bits_do_not_hold():
    require_module("sklearn")
    from sklearn.feature_extraction import FeatureHasher

    name = b"U\x07o\x83"
    assert murmurhash3(name) == -(2**31)
    for n_features in (1, 3, 1000, 2**31 - 1):
        row = FeatureHasher(n_features, input_type="string").transform([[name]])
        assert column_and_sign(name, n_features) == (row.indices[0], row.data[0])


# --- records and sets ---

RECORDS = [
    {"city": "London", "temperature": 12.5, "tags": ["a", "b", "a"], "ok": True},
    {"city": "Paris", "temperature": np.float64(-3), "n": np.int32(7)},
    {"unseen": 4, "city": "Nowhere", "temperature": None, "tags": []},
    {},
    {"tags": ("b", "unseen"), "city=London": 2, "price": Decimal("1.5"), "city": "London"},
]


@pytest.mark.parametrize("separator", ["=", " is "])
def test_records_are_dict_vectorizers(separator: str):
    require_module("sklearn")
    from sklearn.feature_extraction import DictVectorizer

    fitted = DictVectorizer(separator=separator).fit([*RECORDS[:2], {"temperature": 1.0, "price": 2}])
    records = Records(tuple(fitted.get_feature_names_out().tolist()), separator)
    expected = fitted.transform(RECORDS).toarray()
    assert np.isnan(expected).sum() == 1
    for rows in (RECORDS, tuple(RECORDS), np.array(RECORDS, object), iter(RECORDS)):
        np.testing.assert_array_equal(encode(records, rows), expected)


names = st.text(max_size=5)
numbers = st.integers(-1000, 1000) | st.floats(-1e6, 1e6, width=32) | st.booleans()


@given(
    st.lists(st.dictionaries(names, numbers | names | st.lists(names, max_size=3)), min_size=1, max_size=4)
)
def test_any_record(rows: list[dict[str, Any]]):
    require_module("sklearn")
    from sklearn.feature_extraction import DictVectorizer

    fitted = DictVectorizer().fit(rows)
    if fitted.feature_names_:
        records = Records(tuple(fitted.feature_names_))
        np.testing.assert_allclose(encode(records, rows), fitted.transform(rows).toarray(), rtol=1e-6)


@pytest.mark.parametrize("alternate_sign", [False, True], ids=["unsigned", "signed"])
@pytest.mark.parametrize(
    ("input_type", "rows"),
    [
        ("dict", [{"a": 1, "b": 2.5, "c": "x", "zero": 0}, {}, {b"a": -1, "ü": True}]),
        ("pair", [[("a", 1), ("a", 2)], [], [("b", "text"), ["c", NAN]]]),
        ("string", [["a", "b", "a"], [], ("ü", b"b"), (t for t in "ab")]),
    ],
)
def test_hashed_records_are_feature_hashers(input_type: Any, rows: Any, alternate_sign: bool):
    require_module("sklearn")
    from sklearn.feature_extraction import FeatureHasher

    rows = [list(row) if hasattr(row, "__next__") else row for row in rows]
    for n_features in (1, 5, 1000):
        oracle = FeatureHasher(n_features, input_type=input_type, alternate_sign=alternate_sign)
        hashed = HashedRecords(n_features, input_type, alternate_sign)
        np.testing.assert_array_equal(encode(hashed, rows), oracle.transform(rows).toarray())


@pytest.mark.parametrize(
    ("classes", "rows"),
    [
        (("a", "b", "ü"), [["a", "b"], [], {"ü", "a"}, ("b", "b"), np.array(["ü"]), "ab"]),
        ((1, 2, 5), [[1, 5], {2}, np.array([5, 2]), [True], [1.0]]),
    ],
)
def test_sets_are_multi_label_binarizers(classes: tuple[Any, ...], rows: list[Any]):
    require_module("sklearn")
    from sklearn.preprocessing import MultiLabelBinarizer

    expected = MultiLabelBinarizer(classes=list(classes)).fit([]).transform(rows)
    np.testing.assert_array_equal(encode(Sets(classes), rows), expected)


def test_unknown_labels_are_left_out():
    assert encode(Sets(("a", "b")), [["z", "b"], ["y"]]).tolist() == [[0, 1], [0, 0]]


# --- categories ---

MIXED = Categories(("a", 2, True, 0.5, None, "2"), "code")


def test_categories_are_their_index():
    values = ["a", 2, True, 0.5, None, "2", 2.0, 1, "b", np.float32(0.5), np.str_("a"), np.bool_(True)]
    expected = [0, 1, 2, 3, 4, 5, 1, 2, -1, 3, 0, 2]
    assert encode(MIXED, values)[:, 0].tolist() == expected
    assert encode(MIXED, np.array(values, object)[:, None])[:, 0].tolist() == expected


COLUMNS: dict[str, tuple[Categories, Callable[[Any], Any], list[float]]] = {
    "text": (Categories(("x", "y")), lambda pd: pd.Series(["x", "y", None]), [0, 1, NAN]),
    "string": (Categories(("x", "y")), lambda pd: pd.Series(["x", None], dtype="string"), [0, NAN]),
    "category": (Categories(("x", "y")), lambda pd: pd.Series(["y", None], dtype="category"), [1, NAN]),
    "category of integers": (Categories((5, 7)), lambda pd: pd.Series([7, 5]).astype("category"), [1, 0]),
    "boolean": (Categories((False, True)), lambda pd: pd.Series([True, None], dtype="boolean"), [1, NAN]),
    "bool": (Categories((False, True)), lambda pd: pd.Series([True, False]), [1, 0]),
    "Int64": (Categories((3, 4)), lambda pd: pd.Series([4, None], dtype="Int64"), [1, NAN]),
    "float": (Categories((3, 4)), lambda pd: pd.Series([4.0, NAN]), [1, NAN]),
    "None is a category, NaN is not": (
        Categories(("x", None)), lambda pd: pd.Series(["x", None, NAN, pd.NA, pd.NaT], dtype=object),
        [0, 1, NAN, NAN, NAN],
    ),
    "nothing but missing": (Categories(("x",)), lambda pd: pd.Series([NAN, NAN]), [NAN, NAN]),
}  # fmt: skip


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_of_pandas(name: str):
    require_module("pandas")
    import pandas

    categories, column, expected = COLUMNS[name]
    np.testing.assert_array_equal(
        encode(categories, column(pandas), allow_missing=True)[:, 0], np.float32(expected)
    )


@given(st.lists(st.text(max_size=3) | st.integers() | st.booleans(), min_size=1, max_size=20), st.data())
def test_a_value_is_found_where_python_finds_it(values: list[Any], data: st.DataObject):
    known = tuple(dict.fromkeys(values))
    rows = data.draw(st.lists(st.sampled_from(values), min_size=1))
    assert encode(Categories(known), rows)[:, 0].tolist() == [known.index(row) for row in rows]


# --- what is refused ---

TEXT, NUMBERS = Categories(("a", "b")), Categories((1, 2), "code")
REFUSED: dict[str, tuple[Encoding, Any, str]] = {
    "unknown category": (TEXT, ["a", "c"], "column 'c': 'c' in row 1 is not one of its categories: 'a', 'b'"),
    "many categories": (Categories(tuple("abcdefghijkl")), ["z"], "'j', ..."),
    "number for text": (TEXT, [1], "column 'c': expected text, got int 1 in row 0"),
    "text for numbers": (NUMBERS, np.array(["1"]), "expected numbers, got str '1' in row 0"),
    "missing": (TEXT, ["a", None], "the value in row 1 is missing; this model takes none there"),
    "bytes": (TEXT, np.array([b"a"]), "expected text, numbers or booleans, got bytes8"),
    "bytes among text": (TEXT, ["a", b"b"], "expected text, got bytes b'b' in row 1"),
    "list for a value": (TEXT, [["a", "b"]], "expected text: unhashable type"),
    "dates": (NUMBERS, np.array(["2024-01-01"], "M8[ns]"), "got datetime64[ns]"),
    "complex": (NUMBERS, [1j], "expected numbers, got complex 1j"),
    "two columns": (TEXT, np.array([["a", "b"]]), "expected one value a row, got shape [1, 2]"),
    "masked": (NUMBERS, np.ma.masked_array([1, 2], [0, 1]), "got an array with masked values; fill them"),
    "one string": (TEXT, "a", "expected a list or an array, got str 'a'"),
    "one document": (Words(("a",)), "a", "expected a list or an array, got str 'a'"),
    "document that is missing": (Words(("a",)), ["a", None], "expected text, got nothing in row 1"),
    "document that is a number": (Words(("a",)), [1.5], "expected text, got float 1.5 in row 0"),
    "document in bytes": (Words(("a",)), [b"a"], "expected text, got bytes b'a' in row 0"),
    "half a character": (HashedWords(4, Analyzer("char")), ["x", "\ud800"], "row 1 has a lone surrogate"),
    "one record": (Records(("a",)), {"a": 1}, "expected a list with an item for each row, got dict"),
    "no record": (Records(("a",)), [{}, 1], "row 1: expected a mapping, got int 1"),
    "record in a record": (Records(("a",)), [{"a": {}}], "row 0: feature 'a' is dict {}, not a number, text"),
    "numbers in a list": (Records(("a",)), [{"a": [1]}], "feature 'a' holds int 1 among text"),
    "complex feature": (Records(("a",)), [{"a": 1j}], "row 0: "),
    "no pairs": (HashedRecords(4, "pair"), [[("a", 1, 2)]], "expected pairs of name and value"),
    "one name": (HashedRecords(4, "string"), ["abc"], "expected a list of names, got str 'abc'"),
    "number for a name": (HashedRecords(4), [{1: 1}], "expected names of features, got int 1"),
    "feature without a value": (HashedRecords(4), [{"a": None}], "row 0: float() argument must be"),
    "half a character in a name": (HashedRecords(4), [{"\ud800": 1}], "row 0: "),
    "no set": (Sets((1,)), [1], "row 0: 'int' object is not iterable"),
    "label that is a list": (Sets((1,)), [[[1]]], "row 0: unhashable type"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_rows_that_are_refused(name: str):
    encoding, rows, message = REFUSED[name]
    with pytest.raises(SignatureError, match=re.escape(message)) as caught:
        encode(encoding, rows)
    assert str(caught.value).startswith("column 'c': ")


MALFORMED: dict[str, tuple[Callable[[], Any], str]] = {
    "no categories": (lambda: Categories(()), "categories must be different"),
    "category twice": (lambda: Categories((1, True)), "categories must be different"),
    "category that is infinite": (lambda: Categories((float("inf"),)), "must be finite"),
    "no pattern": (lambda: Analyzer(token_pattern="("), "token_pattern is not a regular expression"),
    "deep pattern": (lambda: Analyzer(token_pattern="(?:" * 330), "token_pattern is not a regular"),
    "pattern that repeats too often": (lambda: Analyzer(token_pattern="a{9999999999}"), "not a regular"),
    "long pattern": (lambda: Analyzer(token_pattern="a" * 1001), "more than 1000 characters"),
    "two groups": (lambda: Analyzer(token_pattern="(a)(b)"), "more than one capturing group"),
    "no n-grams": (lambda: Analyzer(ngram_range=(0, 1)), "ngram_range (0, 1) is not 1 <= smallest"),
    "n-grams backwards": (lambda: Analyzer(ngram_range=(2, 1)), "ngram_range (2, 1) is not"),
    "n-grams without end": (lambda: Analyzer(ngram_range=(1, 1001)), "<= 1000"),
    "no vocabulary": (lambda: Words(()), "at least one"),
    "term twice": (lambda: Words(("a", "a")), "different from each other"),
    "no columns": (lambda: HashedWords(0), "n_features must be 1 to 2147483647, got 0"),
    "too many columns": (lambda: HashedRecords(1 << 31), "n_features must be 1 to 2147483647"),
    "feature twice": (lambda: Records(("a", "a")), "feature names must be different"),
    "label twice": (lambda: Sets((0, False)), "labels must be different"),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_tables_that_are_refused(name: str):
    build, message = MALFORMED[name]
    with pytest.raises(ValueError, match=re.escape(message)):
        build()
