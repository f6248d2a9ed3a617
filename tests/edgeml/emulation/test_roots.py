"""Finding, filling and deleting roots, and what is said where one cannot be had."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgeml.emulation import debian, wheels
from edgeml.emulation.platforms import PLATFORMS, find_core
from edgeml.emulation.roots import (
    Root,
    cache_folder,
    filled,
    find_root,
    locked,
    platform_folder,
    qemu_program,
    read_root,
    remove,
    size_bytes,
    write_record,
)
from edgeml.emulation.setup import setup
from edgeml_runtime.errors import InputError, MissingDependencyError, UnknownNameError
from edgeml_runtime.host import host_info

AARCH64 = PLATFORMS["aarch64"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own."""
    monkeypatch.setenv("EDGEML_CACHE", str(tmp_path))
    return tmp_path / "emulation"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A path with nothing on it, to put programs on."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def fake_program(folder: Path, name: str, text: str = "exit 0") -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def a_root(*versions: str) -> Root:
    """A tree with one file in it, and folders of engine versions."""
    folder = platform_folder(AARCH64)
    with filled(folder / "root") as part:
        (part / "usr" / "bin").mkdir(parents=True)
        (part / "usr" / "bin" / "tool").write_text("of the guest")
        (part / "tmp").mkdir()
        write_record(part, packages=["libc6_2.36_arm64.deb"])
    for version in versions:
        with filled(folder / "engines" / f"onnxruntime-{version}") as part:
            write_record(part, engine="onnxruntime", package="onnxruntime", version=version, numpy="2.4.6")
    root = read_root(AARCH64)
    assert root is not None
    return root


def test_the_cache_is_where_the_environment_says(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder() == cache
    monkeypatch.delenv("EDGEML_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/edgeml/emulation")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache/edgeml/emulation"


def test_what_is_not_set_up_names_the_command(programs: Path) -> None:
    fake_program(programs, "qemu-aarch64")
    with pytest.raises(InputError) as caught:
        find_root("aarch64")
    assert str(caught.value) == "emulated aarch64 is not set up: edgeml devices setup raspberry-pi-4"
    a_root()
    with pytest.raises(InputError, match="emulated aarch64 is only half set up: edgeml devices setup rasp"):
        find_root("aarch64")
    with pytest.raises(UnknownNameError, match="unknown emulated platform 'armv8'; did you mean armv7l"):
        find_root("armv8")


def test_a_record_of_another_layout_is_no_root() -> None:
    root = a_root("1.32.0")
    record = root.tree / ".edgeml.json"
    record.write_text(record.read_text().replace('"layout": 1', '"layout": 99'))
    assert read_root(AARCH64) is None
    record.write_text(record.read_text()[:20])
    assert read_root(AARCH64) is None


def test_engines_are_found_by_version_and_the_newest_is_the_default() -> None:
    root = a_root("1.9.0", "1.32.0", "1.21.0")
    assert [engine.version for engine in root.versions] == ["1.9.0", "1.21.0", "1.32.0"]
    assert root.engines["onnxruntime"].version == root.engine("onnxruntime").version == "1.32.0"
    assert root.engine("onnxruntime", "1.21.0").folder == root.folder / "engines" / "onnxruntime-1.21.0"
    with pytest.raises(InputError) as caught:
        root.engine("onnxruntime", "1.20.0")
    assert str(caught.value) == (
        "onnxruntime 1.20.0 is not set up for emulated aarch64 (engines there: onnxruntime 1.9.0, "
        "onnxruntime 1.21.0, onnxruntime 1.32.0): edgeml devices setup raspberry-pi-4 --engine-version "
        "onnxruntime=1.20.0"
    )


def test_a_core_folder_is_the_tree_on_another_machine() -> None:
    root = a_root()
    folder = root.for_core(find_core("cortex-a76"), 4, 2_400_000_000)
    assert (folder / "usr/bin/tool").read_text() == "of the guest"
    assert not (folder / "tmp").exists()  # or the host's could not be read
    machine = host_info(str(folder))
    assert [(c.core, c.count, c.clock_max_hz) for c in machine.cores] == [("Cortex-A76", 4, 2_400_000_000)]
    assert machine.cpu_features == ("neon", "fp16", "dotprod", "lse")
    assert (machine.l1d_bytes, machine.governor) == (None, None)
    assert root.for_core(find_core("cortex-a76"), 4, 2_400_000_000) == folder
    assert root.for_core(find_core("cortex-a76"), 4) != folder
    with pytest.raises(InputError, match="core cortex-a7 is one of armv7l, this root is aarch64"):
        root.for_core(find_core("armv7"))


def test_an_interrupted_filling_leaves_nothing_under_the_final_name(cache: Path) -> None:
    with pytest.raises(KeyboardInterrupt), filled(cache / "root") as part:
        (part / "file").write_text("half")
        raise KeyboardInterrupt
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_named(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGEML_CACHE", str(tmp_path / "file"))
    with pytest.raises(
        InputError, match=r"aarch64\.lock: Not a directory; EDGEML_CACHE names another folder$"
    ):
        remove(AARCH64)
    with pytest.raises(InputError, match=r"cannot fill \S+/root: Not a directory$"):
        a_root()


def test_who_fills_the_same_folder_later_keeps_the_first(cache: Path) -> None:
    with filled(cache / "root") as slower:
        (slower / "file").write_text("second")
        with filled(cache / "root") as faster:
            (faster / "file").write_text("first")
    assert (cache / "root" / "file").read_text() == "first"
    assert [path.name for path in cache.iterdir()] == ["root"]


def test_a_lock_is_waited_for_and_outlives_who_is_killed(cache: Path) -> None:
    # The holder starts a program, as a setup starts apt-get, and is killed; the program goes on.
    code = """
import os
from edgeml.emulation.platforms import PLATFORMS
from edgeml.emulation.programs import run
from edgeml.emulation.roots import locked
with locked(PLATFORMS["aarch64"]):
    print("held", flush=True)
    run(["sh", "-c", f"sleep 0.2; kill -9 {os.getpid()}; sleep 0.5; touch $EDGEML_CACHE/outlived"])
"""
    waited = []
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with locked(AARCH64, lambda: waited.append(time.monotonic())):
            assert holder.wait() == -9
            assert (cache.parent / "outlived").exists()
    assert len(waited) == 1


def test_removing_frees_what_was_there(cache: Path) -> None:
    root = a_root("1.32.0")
    (root.tree / "usr" / "big").write_bytes(os.urandom(1 << 20))
    os.link(root.tree / "usr" / "big", root.tree / "usr" / "same")
    expected = size_bytes(root.folder)
    assert 1 << 20 <= expected < 2 << 20  # a file with two names counts once
    assert remove(AARCH64) == expected
    assert not root.folder.exists()
    assert remove(AARCH64) == 0


def test_without_an_emulator_the_message_has_the_install_line(programs: Path) -> None:
    with pytest.raises(MissingDependencyError) as caught:
        find_root("armv7l")
    assert str(caught.value) == (
        "qemu-arm is needed to run armv7l programs and is not on this machine: sudo apt-get install qemu-user"
    )
    fake_program(programs, "qemu-arm-static")
    assert qemu_program(PLATFORMS["armv7l"]) == str(programs / "qemu-arm-static")
    fake_program(programs, "qemu-arm")
    assert qemu_program(PLATFORMS["armv7l"]) == str(programs / "qemu-arm")


def test_an_emulator_without_the_core_is_too_old(programs: Path) -> None:
    fake_program(programs, "qemu-aarch64", "echo Available CPUs:; echo '  cortex-a53'")
    root = a_root()
    assert root.command(find_core("cortex-a53"))[3:5] == ["-cpu", "cortex-a53"]
    with pytest.raises(
        MissingDependencyError, match=r"no CPU model cortex-a76: QEMU 7\.2 or newer is needed"
    ):
        root.command(find_core("cortex-a76"))


@pytest.mark.parametrize("tool", ["apt-get", "dpkg"])
def test_without_apt_the_message_says_what_for(programs: Path, tool: str) -> None:
    for name in {"qemu-aarch64", "apt-get", "dpkg"} - {tool}:
        fake_program(programs, name)
    with pytest.raises(MissingDependencyError, match=f"^{tool} is needed to fetch the files of the emulated"):
        debian.check_tools()
    with pytest.raises(MissingDependencyError, match=f"^{tool} is needed"):
        setup(AARCH64)


def test_without_pip_the_message_has_the_install_line(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheels.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(MissingDependencyError, match=r"-m ensurepip, or sudo apt-get install python3-pip$"):
        wheels.pip_command()
    fake_program(programs, "uv")
    by_uv = [str(programs / "uv"), "tool", "run", "--quiet", "--python", sys.executable, "pip"]
    assert wheels.pip_command() == by_uv
    fake_program(programs, "python3", "exit 1")  # one without pip
    assert wheels.pip_command() == by_uv
    fake_program(programs, "python3")
    assert wheels.pip_command() == [str(programs / "python3"), "-m", "pip"]


def test_a_setup_needs_room(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_program(programs, "qemu-aarch64")
    full = shutil.disk_usage("/")._replace(free=100 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: full)
    with pytest.raises(InputError, match="needs 1024 MiB while it is set up, 100 MiB are free; EDGEML_CACHE"):
        setup(AARCH64)


def test_engines_and_sources_are_checked_before_anything_is_fetched(programs: Path) -> None:
    fake_program(programs, "qemu-aarch64")
    fake_program(programs, "qemu-arm")
    with pytest.raises(UnknownNameError, match="unknown engine 'onnxruntim'; did you mean onnxruntime"):
        setup(AARCH64, versions={"onnxruntim": "1.0"})
    with pytest.raises(InputError, match="onnxruntime on armv7l: no onnxruntime wheel for armv7l"):
        setup("armv7l", versions={"onnxruntime": "1.21.0"})
    with pytest.raises(InputError, match=r"--apt-sources nowhere\.list: no such file"):
        setup(AARCH64, apt_sources=Path("nowhere.list"))
