"""Guests: the shipped runtime in an emulated Python with one engine of that platform, and what a crash means.

A guest inherits nothing of the caller's environment. Files are the host's, except those below `/usr`, `/lib`
or `/etc` that the emulated tree has too.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import edgeml_runtime
from edgeml.emulation.platforms import Core, find_core, platform_of
from edgeml.emulation.roots import GuestEngine, Root, filled, qemu_program
from edgeml.emulation.targets import Target
from edgeml_runtime.errors import EngineFailedError, InputError

_ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
_UNCAUGHT = re.compile(r"qemu: uncaught target signal (\d+)")
_LAST_LINES = 4
_UNUSED_SECONDS = 7 * 24 * 3600
_COPYING = threading.Lock()  # the guests of a matrix start together


@dataclass(frozen=True, slots=True)
class Completed:
    """A program that ended, by itself or by a signal (`returncode` below 0), or was stopped (None)."""

    emulated: bool
    returncode: int | None
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a program gave no result; `reason` ends with the last lines that it or the emulator printed."""

    status: Literal["illegal instruction", "could not run"]
    reason: str


def run_guest(
    target: Target,
    engine: GuestEngine,
    arguments: Sequence[str],
    *,
    plugin: str | None = None,
    stdin: bytes | None = None,
    timeout_seconds: float | None = None,
    fixed_layout: bool = False,
) -> Completed:
    """Run the target's Python on `arguments` (a script and its own, or `-m MODULE ...`) with that engine.

    plugin: the value of qemu's `-plugin`. fixed_layout: the same addresses and random seed each time, where
    the kernel lets us.

    Raises InputError for a target that is not set up, MissingDependencyError without QEMU.
    """
    if target.core is None:
        raise InputError(f"{target.name} is this machine; nothing is emulated for it")
    root = target.root()
    qemu, *rest = root.command(target.core, target.count, target.clock_max_hz)
    options = [] if plugin is None else ["-plugin", plugin]
    prefix: tuple[str, ...] = ()
    if fixed_layout:
        prefix, options = _setarch(), [*options, "-seed", "1"]
    return execute(
        [*prefix, qemu, *options, *rest, "-P", *arguments],
        emulated=True,
        environment={**_ENVIRONMENT, "PYTHONPATH": f"{runtime_folder(root)}:{engine.folder}"},
        stdin=stdin,
        timeout_seconds=timeout_seconds,
    )


def execute(
    command: Sequence[str],
    *,
    emulated: bool,
    environment: dict[str, str] | None = None,
    stdin: bytes | None = None,
    timeout_seconds: float | None = None,
) -> Completed:
    """Run a command without a core file of what crashes in it; `environment` replaces this process' own."""
    try:
        done = subprocess.run(  # noqa: S603  the shell only limits core files
            ["/bin/sh", "-c", 'ulimit -c 0; exec "$@"', "sh", *command],
            input=stdin if stdin is not None else b"",
            capture_output=True,
            check=False,
            env=environment,
            timeout=timeout_seconds,
        )
    except subprocess.TimeoutExpired as error:
        return Completed(emulated, None, _text(error.stdout), _text(error.stderr))
    return Completed(emulated, done.returncode, _text(done.stdout), _text(done.stderr))


def failure(done: Completed) -> Failure | None:
    """What a signal, or the end of our patience, means; None for a program that ended by itself."""
    if done.returncode is not None and done.returncode >= 0:
        return None
    words = last_lines(done)
    if done.returncode is None:
        return Failure("could not run", f"stopped, it took too long{words}")
    caught = _UNCAUGHT.search(done.stderr)
    number = int(caught[1]) if caught else -done.returncode
    name = _signal_name(number)
    if done.emulated and caught is None:
        return Failure("could not run", f"the emulator was killed by {name}{words}")
    if number == signal.SIGILL:
        return Failure("illegal instruction", f"killed by {name}{words}")
    return Failure("could not run", f"killed by {name}{words}")


def last_lines(done: Completed) -> str:
    """`; last lines: ...` of what a program printed, empty where it printed nothing."""
    said = [line.strip() for line in (done.stdout + "\n" + done.stderr).splitlines() if line.strip()]
    return f"; last lines: {' | '.join(said[-_LAST_LINES:])}" if said else ""


def emulator_version(core: Core) -> str:
    """`qemu-aarch64 7.2.22`; raises MissingDependencyError without QEMU."""
    return _version_of(qemu_program(platform_of(core)))


def runtime_folder(root: Root) -> Path:
    """A folder for the guest's PYTHONPATH with this very edgeml_runtime and nothing else, byte-compiled.

    Its own folder may hold packages of the host's architecture beside it. Raises EngineFailedError where the
    guest's Python cannot compile it.
    """
    source = Path(edgeml_runtime.__file__).parent
    files = sorted(path for path in source.rglob("*.py"))
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(source)}\0".encode() + path.read_bytes() + b"\0")
    folder = root.folder / f"runtime-{digest.hexdigest()[:16]}"
    with _COPYING:
        if not folder.is_dir():
            _sweep(root)
            with filled(folder) as part:
                for path in files:
                    copy = part / source.name / path.relative_to(source)
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, copy)
                _write_metadata(part)
                _compile(root, part)
    os.utime(folder)  # it is in use, see _sweep
    return folder


def _sweep(root: Root) -> None:
    """Delete copies of other versions that nobody has used for a week."""
    for folder in root.folder.glob("runtime-*"):
        with contextlib.suppress(OSError):  # another process may be doing the same
            if time.time() - folder.stat().st_mtime > _UNUSED_SECONDS:
                part = folder.with_name(f".{folder.name}.part")  # what is half deleted is no runtime
                shutil.rmtree(part, ignore_errors=True)
                shutil.rmtree(folder.rename(part))


def _write_metadata(folder: Path) -> None:
    """So that the guest's package list names the runtime, as a device's does."""
    version = edgeml_runtime.__version__
    info = folder / f"edgeml_runtime-{version}.dist-info"
    info.mkdir()
    text = f"Metadata-Version: 2.1\nName: edgeml-runtime\nVersion: {version}\n"
    (info / "METADATA").write_text(text, encoding="utf-8")


def _compile(root: Root, folder: Path) -> None:
    # By the guest, because only its own version of Python makes files that it reads. Unchecked: the folder
    # is named after its contents.
    arguments = ["-P", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    command = root.command(find_core(root.platform.check_core))
    done = execute([*command, *arguments, "-s", str(folder), str(folder)], emulated=True, environment={})
    if done.returncode != 0:
        crash = failure(done)
        reason = crash.reason if crash else f"exit code {done.returncode}{last_lines(done)}"
        raise EngineFailedError(f"the emulated Python of {root.platform.name} does not work: {reason}")


@functools.cache
def _setarch() -> tuple[str, ...]:
    """The command that turns address randomization off, empty where it is missing or forbidden."""
    program = shutil.which("setarch")
    if program is None or execute([program, "-R", "true"], emulated=False).returncode != 0:
        return ()
    return (program, "-R")


@functools.cache
def _version_of(program: str) -> str:
    done = execute([program, "--version"], emulated=False, environment={})
    found = re.search(r"version (\S+)", done.stdout)
    return f"{Path(program).name} {found[1] if found else 'of unknown version'}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _text(content: bytes | None) -> str:
    return (content or b"").decode("utf-8", errors="replace")
