"""Writing files so that an interruption leaves the old one or none; reading them with errors that help."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from edgeml_runtime.errors import InputError

_PIECE_BYTES = 1 << 20  # of files that do not tell their size, as pipes


def write_atomically(path: Path, content: bytes) -> None:
    """Write to a temporary name beside `path`, fsync, rename; InputError where that is not possible."""
    target = _target(path)
    temporary = target.with_name(f".{target.name[:200]}.{os.urandom(6).hex()}.part")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):  # it is gone where all went well
            temporary.unlink()


def make_output_folder(folder: Path) -> None:
    """Make it where it is missing; raises InputError where no file can be written into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror}") from error
    check_writable(folder / "bundle.edgeml")


def check_writable(path: Path) -> None:
    """Refuse an output path before long work starts; raises InputError."""
    target = _target(path)
    if not target.parent.is_dir():
        raise InputError(f"cannot write {path}: folder {target.parent} does not exist")
    if not os.access(target.parent, os.W_OK) or (target.exists() and not os.access(target, os.W_OK)):
        raise InputError(f"cannot write {path}: permission denied")


def _target(path: Path) -> Path:
    """What a rename may replace: through links, and never a folder or a device such as /dev/null."""
    try:
        target = Path(path).resolve()
        exists, regular = target.exists(), target.is_file()
    except (OSError, ValueError, RuntimeError) as error:  # a loop of links, a NUL in the name
        raise InputError(f"cannot write {str(path)!r}: {error}") from error
    if target.is_dir():
        raise InputError(f"cannot write {path}: it is a folder; give a file name")
    if exists and not regular:
        raise InputError(f"cannot write {path}: it is not a regular file")
    return target


def read_file(path: Path, what: str, limit: int | None = None) -> bytes:
    """The bytes of `path`, at most `limit` and one more; raises InputError naming `what` it should be."""
    try:
        with Path(path).open("rb") as file:
            if limit is None:
                return file.read()
            # Never `limit` bytes at once: a read sets all that it is asked for aside, 2 GB at worst.
            piece = max(os.fstat(file.fileno()).st_size, _PIECE_BYTES)
            parts, left = [], limit + 1
            while left > 0 and (part := file.read(min(piece, left))):
                parts.append(part)
                left -= len(part)
            return b"".join(parts)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise InputError(f"cannot read {what} {str(path)!r}: {reason}") from error
