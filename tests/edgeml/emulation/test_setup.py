"""Real setups and real guests: apt, dpkg, pip and QEMU, as a user runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import require_program

import edgeml_runtime
from edgeml.emulation.cpuinfo import display_name
from edgeml.emulation.inventory import inventory, removed, set_up
from edgeml.emulation.platforms import CLASSES, CORES, PLATFORMS, Core, find_core
from edgeml.emulation.roots import Root, find_root, read_root
from edgeml.emulation.setup import setup
from edgeml_runtime.errors import EngineError, InputError

pytestmark = pytest.mark.slow

# The order of the bits of AT_HWCAP, in the kernel's words: arch/arm64 and arch/arm, uapi/asm/hwcap.h.
HWCAP_WORDS = {
    "aarch64": "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm jscvt fcma "
    "lrcpc dcpop sha3 sm3 sm4 asimddp sha512 sve asimdfhm",
    "armv7l": "swp half thumb 26bit fastmult fpa vfp edsp java iwmmxt crunch thumbee neon vfpv3 vfpv3d16 tls "
    "vfpv4 idiva idivt vfpd32 lpae evtstrm",
}
READ_HWCAP = """
import ctypes
read = ctypes.CDLL(None).getauxval
read.restype = ctypes.c_ulong
print(read(16))
"""
# The main ID register, which user programs may read on 64 bits: `mrs x0, midr_el1; ret` in a page of code.
READ_MIDR = """
import ctypes, mmap
page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes.fromhex("000038d5 c0035fd6"))
print(ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(page)))())
"""
DESCRIBE_GUEST = """
import json, sys
import numpy
from edgeml_runtime.engines import engines
from edgeml_runtime.host import host_info
engine = engines()[sys.argv[1]]
engine.import_module()
total = float((numpy.ones((5, 7), numpy.float32) @ numpy.ones((7, 3), numpy.float32)).sum())
host = host_info()
print(json.dumps([
    numpy.__version__, engine.version(), total, host.machine, host.cpu_model, host.os, host.python[:4],
    host.l1d_bytes, host.board,
]))
"""


def guest(root: Root, core: Core, code: str, *arguments: str, path: str = "") -> str:
    done = subprocess.run(
        [*root.command(core, 2), "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("core", CORES.values(), ids=CORES)
def test_programs_that_ask_the_processor_hear_what_cpuinfo_says(
    core: Core, root_of: Callable[[str], Root]
) -> None:
    words = HWCAP_WORDS[core.platform].split()
    bits = int(guest(root_of(core.platform), core, READ_HWCAP))
    assert [word for index, word in enumerate(words) if bits >> index & 1] == list(core.features)
    assert bits >> len(words) == 0
    if core.platform == "aarch64" and core.qemu_model == core.name:
        assert int(guest(root_of(core.platform), core, READ_MIDR)) == core.midr


@pytest.mark.parametrize("name", CLASSES)
def test_every_engine_runs_on_every_class(name: str, root_of: Callable[[str], Root]) -> None:
    core = find_core(name)
    root = root_of(core.platform)
    assert set(root.engines) == (
        {"tflite-runtime"} if name == "armv7" else {"onnxruntime", "litert", "tflite-runtime"}
    )
    runtime = Path(edgeml_runtime.__file__).parents[1]
    for engine in root.engines.values():
        found = json.loads(guest(root, core, DESCRIBE_GUEST, engine.name, path=f"{engine.folder}:{runtime}"))
        assert found == [
            engine.numpy, engine.version, 105.0, root.platform.name, display_name(core),
            "Debian GNU/Linux 12 (bookworm)", "3.11", None, f"{display_name(core)} emulated by QEMU",
        ]  # fmt: skip


class Apart:
    """A setup in a process of its own, killed at the step to stop at."""

    def __init__(self, cache: Path, stop_at: str | None = None) -> None:
        code = (
            "import json\n"
            "from edgeml.emulation.setup import setup\n"
            "done = setup('armv7l', lambda what, *_: print(what, flush=True))\n"
            "print(json.dumps([step.name for step in done.steps]))"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "EDGEML_CACHE": str(cache)},
        )
        self.stop_at = stop_at

    def finish(self) -> list[str]:
        """The names of the steps that it took; none where it was killed at the one to stop at."""
        assert self.process.stdout is not None
        with self.process:
            for line in self.process.stdout:
                if self.stop_at is not None and line.startswith(self.stop_at):
                    self.process.send_signal(signal.SIGKILL)
                    return []
                last = line
        assert self.process.returncode == 0
        steps: list[str] = json.loads(last)
        return steps


def test_a_setup_goes_on_where_it_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_program("qemu-arm", "apt-get", "dpkg")
    monkeypatch.setenv("EDGEML_CACHE", str(tmp_path))
    platform = PLATFORMS["armv7l"]
    for stop_at in ("fetching armhf packages", "unpacking", "compiling"):
        Apart(tmp_path, stop_at).finish()
        assert read_root(platform) is None
    Apart(tmp_path, "installing").finish()
    tree = read_root(platform)
    assert tree is not None  # whole, and from here on kept
    assert tree.versions == ()
    made = tree.tree.stat().st_ino
    with pytest.raises(InputError, match="emulated armv7l is only half set up: edgeml devices setup generic"):
        find_root("armv7l")
    assert [entry["ready"] for entry in inventory()] == [False]

    both = [Apart(tmp_path), Apart(tmp_path)]
    steps = sorted(setup.finish() for setup in both)
    assert steps == [[], ["installing tflite-runtime 2.14.0", "importing tflite-runtime 2.14.0"]]
    root = find_root("armv7l")
    assert root.tree.stat().st_ino == made
    assert not (root.folder / "apt").exists()
    assert list(root.folder.rglob("*.part")) == []
    code = "import numpy, tflite_runtime.interpreter; print(numpy.__version__)"
    engine = root.engines["tflite-runtime"]
    assert guest(root, find_core("armv7"), code, path=str(engine.folder)) == engine.numpy

    again = set_up("armv7")
    assert again["platforms"][0]["steps"] == []
    assert again["platforms"][0]["size_bytes"] > 50_000_000
    freed = removed("generic-armv7")["platforms"][0]["freed_bytes"]
    assert freed >= again["platforms"][0]["size_bytes"]
    assert inventory() == []


def test_a_release_that_dies_on_old_cores_is_told_apart(
    root_of: Callable[[str], Root], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # microsoft/onnxruntime issue 23957: 1.21.0 needs Armv8.2 to be imported.
    whole = root_of("aarch64")
    monkeypatch.setenv("EDGEML_CACHE", str(tmp_path))
    folder = tmp_path / "emulation" / "aarch64"
    folder.mkdir(parents=True)
    (folder / "root").symlink_to(whole.tree)
    (folder / "engines").mkdir()
    for engine in whole.engines.values():
        (folder / "engines" / engine.folder.name).symlink_to(engine.folder)
    done = setup("aarch64", versions={"onnxruntime": "1.21.0"})
    assert [step.name for step in done.steps] == [
        "installing onnxruntime 1.21.0",
        "importing onnxruntime 1.21.0",
    ]
    assert len(done.notes) == 1
    assert done.notes[0].startswith("onnxruntime 1.21.0 cannot be imported on an emulated cortex-a53: qemu: ")
    assert "Illegal instruction" in done.notes[0]
    broken = done.root.engine("onnxruntime", "1.21.0")
    code = "import onnxruntime; print(onnxruntime.__version__)"
    assert guest(done.root, find_core("cortex-a76"), code, path=str(broken.folder)) == "1.21.0"

    with pytest.raises(
        EngineError, match=r"^no onnxruntime 99\.0 for aarch64 and Python 3\.11: .*No matching"
    ):
        setup("aarch64", versions={"onnxruntime": "99.0"})
    assert [path.name for path in (folder / "engines").glob(".*")] == []


def test_sources_without_the_packages_are_refused_in_apts_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_program("qemu-aarch64", "apt-get", "dpkg")
    monkeypatch.setenv("EDGEML_CACHE", str(tmp_path))
    empty = tmp_path / "empty.list"
    empty.write_text("")
    with pytest.raises(EngineError) as caught:
        setup("aarch64", apt_sources=empty)
    assert "could not fetch arm64 packages: Unable to locate package" in str(caught.value)
    assert str(caught.value).endswith("give a file of Debian's with --apt-sources")
