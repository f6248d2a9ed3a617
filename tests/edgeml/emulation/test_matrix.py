"""The matrix, `--on` and `--verify-on` with real engines on emulated cores, on models as people have them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from bundles import bundle_bytes, classifier_bundle, table_bundle_bytes, tflite_bundle, tiny_bundle_bytes
from conftest import is_required, require, require_module

import edgeml
from edgeml.cli import main
from edgeml.emulation.engines_there import guest_engine
from edgeml.emulation.matrix import Cell, Matrix, verify_matrix
from edgeml.emulation.remote import matrix_lines
from edgeml.emulation.setup import setup
from edgeml.emulation.targets import resolve_target, resolve_targets
from edgeml_runtime.bundle import Bundle, decode_bundle, encode_bundle
from edgeml_runtime.errors import InputError
from edgeml_runtime.session import load

ARM64 = ("cortex-a53", "cortex-a72", "cortex-a76")
ONNX_CELLS = [("host", "onnxruntime"), *((core, "onnxruntime") for core in ARM64), ("armv7", None)]
TFLITE_CELLS = [
    ("host", "litert"),
    *((core, engine) for core in ARM64 for engine in ("litert", "tflite-runtime")),
    ("armv7", "tflite-runtime"),
]


@pytest.fixture(autouse=True)
def roots(root_of) -> None:
    """Both platforms are set up."""
    root_of("aarch64")
    root_of("armv7l")


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Writes a bundle and returns its path; the working folder is a new one."""
    monkeypatch.chdir(tmp_path)

    def write(content: Bundle | bytes, name: str = "model.edgeml") -> Path:
        content = encode_bundle(content.manifest, content.files) if isinstance(content, Bundle) else content
        (tmp_path / name).write_bytes(content)
        return Path(name)

    return write


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    exit_code = main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return exit_code, captured.out, captured.err


def matrix_of(path: Path, on: str, **options: object) -> Matrix:
    return verify_matrix(decode_bundle(path.read_bytes()), path, resolve_targets(on), **options)


def with_golden(bundle: Bundle, **changed: np.ndarray) -> bytes:
    """The bundle with other golden outputs: what a build host with other answers would have written."""
    manifest = bundle.manifest
    inputs, outputs = (bundle.golden(g) for g in (manifest.fixture.inputs, manifest.fixture.outputs))
    signature, kind = manifest.signature, manifest.artifact_format
    return bundle_bytes(bundle.artifact, kind, signature, inputs, {**outputs, **changed}, atol=1e-3)


# --- one target ---


@pytest.mark.slow
def test_verify_there_prints_what_the_device_would_and_where_it_was(written, capsys):
    path = written(tflite_bundle("int8"))
    exit_code, out, err = run(capsys, "verify", path, "--on", "raspberry-pi-4")
    assert (exit_code, out.splitlines()[0]) == (0, f"integrity ok: every hash of {path} matches")
    assert "golden vectors ok: 8 rows on litert" in out
    assert "on raspberry-pi-4: Cortex-A72 emulated by qemu-aarch64" in err
    assert "Error" not in err  # engines find nothing to complain of in the emulated machine's files
    exit_code, out, err = run(capsys, "verify", path, "--on", "armv7", "--json", "--engine=tflite-runtime")
    document = json.loads(out)
    assert err == ""
    assert (exit_code, document["golden"], document["engine"]) == (0, "ok", "tflite-runtime")
    assert (document["emulated"], document["target"], document["core"]) == (True, "armv7", "Cortex-A7")
    assert document["emulator"].startswith("qemu-arm ")


@pytest.mark.slow
def test_run_there_reads_and_writes_files_here(written, capsys):
    bundle, model, x = classifier_bundle()
    path = written(bundle)
    np.save("rows.npy", x[::10])
    assert run(capsys, "run", path, "--input", "rows.npy", "-o", "out.npy", "--on", "cortex-a53")[0] == 0
    assert np.load("out.npy").tolist() == model.predict(x[::10]).tolist()
    exit_code, out, _ = run(
        capsys,
        "run",
        path,
        "--input",
        "rows.npy",
        "--method",
        "predict_proba",
        "--on",
        "cortex-a76",
        "--json",
    )
    document = json.loads(out)
    assert (exit_code, document["emulated"], document["method"]) == (0, True, "predict_proba")
    np.testing.assert_allclose(document["output"], load(path).predict_proba(x[::10]), atol=1e-5)


@pytest.mark.slow
def test_errors_there_are_those_of_the_device(written, capsys):
    path = written(tiny_bundle_bytes())
    np.save("wide.npy", np.zeros((2, 3), np.float32))
    here = run(capsys, "run", path, "--input", "wide.npy", "--json")
    there = run(capsys, "run", path, "--input", "wide.npy", "--json", "--on", "cortex-a53")
    assert (there[0], json.loads(there[1])["error"]) == (2, json.loads(here[1])["error"])
    assert json.loads(there[1])["emulated"]


def test_without_on_and_on_this_machine_the_runtime_answers_itself(written, capsys):
    path = written(tiny_bundle_bytes())
    plain = run(capsys, "verify", path, "--json")
    assert plain == run(capsys, "verify", "--on", "host", path, "--json")
    assert (plain[0], "emulated" in plain[1]) == (0, False)


def test_a_format_without_an_engine_there_is_refused_with_the_reason(written, capsys):
    path = written(tiny_bundle_bytes())
    exit_code, _, err = run(capsys, "verify", path, "--on", "armv7")
    assert (exit_code, "no onnxruntime wheel for armv7l" in err) == (4, True)


@pytest.mark.parametrize("command", ["run", "verify", "bench"])
def test_help_tells_of_other_machines(capsys, command):
    exit_code, out, _ = run(capsys, command, "--help")
    assert (exit_code, "--on TARGET" in out, "usage: edgeml " + command in out) == (0, True, True)
    assert ("--max-increase" in out) == (command == "bench")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "--input", "x.npy", "--on", "all"), "expected one target"),
        (("run", "--input", "x.npy", "--on", "host,armv7"), "expected one target"),
        (("bench", "--on", "cortex-a72", "--threads", "2"), "--threads is for measuring time"),
        (("bench", "--on", "cortex-a72", "--seconds", "3"), "--seconds is for measuring time"),
        (("bench", "--count"), "counted on emulated cores"),
        (("verify", "--on", "nowhere"), "unknown target 'nowhere'"),
        (("verify", "--on", "all", "--engine", "litert"), "unknown engine for onnx 'litert'"),
        (("verify", "--on", "all", "--no-such-option"), "unrecognized arguments"),
    ],
)
def test_wrong_command_lines_are_refused(written, capsys, arguments, words):
    path = written(tiny_bundle_bytes())
    command, *rest = arguments
    exit_code, out, err = run(capsys, command, path, *rest)
    assert (exit_code, out) == (2, "")
    assert words in err


def test_a_broken_bundle_is_refused_before_anything_starts(written, capsys):
    path = written(tiny_bundle_bytes()[:-40])
    assert run(capsys, "verify", path, "--on", "all")[0] == 3
    assert run(capsys, "verify", path, "--on", "cortex-a53")[0] == 3


# --- several ---


@pytest.mark.slow
def test_every_engine_of_every_class_in_order(written, capsys):
    path = written(tflite_bundle())
    exit_code, out, _ = run(capsys, "verify", path, "--on", "all", "--json")
    document = json.loads(out)
    assert (exit_code, document["holds"], document["integrity"]) == (0, True, "ok")
    cells = document["cells"]
    assert [(c["target"], c["engine"]) for c in cells] == TFLITE_CELLS
    assert {c["status"] for c in cells} == {"ok"}
    assert [c["emulated"] for c in cells] == [False] + [True] * 7


@pytest.mark.slow
def test_a_class_without_an_engine_is_said_and_is_wrong_only_where_it_was_named(written, capsys):
    path = written(classifier_bundle()[0])
    exit_code, out, _ = run(capsys, "verify", path, "--on", "all")
    assert exit_code == 0
    assert "no engine for onnx on armv7: no onnxruntime wheel for armv7l" in out
    exit_code, out, _ = run(capsys, "verify", path, "--on", "host,armv7", "--json")
    found = [(c["status"], c["required"]) for c in json.loads(out)["cells"]]
    assert (exit_code, found) == (4, [("ok", True), ("no engine", True)])


@pytest.mark.slow
def test_flips_and_drift_are_told_apart_with_their_rows(written):
    bundle = tflite_bundle()
    want = bundle.golden(bundle.manifest.fixture.outputs)["probabilities"]
    drifted = want.copy()
    drifted[[1, 4]] += np.float32([0.01, 0, -0.01])
    drift = matrix_of(written(with_golden(bundle, probabilities=drifted)), "cortex-a53,armv7")
    assert [(c.status, c.rows_outside, c.rows_flipped) for c in drift.cells] == [("drift", (1, 4), ())] * 3
    assert not drift.holds
    assert all(c.max_abs_difference == pytest.approx(0.01, abs=1e-4) for c in drift.cells)
    flipped = want.copy()
    flipped[2] = want[2][::-1]
    flips = matrix_of(written(with_golden(bundle, probabilities=flipped)), "host,armv7")
    assert [(c.status, c.rows_flipped) for c in flips.cells] == [("flips", (2,))] * 2
    assert "another class for rows 2" in flips.cells[1].reason
    lines = "\n".join(matrix_lines(flips))
    assert "armv7 tflite-runtime: another class for rows 2" in lines


@pytest.mark.slow
def test_labels_that_change_are_flips(written):
    bundle = classifier_bundle()[0]
    label = bundle.golden(bundle.manifest.fixture.outputs)["label"].copy()
    label[3] = (label[3] + 1) % 3
    found = matrix_of(written(with_golden(bundle, label=label)), "cortex-a76")
    assert [(c.status, c.rows_flipped) for c in found.cells] == [("flips", (3,))]


@pytest.mark.slow
def test_text_and_categories_are_encoded_alike_on_32_and_64_bits(written):
    path = written(table_bundle_bytes())
    assert [c.status for c in matrix_of(path, "host,cortex-a53").cells] == ["ok", "ok"]


@pytest.mark.slow
def test_an_engine_that_the_core_cannot_run_is_an_illegal_instruction(written):
    # Known: onnxruntime 1.21.0 dies at import on cores older than Armv8.2 and runs on newer ones.
    target, version = resolve_target("cortex-a53"), "1.21.0"
    if is_required("emulation"):
        setup("aarch64", versions={"onnxruntime": version})
    try:
        guest_engine(target, "onnx", f"onnxruntime={version}")
    except InputError as error:
        require("emulation", available=False, reason=str(error))
    path = written(tiny_bundle_bytes())
    cells = matrix_of(path, "cortex-a53,cortex-a72,cortex-a76", engine=f"onnxruntime={version}").cells
    assert [c.status for c in cells] == ["illegal instruction", "illegal instruction", "ok"]
    assert {c.engine_version for c in cells} == {version}
    assert "SIGILL" in cells[0].reason


def test_what_is_not_set_up_or_not_installed_could_not_run(written, tmp_path, monkeypatch):
    path = written(tiny_bundle_bytes())
    monkeypatch.setenv("EDGEML_CACHE", str(tmp_path / "cache"))
    (cell,) = matrix_of(path, "cortex-a53").cells
    assert cell.status == "could not run"
    assert "edgeml devices setup raspberry-pi-4" in cell.reason
    (cell,) = matrix_of(path, "host", engine="onnxruntime=0.1").cells
    assert (cell.status, "not 0.1" in cell.reason) == ("could not run", True)
    monkeypatch.setenv("PATH", str(tmp_path))
    (cell,) = matrix_of(path, "cortex-a53").cells
    assert (cell.status, cell.emulator) == ("could not run", None)
    assert "apt-get install qemu-user" in cell.reason


def test_an_artifact_that_the_engine_there_refuses_could_not_run(written):
    bundle = decode_bundle(tiny_bundle_bytes())
    content = bundle_bytes(
        b"no graph", "onnx", bundle.manifest.signature, {"x": np.float32([[1]])}, {"y": np.float32([[2]])}
    )
    (cell,) = matrix_of(written(content), "host").cells
    assert (cell.status, cell.holds) == ("could not run", False)
    assert "refused the artifact" in cell.reason


def test_where_nothing_ran_nothing_is_proven():
    nothing = Cell("armv7", True, "Cortex-A7", None, None, None, False, "no engine", "none")
    matrix = Matrix("b", "d", (nothing,))
    assert (nothing.holds, matrix.holds) == (True, False)
    assert list(matrix_lines(matrix))[-1].startswith("nothing is proven")


def test_a_reason_cannot_steer_the_terminal():
    cell = Cell("host", False, None, None, "litert", "1\x1b[2J", True, "could not run", "said \x1b]0;x\x07")
    assert "\x1b" not in "\n".join(matrix_lines(Matrix("b", "d", (cell,))))


# --- compile --verify-on ---


@pytest.fixture(scope="module")
def forest():
    """A small forest of wines and its rows."""
    require_module("sklearn", "onnxruntime", "ai_edge_litert")
    from sklearn.datasets import load_wine
    from sklearn.ensemble import RandomForestClassifier

    x, y = load_wine(return_X_y=True)
    return RandomForestClassifier(20, random_state=0).fit(x[::2], y[::2]), edgeml.Data(x[1::2], y[1::2])


@pytest.mark.slow
def test_only_the_winner_is_verified_and_the_bundle_says_so(forest):
    model, rows = forest
    result = edgeml.compile(
        model, device="raspberry-pi-4", data=rows, schemes=["float32"], verify_on=["raspberry-pi-4", "all"]
    )
    verdicts = {
        o.candidate.name: [(v.status, v.measured_on.split(" ")[0]) for v in o.verdicts if v.gate == "isa"]
        for o in result.outcomes
    }
    chosen = verdicts.pop(result.chosen.candidate.name)
    armv7 = "passed" if result.chosen.candidate.format == "tflite" else "unproven"
    names = ["raspberry-pi-4", "host", *ARM64]
    assert chosen == [*(("passed", name) for name in names), (armv7, "armv7")]
    assert [[status for status, _ in found] for found in verdicts.values()] == [["unproven"]]
    written = decode_bundle(result.to_bytes()).manifest.verdicts
    assert [v.status for v in written if v.gate == "isa"] == [status for status, _ in chosen]


@pytest.mark.slow
def test_a_candidate_that_cannot_run_where_it_must_is_passed_over_for_one_that_can(forest):
    model, rows = forest
    # By size ONNX wins; a named 32-bit target has no engine for it.
    options = {"device": "raspberry-pi-4", "data": rows, "schemes": ["float32"]}
    both = edgeml.compile(model, **options, verify_on="armv7")
    assert both.chosen.candidate.format == "tflite"
    onnx = {o.candidate.format: o for o in both.outcomes}["onnx"]
    isa = [v for v in onnx.verdicts if v.gate == "isa"]
    assert [v.status for v in isa] in (["failed"], ["unproven"])  # which one was asked first, time decides
    alone = edgeml.compile(model, **options, formats=["onnx"], verify_on="armv7")
    assert alone.chosen is None
    assert alone.explanation.binding == ("isa",)
    assert "no onnxruntime wheel for armv7l" in alone.explanation.summary
    assert alone.explanation.relaxations == ()


def test_targets_are_checked_before_the_model_is_read(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="unknown target 'nowhere'"):
        edgeml.compile(tmp_path / "none.onnx", device="host", verify_on="nowhere")
    monkeypatch.setenv("EDGEML_CACHE", str(tmp_path))
    with pytest.raises(InputError, match="edgeml devices setup"):
        edgeml.compile(tmp_path / "none.onnx", device="host", verify_on="all")


# --- models as people have them, in every format, on every class ---


@pytest.fixture(scope="module")
def compiled(shared_data, tmp_path_factory) -> dict[str, Path]:
    """Forest, boosted trees, keyword spotting and the autoencoder in every format that they have."""
    require_module("sklearn", "tensorflow", "tf_keras", "onnxruntime", "ai_edge_litert")
    import keras
    from sklearn.datasets import load_breast_cancer, load_digits
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

    digits, cancer = load_digits(), load_breast_cancer()
    forest = RandomForestClassifier(50, random_state=0).fit(digits.data[::2], digits.target[::2])
    boosted = HistGradientBoostingClassifier(max_iter=40).fit(cancer.data[::2], cancer.target[::2])
    autoencoder = keras.models.load_model(shared_data / "models" / "ad_autoencoder.h5", compile=False)
    quantized = ["float32", "int8-dynamic", "int8-static"]
    results = {
        "forest": edgeml.compile(
            forest,
            device="host",
            data=edgeml.Data(digits.data[1::2], digits.target[1::2]),
            schemes=["float32"],
        ),
        "boosted": edgeml.compile(
            boosted,
            device="host",
            data=edgeml.Data(cancer.data[1::2], cancer.target[1::2]),
            schemes=["float32"],
        ),
        "keywords": edgeml.compile(
            shared_data / "kws" / "kws_ds_cnn.h5",
            device="host",
            data=shared_data / "kws" / "kws.npz",
            schemes=quantized,
        ),
        "autoencoder": edgeml.compile(autoencoder, device="host", schemes=quantized),
    }
    folder = tmp_path_factory.mktemp("compiled")
    paths = {}
    for name, result in results.items():
        for outcome in result.outcomes:
            assert outcome.bundle is not None, outcome.error
            path = folder / f"{name}-{outcome.candidate.name.replace('/', '-')}.edgeml"
            path.write_bytes(encode_bundle(outcome.bundle.manifest, outcome.bundle.files))
            paths[f"{name} {outcome.candidate.name}"] = path
    return paths


# tflite-runtime's last release reads past a buffer in its dot product kernel for several rows of a layer with
# int8 weights and float activations; LiteRT, which replaced it, does not.
KNOWN = {("autoencoder tflite/int8-dynamic", "cortex-a76", "tflite-runtime"): "could not run"}


@pytest.mark.slow
@pytest.mark.parametrize("model", ["forest", "boosted", "keywords", "autoencoder"])
def test_real_models_hold_on_every_class_and_engine(compiled, model):
    of_model = {name: path for name, path in compiled.items() if name.startswith(model)}
    assert {name.split()[1].split("/")[0] for name in of_model} == {"onnx", "tflite"}
    for name, path in of_model.items():
        cells = matrix_of(path, "all").cells
        wanted = ONNX_CELLS if "onnx" in name else TFLITE_CELLS
        assert [(c.target, c.engine) for c in cells] == wanted
        usual = ["ok" if engine else "no engine" for _, engine in wanted]
        expected = [KNOWN.get((name, *cell), status) for cell, status in zip(wanted, usual, strict=True)]
        assert [c.status for c in cells] == expected, [(name, c.target, c.reason) for c in cells if c.reason]
