"""Tasks in threads, processes and a real Dask cluster: the same results, whatever happens to a worker."""

from __future__ import annotations

import functools
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from conftest import require_module
from worker_tasks import WORK, do, runs

import edgeml
from edgeml.crossing import difference, packed, serve, versions_here
from edgeml.dask_cluster import client_of, dask_executor
from edgeml.devices import load_device
from edgeml.job import prepare
from edgeml.local_pool import LocalPool
from edgeml.pack import with_verdicts
from edgeml.workers import ATTEMPTS, work_through
from edgeml_runtime.errors import InputError, UnknownNameError

TESTS = Path(__file__).parents[1]
LOST = "a worker was lost: what it had was done again"


def silent(_what, _done, _total):
    pass


@functools.cache
def job(formats=("onnx",), schemes=("float32",)):
    """Logistic regression on iris."""
    require_module("sklearn", "skl2onnx", "onnxruntime")
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    x, y = load_iris(return_X_y=True)
    x = x.astype(np.float32)
    return job_of(LogisticRegression(max_iter=500).fit(x, y), edgeml.Data(x, y), formats, schemes)


def job_of(model, data, formats=None, schemes=None):
    """Of that model for a Raspberry Pi 4."""
    return prepare(
        model,
        load_device("raspberry-pi-4"),
        data=data,
        target=None,
        budget=edgeml.Budget(),
        formats=formats,
        schemes=schemes,
        objective="size",
        name="model",
        seed=7,
        trust_pickle=False,
        report=silent,
        announce=None,
    )[0]


def work(names, folder, executor, report=silent):
    """The tasks of those names: what each gave, the processes they were done in, the remarks."""
    folder.mkdir()
    results, remarks = work_through(WORK, [(job(), (n, str(folder))) for n in names], executor, report)
    told = [r if isinstance(r, str) else r[0] for r in results]
    assert all(r[1] == 7 for r in results if not isinstance(r, str))  # the job's seed crossed
    return told, {r[2] for r in results if not isinstance(r, str)}, remarks


def held(outcomes):
    """All that must be the same wherever it was found."""
    return [
        (
            o.candidate,
            o.status,
            o.verdicts,
            o.parity,
            o.accuracy,
            str(o.error),
            None if o.artifact is None else hashlib.sha256(o.artifact.content).hexdigest(),
            None if o.bundle is None else hashlib.sha256(with_verdicts(o.bundle, o.verdicts)).hexdigest(),
        )
        for o in outcomes
    ]


def attempts(of, executor):
    """What came of every candidate of a job, and the remarks."""
    found, remarks = work_through(ATTEMPTS, [(of, c) for c in of.plan.candidates], executor, silent)
    return held(outcome for outcomes in found for outcome in outcomes), remarks


# --- this process ---


def test_without_an_executor_tasks_are_done_here_in_turn(tmp_path):
    shown = []
    told, processes, remarks = work(["a", "b"], tmp_path / "t", None, lambda *steps: shown.append(steps))
    assert (told, processes, remarks) == (["a", "b"], {os.getpid()}, ())
    assert shown == [("a", 0, 2), ("b", 1, 2)]


def test_threads_give_the_same_and_share_the_job(tmp_path):
    with ThreadPoolExecutor(3) as pool:
        told, processes, remarks = work(list("abcde"), tmp_path / "t", pool)
    assert (told, processes, remarks) == (list("abcde"), {os.getpid()}, ())


def test_a_job_that_does_not_pickle_is_worked_on_here_and_that_is_said_once(tmp_path):
    class Local:
        pass

    stuck = replace(job(), gates=replace(job().gates, model=replace(job().gates.model, model=Local())))
    tasks = [(stuck, (name, str(tmp_path))) for name in "ab"]
    with LocalPool(2) as pool:
        results, remarks = work_through(WORK, tasks, pool, silent)
    assert [r[2] for r in results] == [os.getpid()] * 2
    (remark,) = remarks
    assert remark.startswith("model was worked on in this process: it cannot be sent to workers (")
    assert "Local" in remark


def test_a_worker_with_other_versions_does_not_open_a_job(tmp_path):
    parcel = packed(job())
    versions = {**parcel.versions, "numpy": "1.26.4"}
    answer = serve(parcel.digest, versions, parcel.content, do, ("a", str(tmp_path)))
    assert answer.kind == "unopened"
    assert answer.reason.endswith(f"numpy {versions_here()['numpy']} there, 1.26.4 here")
    assert runs(tmp_path) == {}


def test_other_bytes_than_were_sent_are_not_unpickled(tmp_path):
    parcel = packed(job())
    answer = serve(parcel.digest, parcel.versions, b"cos\nsystem\n.", do, ("a", str(tmp_path)))
    assert (answer.kind, answer.reason) == ("unopened", "UncrossableError: other bytes than were sent")


def test_versions_that_differ_are_named():
    ours = {"python": "3.11.7", "numpy": "2.4.6", "onnx": "none"}
    assert difference(ours, ours) == ""
    assert difference({"python": "3.11.7", "numpy": "2.3.0"}, ours) == "numpy 2.3.0 there, 2.4.6 here"


@pytest.mark.parametrize("processes", [0, -1])
def test_a_pool_needs_a_process(processes):
    with pytest.raises(InputError, match="jobs must be 1 or more"):
        LocalPool(processes)


# --- processes ---


@pytest.mark.slow
def test_a_lost_worker_costs_a_retry_and_a_culprit_only_itself(tmp_path):
    names = ["a", "b", "dies once", "c", "dies always", "d", "e"]
    with LocalPool(2) as pool:
        told, processes, remarks = work(names, tmp_path / "t", pool)
        again, _, nothing = work(["a", "b"], tmp_path / "u", pool)
    assert told == ["lost: dies always" if n == "dies always" else n for n in names]
    assert os.getpid() not in processes
    assert remarks == (LOST,)
    assert runs(tmp_path / "t")["dies once"] == 2
    assert all(count <= 2 for name, count in runs(tmp_path / "t").items() if name != "dies always")
    assert (again, nothing) == (["a", "b"], ())


@pytest.mark.slow
def test_a_callers_pool_that_breaks_is_replaced(tmp_path):
    names = ["a", "dies once", "b", "dies always", "c"]
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        told, processes, remarks = work(names, tmp_path / "t", pool)
    assert told == ["lost: dies always" if n == "dies always" else n for n in names]
    assert os.getpid() not in processes
    assert remarks[0].startswith("the executor was lost (")
    assert remarks[0].endswith("): the rest was done in a process of this machine")


@pytest.mark.slow
def test_what_a_task_raises_comes_out_and_the_pool_goes_on(tmp_path):
    with LocalPool(1) as pool:
        with pytest.raises(UnknownNameError, match="unknown scheme 'int7'") as caught:
            work(["errs"], tmp_path / "t", pool)
        assert caught.value.name == "int7"
        with pytest.raises(RuntimeError, match="StubbornError: ab"):
            work(["errs stubbornly"], tmp_path / "u", pool)
        assert work(["a"], tmp_path / "v", pool)[0] == ["a"]


def script(folder, *lines, guarded=True):
    """A program whose pool works on those tasks."""
    body = [
        "from test_workers import *",
        "from pathlib import Path",
        "with LocalPool(2) as pool:",
        *(f"    {line}" for line in lines),
    ]
    if guarded:
        body = ["if __name__ == '__main__':", *(f"    {line}" for line in body)]
    (folder / "program.py").write_text("\n".join(body))
    paths = os.pathsep.join([str(TESTS), str(TESTS / "edgeml")])
    return subprocess.Popen(
        [sys.executable, str(folder / "program.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    )


def ended(pid):
    """Whether there is no such process any more, other than as an entry that its parent has yet to read."""
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_the_program(tmp_path, sent):
    program = script(
        tmp_path,
        f"pids = work(['a', 'b', 'c', 'd'], Path({str(tmp_path)!r}) / 't', pool)[1]",
        "print(*pids, flush=True)",
        f"work(['sleeps'], Path({str(tmp_path)!r}) / 'u', pool)",
    )
    workers = [int(pid) for pid in program.stdout.readline().split()]
    assert workers
    while not (tmp_path / "u" / "sleeps").exists():
        time.sleep(0.05)
    program.send_signal(sent)
    _, said = program.communicate(timeout=20)
    assert program.returncode != 0
    assert ("KeyboardInterrupt" in said) == (sent == signal.SIGINT)
    deadline = time.monotonic() + 10
    while not all(map(ended, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert all(map(ended, workers))


@pytest.mark.slow
def test_a_script_without_a_main_guard_does_all_itself(tmp_path):
    program = script(tmp_path, f"print(work(['a', 'b'], Path({str(tmp_path)!r}) / 't', pool))", guarded=False)
    out, _ = program.communicate(timeout=60)
    assert out.startswith(f"(['a', 'b'], {{{program.pid}}}, ('all was done in this process: processes end as")
    assert '`if __name__ == "__main__":`' in out


@pytest.mark.slow
def test_a_pool_gives_the_same_outcomes():
    of = job(("onnx",), None)
    here = attempts(of, None)
    with LocalPool(2) as pool:
        assert attempts(of, pool) == here
    assert len(here[0]) >= 3


# --- Dask ---


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes of this machine with a nanny each."""
    require_module("distributed")
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
    ) as running:
        yield running


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_outcomes_even_when_it_loses_a_worker(cluster):
    of = job(("onnx",), None)
    here, _ = attempts(of, None)
    with dask_executor(cluster.scheduler_address) as executor:
        assert attempts(of, executor) == (here, ())
        client = client_of(executor)
        pids = client.run(os.getpid)
        killed = []

        def kill_one_at_work():
            while not (busy := [worker for worker, keys in client.processing().items() if keys]):
                time.sleep(0.01)
            killed.append(pids[busy[0]])
            os.kill(killed[0], signal.SIGKILL)

        killing = threading.Thread(target=kill_one_at_work)
        killing.start()
        assert attempts(of, executor)[0] == here
        killing.join()
        assert ended(killed[0])


@pytest.mark.slow
def test_a_dask_cluster_gives_up_the_culprit_alone(cluster, tmp_path):
    names = ["a", "b", "dies once", "c", "dies always", "d"]
    with dask_executor(cluster.scheduler_address) as executor:
        told, processes, remarks = work(names, tmp_path / "t", executor)
        again = work(["e"], tmp_path / "u", executor)
    assert told == ["lost: dies always" if n == "dies always" else n for n in names]
    assert os.getpid() not in processes
    assert remarks == (LOST,)
    assert (again[0], again[2]) == (["e"], ())


@pytest.mark.slow
def test_a_cluster_that_goes_away_is_replaced(tmp_path):
    require_module("distributed")
    from distributed import LocalCluster

    with (
        LocalCluster(
            n_workers=1, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
        ) as running,
        dask_executor(running.scheduler_address) as executor,
    ):
        threading.Timer(1.0, running.close).start()
        tasks = [(job(), (name, str(tmp_path))) for name in ("sleeps", "a")]
        results, remarks = work_through(WORK, tasks, executor, silent)
    assert [r[0] for r in results] == ["sleeps", "a"]
    assert remarks[0].startswith("the executor was lost (")


@pytest.mark.slow
def test_a_cluster_that_works_on_nothing_is_replaced(tmp_path, monkeypatch):
    require_module("distributed")
    from distributed import LocalCluster

    monkeypatch.setattr("edgeml.workers.PATIENCE_SECONDS", 2.0)
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
        ) as running,
        dask_executor(running.scheduler_address) as executor,
    ):
        client_of(executor).retire_workers()
        told, processes, remarks = work(["a", "b"], tmp_path / "t", executor)
    assert told == ["a", "b"]
    assert os.getpid() not in processes
    assert remarks == (
        "the executor was lost (none of its workers was at work for 2 s): the rest was done in a process of "
        "this machine",
    )


@pytest.mark.slow
def test_no_cluster_and_no_worker_are_told_with_what_to_start():
    require_module("distributed")
    from distributed import LocalCluster

    with pytest.raises(InputError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9 within 5 s"):
        dask_executor("tcp://127.0.0.1:9").__enter__()
    with (
        LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=50) as empty,
        pytest.raises(InputError, match="has no worker after 10 s; start `dask scheduler`"),
        dask_executor(empty.scheduler_address),
    ):
        pass


@pytest.mark.slow
def test_a_keras_network_gives_the_same_outcomes_on_dask(cluster):
    require_module("tensorflow", "keras", "ai_edge_litert")
    import keras

    rng = np.random.default_rng(0)
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [keras.Input((6, 6, 1)), keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.Flatten(),
         keras.layers.Dense(3, activation="softmax")]
    )  # fmt: skip
    of = job_of(network, edgeml.Data(rng.normal(size=(60, 6, 6, 1)).astype(np.float32)))
    here, _ = attempts(of, None)
    with dask_executor(cluster.scheduler_address) as executor:
        assert attempts(of, executor) == (here, ())
    assert {o[0].format for o in here} == {"onnx", "tflite"}
