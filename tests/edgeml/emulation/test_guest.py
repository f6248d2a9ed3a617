"""Guests are real: what they see, what they must not see, and what their crashes are called."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import pytest

import edgeml_runtime
from edgeml.emulation.engines_there import guest_engine
from edgeml.emulation.guest import Completed, execute, failure, run_guest, runtime_folder
from edgeml.emulation.targets import resolve_target
from edgeml_runtime.errors import InputError

# Calls machine code: `sdot v0.4s, v1.16b, v2.16b; ret`, which cores before Armv8.2 do not have.
DOT_PRODUCT = """
import ctypes, mmap, sys
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes.fromhex("2094824e c0035fd6"))
print("before", flush=True)
ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
print("after")
"""


@pytest.fixture(scope="module")
def guest(root_of):
    """Runs Python code on a target."""

    def run(code: str, on: str = "cortex-a53", *, engine: str = "tflite-runtime", **options: object):
        target = resolve_target(on)
        root_of(target.core.platform)
        return run_guest(target, guest_engine(target, "tflite", engine), ["-c", code], **options)

    return run


def test_an_instruction_that_the_core_lacks_is_an_illegal_one_there_only(guest):
    done = guest(DOT_PRODUCT, "cortex-a76")
    assert (done.returncode, done.stdout.split(), failure(done)) == (0, ["before", "after"], None)
    for core in ("cortex-a53", "cortex-a72", "raspberry-pi-4"):
        done = guest(DOT_PRODUCT, core)
        found = failure(done)
        assert found.status == "illegal instruction"
        assert "killed by SIGILL" in found.reason
        assert "before" in found.reason
        assert "uncaught target signal 4" in found.reason


@pytest.mark.parametrize("on", ["cortex-a72", "armv7"])
@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("SIGILL", "illegal instruction"),
        ("SIGSEGV", "could not run"),
        ("SIGABRT", "could not run"),
        ("SIGBUS", "could not run"),
        ("SIGKILL", "could not run"),
    ],
)
def test_a_signal_is_named(guest, on, name, status):
    done = guest(f"import os, signal; print('here', flush=True); os.kill(os.getpid(), signal.{name})", on)
    found = failure(done)
    assert (found.status, name in found.reason, "here" in found.reason) == (status, True, True)


def test_an_emulator_that_dies_itself_is_no_illegal_instruction_of_the_bundle():
    killed = execute(["/bin/sh", "-c", "echo doing; kill -ILL $$"], emulated=True)
    found = failure(killed)
    assert found.status == "could not run"
    assert found.reason == "the emulator was killed by SIGILL; last lines: doing"
    assert failure(execute(["/bin/sh", "-c", "kill -ILL $$"], emulated=False)).status == "illegal instruction"


@pytest.mark.slow
def test_a_guest_that_takes_too_long_is_stopped(guest):
    done = guest("import time; print('waiting', flush=True); time.sleep(60)", timeout_seconds=2.0)
    assert done.returncode is None
    found = failure(done)
    assert (found.status, "it took too long" in found.reason) == ("could not run", True)
    assert "waiting" in found.reason


def test_a_crash_leaves_no_core_file(guest, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    guest("import os; os.abort()")
    assert list(tmp_path.iterdir()) == []


def test_ends_that_are_no_crash_are_none():
    for code in (0, 1, 4, 139):
        assert failure(Completed(True, code, "", "")) is None


def test_a_guest_inherits_nothing(guest, tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit('the folder of the host')")
    monkeypatch.chdir(tmp_path)
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LD_PRELOAD", "LD_LIBRARY_PATH", "QEMU_CPU"):
        monkeypatch.setenv(name, "/nonexistent/of-the-host")
    done = guest("import json, os, sys; print(json.dumps([dict(os.environ), sys.path]))")
    assert done.stderr == ""
    environment, path = json.loads(done.stdout)
    assert "/nonexistent/of-the-host" not in json.dumps(environment)
    assert set(environment) <= {
        "LC_ALL",
        "PWD",  # the shell's, which starts it
        "PYTHONHASHSEED",
        "PYTHONDONTWRITEBYTECODE",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "PYTHONPATH",
    }
    assert str(tmp_path) not in path
    assert "" not in path
    assert str(Path(edgeml_runtime.__file__).parents[1]) not in path  # where x86 packages may be


@pytest.mark.slow
@pytest.mark.parametrize(
    ("on", "machine", "core", "features"),
    [
        ("raspberry-pi-4", "aarch64", "Cortex-A72", {"neon"}),
        ("cortex-a76", "aarch64", "Cortex-A76", {"neon", "dotprod", "fp16", "lse"}),
        ("armv7", "armv7l", "Cortex-A7", {"neon", "vfpv4"}),
    ],
)
def test_a_guest_describes_the_emulated_machine(guest, on, machine, core, features):
    code = (
        "import json; from edgeml_runtime.host import host_info; from edgeml_runtime.codec import encode;"
        "print(json.dumps(encode(host_info())))"
    )
    done = guest(code, on)
    assert done.returncode == 0, (failure(done), done.stderr)
    info = json.loads(done.stdout)
    assert (info["machine"], info["cpu_model"]) == (machine, core)
    assert features <= set(info["cpu_features"])
    assert not {"avx2", "sse4_2", "ssse3"} & set(info["cpu_features"])
    assert "emulated by QEMU" in info["board"]
    assert info["libc"] == "glibc 2.36"
    assert info["packages"]["edgeml-runtime"] == edgeml_runtime.__version__
    assert "tflite-runtime" in info["packages"]


@pytest.mark.slow
def test_the_guests_runtime_is_this_one_compiled_by_the_guest(root_of, tmp_path):
    # In a folder of its own: other tests run programs on the shared one meanwhile.
    found = root_of("aarch64")
    root = dataclasses.replace(found, folder=tmp_path)
    root.tree.symlink_to(found.tree)
    old = tmp_path / "runtime-of-another-version"
    old.mkdir()
    os.utime(old, (0, 0))
    folder = runtime_folder(root)
    assert folder.parent == tmp_path
    assert not old.exists()
    assert runtime_folder(root) == folder
    source = Path(edgeml_runtime.__file__).parent
    copied = {p.relative_to(folder / "edgeml_runtime"): p.read_bytes() for p in folder.rglob("*.py")}
    assert copied == {p.relative_to(source): p.read_bytes() for p in source.rglob("*.py")}
    compiled = {p.name for p in folder.rglob("*.pyc")}
    assert len(compiled) > 20
    assert all(name.endswith(".cpython-311.pyc") for name in compiled)


def test_a_plugin_and_a_fixed_layout_reach_the_emulator(guest, tmp_path):
    done = guest("print('never')", plugin=f"file={tmp_path / 'none.so'}")
    assert done.returncode != 0
    assert "never" not in done.stdout
    random = "import os; print(os.getrandom(8).hex(), hash('x'))"
    assert guest(random, fixed_layout=True).returncode == 0


def test_what_a_guest_prints_that_is_no_text_does_no_harm(guest):
    done = guest("import sys; sys.stdout.buffer.write(b'\\xff\\xfe'); sys.exit(3)")
    assert (done.returncode, failure(done)) == (3, None)
    assert done.stdout


def test_this_machine_has_no_guests():
    with pytest.raises(InputError, match="nothing is emulated"):
        run_guest(resolve_target("host"), None, ["-c", "pass"])  # type: ignore[arg-type]


def test_stdin_is_what_is_given_and_never_the_terminal(guest):
    code = "import sys; print(len(sys.stdin.buffer.read()))"
    assert guest(code).stdout.strip() == "0"
    assert guest(code, stdin=os.urandom(100)).stdout.strip() == "100"
