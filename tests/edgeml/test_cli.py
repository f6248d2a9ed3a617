"""The command line: help at once, one JSON document, the right exit code and no half-written file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import euclidean
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from edgeml.cli import main
from edgeml_runtime.session import load

HEAVY = ("tensorflow", "keras", "sklearn", "onnx", "onnxruntime", "ai_edge_litert", "pandas")
# The runtime's own commands come with the runtime's numpy.
RUNTIME_COMMANDS = ("run", "bench", "verify")
COMMANDS = (
    "",
    "compile",
    "compile-many",
    "inspect",
    "fits",
    "tune",
    "demo",
    "devices",
    "devices list",
    "devices show",
    "devices probe",
)
X, Y = load_wine(return_X_y=True)
NAMES = np.array(["barolo", "grignolino", "barbera"])[Y]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A folder with a model (as pickle and .skops), its rows, and rows and models that are wrong."""
    import joblib
    from skops import io

    folder = tmp_path_factory.mktemp("files")
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(X[::2], NAMES[::2])
    joblib.dump(model, folder / "wine.joblib")
    io.dump(model, folder / "wine.skops")
    unsupported = make_pipeline(StandardScaler(), KNeighborsClassifier(metric=euclidean)).fit(X[::4], Y[::4])
    joblib.dump(unsupported, folder / "own_metric.joblib")
    joblib.dump({"model": model}, folder / "dict.joblib")
    for name in ("wine.joblib", "wine.skops"):
        content = (folder / name).read_bytes()
        (folder / f"truncated{Path(name).suffix}").write_bytes(content[: len(content) // 2])
    (folder / "text.skops").write_text("not a model\n")
    (folder / "text.onnx").write_text("not a model\n")
    (folder / "text.pkl").write_text("not a model\n")
    (folder / "no_suffix").write_text("not a model\n")
    np.savez(folder / "rows.npz", x=X[1::2], y=NAMES[1::2])
    np.savez(folder / "unlabelled.npz", x=X[1::2])
    np.savez(folder / "narrow.npz", x=X[1::2, :5], y=NAMES[1::2])
    np.savez(folder / "nan.npz", x=np.where(X > 1000, np.nan, X), y=NAMES)
    np.savez(folder / "foreign.npz", x=X, y=Y)
    np.savez(folder / "lengths.npz", x=X, y=NAMES[:-1])
    np.savez(folder / "scalar.npz", x=np.float64(3))
    (folder / "broken.npz").write_bytes((folder / "rows.npz").read_bytes()[:-200])
    names = ",".join(f"c{i}" for i in range(12))
    (folder / "columns.csv").write_text(f"{names},kind\n" + ",".join("1" * 12) + ",barolo\n")
    for name, text in (
        ("unknown", "max_size = 3"),
        ("negative", "max_size_kb = -3"),
        ("nan", "max_size_kb = nan"),
    ):
        (folder / f"{name}.toml").write_text(text)
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """An empty folder to work in: what is in it afterwards was written by the command."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command line."""
    exit_code = main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return exit_code, captured.out, captured.err


def compiling(
    files: Path, *more: object, model: str = "wine.joblib", device: str = "raspberry-pi-4"
) -> list[object]:
    fixed = ["--trust-pickle", "--formats", "onnx", "--schemes", "float32"]
    return ["compile", files / model, "--device", device, *fixed, *more]


# --- help ---


@pytest.mark.parametrize(
    ("commands", "absent"),
    [(COMMANDS, (*HEAVY, "numpy")), (RUNTIME_COMMANDS, HEAVY)],
    ids=["ours", "the runtime's"],
)
def test_help_of_every_command_loads_no_framework(commands, absent):
    script = f"""
import sys
from edgeml.cli import main
for command in {commands!r}:
    try:
        assert main([*command.split(), "--help"]) == 0, command
    except SystemExit as stop:
        assert not stop.code, command
print(sorted(set({absent!r}) & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    assert done.stdout.lower().count("usage: edgeml") == len(commands)


def test_the_module_runs_as_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "edgeml", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("edgeml, version 0.1.0")


# --- what works ---


def test_compile_writes_a_bundle_and_says_what_it_chose(files, here, capsys):
    exit_code, out, _ = run(
        capsys, *compiling(files, "--data", files / "rows.npz", "--max-accuracy-drop", 0.01)
    )
    assert exit_code == 0
    assert "chosen: onnx/float32, by latency" in out
    assert "accuracy-drop passed: 0 (limit 0.01)" in out
    assert [p.name for p in here.iterdir()] == ["wine.edgeml"]
    size = (here / "wine.edgeml").stat().st_size
    assert f"wrote wine.edgeml ({size:,} bytes)" in out
    assert load(here / "wine.edgeml").predict(X[:1]).tolist() == ["barolo"]


def test_with_json_stdout_is_one_document(files, here, capsys):
    exit_code, out, err = run(
        capsys,
        *compiling(files, "--data", files / "rows.npz", "-o", "out.edgeml", "--json", model="wine.skops"),
    )
    assert (exit_code, err) == (0, "")
    document = json.loads(out)
    assert (document["chosen"], document["bundle"]) == ("onnx/float32", "out.edgeml")
    assert document["left_out"] == []
    assert document["data"] == {"calibration_rows": 29, "judging_rows": 60, "synthetic": False}


def test_a_budget_file_with_flags_on_top_binds(files, here, capsys):
    (here / "budget.toml").write_text("max_size_kb = 0.1\nmax_latency_ms = 5\n")
    command = compiling(
        files, "--data", files / "rows.npz", "--budget", here / "budget.toml", "-o", "out.edgeml"
    )
    exit_code, out, _ = run(capsys, *command)
    assert exit_code == 6
    assert "nothing fits: max_size_kb binds; nearest is onnx/float32 with size" in out
    assert "over the limit of 0.1" in out
    assert "(now 0.1), onnx/float32 would fit" in out
    exit_code, out, _ = run(capsys, *command, "--json")
    document = json.loads(out)
    assert exit_code == 6
    assert (document["chosen"], document["bundle"]) == (None, None)
    explanation = document["explanation"]
    assert (explanation["binding"], explanation["nearest"]) == (["max_size_kb"], "onnx/float32")
    [relaxation] = explanation["relaxations"]
    assert relaxation["limits"][0]["needed"] == document["candidates"][0]["size_bytes"] / 1000
    assert [p.name for p in here.iterdir()] == ["budget.toml"]
    # What the explanation promises is so: at the limit it names, as printed, the candidate fits.
    [advice] = [line for line in run(capsys, *command)[1].splitlines() if "would fit" in line]
    needed = advice.split(" at ")[1].split(" ")[0]
    exit_code, out, _ = run(capsys, *command, "--max-size-kb", needed)
    assert exit_code == 0, out
    assert "latency unproven" in out


def test_bundles_are_run_measured_and_verified_by_the_runtimes_own_commands(files, here, capsys):
    assert run(capsys, *compiling(files, "-o", "wine.edgeml"))[0] == 0
    exit_code, out, _ = run(capsys, "verify", "wine.edgeml", "--json")
    assert (exit_code, json.loads(out)["golden"]) == (0, "ok")
    exit_code, out, _ = run(capsys, "run", "wine.edgeml", "--input", files / "unlabelled.npz", "--json")
    assert (exit_code, len(json.loads(out)["output"])) == (0, 89)
    exit_code, out, _ = run(capsys, "bench", "wine.edgeml", "--seconds", 0.01, "--batch", "1,8", "--json")
    assert [m["batch"] for m in json.loads(out)["measurements"]] == [1, 8]
    exit_code, out, _ = run(capsys, "inspect", "wine.edgeml")
    assert exit_code == 0
    assert "onnx float32, made for raspberry-pi-4" in out


def test_devices(here, capsys):
    for command in ("devices", "devices list"):
        exit_code, out, _ = run(capsys, *command.split())
        assert exit_code == 0
        rows = {line.split()[0]: line.split("  ") for line in out.splitlines() if line}
        assert [cell.strip() for cell in rows["raspberry-pi-4"] if cell] == [
            "raspberry-pi-4", "4x Cortex-A72", "1.5 GHz", "1 GiB to 8 GiB", "onnx, tflite",
        ]  # fmt: skip
        assert [cell.strip() for cell in rows["stm32h743"] if cell] == [
            "stm32h743", "Cortex-M7", "480 MHz", "2 MiB flash, 512 KiB SRAM", "tflite",
        ]  # fmt: skip
        assert max(len(line) for line in out.splitlines() if "GHz" in line or "MHz" in line) <= 110
        listed = json.loads(run(capsys, *command.split(), "--json")[1])["devices"]
        by_name = {device["name"]: device for device in listed}
        assert {"host", "raspberry-pi-5", "generic-armv7"} <= set(by_name)
        assert by_name["raspberry-pi-4"]["formats"] == {"onnx": None, "tflite": None}
        assert by_name["raspberry-pi-4"]["kind"] == "linux"
        assert by_name["rp2040"]["flash_bytes"] == 2 << 20
    exit_code, out, _ = run(capsys, "devices", "show", "raspberry-pi-4")
    assert exit_code == 0
    assert "cores.clock_max_hz" in out
    document = json.loads(run(capsys, "devices", "show", "raspberry-pi-4", "--json")[1])
    assert document["name"] == "raspberry-pi-4"
    out = run(capsys, "devices", "show", "raspberry-pi-zero")[1]
    assert "  onnx      no: no onnxruntime wheel for armv6l\n" in out
    out = run(capsys, "devices", "show", "stm32u575")[1]
    assert "  library   tflite-micro with cmsis-nn: linked into the firmware" in out


def test_a_probed_profile_is_a_device(files, here, capsys):
    assert run(capsys, "devices", "probe", "--quick", "--name", "bench-1", "-o", "bench-1.toml")[:2] == (
        0,
        "wrote bench-1.toml\n",
    )
    assert (
        run(capsys, *compiling(files, "--max-latency-ms", 1000, "-o", "w.edgeml", device="bench-1.toml"))[0]
        == 0
    )
    verdicts = json.loads(run(capsys, "inspect", "w.edgeml", "--json")[1])["manifest"]["verdicts"]
    assert {v["gate"]: v["status"] for v in verdicts}["latency"] == "passed"


# --- what is refused ---

REFUSED = {
    "unknown device": (
        ["--device", "rasberry-pi-4"],
        "unknown device 'rasberry-pi-4'; did you mean raspberry-pi-4",
    ),
    "unknown scheme": (
        ["--schemes", "int8"],
        "unknown scheme 'int8'; did you mean int8-static or int8-dynamic",
    ),
    "unknown format": (["--formats", "onx,tflite"], "unknown format 'onx'; did you mean onnx"),
    "no format": (["--formats", ","], "'--formats': expected names separated by commas"),
    "unknown objective": (["--objective", "sise"], "unknown objective 'sise'; did you mean size"),
    "unknown option": (["--max-size", "3"], "No such option '--max-size'"),
    "not a number": (["--max-size-kb", "3kB"], "'--max-size-kb': '3kB' is not a valid float"),
    "negative limit": (["--max-size-kb", "-3"], "max_size_kb must be a finite number of at least 0, got -3"),
    "limit NaN": (
        ["--max-latency-ms", "nan"],
        "max_latency_ms must be a finite number of at least 0, got nan",
    ),
    "no budget file": (["--budget", "absent.toml"], "cannot read budget 'absent.toml': No such file"),
    "budget with unknown field": (["--budget", "{files}/unknown.toml"], "max_size"),
    "negative budget": (["--budget", "{files}/negative.toml"], "max_size_kb must be a finite number"),
    "budget NaN": (["--budget", "{files}/nan.toml"], "a budget has max_accuracy_drop, max_latency_ms,"),
    "no data file": (["--data", "absent.npz"], "cannot read data file 'absent.npz': No such file"),
    "damaged data": (["--data", "{files}/broken.npz"], "cannot read {files}/broken.npz: "),
    "data of another kind": (
        ["--data", "{files}/unknown.toml"],
        "as data: expected .npy, .npz, .csv, .json, .parquet",
    ),
    "columns": (["--data", "{files}/columns.csv", "--target", "kind"], "expected 13 columns for x"),
    "target": (["--data", "{files}/columns.csv", "--target", "sort"], "has no 'sort' to use as target"),
    "shape": (["--data", "{files}/narrow.npz"], "axis 1 must be 13, got shape [89, 5]"),
    "a single value": (["--data", "{files}/scalar.npz"], "without rows"),
    "NaN": (["--data", "{files}/nan.npz"], "this model takes finite values only"),
    "other labels": (["--data", "{files}/foreign.npz"], "labels are numbers such as"),
    "lengths": (["--data", "{files}/lengths.npz"], "x has 178 rows, y has 177"),
    "limit without data": (["--max-accuracy-drop", "0.01"], "an accuracy limit needs data with labels"),
    "limit without labels": (
        ["--max-accuracy-drop", "0.01", "--data", "{files}/unlabelled.npz"],
        "an accuracy limit needs labels: give them as `y`",
    ),
    "output in a missing folder": (["-o", "missing/out.edgeml"], "missing does not exist"),
    "output is a folder": (["-o", "."], "it is a folder; give a file name"),
    "output is a device": (["-o", "/dev/null"], "it is not a regular file"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_in_words_and_in_json(case, files, here, capsys):
    more, message = REFUSED[case]
    command = compiling(files, *(text.format(files=files) for text in more))
    message = message.format(files=files)
    exit_code, out, err = run(capsys, *command)
    assert (exit_code, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1
    exit_code, out, err = run(capsys, *command, "--json")
    assert (exit_code, err) == (2, "")
    error = json.loads(out)["error"]
    assert message in error["message"]
    assert error["exit_code"] == 2
    assert list(here.iterdir()) == []


MODELS = {
    "absent.joblib": (2, "absent.joblib does not exist"),
    "truncated.joblib": (2, "truncated"),
    "truncated.skops": (2, "truncated"),
    "text.skops": (2, "not a .skops file"),
    "text.pkl": (2, "not a pickled model"),
    "text.onnx": (2, "text.onnx"),
    "dict.joblib": (2, "holds a dict with keys 'model', not a scikit-learn estimator"),
    "rows.npz": (2, "is not a kind of model file that edgeml knows; known: "),
    "own_metric.joblib": (5, "pipeline.kneighborsclassifier (KNeighborsClassifier): metric"),
}


@pytest.mark.parametrize("name", MODELS)
def test_what_is_no_model_or_none_we_take_says_so(name, files, here, capsys):
    expected, message = MODELS[name]
    exit_code, out, err = run(capsys, *compiling(files, model=name))
    assert exit_code == expected
    assert message in err
    assert list(here.iterdir()) == []
    if expected == 2:
        assert out == ""
    else:  # every step and format first, and why not
        assert "step       pipeline.standardscaler (StandardScaler): onnx, tflite\n" in out
        assert "step       pipeline.kneighborsclassifier (KNeighborsClassifier): no format\n" in out
        assert "           not in onnx, tflite: metric" in out


def test_a_pickle_is_never_read_without_consent(files, here, capsys):
    for command in (
        ["compile", files / "wine.joblib", "--device", "host"],
        ["inspect", files / "wine.joblib"],
    ):
        exit_code, _, err = run(capsys, *command)
        assert exit_code == 2
        assert "loading a pickle runs the code in it" in err
        assert "--trust-pickle" in err


def test_a_damaged_bundle_has_its_own_exit_code(here, capsys):
    (here / "damaged.edgeml").write_bytes(b"PK\x03\x04" + bytes(100))
    for command in ("inspect", "verify"):
        exit_code, out, _ = run(capsys, command, "damaged.edgeml", "--json")
        assert (exit_code, json.loads(out)["error"]["exit_code"]) == (3, 3)


def test_a_wrong_command_line_is_answered_in_json_too(capsys):
    for command in (["compile"], ["nonsense"], ["devices", "shw"], ["inspect"], ["run"]):
        exit_code, out, err = run(capsys, *command, "--json")
        assert (exit_code, err) == (2, "")
        assert "--help)" in json.loads(out)["error"]["message"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_folder(files, here, capsys):
    (here / "locked").mkdir(mode=0o500)
    exit_code, _, err = run(capsys, *compiling(files, "-o", "locked/out.edgeml"))
    assert (exit_code, "permission denied" in err) == (2, True)


@pytest.mark.parametrize("arguments", [["-o", "/dev/null/x"], ["-o", "demo", "--device", "pi"]])
def test_the_demo_refuses_before_it_trains(arguments, here, capsys):
    assert run(capsys, "demo", *arguments)[0] == 2
    assert list(here.iterdir()) == []


WITHOUT = """
import sys
from edgeml.cli import main

class Without:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        blocked = name.partition(".")[0] in sys.argv[1].split(",")
        return None if blocked else self.finder.find_spec(name, path, target)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize(
    ("blocked", "more", "message"),
    [
        ("sklearn", [], "sklearn models need sklearn: pip install 'edgeml-converters[sklearn]'"),
        ("onnx", [], "onnx from sklearn needs onnx: pip install 'edgeml-converters[sklearn]'"),
        ("onnxruntime", [], "pip install 'edgeml-runtime[onnx]'"),
        ("pyarrow", ["--data", "rows.parquet"], "reading rows.parquet needs pyarrow: pip install pyarrow"),
    ],
)
def test_a_missing_extra_has_its_pip_line(blocked, more, message, files, here):
    command = [sys.executable, "-c", WITHOUT, blocked, *map(str, compiling(files, *more, "--json"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 4, done.stderr
    error = json.loads(done.stdout)["error"]
    assert error["type"] == "MissingDependencyError"
    assert message in error["message"]
    assert list(here.iterdir()) == []


def test_without_tensorflow_a_scikit_learn_model_still_becomes_onnx(files, here):
    command = [
        "compile",
        str(files / "wine.skops"),
        "--device",
        "raspberry-pi-4",
        "--schemes",
        "float32",
        "--json",
    ]
    script = [sys.executable, "-c", WITHOUT, "tensorflow,keras,tf_keras", *command]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert document["chosen"] == "onnx/float32"
    [left_out] = document["left_out"]
    assert left_out["format"] == "tflite"
    assert "needs tensorflow" in left_out["reason"]
    assert "pip install 'edgeml-converters[" in left_out["reason"]


def test_an_interrupt_leaves_nothing_behind(tmp_path):
    import joblib

    model, folder, temporary = tmp_path / "forest.joblib", tmp_path / "here", tmp_path / "temporary"
    joblib.dump(RandomForestClassifier(20, random_state=0).fit(X, Y), model)
    folder.mkdir()
    temporary.mkdir()
    (folder / "forest.edgeml").write_bytes(b"the old one")
    command = [sys.executable, "-m", "edgeml", "compile", str(model), "--trust-pickle", "--device", "host"]
    command += ["--formats", "onnx", "--json"]
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | {"TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not any(temporary.glob("edgeml-*")):  # the first candidate is being measured
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the measuring process too
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    error = json.loads(out)["error"]
    assert (error["message"], error["exit_code"]) == ("interrupted; nothing was written", 130)
    assert err.strip() == ""
    assert (folder / "forest.edgeml").read_bytes() == b"the old one"
    assert list(folder.iterdir()) == [folder / "forest.edgeml"]
    assert list(temporary.glob("edgeml-*")) == []
