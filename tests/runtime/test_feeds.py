"""Calling forms: the same rows as a DataFrame, columns, records or an array; other names are refused."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeml_runtime import feeds
from edgeml_runtime.encodings import Categories, Records, Sets, Words
from edgeml_runtime.errors import SignatureError
from edgeml_runtime.feeds import Intake, columns_of, tensors_of
from edgeml_runtime.signature import Method, Signature, TensorSpec
from tests.conftest import require_module

NAN = float("nan")


def signature(*inputs: TensorSpec, columns: tuple[str, ...] = ()) -> Signature:
    return Signature(inputs, (TensorSpec("y", "float32", (None,)),), (Method("predict", ("y",)),), columns)


def column(name: str, source: str, **changes: Any) -> TensorSpec:
    return TensorSpec(name, "float32", (None, 1), source=source, **changes)


TABLE = signature(
    column("c0", "age", allow_nan=True),
    column("c1", "city", allow_nan=True, encoding=Categories(("Bern", "Oslo"), "code")),
    column("c1_strict", "city", allow_nan=True, encoding=Categories(("Oslo", "Bern", "Rome"))),
    column("c3", "ok"),
    TensorSpec("c4", "float32", (None, 2), source="note", encoding=Words(("good", "bad"))),
    columns=("age", "city", "unused", "ok", "note"),
)
COLUMNS: dict[str, list[Any]] = {
    "age": [41, None, 3.5],
    "city": ["Oslo", None, "Rome"],
    "unused": [0, 0, 0],
    "ok": [True, False, True],
    "note": ["good good", "bad", "100"],
}
TENSORS = {
    "c0": [[41], [NAN], [3.5]],
    "c1": [[1], [NAN], [-1]],
    "c1_strict": [[0], [NAN], [2]],
    "c3": [[1], [0], [1]],
    "c4": [[2, 0], [0, 1], [0, 0]],
}
NUMBERS = signature(TensorSpec("x", "float32", (None, 2), columns=("a", "b"), allow_nan=True))


def records(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def check(expected: dict[str, Any], given: Signature, x: Any) -> None:
    tensors = tensors_of(given, x)
    assert list(tensors) == list(expected)
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(tensor, np.float32(expected[name]), strict=True)


def test_a_table_in_every_form():
    rows = [list(row) for row in zip(*COLUMNS.values(), strict=True)]
    used = {name: values for name, values in COLUMNS.items() if name != "unused"}
    for x in (
        COLUMNS,
        used,
        dict(reversed(COLUMNS.items())),
        {name: np.array(values, object) for name, values in COLUMNS.items()},
        {name: [[value] for value in values] for name, values in COLUMNS.items()},
        records(COLUMNS),
        tuple(records(used)),
        np.array(records(COLUMNS), object),
        rows,
        list(map(tuple, rows)),
        np.array(rows, object),
    ):
        check(TENSORS, TABLE, x)


def test_a_table_of_pandas():
    require_module("pandas")
    import pandas

    frame = pandas.DataFrame(COLUMNS)
    for x in (
        frame,
        frame.drop(columns="unused"),
        frame.convert_dtypes(),
        frame.astype({"city": "category", "ok": "int8"}),
        frame.astype(object),
        frame.set_index("unused", drop=False),
        {name: frame[name] for name in frame},
        frame.to_dict("records"),
    ):
        check(TENSORS, TABLE, x)


def test_named_columns_of_one_input_in_every_form():
    expected = {"x": [[1, 2], [NAN, 4]]}
    for x in (
        [[1, 2], [NAN, 4]],
        np.array([[1, 2], [NAN, 4]]),
        {"b": [2, 4], "a": [1, None]},
        {"x": [[1, 2], [NAN, 4]]},
        [{"a": 1, "b": 2}, {"b": 4, "a": None}],
    ):
        check(expected, NUMBERS, x)


def test_named_columns_of_pandas():
    require_module("pandas")
    import pandas

    frame = pandas.DataFrame({"a": [1, None], "b": [2, 4]})
    for x in (frame, frame.convert_dtypes(), frame.astype(object)):
        check({"x": [[1, 2], [NAN, 4]]}, NUMBERS, x)
    with pytest.raises(SignatureError, match="expected columns a, b; got b, a; select them in that order"):
        tensors_of(NUMBERS, frame[["b", "a"]])


def test_a_column_named_as_the_input():
    one = signature(TensorSpec("x", "float32", (None, 1), columns=("x",)))
    for x in ({"x": [1, 2]}, {"x": [[1], [2]]}, [{"x": 1}, {"x": 2}], [[1], [2]]):
        check({"x": [[1], [2]]}, one, x)


def test_one_input_that_is_encoded():
    words = signature(TensorSpec("x", "float32", (None, 2), encoding=Words(("good", "bad"))))
    texts = ["good", "bad bad"]
    for x in (texts, tuple(texts), np.array(texts), np.array(texts, object)[:, None], {"x": texts}):
        check({"x": [[1, 0], [0, 2]]}, words, x)
    mappings = signature(TensorSpec("x", "float32", (None, 1), encoding=Records(("a",))))
    check({"x": [[1], [0]]}, mappings, [{"a": 1}, {"b": 1}])
    sets = signature(TensorSpec("x", "float32", (None, 2), encoding=Sets(("a", "b"))))
    check({"x": [[1, 1], [0, 0]]}, sets, [{"b", "a"}, set()])


def test_several_tensors_of_one_source():
    words = Words(("good", "bad"))
    both = signature(
        TensorSpec("upper", "float32", (None, 2), source="x", encoding=words),
        TensorSpec("lower", "float32", (None, 1), source="x", encoding=Words(("bad",))),
    )
    assert both.sources == ("x",)
    for x in (["bad"], {"x": ["bad"]}):
        check({"upper": [[0, 1]], "lower": [[1]]}, both, x)


EXPECTED = "expected columns age, city, unused, ok, note; got "
REFUSED: dict[str, tuple[Signature, Any, str]] = {
    "missing column": (
        TABLE,
        {"age": [1], "city": ["Oslo"], "ok": [1]},
        f"{EXPECTED}age, city, ok; missing: note",
    ),
    "unknown column": (TABLE, COLUMNS | {"size": [1, 2, 3]}, "unused, ok, note, size; unknown: size"),
    "no columns": (TABLE, {}, f"{EXPECTED}none; missing: age, city, ok, note"),
    "record without a column": (
        TABLE,
        [records(COLUMNS)[0], {"age": 1}],
        f"row 1: {EXPECTED}age; missing: city",
    ),
    "record with another column": (TABLE, [{**records(COLUMNS)[0], "b": 1}], "row 0: expected columns age,"),
    "something else among records": (TABLE, [records(COLUMNS)[0], 5], "row 1: expected a mapping, got int"),
    "array of another width": (TABLE, np.zeros((2, 4)), "an array of 5 columns, got ndarray of shape [2, 4]"),
    "one row": (TABLE, np.zeros(5), "an array of 5 columns, got ndarray of shape [5]"),
    "ragged rows": (TABLE, [[1, 2], [1]], "rows differ in their number of cells: [1, 2]"),
    "text": (TABLE, "age", "an array of 5 columns, got str"),
    "nothing": (TABLE, None, "an array of 5 columns, got NoneType"),
    "lengths": (
        TABLE,
        COLUMNS | {"ok": [1]},
        "inputs differ in their number of rows: age 3, city 3, city 3, ok 1",
    ),
    "no rows": (
        TABLE,
        {name: [] for name in COLUMNS},
        "input age: float32[batch, 1]: expected at least one row",
    ),
    "text for numbers": (
        TABLE,
        COLUMNS | {"age": ["1"] * 3},
        "column 'age': expected numbers, got str '1' in row 0",
    ),
    "text array for numbers": (
        TABLE,
        COLUMNS | {"age": np.array(["1"] * 3)},
        "column 'age': expected numbers",
    ),
    "numbers for text": (
        TABLE,
        COLUMNS | {"city": [1, 2, 3]},
        "column 'city': expected text, got int 1 in row 0",
    ),
    "numbers for words": (
        TABLE,
        COLUMNS | {"note": [1, 2, 3]},
        "column 'note': expected text, got int 1 in row 0",
    ),
    "unknown category": (
        TABLE,
        COLUMNS | {"city": ["Oslo", "Riga", "Rome"]},
        "'Riga' in row 1 is not one of",
    ),
    "missing number": (TABLE, COLUMNS | {"ok": [1, None, 1]}, "column 'ok': the value in row 1 is missing"),
    "infinite number": (
        TABLE,
        COLUMNS | {"ok": [1, np.inf, 1]},
        "input ok: float32[batch, 1]: inf at index [1, 0]",
    ),
    "huge integer": (
        TABLE,
        COLUMNS | {"ok": [10**400] * 3},
        "column 'ok': a number is too large for float64",
    ),
    "beyond float32": (TABLE, COLUMNS | {"ok": [1e300] * 3}, "takes values that float32 holds"),
    "dates": (
        TABLE,
        COLUMNS | {"age": np.zeros(3, "M8[s]")},
        "column 'age': expected text, numbers or booleans",
    ),
    "matrix for a column": (
        TABLE,
        COLUMNS | {"ok": np.zeros((3, 2))},
        "column 'ok': expected one value a row",
    ),
    "one value for a column": (
        TABLE,
        COLUMNS | {"ok": 1},
        "column 'ok': expected a list or an array, got int 1",
    ),
    "other columns": (
        NUMBERS,
        {"a": [1], "c": [1]},
        "expected columns a, b; got a, c; missing: b; unknown: c",
    ),
    "other columns in a record": (NUMBERS, [{"a": 1}], "row 0: expected columns a, b; got a; missing: b"),
    "columns of different lengths": (
        NUMBERS,
        {"a": [1], "b": [1, 2]},
        "columns differ in their number of rows",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str):
    given, x, message = REFUSED[name]
    with pytest.raises(SignatureError, match=re.escape(message)):
        tensors_of(given, x)


def test_frames_that_are_refused():
    require_module("pandas")
    import pandas

    frame = pandas.DataFrame(COLUMNS)
    for other, message in (
        (
            frame[["city", "age", "unused", "ok", "note"]],
            "got city, age, unused, ok, note; select them in that",
        ),
        (frame[["city", "age", "ok", "note"]], "got city, age, ok, note; select them in that order"),
        (frame.rename(columns={"age": "years"}), "missing: age; unknown: years; select them"),
        (frame.assign(more=1), "unknown: more"),
        (
            frame.assign(age=pandas.Timestamp(0)),
            "column 'age': expected text, numbers or booleans, got datetime64",
        ),
        (frame.iloc[:0], "expected at least one row"),
    ):
        with pytest.raises(SignatureError, match=re.escape(message)):
            tensors_of(TABLE, other)


class Broken:
    columns = ("age", "city", "unused", "ok", "note")

    def __getitem__(self, name: str) -> Broken:
        return self

    def to_numpy(self) -> Any:
        raise RuntimeError("on strike")


def test_a_foreign_table_that_fails():
    with pytest.raises(SignatureError, match=r"column 'age': cannot make an array of Broken .*: on strike"):
        tensors_of(TABLE, Broken())


def test_only_the_sources_are_read():
    assert list(columns_of(TABLE, COLUMNS)) == ["age", "city", "ok", "note"]
    assert TABLE.sources == ("age", "city", "ok", "note")


@given(st.integers(1, 40), st.integers(1, 12))
def test_a_batch_at_a_time_is_all_at_once(count: int, step: int):
    intake = Intake(TABLE)
    table = {name: (values * 14)[:count] for name, values in COLUMNS.items()}
    whole = intake(table)
    intake._batch_rows = step
    parts = list(intake.batches(table))
    assert len(parts) == -(-count // step)
    for position, tensor in enumerate(whole):
        np.testing.assert_array_equal(np.concatenate([part[position] for part in parts]), tensor)


def test_documents_go_through_in_parts_that_fit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(feeds, "BATCH_BYTES", 24)  # three rows of the two counts in float32
    words = signature(TensorSpec("x", "float32", (None, 2), encoding=Words(("good", "bad"))))
    assert [len(part[0]) for part in Intake(words).batches(["bad"] * 7)] == [3, 3, 1]


def test_parts_of_different_lengths_are_refused():
    intake = Intake(TABLE)
    intake._batch_rows = 2
    with pytest.raises(SignatureError, match="differ in their number of rows: age 3, city 3, ok 1, note 3"):
        list(intake.batches(COLUMNS | {"ok": [1]}))
