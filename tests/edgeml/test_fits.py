"""Will it fit, will it load: real bundles against the catalogue, on the command line and inside compile."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from bundles import classifier_bundle, tflite_bundle
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

import edgeml
from edgeml.cli import main
from edgeml.devices import DeviceProfile, device_names, load_device, to_toml
from edgeml.fits import artifact_fit, bundle_fit, engine_fits, fit_line, fit_lines, fit_verdict, peak_here
from edgeml_runtime.bundle import Bundle, encode_bundle, read_bundle
from edgeml_runtime.errors import NothingFitsError

X, Y = load_digits(return_X_y=True)


def forest(trees: int = 20) -> RandomForestClassifier:
    return RandomForestClassifier(trees, random_state=0).fit(X[::2], Y[::2])


@pytest.fixture(scope="module")
def onnx_forest(tmp_path_factory) -> Path:
    """A bundle of a forest, judged by the onnxruntime that is installed."""
    result = edgeml.compile(
        forest(),
        device="raspberry-pi-4",
        data=edgeml.Data(X[1::2], Y[1::2]),
        formats=["onnx"],
        schemes=["float32"],
    )
    return result.save(tmp_path_factory.mktemp("fits") / "forest.edgeml")


def keyword_fit(shared_data: Path, device: DeviceProfile, scheme: str = "int8-static"):
    content = (shared_data / "kws/kws_reference_int8.tflite").read_bytes()
    return artifact_fit(content, "tflite", scheme, device, versions={}, peak_bytes=None)


def stm32(**changes: object) -> DeviceProfile:
    return dataclasses.replace(load_device("stm32l4r5"), sources={}, unsourced=(), **changes)


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    exit_code = main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return exit_code, captured.out, captured.err


# --- artifacts on devices ---


def test_a_forest_fits_a_raspberry_pi_as_measured_here(onnx_forest):
    bundle = read_bundle(onnx_forest)
    peak = peak_here(bundle)
    assert 20e6 < peak < 500e6
    fit = bundle_fit(bundle, load_device("raspberry-pi-4"), peak)
    assert fit.answer == "yes"
    assert [(r.name, r.answer) for r in fit.best.requirements] == [
        ("wheel", "yes"),
        ("instructions", "yes"),
        ("operators", "yes"),
        ("memory", "yes"),
    ]
    assert fit.best.requirements[-1].need == peak


def test_another_version_of_the_engine_is_asked_for_opset_and_operators(onnx_forest):
    fit = bundle_fit(read_bundle(onnx_forest), load_device("jetson-nano"), None)
    found = {r.name: r for r in fit.best.requirements}
    assert fit.best.version == "1.28.0"  # the newest for its glibc 2.27
    assert (found["opset"].answer, found["opset"].need, found["opset"].have) == ("yes", 18, 26)
    assert found["operators"].answer == "yes"
    assert (fit.answer, found["memory"].answer) == ("unproven", "unproven")


def test_a_32_bit_device_takes_another_format(onnx_forest):
    fit = bundle_fit(read_bundle(onnx_forest), load_device("generic-armv7"), None)
    assert fit.answer == "no"
    assert fit.fallback == (
        "the format tflite, which tflite-runtime loads there: compile with --formats tflite",
    )


def test_keyword_spotting_on_microcontrollers(shared_data):
    fit = keyword_fit(shared_data, stm32())
    assert (fit.answer, fit.best.engine) == ("yes", "tflite-micro")
    found = {r.name: r for r in fit.best.requirements}
    assert found["flash"].need == 53_936
    assert found["sram"].need == 16_000
    assert set(found) == {"library", "operators", "flash", "sram"}


def test_too_little_flash_or_sram_is_a_no(shared_data):
    for changes, name in (({"flash_bytes": 1 << 15}, "flash"), ({"sram_bytes": 1 << 13}, "sram")):
        fit = keyword_fit(shared_data, stm32(**changes))
        assert fit.answer == "no"
        assert [r.name for r in fit.best.requirements if r.answer == "no"] == [name]
        assert list(fit_lines(fit))[-1] == "nothing known here would fit instead"


def test_a_scheme_that_the_library_refuses_names_one_that_it_takes(shared_data):
    fit = keyword_fit(shared_data, stm32(), scheme="int8-dynamic")
    assert fit.answer == "no"
    assert fit.fallback[0] == "the scheme int8-static: compile with --schemes int8-static"


def test_a_float_file_too_large_for_the_flash_would_fit_as_int8():
    rng = np.random.default_rng(0)
    from bundles import node, onnx_graph

    weights = {"w": rng.normal(size=(4, 400_000)).astype(np.float32)}
    content = onnx_graph(
        [node("MatMul", "x w", "y")],
        {"x": ("float32", [None, 4])},
        {"y": ("float32", [None, 400_000])},
        weights,
    )
    small = dataclasses.replace(
        load_device("raspberry-pi-4"), sources={}, unsourced=(), memory_bytes=(5_000_000,)
    )
    fit = artifact_fit(content, "onnx", "float32", small, versions={}, peak_bytes=None)
    assert fit.answer == "no"
    assert fit.fallback[0] == "the scheme int8-static, about 1,600 kB (estimated): --schemes int8-static"


def test_an_opset_newer_than_the_device_can_install_says_which_would_do(onnx_forest):
    wheel = dataclasses.replace(load_device("raspberry-pi-4").engines["onnxruntime"], last_version="1.16.3")
    old = dataclasses.replace(
        load_device("raspberry-pi-4"), sources={}, unsourced=(), engines={"onnxruntime": wheel}
    )
    bundle = read_bundle(onnx_forest)
    from onnx import load_from_string

    model = load_from_string(bundle.artifact)
    model.opset_import[0].version = 21
    fit = artifact_fit(model.SerializeToString(), "onnx", "float32", old, versions={}, peak_bytes=None)
    assert fit.answer == "no"
    assert "onnxruntime 1.16.3 reads up to 19; 1.18.0 would" in " ".join(fit_lines(fit))
    assert fit.fallback == ("the same model exported with opset of ai.onnx 19 or older",)


def test_an_answer_without_numbers_of_this_host_goes_into_the_verdict(onnx_forest):
    bundle = read_bundle(onnx_forest)
    (verdict,) = [v for v in bundle.manifest.verdicts if v.gate == "fits"]
    assert (verdict.status, verdict.measured_on) == ("passed", "any")
    assert verdict.detail.startswith("onnxruntime ")
    tight = dataclasses.replace(
        load_device("raspberry-pi-4"), sources={}, unsourced=(), memory_bytes=(100_000_000,)
    )
    unproven = fit_verdict(bundle_fit(bundle, tight, 80_000_000))
    assert (unproven.status, unproven.value) == ("unproven", None)
    assert unproven.detail.endswith("; memory unproven")


@pytest.mark.parametrize("bundle", [classifier_bundle()[0], tflite_bundle(), tflite_bundle("int8")])
@pytest.mark.parametrize("name", device_names())
def test_every_device_has_an_answer_for_every_bundle(bundle, name):
    fit = bundle_fit(bundle, load_device(name), None)
    assert fit.answer in ("yes", "no", "unproven")
    assert fit_line(fit).startswith(name)
    assert all(r.reason for engine in fit.engines for r in engine.requirements)


@pytest.mark.parametrize("name", device_names())
def test_engines_answer_before_anything_is_built(name):
    profile = load_device(name)
    loadable = {f.engine for f in engine_fits(profile) if f.answer != "no"}
    assert bool(loadable) == any(v is None for v in edgeml.devices.formats(profile).values())


# --- the command line ---


def test_fits_prints_every_requirement(onnx_forest, capsys):
    exit_code, out, _ = run(capsys, "fits", onnx_forest, "--device", "raspberry-pi-4")
    assert exit_code == 0
    assert out.splitlines()[0] == "onnx float32 on raspberry-pi-4: yes"
    assert [line.split()[:2] for line in out.splitlines()[2:]] == [
        ["wheel", "yes"],
        ["instructions", "yes"],
        ["operators", "yes"],
        ["memory", "yes"],
    ]


def test_unproven_alone_refuses_nothing(onnx_forest, capsys):
    exit_code, out, _ = run(capsys, "fits", onnx_forest, "--device", "raspberry-pi-4", "--no-measure")
    assert exit_code == 0
    assert "unproven refuses nothing (exit code 0)" in out
    assert "were not measured" in out


def test_what_cannot_load_exits_with_6_and_says_what_would(onnx_forest, capsys):
    exit_code, out, _ = run(capsys, "fits", onnx_forest, "--device", "generic-armv7", "--json")
    assert exit_code == NothingFitsError.exit_code == 6
    (fit,) = json.loads(out)["fits"]
    assert (fit["device"], fit["answer"]) == ("generic-armv7", "no")
    assert fit["engines"][0]["requirements"][0]["reason"] == "no onnxruntime wheel for armv7l"
    assert "tflite" in fit["fallback"][0]


def test_all_devices_a_line_each(onnx_forest, capsys):
    exit_code, out, _ = run(capsys, "fits", onnx_forest, "--device", "all")
    assert exit_code == 0
    assert [line.split()[0] for line in out.splitlines()] == list(device_names())


@pytest.mark.parametrize(
    ("bundle", "device", "expected", "message"),
    [
        ("forest.edgeml", "raspbery-pi-4", 2, "unknown device 'raspbery-pi-4'; did you mean raspberry-pi-4"),
        ("absent.edgeml", "raspberry-pi-4", 2, "absent.edgeml"),
        ("text.edgeml", "raspberry-pi-4", 3, "text.edgeml"),
        ("torn.edgeml", "raspberry-pi-4", 3, "torn.edgeml"),
        ("flipped.edgeml", "raspberry-pi-4", 3, "flipped.edgeml"),
        ("forest.edgeml", "broken.toml", 2, "device file"),
    ],
)
def test_bad_input(onnx_forest, capsys, tmp_path, monkeypatch, bundle, device, expected, message):
    monkeypatch.chdir(tmp_path)
    content = onnx_forest.read_bytes()
    Path("forest.edgeml").write_bytes(content)
    Path("text.edgeml").write_text("not a bundle\n")
    Path("torn.edgeml").write_bytes(content[: len(content) // 2])
    middle = len(content) // 2
    Path("flipped.edgeml").write_bytes(
        content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    )
    Path("broken.toml").write_text("name = 3\n")
    exit_code, out, err = run(capsys, "fits", bundle, "--device", device)
    assert (exit_code, out) == (expected, "")
    assert message in err


def test_a_bundle_whose_artifact_is_damaged_is_refused(capsys, tmp_path):
    bundle = tflite_bundle()
    assert isinstance(bundle, Bundle)
    files = {**bundle.files, "model.tflite": bundle.artifact[:200]}
    path = tmp_path / "damaged.edgeml"
    path.write_bytes(encode_bundle(bundle.manifest, files))
    exit_code, _, err = run(capsys, "fits", path, "--device", "stm32l4r5")
    assert exit_code == 2
    assert "damaged TFLite file" in err


# --- inside compile ---


def test_compile_says_what_loads_before_it_builds(tmp_path, capsys, monkeypatch):
    import joblib

    monkeypatch.chdir(tmp_path)
    joblib.dump(forest(3), "forest.joblib")
    command = [
        "compile",
        "forest.joblib",
        "--trust-pickle",
        "--device",
        "raspberry-pi-4",
        "--formats",
        "onnx",
    ]
    exit_code, out, _ = run(capsys, *command)
    assert exit_code == 0
    assert out.index("device     raspberry-pi-4") < out.index("chosen: onnx/float32")
    assert "    instructions yes      onnxruntime" in out
    exit_code, out, _ = run(capsys, *command, "--json")
    document = json.loads(out)
    assert {f["engine"]: f["answer"] for f in document["fits"]}["onnxruntime"] == "yes"
    assert document["candidates"][0]["fit"]["answer"] == "yes"
    assert document["candidates"][0]["verdicts"][0]["gate"] == "fits"


def test_a_device_that_loads_nothing_wanted_is_exit_6_with_what_would(tmp_path, capsys, monkeypatch):
    import joblib

    monkeypatch.chdir(tmp_path)
    joblib.dump(forest(3), "forest.joblib")
    command = ["compile", "forest.joblib", "--trust-pickle", "--device", "generic-armv7", "--formats", "onnx"]
    exit_code, _, err = run(capsys, *command)
    assert exit_code == 6
    assert "no onnxruntime wheel for armv7l; would fit: the formats tflite" in err
    assert not Path("forest.edgeml").exists()


def test_candidates_that_do_not_fit_name_what_would(tmp_path):
    profile = dataclasses.replace(
        load_device("raspberry-pi-4"),
        name="tiny",
        sources={},
        unsourced=(),
        boards=(),
        memory_bytes=(1 << 20,),
    )
    path = tmp_path / "tiny.toml"
    path.write_text(to_toml(profile))
    rng = np.random.default_rng(0)
    from sklearn.linear_model import LinearRegression

    x = rng.normal(size=(60, 50))
    model = LinearRegression().fit(x, rng.normal(size=(60, 6000)))
    result = edgeml.compile(model, device=path, formats=["onnx"], schemes=["float32"])
    assert result.chosen is None
    assert "fits" in result.explanation.binding
    assert "the scheme int8-static" in result.explanation.summary
    assert result.explanation.relaxations == ()
    assert result.outcomes[0].fit.answer == "no"
