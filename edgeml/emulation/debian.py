"""A Debian file tree of a foreign architecture, made without root rights: apt-get fetches, dpkg unpacks.

apt gets a state of its own (lists, status, archives) and the machine's own sources and keys, so that it
resolves, downloads and checks signatures and hashes as it always does; nothing is installed on the machine.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeml.emulation.platforms import Platform
from edgeml.emulation.programs import complaint, run
from edgeml_runtime.errors import EngineError, MissingDependencyError

# What the machine runs after an update of its own lists has nothing to do with these.
_HOOKS = ("Pre-Invoke", "Post-Invoke", "Post-Invoke-Success")


@dataclass(frozen=True, slots=True)
class Package:
    """A package file that apt downloaded and checked."""

    file: str  # libc6_2.36-9+deb12u14_arm64.deb
    size_bytes: int


def check_tools() -> None:
    """Raises MissingDependencyError where this machine has no apt-get or dpkg."""
    for tool in ("apt-get", "dpkg"):
        if shutil.which(tool) is None:
            raise MissingDependencyError(
                f"{tool} is needed to fetch the files of the emulated system and is not on this machine: "
                f"run edgeml on Debian or Ubuntu, or in a container of one"
            )


def update_lists(state: Path, platform: Platform, sources: Path | None) -> tuple[str, ...]:
    """Fetch the lists of packages; returns what apt said of those that it could not have.

    One list that is out of date on its mirror must not stop the others; what is then missing shows when
    packages are resolved. `sources`: a file of apt sources to use in place of the machine's.
    """
    for folder in ("lists/partial", "archives/partial"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    (state / "status").write_bytes(b"")
    (state / "apt.conf").write_text("".join(f"#clear APT::Update::{hook};\n" for hook in _HOOKS))
    done = _apt(state, sources, platform, "update")
    said = [line for line in done.stderr.splitlines() if line.startswith(("E: ", "W: "))]
    return tuple(line[3:] for line in said if not line.startswith("E: Some index files failed"))


def download(
    state: Path, platform: Platform, sources: Path | None, fetched: Callable[[int, int], None]
) -> tuple[Package, ...]:
    """Fetch the platform's packages and all they depend on; goes on where an interrupted run stopped.

    `fetched` hears now and then how many bytes are here, of how many. Raises EngineError in apt's words.
    """
    listed = list_packages(state, platform, sources)
    total = sum(package.size_bytes for package in listed)
    archives = state / "archives"

    def watch() -> None:
        fetched(min(total, sum(path.stat().st_size for path in _files(archives))), total)

    done = _apt(state, sources, platform, "install", "--download-only", *platform.packages, watch=watch)
    if done.returncode != 0:
        raise _not_fetched(platform, done)
    return listed


def list_packages(state: Path, platform: Platform, sources: Path | None) -> tuple[Package, ...]:
    """The platform's packages and all they depend on, as apt resolves them; raises EngineError."""
    # Into a folder where nothing has been downloaded yet, or apt would leave out what it already has.
    untouched = f"Dir::Cache::archives={state / 'none'}"
    done = _apt(state, sources, platform, "install", "--print-uris", "-o", untouched, *platform.packages)
    if done.returncode != 0:
        raise _not_fetched(platform, done)
    return tuple(_listed(done.stdout))


def unpack(state: Path, packages: Sequence[Package], root: Path, platform: Platform) -> None:
    """Unpack downloaded packages into a new folder and make the links that their install scripts would make.

    Raises EngineError with dpkg's own words, for a full disk for example.
    """
    for package in packages:
        archive = state / "archives" / package.file
        done = run(["dpkg", "-x", str(archive), str(root)])
        if done.returncode != 0:
            raise EngineError(f"dpkg could not unpack {package.file}: {complaint(done)}")
    libraries = root / "usr" / "lib" / platform.triplet
    for name, link in (("blas/libblas.so.3", "libblas.so.3"), ("lapack/liblapack.so.3", "liblapack.so.3")):
        if (libraries / name).exists():
            (libraries / link).symlink_to(name)
    # What is not in the tree is taken from the host: its loader settings are for another architecture.
    for name in ("ld.so.cache", "ld.so.preload"):
        (root / "etc" / name).write_bytes(b"")


def _listed(text: str) -> Iterator[Package]:
    """Lines such as `'ADDRESS' libc6_2.36-9_arm64.deb 2324660 SHA256:...`."""
    for line in text.splitlines():
        parts = line.split()
        if line.startswith("'") and len(parts) >= 3:
            yield Package(parts[1], int(parts[2]))


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*.deb*") if path.is_file())


def _not_fetched(platform: Platform, done: subprocess.CompletedProcess[str]) -> EngineError:
    return EngineError(
        f"apt-get could not fetch {platform.debian} packages: {complaint(done)}; Debian 12 has them: where "
        f"this machine's sources are others, give a file of Debian's with --apt-sources"
    )


def _apt(
    state: Path,
    sources: Path | None,
    platform: Platform,
    *arguments: str,
    watch: Callable[[], None] | None = None,
) -> subprocess.CompletedProcess[str]:
    options = {
        "APT::Architecture": platform.debian,
        "APT::Architectures::": platform.debian,
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",  # the user that apt would change to cannot write into a home folder
        "Acquire::Languages": "none",
        "Acquire::Retries": "2",
        "Dir::State": str(state),
        "Dir::State::lists": str(state / "lists"),
        "Dir::State::status": str(state / "status"),
        "Dir::Cache": str(state),
        "Dir::Cache::archives": str(state / "archives"),
    }
    if sources is not None:
        options |= {"Dir::Etc::sourcelist": str(sources.absolute()), "Dir::Etc::sourceparts": "/dev/null"}
    settings = ["-c", str(state / "apt.conf")]
    flags = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    return run(["apt-get", "-q", "-y", *settings, *flags, *arguments], watch=watch)
