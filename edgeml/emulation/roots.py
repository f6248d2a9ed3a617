"""The file trees that emulated programs run in: set up once for each platform, found, sized and removed.

    CACHE/emulation/aarch64/root/                        Debian's files, Python among them
                            engines/onnxruntime-1.32.0/  wheels of one engine version, for PYTHONPATH
                            cores/cortex-a72-4-.../      for qemu -L: links to root, its own cpuinfo
                            apt/                         downloads, gone when root is complete

A folder under its final name is complete: each is filled under another name, flushed to the disk and renamed,
so an interrupted setup goes on with what is missing.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeml import cache
from edgeml.emulation.cpuinfo import cpu_files
from edgeml.emulation.platforms import PLATFORMS, Core, Platform
from edgeml.emulation.programs import run
from edgeml_runtime.errors import InputError, MissingDependencyError, UnknownNameError

LAYOUT = 1  # of the folders; another number is another edgeml's and not used
# Of the tree, what the guest sees at the top; its empty /home, /tmp and /root would hide the host's.
_SYSTEM = ("bin", "etc", "lib", "sbin", "usr")
RECORD = ".edgeml.json"  # in each finished folder: what it holds


@dataclass(frozen=True, slots=True)
class GuestEngine:
    """An engine version of a platform; `folder` on PYTHONPATH has it and its NumPy."""

    name: str  # as edgeml_runtime.engines has it
    package: str
    version: str
    numpy: str
    folder: Path


@dataclass(frozen=True, slots=True)
class Root:
    """A platform that is set up; `engines` has the newest version of each."""

    platform: Platform
    folder: Path
    packages: tuple[str, ...]  # Debian's files
    versions: tuple[GuestEngine, ...]

    @property
    def tree(self) -> Path:
        """Debian's files."""
        return self.folder / "root"

    @property
    def engines(self) -> Mapping[str, GuestEngine]:
        """Engine name to its newest version that is set up."""
        return {engine.name: engine for engine in self.versions}

    def engine(self, name: str, version: str | None = None) -> GuestEngine:
        """The engine in that version (None: the newest); raises InputError with the line that adds it."""
        for engine in reversed(self.versions):
            if engine.name == name and version in (None, engine.version):
                return engine
        wanted = f"{name} {version}" if version else name
        line = setup_line(self.platform.reference_device) + (
            f" --engine-version {name}={version}" if version else ""
        )
        here = ", ".join(f"{engine.name} {engine.version}" for engine in self.versions) or "none"
        raise InputError(
            f"{wanted} is not set up for emulated {self.platform.name} (engines there: {here}): {line}"
        )

    def for_core(self, core: Core, count: int = 1, clock_max_hz: int | None = None) -> Path:
        """The folder for qemu's -L: this tree on a machine of `count` such cores; made when first asked for.

        Raises InputError for a core of the other platform.
        """
        if core.platform != self.platform.name:
            raise InputError(f"core {core.name} is one of {core.platform}, this root is {self.platform.name}")
        files = cpu_files(core, count, clock_max_hz)
        digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:12]
        folder = self.folder / "cores" / f"{core.name}-{count}-{digest}"
        if not folder.is_dir():
            with filled(folder) as part:
                for name in _SYSTEM:
                    if (self.tree / name).is_dir():
                        (part / name).symlink_to(Path("..", "..", "root", name))
                for name, text in files.items():
                    (part / name).parent.mkdir(parents=True, exist_ok=True)
                    (part / name).write_text(text, encoding="ascii")
        return folder

    def command(self, core: Core, count: int = 1, clock_max_hz: int | None = None) -> list[str]:
        """What to put before a guest Python's arguments; qemu's own options go after the first element.

        Without `site`: the host's dist-packages, which the guest would see where its own tree has none, hold
        libraries of another architecture. Raises MissingDependencyError without QEMU or in one too old.
        """
        qemu = qemu_program(self.platform)
        if core.qemu_model not in _models(qemu):
            raise MissingDependencyError(
                f"{qemu} has no CPU model {core.qemu_model}: QEMU 7.2 or newer is needed (Debian 12 has it)"
            )
        top = str(self.for_core(core, count, clock_max_hz))
        python = str(self.tree / "usr" / "bin" / f"python{self.platform.python}")
        return [qemu, "-L", top, "-cpu", core.qemu_model, python, "-S"]


def cache_folder() -> Path:
    """Where roots live."""
    return cache.cache_folder("emulation")


def platform_folder(platform: Platform) -> Path:
    """Where that platform's root is, or would be."""
    return cache_folder() / platform.name


def find_platform(name: str) -> Platform:
    """The platform of that name; raises UnknownNameError."""
    if name not in PLATFORMS:
        raise UnknownNameError("emulated platform", name, PLATFORMS)
    return PLATFORMS[name]


def find_root(platform: Platform | str) -> Root:
    """The root of a platform that is set up and can run.

    Raises InputError with the line that sets it up, MissingDependencyError where QEMU is not installed.
    """
    platform = find_platform(platform) if isinstance(platform, str) else platform
    qemu_program(platform)
    root = read_root(platform)
    if root is None or not root.versions:
        state = "is only half set up" if platform_folder(platform).is_dir() else "is not set up"
        raise InputError(f"emulated {platform.name} {state}: {setup_line(platform.reference_device)}")
    return root


def read_root(platform: Platform) -> Root | None:
    """What is set up of a platform, perhaps without engines; None where its tree is not complete."""
    folder = platform_folder(platform)
    record = read_record(folder / "root")
    if record is None:
        return None
    folders = [(path, read_record(path)) for path in (folder / "engines").glob("[!.]*")]
    versions = [
        GuestEngine(found["engine"], found["package"], found["version"], found["numpy"], path)
        for path, found in folders
        if found is not None
    ]
    versions.sort(key=lambda engine: (engine.name, _order(engine.version)))
    return Root(platform, folder, tuple(record["packages"]), tuple(versions))


def qemu_program(platform: Platform) -> str:
    """The emulator; the static build only where the other is missing, because it takes no plugins."""
    for program in (platform.qemu, f"{platform.qemu}-static"):
        if (path := shutil.which(program)) is not None:
            return path
    raise MissingDependencyError(
        f"{platform.qemu} is needed to run {platform.name} programs and is not on this machine: "
        f"sudo apt-get install qemu-user"
    )


def setup_line(device: str) -> str:
    """The command that sets a device's platform up."""
    return f"edgeml devices setup {device}"


def remove(platform: Platform) -> int:
    """Delete a platform's root, engines and downloads, whole or not; returns the bytes freed."""
    folder = platform_folder(platform)
    with locked(platform):
        freed = size_bytes(folder)
        # Without its record it is no root any more, however far the deletion comes.
        (folder / "root" / RECORD).unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder)
    return freed


def size_bytes(folder: Path) -> int:
    """What a folder takes on the disk; each file once, however many names it has."""
    seen: dict[tuple[int, int], int] = {}
    for top, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # a setup may be renaming its folders
                status = Path(top, name).lstat()
                seen[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(seen.values())


@contextlib.contextmanager
def filled(folder: Path) -> Iterator[Path]:
    """A new folder to fill, which takes its final name when the block ends without an error.

    Another process that was faster wins; both made the same. Raises InputError for a full disk and the like.
    """
    part = folder.with_name(f".{folder.name}.{os.urandom(6).hex()}.part")
    try:
        part.mkdir(parents=True)
        yield part
        os.sync()  # or a power cut could leave the name without the contents
        try:
            part.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    except OSError as error:
        raise InputError(f"cannot fill {folder}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextlib.contextmanager
def locked(platform: Platform, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold a platform's lock; `waiting` hears of another holder.

    The kernel drops it with the process and the programs that it started, which may outlive it.
    """
    import fcntl

    path = cache_folder() / f"{platform.name}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror}; EDGEML_CACHE names another folder"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is not None:
                waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        os.set_inheritable(file.fileno(), True)
        yield


def write_record(folder: Path, **content: object) -> None:
    """Say what a folder holds, the last thing before it takes its final name."""
    (folder / RECORD).write_text(json.dumps({"layout": LAYOUT, **content}, indent=1), encoding="utf-8")


def read_record(folder: Path) -> dict[str, Any] | None:
    """What a finished folder holds; None where it is not one of this layout."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and record.get("layout") == LAYOUT else None


@functools.cache
def _models(qemu: str) -> frozenset[str]:
    """The CPU models that this QEMU lists."""
    return frozenset(run([qemu, "-cpu", "help"]).stdout.split())


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in version.split("."))
