"""The full search for real: repeatable, resumable after any end, never worse than the plan."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from broken_networks import unequal_channels
from conftest import require_module

import edgeml
from edgeml.devices import load_device
from edgeml.job import attempt, prepare
from edgeml.local_pool import LocalPool
from edgeml.pack import with_verdicts
from edgeml.search.evaluate import Laboratory
from edgeml.search.explore import explore
from edgeml.search.journal import Tried
from edgeml.search.summary import Limits, search_lines
from edgeml.tune import tune
from edgeml.workers import shipping
from edgeml_runtime.codec import decode
from edgeml_runtime.errors import InputError, MissingDependencyError, UnknownNameError
from edgeml_runtime.manifest import Budget

pytestmark = pytest.mark.slow

TRIALS = 20


def is_trial(what):
    """Whether that progress is of a trial."""
    return re.match("search.*: best ", what) is not None


def silent(_what, _done, _total):
    pass


@functools.cache
def digits():
    """A perceptron on digits, its rows and labels."""
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = load_digits(return_X_y=True)
    x = x.astype(np.float32)
    network = MLPClassifier((16, 16), max_iter=1000, tol=1e-3, random_state=0)
    return make_pipeline(StandardScaler(), network).fit(x[::3], y[::3]), x, y


def job_of(seed=0, budget=Budget(max_accuracy_drop=0.01), schemes=("int8-static",), formats=("onnx",)):  # noqa: B008
    """A job for ONNX, the quickest; what the plan's candidates came to."""
    model, x, y = digits()
    job, _ = prepare(
        model,
        load_device("raspberry-pi-4"),
        data=edgeml.Data(x, y),
        target=None,
        budget=budget,
        formats=formats,
        schemes=schemes,
        objective="size",
        name="digits",
        seed=seed,
        trust_pickle=False,
        report=silent,
        announce=None,
    )
    outcomes = [outcome for candidate in job.plan.candidates for outcome in attempt(job, candidate, silent)]
    return job, outcomes


@pytest.fixture(scope="module")
def job():
    require_module("sklearn", "onnxruntime", "skl2onnx", "optuna")
    return job_of()


def searched(job, path, trials=TRIALS, seconds=None, report=silent):
    return explore(*job, "size", Limits(trials, seconds), path, report)


def trials_in(path):
    """What was tried, in the order of the lines."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [decode(Tried, line["user_attrs"]["trial"]) for line in lines if line["op_code"] == 4]


def contents(outcomes):
    return {o.candidate.name: with_verdicts(o.bundle, o.verdicts) for o in outcomes}


@pytest.fixture(scope="module")
def whole(job, tmp_path_factory):
    """A search that nothing interrupted: journal, outcomes, summary."""
    path = tmp_path_factory.mktemp("whole") / "search.log"
    return path, *searched(job, path)


def test_every_trial_is_another_recipe_and_the_plans_is_the_first(job, whole):
    path, _, search = whole
    tried = trials_in(path)
    assert [trial.number for trial in tried] == list(range(TRIALS))
    assert len({trial.point for trial in tried}) == TRIALS
    assert tried[0].recipe == job[0].plan.candidates[0].recipe
    assert tried[0].worth.digest == hashlib.sha256(job[1][0].artifact.content).hexdigest()
    assert (search.trials, search.known, search.ended_by) == (TRIALS, 0, "trials")
    assert search.recipes > TRIALS
    assert len({t.worth.digest for t in tried if t.worth}) == search.artifacts


def test_the_front_is_judged_on_the_judging_rows_and_says_what_it_is(job, whole):
    _, outcomes, search = whole
    assert 0 < len(outcomes) <= len(search.front)
    assert {o.candidate.name for o in outcomes} <= {point.candidate for point in search.front}
    for outcome in outcomes:
        assert outcome.parity.rows == len(job[0].split.judging)
        options = outcome.bundle.manifest.provenance.options
        assert options["recipe"] == outcome.candidate.recipe.describe() != ""
        in_float = outcome.candidate.recipe.in_float
        assert options.get("in_float", "") == ", ".join(in_float)


def test_the_same_seed_gives_the_same_trials_and_bytes(job, whole, tmp_path):
    path, outcomes, _ = whole
    again, _ = searched(job, tmp_path / "again.log")
    assert trials_in(tmp_path / "again.log") == trials_in(path)
    assert contents(again) == contents(outcomes)


def test_another_seed_tries_others(whole, tmp_path):
    path, *_ = whole
    searched(job_of(seed=1), tmp_path / "other.log")
    other = [trial.point for trial in trials_in(tmp_path / "other.log")]
    assert other != [trial.point for trial in trials_in(path)]


def test_nothing_is_tried_again(job, whole, tmp_path, monkeypatch):
    path, outcomes, _ = whole
    (tmp_path / "copy.log").write_bytes(path.read_bytes())
    for name in ("worth", "error_alone"):
        monkeypatch.setattr(Laboratory, name, lambda *_: pytest.fail("tried again"))
    again, search = searched(job, tmp_path / "copy.log")
    assert (search.trials, search.known) == (TRIALS, TRIALS)
    assert contents(again) == contents(outcomes)
    _, shorter = searched(job, tmp_path / "copy.log", trials=5)
    assert (shorter.trials, shorter.known) == (5, 5)
    assert {point.trial for point in shorter.front} <= set(range(5))


KILLED = """
from pathlib import Path
path, after = Path(sys.argv[3]), int(sys.argv[4])
def report(what, done, total):
    if t.is_trial(what) and done == after:
        os.kill(os.getpid(), signal.SIGKILL)
t.searched(t.job_of(), path, report=report)
"""


@pytest.mark.parametrize("after", [3, 13])
def test_a_killed_search_goes_on_as_if_nothing_had_happened(job, whole, tmp_path, after):
    path = tmp_path / "search.log"
    folders = [str(folder) for folder in Path(__file__).parents[1::-1]]
    code = f"import os, signal, sys; sys.path[:0] = sys.argv[1:3]; import test_search as t\n{KILLED}"
    done = subprocess.run([sys.executable, "-c", code, *folders, str(path), str(after)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(trials_in(path)) == after
    outcomes, search = searched(job, path)
    assert search.known == after
    assert trials_in(path) == trials_in(whole[0])
    assert contents(outcomes) == contents(whole[1])


@pytest.fixture(scope="module")
def pool():
    with LocalPool(2) as executor:
        yield executor


def test_two_workers_try_the_same_and_write_it_as_it_comes(job, whole, pool, tmp_path):
    path, lengths = tmp_path / "search.log", []

    def report(what, _done, _total):
        if is_trial(what):
            lengths.append(len(trials_in(path)))

    with shipping(pool) as sent:
        outcomes, search = explore(*job, "size", Limits(TRIALS), path, report, sent)
    by_number = sorted(trials_in(path), key=lambda trial: trial.number)
    assert by_number == trials_in(whole[0])
    assert contents(outcomes) == contents(whole[1])
    assert search.remarks == ()
    assert len(set(lengths)) > TRIALS / 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_trials_and_keeps_the_best(job, whole, tmp_path, number):
    before = signal.getsignal(signal.SIGTERM)

    def report(what, done, _total):
        if is_trial(what) and done == 10:
            os.kill(os.getpid(), number)

    path = tmp_path / "search.log"
    outcomes, search = searched(job, path, report=report)
    assert search.ended_by == "interrupt"
    assert trials_in(path) == trials_in(whole[0])[:10]
    assert outcomes
    assert signal.getsignal(signal.SIGTERM) == before
    assert searched(job, path)[1].known == 10


def test_an_interrupt_before_operators_are_ranked_keeps_the_recipes_without_floats(job, whole, tmp_path):
    def report(what, _done, _total):
        if what.startswith("search: what each operator"):
            os.kill(os.getpid(), signal.SIGINT)

    outcomes, search = searched(job, tmp_path / "search.log", report=report)
    assert (search.trials, search.recipes, search.ended_by) == (12, 12, "interrupt")
    assert all(not outcome.candidate.recipe.in_float for outcome in outcomes)
    assert trials_in(tmp_path / "search.log") == trials_in(whole[0])[:12]
    assert any(trial.recipe.in_float for trial in trials_in(whole[0]))


def test_an_interrupt_before_the_first_trial_leaves_the_plan(job, tmp_path):
    def report(what, _done, _total):
        if what.startswith("search: calibrating"):
            os.kill(os.getpid(), signal.SIGINT)

    outcomes, search = searched(job, tmp_path / "search.log", report=report)
    assert (outcomes, search.trials, search.ended_by) == ([], 0, "interrupt")


def test_time_ends_it(job, tmp_path):
    outcomes, search = searched(job, tmp_path / "search.log", trials=None, seconds=1e-6)
    assert (outcomes, search.trials, search.ended_by) == ([], 0, "time")


def test_a_search_without_end_stops_where_there_is_nothing_left(job, whole, tmp_path):
    path = tmp_path / "search.log"
    path.write_bytes(whole[0].read_bytes())
    said = []
    _, search = searched(job, path, trials=10_000, report=lambda *what: said.append(what))
    assert search.ended_by == "exhausted"
    assert search.trials == search.recipes == len({trial.point for trial in trials_in(path)})
    lines = [what for what, _, _ in said if is_trial(what)]
    assert all("kB, off by" in line for line in lines)
    assert re.match(r"search, \d+ s left: best onnx/int8-static \(", lines[-1])
    assert [done for what, done, _ in said if what in lines] == list(range(TRIALS, search.recipes))


@pytest.mark.parametrize(("old", "new"), [(b'"equalized":true', b'"equalized":false'), (b"Gemm", b"Conv")])
def test_a_journal_with_other_recipes_is_refused(job, whole, tmp_path, old, new):
    path = tmp_path / "search.log"
    lines = whole[0].read_bytes().splitlines(keepends=True)
    number = max(n for n, line in enumerate(lines) if old in line and b'"trial"' in line)
    recipe = lines[number].replace(old, new).replace(b'"reduced_range":false', b'"reduced_range":true')
    path.write_bytes(b"".join([*lines[:number], recipe, *lines[number + 1 :]]))
    with pytest.raises(InputError, match=r"trial \d+ is none of this search's recipes"):
        searched(job, path)


def test_a_journal_of_another_budget_is_refused(job, whole, tmp_path):
    other = replace(job[0], gates=replace(job[0].gates, budget=Budget(max_accuracy_drop=0.02)))
    with pytest.raises(InputError, match=r"another search: budget was .*0\.01.*, now is .*0\.02"):
        searched((other, job[1]), whole[0])


def test_a_model_without_recipes_has_nothing_to_search(tmp_path):
    _, search = searched(job_of(schemes=("float32",)), tmp_path / "search.log")
    assert (search.trials, search.ended_by, search.journal) == (0, "exhausted", None)
    assert next(search_lines(search)) == "search: no candidate has recipes to try"


def compiled(search, tmp_path, **options):
    model, x, y = digits()
    journal = {"journal": tmp_path / "search.log", "trials": 12} if search == "full" else {}
    return edgeml.compile(
        model,
        device="raspberry-pi-4",
        data=edgeml.Data(x, y),
        formats=["onnx"],
        schemes=["int8-static"],
        objective="size",
        search=search,
        **journal,
        **options,
    )


def test_a_keras_network_that_int8_breaks_starts_from_what_refining_found(tmp_path):
    require_module("keras", "tensorflow", "ai_edge_litert")
    model, x, y = unequal_channels()
    data = edgeml.Data(x[:600], y[:600])
    budget = edgeml.Budget(max_accuracy_drop=0.01)
    options = {"device": "raspberry-pi-4", "data": data, "budget": budget, "objective": "size"}
    path = tmp_path / "search.log"
    result = edgeml.compile(
        model, **options, formats=["tflite"], schemes=["int8-static"], search="full", journal=path, trials=10
    )
    plain, refined, *more = result.outcomes
    assert plain.status == "exceeds"
    assert refined.refinement.suffices
    tried = trials_in(path)
    assert [trial.recipe for trial in tried[:2]] == [plain.candidate.recipe, refined.candidate.recipe]
    assert not tried[0].worth.feasible
    assert tried[1].worth.feasible
    assert result.chosen.status == "fits"
    assert result.chosen.size_bytes <= refined.size_bytes
    assert {o.candidate.name for o in more} <= {point.candidate for point in result.search.front}


def test_full_is_never_worse_than_fast_and_says_what_it_did(tmp_path):
    from rich.console import Console

    from edgeml.report import print_result

    fast, full = compiled("fast", tmp_path), compiled("full", tmp_path)
    assert full.chosen.size_bytes <= fast.chosen.size_bytes
    assert {o.candidate.name for o in fast.outcomes} < {o.candidate.name for o in full.outcomes}
    assert fast.search is None
    assert full.tuned is None
    document = json.loads(json.dumps(full.to_dict(), allow_nan=False))
    assert document["search"]["trials"] == 12
    assert set(document["pareto_front"]) <= {o.candidate.name for o in full.outcomes}
    assert [o.candidate.name for o in full.front] == document["pareto_front"]
    assert len(document["search"]["front"]) == len(full.search.front) > 0
    text = io.StringIO()
    print_result(full, Console(file=text, width=300))
    assert f"search: 12 of {full.search.recipes} recipes tried" in text.getvalue()
    assert "this machine is not raspberry-pi-4: run `edgeml tune` on the bundle there" in text.getvalue()
    starred = {line.split(" *")[0].strip("│ ") for line in text.getvalue().splitlines() if " *" in line}
    assert starred - {""} == set(full.choice.front)


def test_ctrl_c_on_the_command_line_ends_with_the_best_and_a_bundle(tmp_path):
    import joblib

    model, x, y = digits()
    joblib.dump(model, tmp_path / "digits.joblib")
    np.savez(tmp_path / "digits.npz", x=x, y=y)
    command = [sys.executable, "-m", "edgeml", "compile", "digits.joblib", "--trust-pickle", "--json"]
    command += ["--data", "digits.npz", "--device", "raspberry-pi-4", "--formats", "onnx", "-o", "a.edgeml"]
    command += [
        "--search",
        "full",
        "--search-seconds",
        "600",
        "--journal",
        "search.log",
        "--objective",
        "size",
    ]
    running = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    journal = tmp_path / "search.log"
    while running.poll() is None and not (journal.exists() and journal.read_bytes().count(b'"trial"') >= 3):
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=120)
    assert running.returncode == 0, err
    document = json.loads(out)
    assert document["search"]["ended_by"] == "interrupt"
    assert 3 <= document["search"]["trials"] < document["search"]["recipes"]
    assert (tmp_path / "a.edgeml").exists()


def test_on_this_machine_what_is_chosen_is_tuned(tmp_path, monkeypatch):
    monkeypatch.setattr("edgeml.pipeline.tune_bundle", functools.partial(tune, seconds=0.5))
    model, x, y = digits()
    result = edgeml.compile(
        model,
        device="host",
        data=edgeml.Data(x, y),
        formats=["onnx"],
        schemes=["int8-static"],
        search="full",
        trials=3,
        journal=tmp_path / "search.log",
    )
    assert result.search.untuned is None
    assert {"graph_optimization", "memory_arena"} <= {option.option for option in result.tuned.tried}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"search": "slow"}, "unknown search 'slow'; known: fast, full"),
        ({"search": "fast", "trials": 3}, "are of the full search"),
        ({"search": "fast", "journal": "x.log"}, "are of the full search"),
        ({"search": "full", "trials": 0}, "trials must be at least 1, got 0"),
        ({"search": "full", "search_seconds": 0.0}, "seconds must be positive and finite, got 0.0"),
        ({"search": "full", "search_seconds": float("nan")}, "seconds must be positive and finite, got nan"),
    ],
)
def test_limits_that_are_none_are_refused_before_anything_is_read(options, message):
    with pytest.raises(InputError, match=message) as caught:
        edgeml.compile("nowhere.onnx", device="raspberry-pi-4", **options)
    assert isinstance(caught.value, UnknownNameError) == (options["search"] == "slow")


def test_without_optuna_the_pip_line_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'edgeml\[search\]'"):
        edgeml.compile("nowhere.onnx", device="raspberry-pi-4", search="full")
