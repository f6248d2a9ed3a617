"""Writing files so that an interruption leaves the old one or none; reading them with errors that help."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from edgeml_runtime.errors import InputError


def write_atomically(path: Path, content: bytes) -> None:
    """Write to a temporary name beside `path`, fsync, rename; InputError where that is not possible."""
    path = Path(path)
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder; give a file name")
    temporary = None
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)  # mkstemp is private; a bundle is not
        Path(temporary).replace(path)
        temporary = None
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()


def check_writable(path: Path) -> None:
    """Refuse an output path before long work starts; raises InputError."""
    path = Path(path)
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder; give a file name")
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: folder {path.parent} does not exist")
    if not os.access(path.parent, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise InputError(f"cannot write {path}: permission denied")


def read_file(path: Path, what: str) -> bytes:
    """The bytes of `path`; raises InputError naming `what` it should have been."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {what} {path}: {error.strerror or error}") from error
