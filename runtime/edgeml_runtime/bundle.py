"""A bundle in memory: its manifest and its files, checked before anybody else sees a byte."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edgeml_runtime.archive import MAX_BUNDLE_BYTES, read_archive, write_archive
from edgeml_runtime.codec import decode, encode
from edgeml_runtime.errors import IntegrityError, ManifestError, SignatureError
from edgeml_runtime.files import read_file
from edgeml_runtime.golden_rows import parse_rows
from edgeml_runtime.inputs import check_feeds
from edgeml_runtime.manifest import MANIFEST, FileEntry, GoldenTensor, Manifest, dump_manifest, parse_manifest
from edgeml_runtime.npy import npy_bytes, read_npy
from edgeml_runtime.signature import Array, TensorSpec

__all__ = ["Bundle", "decode_bundle", "encode_bundle", "file_entries", "npy_bytes", "read_bundle"]


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
        """Golden tensors by name, real values, read-only."""
        return {t.tensor: read_npy(self.files[t.file]) for t in tensors}

    def golden_rows(self) -> Any:
        """The golden inputs as callers give them: what `Session.predict` takes."""
        fixture = self.manifest.fixture
        inputs = self.golden(fixture.inputs)
        if fixture.rows is not None:
            count = len(next(iter(inputs.values())))
            return parse_rows(self.files[fixture.rows], self.manifest.signature, count)
        return inputs if len(inputs) > 1 else next(iter(inputs.values()))


def file_entries(files: Mapping[str, bytes]) -> tuple[FileEntry, ...]:
    """What a manifest lists of those files, in its order."""
    return tuple(FileEntry(n, len(c), hashlib.sha256(c).hexdigest()) for n, c in sorted(files.items()))


def encode_bundle(manifest: Manifest, files: Mapping[str, bytes]) -> bytes:
    """The bundle's bytes; `manifest.files` is filled in from `files`.

    Raises ValueError or ManifestError for what no reader would accept.
    """
    ordered = dict(sorted(files.items()))
    # Through the decoder once, so that an int in a float field gets a float's spelling.
    checked = decode(Manifest, encode(replace(manifest, files=file_entries(ordered))))
    content = write_archive({MANIFEST: dump_manifest(checked), **ordered})
    decode_bundle(content)
    return content


def decode_bundle(content: bytes) -> Bundle:
    """The bundle of those bytes; raises IntegrityError or ManifestError before any of it is used."""
    files = read_archive(content)
    names = list(files)
    if names[0] != MANIFEST:
        raise IntegrityError(f"not an edgeml bundle: its first file is {names[0]!r}, not {MANIFEST!r}")
    manifest = parse_manifest(files.pop(MANIFEST))
    listed = [f.name for f in manifest.files]
    if names[1:] != listed:
        raise IntegrityError(f"bundle holds {', '.join(names[1:])}, its manifest lists {', '.join(listed)}")
    for entry in manifest.files:
        payload = files[entry.name]
        if len(payload) != entry.size_bytes:
            raise IntegrityError(
                f"{entry.name!r} has {len(payload)} bytes, the manifest says {entry.size_bytes}"
            )
        if hashlib.sha256(payload).hexdigest() != entry.sha256:
            raise IntegrityError(f"{entry.name!r} is not the file that the manifest lists (sha256 differs)")
    _check_golden(manifest, files)
    return Bundle(manifest, files, hashlib.sha256(content).hexdigest(), len(content))


def read_bundle(source: str | Path | bytes) -> Bundle:
    """The bundle of a path or of bytes; raises InputError, IntegrityError or ManifestError."""
    if isinstance(source, bytes):
        return decode_bundle(source)
    content = read_file(Path(source), "bundle", MAX_BUNDLE_BYTES)
    try:
        return decode_bundle(content)
    except (IntegrityError, ManifestError) as error:
        raise type(error)(f"{source}: {error}") from error


def _check_golden(manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """Golden vectors are rows that the signature takes and gives; raises ManifestError."""
    arrays: dict[str, Array] = {}
    for golden in (*manifest.fixture.inputs, *manifest.fixture.outputs):
        try:
            arrays[golden.file] = read_npy(files[golden.file])
        except ValueError as error:
            raise ManifestError(f"golden vector {golden.file!r}: {error}") from error
    signature, fixture = manifest.signature, manifest.fixture
    try:
        feeds = {g.tensor: arrays[g.file] for g in fixture.inputs}
        rows = len(check_feeds(signature.inputs, feeds, strict=True)[0])
    except SignatureError as error:
        raise ManifestError(f"golden vectors do not fit the signature: {error}") from error
    if fixture.rows is not None:
        parse_rows(files[fixture.rows], signature, rows)
    for spec, golden in zip(signature.outputs, fixture.outputs, strict=True):
        array = arrays[golden.file]
        if not _matches(spec, array) or len(array) != rows:
            raise ManifestError(
                f"golden vector {golden.file!r}: expected {rows} rows of output {spec.describe()}, "
                f"got {array.dtype.name}{list(array.shape)}"
            )


def _matches(spec: TensorSpec, array: Array) -> bool:
    kind = "str" if array.dtype.kind == "U" else array.dtype.name
    sizes = array.shape == tuple(
        got if want is None else want for got, want in zip(array.shape, spec.shape, strict=False)
    )
    return kind == spec.real_dtype and array.ndim == len(spec.shape) and sizes
