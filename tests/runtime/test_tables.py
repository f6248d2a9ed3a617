"""Rows from files and results into files; files that are written whole or not at all."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgeml_runtime.encodings import HashedRecords, Records, Words
from edgeml_runtime.errors import InputError
from edgeml_runtime.feeds import tensors_of
from edgeml_runtime.files import check_writable, write_atomically
from edgeml_runtime.npy import npy_bytes, read_npy
from edgeml_runtime.results import plain, write_result
from edgeml_runtime.signature import ClassLabels, Method, Signature, TensorSpec
from edgeml_runtime.tables import as_inputs, read_arrays, wanted_by
from tests.bundles import TABLE
from tests.conftest import require_module


def signature(*inputs: TensorSpec) -> Signature:
    return Signature(inputs, (TensorSpec("y", "float32", (None,)),), (Method("predict", ("y",)),))


TWO = signature(TensorSpec("x", "float32", (None, 2)))


def read(path: Path, content: bytes | str) -> dict[str, list[Any]]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return {name: array.tolist() for name, array in read_arrays(path).items()}


CSV: dict[str, tuple[str, dict[str, list[Any]]]] = {
    "header": ("a,b\n1,2.5\n3,4\n", {"a": [1, 3], "b": [2.5, 4.0]}),
    "no header": ("1,2\n3,4\n", {"column_0": [1, 3], "column_1": [2, 4]}),
    "byte order mark and Windows' line ends": ("\ufeffa\r\n1\r\n", {"a": [1]}),
    "blank lines": ("a\n\n1\n\n2\n", {"a": [1, 2]}),
    "quotes": ('"a, b"\n"x ""y"""\n', {"a, b": ['x "y"']}),
    "signs and exponents": ("a\n-1e3\n+2\n", {"a": [-1000.0, 2.0]}),
    "underscores are text": ("a\n1_000\n", {"a": ["1_000"]}),
    "text and numbers": ("a\n1\nx\n", {"a": ["1", "x"]}),
    "exact integers": ("a\n9007199254740993\n", {"a": [9007199254740993]}),
    "integers beyond int64": ("a\n99999999999999999999\n", {"a": [1e20]}),
    "no rows": ("a,b\n", {"a": [], "b": []}),
    "booleans": ("a\nTrue\nfalse\n", {"a": [True, False]}),
    "missing booleans": ("a,b\nTRUE,1\n,2\n", {"a": [True, None], "b": [1, 2]}),
    "missing text": ("a,b\nx,1\n,2\n", {"a": ["x", ""], "b": [1, 2]}),
}


@pytest.mark.parametrize("name", CSV)
def test_csv(tmp_path: Path, name: str):
    text, expected = CSV[name]
    assert read(tmp_path / "t.csv", text) == expected


def test_empty_cells_are_missing_values(tmp_path: Path):
    column = read(tmp_path / "t.csv", "a,b\n1,2\n,3\n")["a"]
    assert column[0] == 1.0
    assert np.isnan(column[1])


BROKEN = {
    "empty.csv": (b"", "it has no rows"),
    "ragged.csv": (b"a,b\n1,2\n3\n", "row 2 has 1 cells, expected 2"),
    "twice.csv": (b"a,a\n1,2\n", "column names repeat: a, a"),
    "latin.csv": ("ä\n1\n".encode("latin-1"), "not a CSV file in UTF-8"),
    "long.csv": (b'"' + b"a" * 200_000 + b'"\n', "field larger than field limit"),
    "text.npy": (b"hello", "not a plain .npy file"),
    "cut.npy": (npy_bytes(np.zeros(5))[:-1], "not a plain .npy file"),
    "pickled.npy": (b"\x80\x04N.", "not a plain .npy file"),
    "zip.npy": (b"PK\x05\x06" + bytes(18), "it holds no arrays"),
    "text.npz": (b"hello", "not a plain .npz file"),
    "array.npz": (npy_bytes(np.zeros(5)), ".npz file"),
    "cut.npz": (b"PK\x03\x04 and so on", "damaged .npz file"),
    "text.parquet": (b"hello", "not a parquet table"),
    "text.json": (b"hello", "not a JSON file in UTF-8"),
    "deep.json": (b"[" * 200_000, "not a JSON file in UTF-8"),
    "latin.json": ('["\u00e4"]'.encode("latin-1"), "not a JSON file in UTF-8"),
    "number.json": (b"1", "expected a list of rows or an object of columns"),
    "empty.json": (b"[]", "expected a list of rows or an object of columns"),
    "nested.json": (b'{"a": {"0": 1}}', "expected a list of rows or an object of columns"),
    "rows.xlsx": (b"", "expected .npy, .npz, .csv, .json, .parquet, got '.xlsx'"),
    "rows": (b"", "got 'no suffix'"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_file_that_is_not_what_its_suffix_says(tmp_path: Path, name: str):
    if name.endswith("parquet"):
        require_module("pyarrow")
    content, message = BROKEN[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=re.escape(message)):
        read_arrays(tmp_path / name)


def test_objects_are_not_unpickled(tmp_path: Path):
    np.save(tmp_path / "o.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(InputError, match="not a plain"):
        read_arrays(tmp_path / "o.npy")


def test_arrays(tmp_path: Path):
    x = np.asfortranarray(np.arange(4.0).reshape(2, 2))
    np.save(tmp_path / "x.npy", x)
    np.savez_compressed(tmp_path / "x.npz", a=x, b=x.T)
    assert read_arrays(tmp_path / "x.npy")["x"].tolist() == x.tolist()
    assert {n: a.tolist() for n, a in read_arrays(tmp_path / "x.npz").items()} == {
        "a": x.tolist(),
        "b": x.T.tolist(),
    }


def test_parquet(tmp_path: Path):
    require_module("pyarrow")
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table({"a": [1, 2], "b": [0.5, None], "c": ["x", "y"]})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    arrays = read_arrays(tmp_path / "t.parquet")
    assert arrays["a"].tolist() == [1, 2]
    assert np.isnan(arrays["b"][1])
    assert arrays["c"].tolist() == ["x", "y"]
    missing = pyarrow.table(
        {
            "category": pyarrow.array(["x", None, "y"]).dictionary_encode(),
            "flag": [True, None, False],
            "tags": [["a"], [], ["a", "b"]],
        }
    )
    pyarrow.parquet.write_table(missing, tmp_path / "m.parquet")
    arrays = read_arrays(tmp_path / "m.parquet")
    assert arrays["category"].tolist() == ["x", None, "y"]
    assert arrays["flag"].tolist() == [True, None, False]
    assert [list(tags) for tags in arrays["tags"]] == [["a"], [], ["a", "b"]]


JSON: dict[str, tuple[str, dict[str, list[Any]]]] = {
    "records": (
        '[{"a": 1, "b": "x"}, {"b": null, "c": true}]',
        {"a": [1.0], "b": ["x", None], "c": [None, True]},
    ),
    "columns": ('{"a": [1, 2], "b": ["x", "y"]}', {"a": [1, 2], "b": ["x", "y"]}),
    "rows of numbers": ("[[1, 2], [3, 4.5]]", {"x": [[1, 2], [3, 4.5]]}),
    "documents": ('["a", "b c"]', {"x": ["a", "b c"]}),
    "sets": ('[["a"], ["a", "b"], []]', {"x": [["a"], ["a", "b"], []]}),
    "sets of one size": ('[["a"], ["b"]]', {"x": [["a"], ["b"]]}),
    "numbers beyond int64": ("[36893488147419103232]", {"x": [36893488147419103232.0]}),
    "byte order mark": ("\ufeff[true]", {"x": [True]}),
}  # fmt: skip


@pytest.mark.parametrize("name", JSON)
def test_json(tmp_path: Path, name: str):
    text, expected = JSON[name]
    arrays = read(tmp_path / "t.json", text)
    if name == "records":  # a missing number is NaN
        assert np.isnan(arrays["a"].pop())
    assert arrays == expected


WORDS = TensorSpec("x", "float32", (None, 2), encoding=Words(("good", "bad")))
LABELLED = (Method("predict", ("y",), (ClassLabels("str", ("0", "1")),)),)


def test_a_column_that_is_text_in_the_model_is_read_as_text(tmp_path: Path):
    (tmp_path / "t.csv").write_text("age,city,unused,note\n41,2,0,007\n,,0,true\n")
    arrays = read_arrays(tmp_path / "t.csv", wanted_by(TABLE))
    assert arrays["city"].tolist() == ["2", None]
    assert arrays["note"].tolist() == ["007", "true"]
    x = as_inputs(TABLE, arrays, Path("f"))
    assert sorted(x) == ["age", "city", "note"]
    x["city"][1] = "Oslo"
    tensors = tensors_of(TABLE, x)
    np.testing.assert_array_equal(tensors["c0"][:, 0], [41, np.nan])
    assert tensors["c1"][:, 0].tolist() == [2, 1]
    with pytest.raises(InputError, match="f: columns are missing: city; it has age, note"):
        as_inputs(TABLE, {"age": arrays["age"], "note": arrays["note"]}, Path("f"))


def test_a_table_without_names_has_the_columns_in_order(tmp_path: Path):
    (tmp_path / "t.csv").write_text("1,2,3,4\n5,2,7,8\n")
    arrays = read_arrays(tmp_path / "t.csv", wanted_by(TABLE))
    assert list(as_inputs(TABLE, arrays, Path("f"))) == list(TABLE.columns)
    matrix = np.zeros((2, 4))
    assert as_inputs(TABLE, {"x": matrix}, Path("f")) is matrix


def test_documents_may_have_any_name(tmp_path: Path):
    words = signature(WORDS)
    (tmp_path / "t.csv").write_text("review,y\ngood,1\n12,0\n")
    arrays = read_arrays(tmp_path / "t.csv", wanted_by(words, "y"))
    assert arrays.pop("y").tolist() == [1, 0]
    assert as_inputs(words, arrays, Path("f")).tolist() == ["good", "12"]
    with pytest.raises(InputError, match=r"f: expected x; got a: <U1\[1\], b: <U1\[1\]"):
        as_inputs(words, columns(a=["u"], b=["v"]), Path("f"))


def test_labels_that_are_text_are_read_as_text(tmp_path: Path):
    (tmp_path / "t.csv").write_text("a,kind\n1,0\n2,1\n")
    x = TensorSpec("x", "float32", (None, 1))
    labelled = Signature((x,), (TensorSpec("y", "int64", (None,)),), LABELLED)
    assert read_arrays(tmp_path / "t.csv", wanted_by(labelled, "kind"))["kind"].tolist() == ["0", "1"]
    assert read_arrays(tmp_path / "t.csv", wanted_by(labelled))["kind"].tolist() == [0, 1]


@pytest.mark.parametrize("encoding", [Records(("a",)), HashedRecords(4)])
def test_whole_records_and_their_target(tmp_path: Path, encoding: Any):
    given = signature(TensorSpec("x", "float32", (None, encoding.width), encoding=encoding))
    (tmp_path / "t.json").write_text('[{"a": 1, "y": 0}, {"b": "x", "y": 1}]')
    arrays = read_arrays(tmp_path / "t.json", wanted_by(given, "y"))
    assert arrays["y"].tolist() == [0, 1]
    assert as_inputs(given, arrays, Path("f")).tolist() == [{"a": 1}, {"b": "x"}]


def test_booleans_and_missing_cells_among_numbers(tmp_path: Path):
    (tmp_path / "t.csv").write_text("a,b\nTrue,1\n,\n")
    named = signature(TensorSpec("x", "float32", (None, 2), columns=("a", "b")))
    x = as_inputs(named, read_arrays(tmp_path / "t.csv"), Path("f"))
    np.testing.assert_array_equal(x, [[1, 1], [np.nan, np.nan]])


def columns(**arrays: list[Any]) -> dict[str, Any]:
    return {name: np.array(values) for name, values in arrays.items()}


def test_what_becomes_the_input():
    path = Path("f")
    matrix = np.zeros((3, 2))
    assert as_inputs(TWO, columns(a=[1, 2], x=[3, 4]), path).tolist() == [[1, 3], [2, 4]]
    assert as_inputs(TWO, {"x": matrix, "y": np.zeros(3)}, path) is matrix
    assert as_inputs(TWO, {"rows": matrix}, path) is matrix
    one = signature(TensorSpec("x", "float32", (None, 1)))
    assert as_inputs(one, columns(x=[1, 2]), path).tolist() == [[1], [2]]
    two = signature(TensorSpec("a", "float32", (None,)), TensorSpec("b", "float32", (None,)))
    assert list(as_inputs(two, columns(b=[1], c=[2], a=[3]), path)) == ["a", "b"]
    words = signature(TensorSpec("x", "str", (None, 1)))
    assert as_inputs(words, columns(a=["u", "v"]), path).tolist() == [["u"], ["v"]]


def test_named_columns_are_taken_by_name(tmp_path: Path):
    named = signature(TensorSpec("x", "float32", (None, 2), columns=("a", "b")))
    path = Path("f")
    assert as_inputs(named, columns(b=[1, 2], c=[5, 6], a=[3, 4]), path).tolist() == [[3, 1], [4, 2]]
    assert as_inputs(named, {"x": np.zeros((3, 2))}, path).shape == (3, 2)
    (tmp_path / "t.csv").write_text("1,2\n3,4\n")  # no names: the file's order
    assert as_inputs(named, read_arrays(tmp_path / "t.csv"), path).tolist() == [[1, 2], [3, 4]]
    with pytest.raises(InputError, match="f: columns are missing: a; it has b, c"):
        as_inputs(named, columns(b=[1], c=[2]), path)


def test_what_does_not():
    two = signature(TensorSpec("a", "float32", (None,)), TensorSpec("b", "float32", (None,)))
    words = signature(TensorSpec("x", "str", (None, 1)))
    for wanted, arrays, message in (
        (TWO, columns(a=[1], b=[2], c=[3]), "f: expected 2 columns for x: float32[batch, 2], got 3: a, b, c"),
        (TWO, columns(a=[1], b=["u"]), "f: column 'b' holds text, expected x: float32[batch, 2]"),
        (words, columns(a=[1]), "f: column 'a' holds numbers, expected x: str[batch, 1]"),
        (two, columns(a=[1.0]), "f: expected a: float32[batch], b: float32[batch]; got a: float64[1]"),
    ):
        with pytest.raises(InputError, match=re.escape(message)):
            as_inputs(wanted, arrays, Path("f"))


def test_results(tmp_path: Path):
    labels, pair = np.array(["=1+1", "b,c"]), [np.float32([0.1]), np.array([2])]
    write_result(tmp_path / "l.csv", labels)
    assert (tmp_path / "l.csv").read_text() == '\'=1+1\n"b,c"\n'
    write_result(tmp_path / "l.npy", labels)
    assert np.load(tmp_path / "l.npy").tolist() == labels.tolist()
    write_result(tmp_path / "p.npz", pair)
    assert {n: a.tolist() for n, a in np.load(tmp_path / "p.npz").items()} == {
        "output_0": pair[0].tolist(),
        "output_1": [2],
    }
    write_result(tmp_path / "m.npz", {"file": pair[1]})
    assert np.load(tmp_path / "m.npz")["file"].tolist() == [2]
    for suffix in (".npy", ".csv"):
        with pytest.raises(InputError, match=r"cannot write 2 outputs to .*: use \.npz or \.json"):
            write_result(tmp_path / f"p{suffix}", pair)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["l.csv", "l.npy", "m.npz", "p.npz"]


def test_formulas_stay_text(tmp_path: Path):
    for cell in ("=A1", "+1", "-1", "@x", "\tx", "\rx"):
        write_result(tmp_path / "l.csv", np.array([cell]))
        assert (tmp_path / "l.csv").read_bytes().lstrip(b'"').startswith(b"'")
    write_result(tmp_path / "l.csv", np.float32([-1.5]))
    assert (tmp_path / "l.csv").read_text() == "-1.5\n"


def test_json_has_no_nan():
    assert plain(np.float32([1, np.nan, np.inf])) == [1.0, None, None]
    assert plain({"a": [np.array([True])]}) == {"a": [[True]]}


@given(
    hnp.arrays(
        st.sampled_from(["<f4", "<f8", "i1", "<i8", "u1", "?", ">f4", ">i2"]),
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    )
)
def test_npy_round_trip(array: np.ndarray[Any, Any]):
    content = npy_bytes(array)
    native = array.astype(array.dtype.newbyteorder("="))
    np.testing.assert_array_equal(read_npy(content), native, strict=True)
    np.testing.assert_array_equal(np.load(io.BytesIO(content)), native)
    assert npy_bytes(read_npy(content)) == content


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=5), max_size=4))
def test_npy_round_trip_of_strings(words: list[str]):
    array = np.array(words, np.str_)
    assert read_npy(npy_bytes(array)).tolist() == array.tolist()


@given(st.binary(max_size=120))
def test_npy_of_anything_raises_only_value_errors(content: bytes):
    for whole in (content, b"\x93NUMPY\x01\x00" + content, npy_bytes(np.zeros(2)) + content + b"\0"):
        with pytest.raises(ValueError):
            read_npy(whole)


# Writing: whole or not at all.


def test_writing_replaces_and_leaves_nothing_behind(tmp_path: Path):
    path = tmp_path / "f"
    write_atomically(path, b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]
    if os.name == "posix":
        (tmp_path / "plain").write_bytes(b"")
        assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_writing_goes_through_links(tmp_path: Path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_an_interrupted_write_keeps_the_old_file(tmp_path: Path):
    path = tmp_path / "f"
    write_atomically(path, b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "not bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_places_that_cannot_be_written(tmp_path: Path):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    (tmp_path / "file").touch()
    places = {
        tmp_path: "it is a folder; give a file name",
        tmp_path / "no" / "f": "folder .*no does not exist",
        tmp_path / "file" / "f": "folder .*file does not exist",
        Path("a\0b"): "cannot write 'a.x00b': ",
    }
    if Path("/dev/null").exists():
        places[Path("/dev/null")] = "it is not a regular file"
    for place, message in places.items():
        with pytest.raises(InputError, match=message):
            check_writable(place)
        with pytest.raises(InputError, match="cannot write"):
            write_atomically(place, b"")
    with pytest.raises(InputError, match="cannot write"):
        write_atomically(loop, b"")
    with pytest.raises(InputError, match="File name too long"):
        write_atomically(tmp_path / ("a" * 300), b"")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path: Path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="permission denied"):
        check_writable(tmp_path / "f")
