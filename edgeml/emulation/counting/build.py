"""The plugin as QEMU loads it: compiled at first use with this machine's C compiler, kept in the cache."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from edgeml.emulation.programs import run
from edgeml.emulation.roots import cache_folder
from edgeml_runtime.errors import EngineError, MissingDependencyError
from edgeml_runtime.files import write_atomically

_SOURCES = ("plugin.c", "decode.c")
_FLAGS = ("-std=c99", "-O2", "-shared", "-fPIC", "-fvisibility=hidden")
_COMPILERS = ("cc", "gcc", "clang")
_BUILD_TIMEOUT_S = 120.0


def plugin_file() -> Path:
    """The compiled plugin; raises MissingDependencyError without a C compiler, EngineError where it fails.

    One file serves every version of QEMU; its name says which sources, compiler and kind of machine made it.
    """
    folder = Path(__file__).parent
    compiler = _compiler()
    key = hashlib.sha256(repr((compiler, _FLAGS, platform.machine())).encode())
    for name in (*_SOURCES, "decode.h"):
        key.update((folder / name).read_bytes())
    built = cache_folder() / "counting" / f"plugin-{key.hexdigest()[:16]}.so"
    if not built.is_file():
        _build(compiler, [str(folder / name) for name in _SOURCES], built)
    return built


def _compiler() -> list[str]:
    own = shlex.split(os.environ.get("CC", ""))
    for program in own[:1] or _COMPILERS:
        if (path := shutil.which(program)) is not None:
            return [path, *own[1:]]
    wanted = f"{own[0]} (from CC)" if own else "a C compiler"
    raise MissingDependencyError(
        f"counting instructions needs {wanted} to build a small plugin for QEMU, and it is not on this "
        "machine: sudo apt-get install gcc"
    )


def _build(compiler: list[str], sources: list[str], built: Path) -> None:
    built.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch, built.name)
        command = [*compiler, *_FLAGS, "-o", str(output), *sources]
        try:
            done = run(command, timeout_s=_BUILD_TIMEOUT_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EngineError(f"the plugin that counts instructions was not built: {error}") from error
        if done.returncode != 0:
            raise EngineError(
                f"{shlex.join(compiler)} cannot build the plugin that counts instructions (exit code "
                f"{done.returncode}):\n{done.stderr.strip()}"
            )
        write_atomically(built, output.read_bytes())


def qemu_version(qemu: str) -> str:
    """The version of a qemu-user that takes plugins, as `7.2.22`.

    Raises MissingDependencyError for one that takes none, with a way to one that does.
    """
    if not re.search(r"^-plugin\b", run([qemu, "-h"]).stdout, re.MULTILINE):
        raise MissingDependencyError(
            f"{qemu} takes no plugins, which counting instructions needs. Debian 12's qemu-user does: sudo "
            "apt-get install qemu-user. Those of Debian 13 and Ubuntu 24.04 do not, nor qemu-user-static: "
            "build QEMU with --target-list=aarch64-linux-user,arm-linux-user --enable-plugins, and put "
            "it first on PATH"
        )
    found = re.search(r"version (\d[\w.]*)", run([qemu, "--version"]).stdout)
    return found[1] if found else "unknown"
