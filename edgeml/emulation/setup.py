"""Setting a platform up: Debian's files, then each engine's wheels, then one import of each as the proof."""

from __future__ import annotations

import compileall
import py_compile
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from edgeml.emulation import debian, wheels
from edgeml.emulation.platforms import CORES, Platform
from edgeml.emulation.programs import complaint, run
from edgeml.emulation.roots import (
    GuestEngine,
    Root,
    filled,
    find_platform,
    locked,
    platform_folder,
    qemu_program,
    read_root,
    write_record,
)
from edgeml_runtime.errors import EngineError, InputError, UnknownNameError

Progress = Callable[[str, int, int], None]  # (what is being done, steps done, steps in all)
_NEEDED_BYTES = 1 << 30  # while it downloads; half of it stays
_IMPORT_TIMEOUT_S = 300


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a setup did, and how long that took."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Setup:
    """What a setup did; no step where all was there. `notes`: what the user should know about it."""

    root: Root
    steps: tuple[Step, ...]
    seconds: float
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Log:
    """Tells what is being done and remembers what it took."""

    progress: Progress
    total: int
    steps: list[Step] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self.progress(name, len(self.steps), self.total)
        start = time.monotonic()
        yield
        self.steps.append(Step(name, time.monotonic() - start))

    def fetched(self, done_bytes: int, total_bytes: int) -> None:
        megabytes = f"{done_bytes / 1e6:.1f} of {total_bytes / 1e6:.1f} MB"
        self.progress(f"fetching packages, {megabytes}", len(self.steps), self.total)


def setup(
    platform: Platform | str,
    progress: Progress | None = None,
    *,
    versions: Mapping[str, str] | None = None,
    apt_sources: Path | None = None,
) -> Setup:
    """Prepare a platform, or what is missing of it: a tree, today's engines and `versions` of them beside.

    `versions`: engine to the version to add. `apt_sources`: a file of apt sources in place of the machine's.
    A second setup at the same time waits for the first. Raises MissingDependencyError with the line that
    installs what is missing, UnknownNameError, EngineError with apt's or pip's own words.
    """
    platform = find_platform(platform) if isinstance(platform, str) else platform
    start = time.monotonic()
    qemu_program(platform)
    wanted = _wanted_engines(platform, versions or {})
    if apt_sources is not None and not apt_sources.is_file():
        raise InputError(f"--apt-sources {apt_sources}: no such file")
    log = _Log(progress or _silent, 0)
    with locked(platform, lambda: log.progress(f"waiting for another setup of {platform.name}", 0, 0)):
        root = read_root(platform)
        missing = [e for e in wanted if root is None or not _has(root, e)]
        log.total = (4 if root is None else 0) + 2 * len(missing)
        _sweep(platform_folder(platform))
        if root is None:
            _check_space(platform_folder(platform))
            _make_tree(platform, apt_sources, log)
        if missing:
            pip = wheels.pip_command()
            for engine, package, version in missing:
                _add_engine(platform, pip, engine, package, version, log)
        root = read_root(platform)
    if root is None:
        raise EngineError(f"emulated {platform.name} was removed while it was being set up")
    return Setup(root, tuple(log.steps), time.monotonic() - start, tuple(log.notes))


def _silent(_what: str, _done: int, _total: int) -> None:
    """Nobody watches."""


def _wanted_engines(platform: Platform, versions: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """(engine, package, version): what the reference device's profile runs today, and what was asked for."""
    from edgeml.devices import load_device

    profile = load_device(platform.reference_device)
    known = {name: wheel for name, wheel in profile.engines.items() if wheel.available}
    wanted = [(name, w.package, w.last_version) for name, w in known.items() if w.last_version is not None]
    for name, version in versions.items():
        if name not in known:
            if name in profile.engines:
                raise InputError(f"{name} on {platform.name}: {profile.engines[name].note}")
            raise UnknownNameError("engine", name, known)
        wanted.append((name, known[name].package, version))
    return list(dict.fromkeys(wanted))


def _has(root: Root, wanted: tuple[str, str, str]) -> bool:
    return any((e.name, e.package, e.version) == wanted for e in root.versions)


def _check_space(folder: Path) -> None:
    free = shutil.disk_usage(_existing(folder)).free
    if free < _NEEDED_BYTES:
        raise InputError(
            f"{folder} needs {_NEEDED_BYTES >> 20} MiB while it is set up, {free >> 20} MiB are free; "
            f"EDGEML_CACHE names another folder"
        )


def _sweep(folder: Path) -> None:
    """Delete what killed setups left half filled; the holder of the lock is the only one to fill here."""
    for part in (*folder.glob(".*.part"), *(folder / "engines").glob(".*.part")):
        shutil.rmtree(part, ignore_errors=True)


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def _make_tree(platform: Platform, sources: Path | None, log: _Log) -> None:
    debian.check_tools()
    folder = platform_folder(platform)
    state = folder / "apt"
    with log.step(f"fetching Debian's lists of {platform.debian} packages"):
        log.notes += [f"apt: {line}" for line in debian.update_lists(state, platform, sources)]
    with log.step(f"fetching {platform.debian} packages"):
        try:
            packages = debian.download(state, platform, sources, log.fetched)
        except EngineError as error:
            raise EngineError("; ".join((str(error), *log.notes))) from error
    shutil.rmtree(folder / "root", ignore_errors=True)  # of another layout
    with filled(folder / "root") as part:
        with log.step(f"unpacking {len(packages)} packages"):
            debian.unpack(state, packages, part, platform)
        with log.step("compiling Python's library"):
            _compile_library(platform, part, folder / "root")
        write_record(part, packages=[package.file for package in packages])
    shutil.rmtree(state, ignore_errors=True)


def _compile_library(platform: Platform, tree: Path, final: Path) -> None:
    """Compile the Python library of a tree that will be at `final`: start-up takes half the time."""
    library = Path("usr", "lib")
    if not _compile(platform, tree / library, final / library):
        python = str(tree / "usr" / "bin" / f"python{platform.python}")
        guest = [qemu_program(platform), "-L", str(tree), python, "-S", "-m", "compileall", "-qq"]
        paths = ["-s", str(tree / library), "-p", str(final / library), str(tree / library)]
        run([*guest, "--invalidation-mode", "unchecked-hash", *paths])


def _compile(platform: Platform, folder: Path, final: Path) -> bool:
    """Compile Python files that will be at `final`; False where this Python's byte code is another one."""
    if platform.python != f"{sys.version_info.major}.{sys.version_info.minor}":
        return False
    compileall.compile_dir(
        folder,
        quiet=2,
        stripdir=str(folder),
        prependdir=str(final),
        # Whatever the files' times become, nobody edits them.
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    return True


def _add_engine(
    platform: Platform, pip: list[str], engine: str, package: str, version: str, log: _Log
) -> None:
    folder = platform_folder(platform)
    final = folder / "engines" / f"{engine}-{version}"
    shutil.rmtree(final, ignore_errors=True)  # of another layout
    with log.step(f"installing {package} {version}"), filled(final) as part:
        wheels.install_wheels(pip, package, version, platform, part)
        system = folder / "root" / "usr" / "lib" / "python3" / "dist-packages"
        for path in system.glob("numpy*"):
            (part / path.name).symlink_to(Path("..", "..", *path.relative_to(folder).parts))
        _compile(platform, part, final)
        numpy = wheels.installed_version(part, "numpy")
        write_record(part, engine=engine, package=package, version=version, numpy=numpy)
    with log.step(f"importing {package} {version}"):
        root = read_root(platform)
        problem = None if root is None else _import_problem(root, root.engine(engine, version))
    if problem is not None:
        core = platform.check_core
        log.notes.append(f"{package} {version} cannot be imported on an emulated {core}: {problem}")


def _import_problem(root: Root, engine: GuestEngine) -> str | None:
    """Import the engine on the least core of the platform; None where that works, or what the guest said.

    It leaves the byte code of what was imported where `_compile` could not.
    """
    from edgeml_runtime.engines import engines

    guest = root.command(CORES[root.platform.check_core], 4)
    statement = f"import {engines()[engine.name].requires}"
    try:
        done = run([*guest, "-c", statement], {"PYTHONPATH": str(engine.folder)}, timeout_s=_IMPORT_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return f"not done after {_IMPORT_TIMEOUT_S} s"
    return None if done.returncode == 0 else complaint(done)
