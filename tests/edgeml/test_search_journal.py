"""The journal survives whatever kills a search, and belongs to one search and one process."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from conftest import require_module

from edgeml.plan import Candidate
from edgeml.search.evaluate import Worth
from edgeml.search.journal import Tried, journal_path, open_journal
from edgeml.search.space import Family, Space
from edgeml_converters.recipe import Recipe
from edgeml_runtime.errors import InputError

IDENTITY = {"model": "a" * 64, "seed": 0, "versions": {"numpy": "2.4.6"}}
CANDIDATE = Candidate("onnx", "int8-static", ("sklearn-to-onnx", "onnx-to-onnx"))
VARIES = frozenset({"calibrator", "corrected_bias", "in_float"})
SPACE = Space({"onnx/int8-static": Family(CANDIDATE, VARIES, ((), ("2 Gemm",)), {"2 Gemm": 100})})
TRIED = [
    Tried(0, "onnx/int8-static", Recipe(), Worth(0.3, 100, 0, 0.0, -0.5, "d0")),
    Tried(
        1,
        "onnx/int8-static",
        Recipe("entropy", in_float=("2 Gemm",)),
        Worth(1 / 3, 120, 100, 0.5, 0.0, "d1"),
    ),
    Tried(2, "onnx/int8-static", Recipe("percentile"), None),
]


@pytest.fixture(autouse=True)
def _optuna():
    require_module("optuna")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "search.log"


def written(path, tried=TRIED):
    with open_journal(path, IDENTITY) as journal:
        journal.add_error_alone("onnx/int8-static", "2 Gemm", 0.25)
        journal.add_error_alone("onnx/int8-static", "1 Relu", None)
        for trial in tried:
            journal.add(SPACE, trial)
    return path.read_bytes()


def test_what_was_written_is_read_again(path):
    written(path)
    with open_journal(path, IDENTITY) as journal:
        assert journal.tried == {trial.number: trial for trial in TRIED}
        assert journal.errors_alone("onnx/int8-static") == {"2 Gemm": 0.25, "1 Relu": None}
        assert journal.errors_alone("onnx") == {}


def test_a_line_torn_anywhere_costs_its_trial_only(path):
    whole = written(path)
    begins = whole[:-1].rindex(b"\n") + 1
    for end in (begins, begins + 1, (begins + len(whole)) // 2, len(whole) - 1):
        path.write_bytes(whole[:end])
        with open_journal(path, IDENTITY) as journal:
            assert set(journal.tried) == {0, 1}
            journal.add(SPACE, TRIED[2])
        with open_journal(path, IDENTITY) as journal:
            assert journal.tried == {trial.number: trial for trial in TRIED}


def test_a_search_killed_while_its_journal_began_begins_anew(path):
    whole = written(path)
    first, second = (len(line) + 1 for line in whole.splitlines()[:2])
    for end in (0, 1, first - 1, first, first + second - 1):
        path.write_bytes(whole[:end])
        with open_journal(path, IDENTITY) as journal:
            assert journal.tried == {}
    with (
        pytest.raises(InputError, match="journal of another search"),
        open_journal(path, {**IDENTITY, "seed": 1}),
    ):
        pass


def test_a_lock_file_that_optuna_left_blocks_nobody(path):
    written(path)
    path.with_name(f"{path.name}.lock").symlink_to(path)
    with open_journal(path, IDENTITY) as journal:
        journal.add(SPACE, Tried(3, "onnx/int8-static", Recipe(corrected_bias=True), None))


HOLD = """
import sys, time
from pathlib import Path
from edgeml.search.journal import open_journal
with open_journal(Path(sys.argv[1]), {}):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_until_the_first_is_killed(path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InputError, match="another process is searching with"), open_journal(path, {}):
            pass
    finally:
        holder.kill()
        holder.communicate()
    with open_journal(path, {}) as journal:
        assert journal.tried == {}


def test_a_journal_of_another_search_is_refused_with_what_differs(path):
    whole = written(path)
    other = {**IDENTITY, "seed": 7, "versions": {"numpy": "2.5.0"}}
    with pytest.raises(InputError) as caught, open_journal(path, other):
        pass
    assert str(caught.value) == (
        f'{path} is the journal of another search: seed was 0, now is 7; versions was {{"numpy": "2.4.6"}}, '
        'now is {"numpy": "2.5.0"}; name another file'
    )
    assert path.read_bytes() == whole
    assert journal_path(IDENTITY) != journal_path(other)


@pytest.mark.parametrize(
    "content",
    [b"important notes", b'{"op_code":0', b"\x80\x04\x95\x10\x00\x00\x00", b'{"a": 1}\n', b"\n"],
    ids=["text", "half a line of another kind", "pickle", "json", "empty line"],
)
def test_another_file_is_refused_and_left_as_it_is(path, content):
    if content == b'{"op_code":0':
        content += b"0"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(InputError, match="is not a search's journal: it begins otherwise"):
        open_journal(path, IDENTITY).__enter__()
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"number":0', b'"number":"x"'),
        (b'"recipe"', b'"receipt"'),
        (b'"op_code":4', b'"op_code":99'),
        (b'"op_code":4', b'"op_code":4,,'),
        (b'"study_id":0', b'"study_ix":0'),
        (b'{"trial":', b'{"trail":'),
        (b'"loss":0.3', b'"loss":null'),
        (b"CategoricalDistribution", b"CategoricalDistortion"),
    ],
)
def test_a_journal_that_was_tampered_with_is_refused(path, old, new):
    whole = written(path)
    assert old in whole
    path.write_bytes(whole.replace(old, new))
    with pytest.raises(InputError, match="is not a search's journal: "), open_journal(path, IDENTITY):
        pass


def test_a_journal_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match="cannot write the journal"),
        open_journal(tmp_path / "file" / "search.log", IDENTITY),
    ):
        pass


def test_every_line_is_json_and_a_trial_is_one_line(path):
    lines = [json.loads(line) for line in written(path).splitlines()]
    assert [line["op_code"] for line in lines[-3:]] == [4, 4, 4]


def test_the_cache_is_the_users(monkeypatch, tmp_path):
    monkeypatch.delenv("EDGEML_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert journal_path(IDENTITY).parent == tmp_path / "edgeml" / "searches"
