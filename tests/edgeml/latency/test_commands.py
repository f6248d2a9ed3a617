"""`edgeml estimate` and `edgeml devices calibrate`, on bundles that really run here."""

import json

import pytest

from edgeml.cli import main
from edgeml.devices import load_device, probe, to_toml
from edgeml_runtime.bench import BenchPlan, measure, percentile_ns
from edgeml_runtime.bundle import read_bundle
from edgeml_runtime.codec import encode
from tests.bundles import tiny_bundle_bytes
from tests.conftest import require_module
from tests.edgeml.latency.networks import bundle


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    require_module("onnx", "onnxruntime")
    return bundle(tmp_path_factory.mktemp("network") / "network.edgeml")


def run(capsys, *arguments):
    exit_code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return exit_code, captured.out, captured.err


def test_estimate_prints_intervals_and_reasons(capsys, network):
    exit_code, out, _ = run(capsys, "estimate", network, "--device", "raspberry-pi-4,aws-graviton3,rp2040")
    pi, graviton, pico = out.splitlines()
    assert exit_code == 0
    assert pi.startswith("raspberry-pi-4  ~") and "estimate from" in pi
    assert "no estimate: no published latencies of any library on Neoverse-V1" in graviton
    assert "no estimate: no engine of rp2040 runs onnx" in pico


def test_estimate_in_json_names_what_it_is(capsys, network):
    exit_code, out, _ = run(capsys, "estimate", network, "--device", "raspberry-pi-4,rp2040", "--json")
    document = json.loads(out)
    number, reason = document["estimates"]
    assert exit_code == 0
    assert set(number) == {"estimate"} and set(reason) == {"no_estimate"}
    assert number["estimate"]["low_ms"] < number["estimate"]["median_ms"] < number["estimate"]["high_ms"]
    assert number["estimate"]["coverage"] == 0.9
    assert document["digest"] == read_bundle(network).digest


def test_every_device_is_answered(capsys, network):
    exit_code, out, _ = run(capsys, "estimate", network, "--device", "all", "--threads", "all")
    assert exit_code == 0
    assert all("~" in line or "no estimate: " in line for line in out.splitlines())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--device", "raspberry-pi-44"), "raspberry-pi-44"),
        (("--device", "raspberry-pi-4", "--threads", "none"), "expected 1, all or a number of threads"),
    ],
)
def test_bad_arguments_are_bad_input(capsys, network, arguments, message):
    exit_code, _, err = run(capsys, "estimate", network, *arguments)
    assert exit_code == 2
    assert message in err


def measured_here(path, network):
    found = measure(read_bundle(network), BenchPlan(threads=1, batch=1, seconds=0.05))
    path.write_text(json.dumps({"measurements": [encode(found)]}))
    return percentile_ns(found.samples_ns, 50) / 1e6


@pytest.fixture
def board(tmp_path):
    (tmp_path / "board.toml").write_text(to_toml(probe("board")))
    return tmp_path / "board.toml"


def test_one_network_measured_on_the_device_calibrates_it(capsys, tmp_path, network, board):
    latency_ms = measured_here(tmp_path / "m.json", network)
    exit_code, out, _ = run(
        capsys, "devices", "calibrate", board, network, "--on", tmp_path / "m.json", "-o", board
    )
    assert exit_code == 0
    assert "onnxruntime float32, 1 thread: from 1 network" in out
    _, out, _ = run(capsys, "estimate", network, "--device", board, "--json")
    found = json.loads(out)["estimates"][0]["estimate"]
    assert found["basis"] == "calibration"
    assert found["median_ms"] == pytest.approx(latency_ms, rel=1e-3)
    own = load_device(board).calibrations[0]
    assert (own.engine, own.dtype, own.threads, own.networks) == ("onnxruntime", "float32", 1, 1)


def test_more_networks_narrow_the_interval(capsys, tmp_path, network, board):
    other = bundle(tmp_path / "other.edgeml", channels=24, size=128)
    measured_here(tmp_path / "m.json", network)
    measured_here(tmp_path / "n.json", other)
    factors = []
    for files in (["m.json"], ["m.json", "n.json"]):
        given = [option for name in files for option in ("--on", tmp_path / name)]
        command = ["devices", "calibrate", board, network, other, *given, "-o", board, "--json"]
        exit_code, out, _ = run(capsys, *command)
        assert exit_code == 0
        factors.append(json.loads(out)["calibrations"][0]["interval_factor"])
    assert factors[1] < factors[0]


def test_published_numbers_of_a_board_calibrate_it_too(capsys, tmp_path, network, monkeypatch):
    monkeypatch.chdir(tmp_path)
    row = {"network": "mobilenet-v1-0.25-128", "engine": "onnxruntime", "dtype": "float32", "threads": 1}
    (tmp_path / "p.json").write_text(json.dumps({"published": [row | {"latency_ms": 20.0}]}))
    before = run(capsys, "estimate", network, "--device", "raspberry-pi-4")[1]
    exit_code, _, _ = run(capsys, "devices", "calibrate", "raspberry-pi-4", "--on", "p.json")
    assert exit_code == 0
    after = run(capsys, "estimate", network, "--device", "raspberry-pi-4.toml")[1]
    assert "estimate from measurements on raspberry-pi-4" in after
    assert before != after


def document(**changes):
    row = {
        "network": "mobilenet-v1-1.0-224",
        "engine": "litert",
        "dtype": "int8",
        "threads": 1,
        "latency_ms": 9,
    }
    return json.dumps({"published": [row | changes]})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[]", "expected what `edgeml bench --json` prints"),
        ('{"measurements": [{}]}', "not a measurement"),
        ('{"measurements": []}', "nothing to calibrate with"),
        ('{"published": [{}]}', "expected network, engine, dtype, threads, latency_ms"),
        (document(network="mobilenet-v9"), "mobilenet-v9"),
        (document(engine="tensorrt"), "tensorrt"),
        (document(latency_ms=-1), "latency_ms above 0"),
        (document(dtype="int4"), "expected dtype float32 or int8"),
    ],
)
def test_files_that_calibrate_nothing_are_refused(capsys, tmp_path, content, message):
    (tmp_path / "bad.json").write_text(content)
    arguments = ("--on", tmp_path / "bad.json", "-o", tmp_path / "raspberry-pi-4.toml")
    exit_code, _, err = run(capsys, "devices", "calibrate", "raspberry-pi-4", *arguments)
    assert exit_code == 2
    assert message in err
    assert not (tmp_path / "raspberry-pi-4.toml").exists()


def test_measurements_of_another_core_or_of_an_emulator_are_refused(capsys, tmp_path, network):
    measured_here(tmp_path / "m.json", network)
    command = ["devices", "calibrate", "raspberry-pi-4", network, "--on", tmp_path / "m.json"]
    exit_code, _, err = run(capsys, *command, "-o", tmp_path / "raspberry-pi-4.toml")
    assert exit_code == 2
    assert "raspberry-pi-4 has Cortex-A72: measure there" in err
    text = json.loads((tmp_path / "m.json").read_text())
    text["measurements"][0]["host"]["board"] = "Cortex-A72 emulated by QEMU"
    (tmp_path / "m.json").write_text(json.dumps(text))
    _, _, err = run(capsys, *command, "-o", tmp_path / "raspberry-pi-4.toml")
    assert "measured in an emulator" in err


def test_a_measurement_of_a_bundle_that_is_not_given_is_refused(capsys, tmp_path, network, board):
    measured_here(tmp_path / "m.json", network)
    (tmp_path / "tiny.edgeml").write_bytes(tiny_bundle_bytes())
    arguments = (tmp_path / "tiny.edgeml", "--on", tmp_path / "m.json", "-o", board)
    exit_code, _, err = run(capsys, "devices", "calibrate", board, *arguments)
    assert exit_code == 2
    assert "which is not among those given" in err
