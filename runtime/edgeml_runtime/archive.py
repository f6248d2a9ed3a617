"""The container of a bundle: a zip file with exactly one spelling.

Stored entries only; no compression, zip64, links, extra fields, comments or time stamps. The reader
rebuilds every header from what it read and compares bytes, so anything that the writer would not have
written is refused, and the CRC of every entry is checked before its content is looked at. Any zip tool can
open the file.

Source: PKWARE APPNOTE.TXT 6.3.10, sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.16 (its
end).
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Mapping

from edgeml_runtime.errors import IntegrityError

MAX_ENTRIES = 64
MAX_BUNDLE_BYTES = (1 << 31) - 1  # what fits without zip64, and in a 32-bit process
ENTRY_NAME = re.compile(r"[a-z0-9_-][a-z0-9._-]{0,63}")

_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")
_VERSION = 20
_MADE_BY = 0x0300 | _VERSION  # Unix, so that the mode below is understood
_DATE = 0x21  # 1980-01-01, the zero of the format
_MODE = 0o100644 << 16


def _local_header(name: bytes, crc: int, size: int) -> bytes:
    return _LOCAL.pack(b"PK\x03\x04", _VERSION, 0, 0, 0, _DATE, crc, size, size, len(name), 0) + name


def _directory(entries: list[tuple[bytes, int, int, int]], start: int) -> bytes:
    """The central directory and its end; entries are (name, crc, size, offset)."""
    records = b""
    for name, crc, size, offset in entries:
        fixed = (_MADE_BY, _VERSION, 0, 0, 0, _DATE, crc, size, size, len(name), 0, 0, 0, 0, _MODE, offset)
        records += _CENTRAL.pack(b"PK\x01\x02", *fixed) + name
    count = len(entries)
    return records + _END.pack(b"PK\x05\x06", 0, 0, count, count, len(records), start, 0)


def write_archive(files: Mapping[str, bytes]) -> bytes:
    """The archive of those files, in their order."""
    parts: list[bytes] = []
    entries: list[tuple[bytes, int, int, int]] = []
    offset = 0
    for name, content in files.items():
        if not ENTRY_NAME.fullmatch(name):
            raise ValueError(f"entry name {name!r} is not of [a-z0-9._-]")
        crc, encoded = zlib.crc32(content), name.encode("ascii")
        entries.append((encoded, crc, len(content), offset))
        parts += (_local_header(encoded, crc, len(content)), content)
        offset += _LOCAL.size + len(encoded) + len(content)
    if len(entries) > MAX_ENTRIES or offset > MAX_BUNDLE_BYTES:
        raise ValueError(f"{len(entries)} entries of {offset} bytes exceed what a bundle may hold")
    return b"".join((*parts, _directory(entries, offset)))


def read_archive(content: bytes) -> dict[str, bytes]:
    """The files by name, in order; IntegrityError for any byte that the writer would not have written."""
    if len(content) > MAX_BUNDLE_BYTES:
        raise IntegrityError(f"bundle has {len(content)} bytes, at most {MAX_BUNDLE_BYTES} are read")
    view = memoryview(content)
    files: dict[str, bytes] = {}
    entries: list[tuple[bytes, int, int, int]] = []
    offset = 0
    while content[offset : offset + 4] == b"PK\x03\x04":
        if len(entries) == MAX_ENTRIES:
            raise IntegrityError(f"bundle has more than {MAX_ENTRIES} files")
        if len(content) - offset < _LOCAL.size:
            raise IntegrityError(f"bundle is cut off in a header at byte {offset}")
        *_, crc, size, _, name_length, _ = _LOCAL.unpack_from(content, offset)
        start = offset + _LOCAL.size + name_length
        name = bytes(view[offset + _LOCAL.size : start])
        if bytes(view[offset:start]) != _local_header(name, crc, size):
            raise IntegrityError(f"bundle has a damaged or foreign header at byte {offset}")
        text = name.decode("ascii", "replace")
        if not ENTRY_NAME.fullmatch(text) or text in files:
            raise IntegrityError(f"bundle has a malformed or repeated file name {text!r}")
        if len(content) - start < size:
            raise IntegrityError(
                f"bundle is cut off in {text!r}: {size} bytes expected, {len(content) - start} left"
            )
        payload = bytes(view[start : start + size])
        if zlib.crc32(payload) != crc:
            raise IntegrityError(f"bundle is damaged: checksum of {text!r} does not match")
        files[text] = payload
        entries.append((name, crc, size, offset))
        offset = start + size
    if not entries:
        raise IntegrityError("not an edgeml bundle: it does not start with a file entry")
    if bytes(view[offset:]) != _directory(entries, offset):
        raise IntegrityError(
            f"bundle is damaged or foreign after byte {offset}: its directory does not match"
        )
    return files
