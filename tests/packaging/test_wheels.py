"""The three wheels as a user gets them: what is inside, and what a clean environment can do with them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from edgeml_runtime.bundle import encode_bundle, npy_bytes
from edgeml_runtime.manifest import (
    FORMAT,
    Budget,
    FileEntry,
    Fixture,
    GoldenTensor,
    Manifest,
    Provenance,
    Tolerance,
)
from edgeml_runtime.signature import Method, Signature, TensorSpec
from tests.conftest import require

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def run(*command: str | Path, cwd: Path) -> str:
    """Standard output; away from the checkout and this environment, so that only what is installed counts."""
    environment = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "PYTHONPATH")}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def uv() -> str:
    found = os.environ.get("UV") or shutil.which("uv")
    require("uv", available=found is not None, reason="uv is not installed")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def wheels(uv: str, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The wheel of each distribution."""
    folder = tmp_path_factory.mktemp("wheels")
    run(uv, "build", "--wheel", "--all-packages", "-o", folder, cwd=ROOT)
    return {path.name.partition("-")[0]: path for path in folder.glob("*.whl")}


@pytest.fixture(scope="module")
def runtime_environment(
    uv: str, wheels: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The programs of a clean environment with the runtime's wheel."""
    folder = tmp_path_factory.mktemp("runtime")
    run(uv, "venv", "env", cwd=folder)
    run(uv, "pip", "install", "--python", "env", wheels["edgeml_runtime"], cwd=folder)
    return folder / "env/bin"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that is whole, around an artifact that no engine will ever see."""
    x = np.array([[1, 2], [3, 4]], np.float32)
    files = {"model.onnx": b"not opened", "x.npy": npy_bytes(x), "prediction.npy": npy_bytes(x.sum(axis=1))}
    signature = Signature(
        inputs=(TensorSpec("x", "float32", (None, 2)),),
        outputs=(TensorSpec("prediction", "float32", (None,)),),
        methods=(Method("predict", ("prediction",)),),
    )
    manifest = Manifest(
        format=FORMAT,
        name="sum",
        artifact="model.onnx",
        artifact_format="onnx",
        scheme="float32",
        signature=signature,
        float_operators=(),
        fixture=Fixture(
            inputs=(GoldenTensor("x", "x.npy"),),
            outputs=(GoldenTensor("prediction", "prediction.npy"),),
            tolerances=(Tolerance("prediction", 0.0, 0.0),),
        ),
        device="raspberry-pi-4",
        budget=Budget(),
        verdicts=(),
        provenance=Provenance("sum", "onnx-model", "0" * 64, "0" * 64, {}, {}),
        files=tuple(FileEntry(n, len(c), sha256(c).hexdigest()) for n, c in sorted(files.items())),
    )
    path = tmp_path_factory.mktemp("bundle") / "sum.edgeml"
    path.write_bytes(encode_bundle(manifest, files))
    return path


def test_three_wheels_with_their_licence(wheels):
    assert sorted(wheels) == ["edgeml", "edgeml_converters", "edgeml_runtime"]
    licence = (ROOT / "LICENSE").read_bytes()
    for name, path in wheels.items():
        with zipfile.ZipFile(path) as wheel:
            assert wheel.read(f"{name}-0.1.0.dist-info/licenses/LICENSE") == licence
            assert f"{name}/py.typed" in wheel.namelist()


def test_devices_are_in_the_wheel(wheels):
    with zipfile.ZipFile(wheels["edgeml"]) as wheel:
        inside = [n for n in wheel.namelist() if n.startswith("edgeml/_devices/")]
        packed = {n.removeprefix("edgeml/_devices/"): wheel.read(n) for n in inside}
    folder = ROOT / "devices"
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert packed == {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_the_runtime_brings_numpy_and_nothing_else(uv, runtime_environment, tmp_path):
    listed = run(
        uv, "pip", "list", "--python", runtime_environment / "python", "--format", "json", cwd=tmp_path
    )
    assert {package["name"] for package in json.loads(listed)} == {"edgeml-runtime", "numpy"}


def test_the_runtime_alone_checks_a_bundle(runtime_environment, bundle, tmp_path):
    program = runtime_environment / "edgeml-runtime"
    assert "verify" in run(program, "--help", cwd=tmp_path)
    info = json.loads(run(program, "info", bundle, "--json", cwd=tmp_path))
    assert info["manifest"]["name"] == "sum"
    verified = run(program, "verify", bundle, cwd=tmp_path)
    assert "integrity ok" in verified
    assert "pip install 'edgeml-runtime[onnx]'" in verified

    changed = tmp_path / "changed.edgeml"
    content = bytearray(bundle.read_bytes())
    content[content.index(b"not opened")] ^= 1
    changed.write_bytes(content)
    done = subprocess.run([program, "verify", changed], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 3, done.stderr


def test_the_installed_compiler_finds_its_devices(uv, wheels, tmp_path):
    run(uv, "venv", "env", cwd=tmp_path)
    run(uv, "pip", "install", "--python", "env", *wheels.values(), cwd=tmp_path)
    code = "from edgeml import devices as d; print(*map(d.load_device, d.device_names()), sep='\\n')"
    printed = run(tmp_path / "env/bin/python", "-c", code, cwd=tmp_path)
    assert len(printed.splitlines()) == 1 + len(list((ROOT / "devices").glob("*.toml")))
    assert "raspberry-pi-zero-2w" in run(tmp_path / "env/bin/edgeml", "devices", cwd=tmp_path)
