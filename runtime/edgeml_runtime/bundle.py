"""A bundle in memory: its manifest and its files, both checked before anybody else sees a byte."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from edgeml_runtime.archive import read_archive, write_archive
from edgeml_runtime.codec import decode, encode
from edgeml_runtime.errors import IntegrityError, ManifestError
from edgeml_runtime.files import read_file
from edgeml_runtime.manifest import FileEntry, GoldenTensor, Manifest, dump_manifest, parse_manifest
from edgeml_runtime.signature import Array

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle. `digest` is the sha256 of its bytes, by which measurements name it."""

    manifest: Manifest
    files: Mapping[str, bytes] = field(repr=False)
    digest: str
    size_bytes: int

    @property
    def artifact(self) -> bytes:
        """The bytes for the engine."""
        return self.files[self.manifest.artifact]

    def golden(self, tensors: tuple[GoldenTensor, ...]) -> dict[str, Array]:
        """Golden tensors by name, real values; raises ManifestError for a file that is not a plain .npy."""
        return {t.tensor: _read_npy(t.file, self.files[t.file]) for t in tensors}


def file_entries(files: Mapping[str, bytes]) -> tuple[FileEntry, ...]:
    """What a manifest lists of those files, in its order."""
    return tuple(FileEntry(n, len(c), hashlib.sha256(c).hexdigest()) for n, c in sorted(files.items()))


def encode_bundle(manifest: Manifest, files: Mapping[str, bytes]) -> bytes:
    """The bundle's bytes; `manifest.files` is filled in from `files`."""
    ordered = dict(sorted(files.items()))
    # Through the decoder once: written is exactly what a reader accepts (ints in float fields included).
    checked = decode(Manifest, encode(replace(manifest, files=file_entries(ordered))))
    return write_archive({MANIFEST: dump_manifest(checked), **ordered})


def decode_bundle(content: bytes) -> Bundle:
    """The bundle of those bytes; raises IntegrityError or ManifestError before any of it is used."""
    files = read_archive(content)
    names = list(files)
    if names[0] != MANIFEST:
        raise IntegrityError(f"not an edgeml bundle: its first file is {names[0]!r}, not {MANIFEST!r}")
    manifest = parse_manifest(files.pop(MANIFEST))
    if names[1:] != [f.name for f in manifest.files]:
        raise IntegrityError("bundle holds other files than its manifest lists")
    for entry in manifest.files:
        payload = files[entry.name]
        if len(payload) != entry.size_bytes or hashlib.sha256(payload).hexdigest() != entry.sha256:
            raise IntegrityError(f"{entry.name!r} is not the file that the manifest lists (sha256 differs)")
    return Bundle(manifest, files, hashlib.sha256(content).hexdigest(), len(content))


def read_bundle(source: str | Path | bytes) -> Bundle:
    """The bundle of a path or of bytes; raises InputError, IntegrityError or ManifestError."""
    if isinstance(source, bytes):
        return decode_bundle(source)
    content = read_file(Path(source), "bundle")
    try:
        return decode_bundle(content)
    except (IntegrityError, ManifestError) as error:
        raise type(error)(f"{source}: {error}") from error


def npy_bytes(array: Array) -> bytes:
    """An array as .npy, C order, little-endian."""
    buffer = io.BytesIO()
    array = np.ascontiguousarray(array)
    np.lib.format.write_array(buffer, array.astype(array.dtype.newbyteorder("<")), allow_pickle=False)
    return buffer.getvalue()


def _read_npy(name: str, content: bytes) -> Array:
    try:
        array: Array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ManifestError(f"golden vector {name!r} is not a plain .npy file: {error}") from error
    return array.astype(array.dtype.newbyteorder("="))
