"""Engine wheels of a foreign platform: pip installs them, from its configured index, into folders."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

from edgeml.emulation.platforms import Platform
from edgeml.emulation.programs import complaint, run
from edgeml_runtime.errors import EngineError, MissingDependencyError

# What the newest release of an engine must be told about its own past: it was built against NumPy 1.
_ALSO = {"tflite-runtime": ("numpy<2",)}


def pip_command() -> list[str]:
    """The pip of this Python, of the system's, or one that uv brings; raises MissingDependencyError."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    # The first on the path is often this very environment's, which has none.
    for folder in os.get_exec_path():
        python = shutil.which("python3", path=folder)
        if python is not None and run([python, "-m", "pip", "--version"]).returncode == 0:
            return [python, "-m", "pip"]
    if (uv := shutil.which("uv")) is not None:
        return [uv, "tool", "run", "--quiet", "--python", sys.executable, "pip"]
    raise MissingDependencyError(
        f"pip is needed to fetch engine wheels of another platform: {sys.executable} -m ensurepip, "
        f"or sudo apt-get install python3-pip"
    )


def install_wheels(pip: list[str], package: str, version: str, platform: Platform, target: Path) -> None:
    """Install that version and what it needs, as a Python of that platform would, into a new folder.

    Wheels only: nothing is compiled, nothing of the package runs. Raises EngineError with pip's own words.
    """
    tags = [part for tag in platform.wheel_tags for part in ("--platform", tag)]
    # Where the platform's NumPy is Debian's, no wheel of one exists.
    dependencies = ["--no-deps"] if "python3-numpy" in platform.packages else list(_ALSO.get(package, ()))
    command = [
        *pip,
        *("install", "--quiet", "--no-compile", "--only-binary", ":all:", "--target", str(target)),
        *("--implementation", "cp", "--python-version", platform.python, *tags),
        *(f"{package}=={version}", *dependencies),
    ]
    # A folder of one's own concerns neither the system's Python nor the user's.
    settings = {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0", "PIP_BREAK_SYSTEM_PACKAGES": "1"}
    done = run(command, settings)
    if done.returncode != 0:
        raise EngineError(
            f"no {package} {version} for {platform.name} and Python {platform.python}: {complaint(done)}"
        )


def installed_version(folder: Path, package: str) -> str | None:
    """The version of a distribution in a folder of wheels or of Debian's Python packages."""
    from importlib.metadata import distributions

    for found in distributions(path=[str(folder)]):
        if found.name.replace("_", "-").lower() == package:
            return found.version
    return None
