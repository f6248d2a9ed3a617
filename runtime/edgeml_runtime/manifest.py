"""The manifest of a bundle: its types, and their one canonical JSON form.

The reader refuses whatever the writer would not have written: parse, decode strictly, encode again, compare.
That single rule covers duplicate keys, other number spellings, white space and unknown fields.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from edgeml_runtime import strict_json
from edgeml_runtime.archive import ENTRY_NAME, MAX_BUNDLE_BYTES
from edgeml_runtime.codec import CodecError, decode, encode
from edgeml_runtime.errors import ManifestError
from edgeml_runtime.signature import Scalar, Signature
from edgeml_runtime.tuning import DeviceClass, Tuning

FORMAT = 1  # of a bundle that a reader of the first format can read
TUNED_FORMAT = 2  # of one with tunings, which such a reader would not know
NEWEST_FORMAT = TUNED_FORMAT
MANIFEST = "manifest.json"
RESERVED = (MANIFEST, "manifest.sig")  # a signature over the manifest cannot be listed in it
MAX_MANIFEST_BYTES = 1 << 23  # a vocabulary of 300,000 words fits
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of the bundle beside the manifest."""

    name: str
    size_bytes: int
    sha256: str

    def __post_init__(self) -> None:
        if not ENTRY_NAME.fullmatch(self.name) or self.name in RESERVED:
            raise ValueError(f"file name {self.name[:80]!a} is reserved or not of [a-z0-9._-]")
        if not 0 <= self.size_bytes <= MAX_BUNDLE_BYTES or not _SHA256.fullmatch(self.sha256):
            raise ValueError(f"file {self.name!r} has a malformed size or sha256")


@dataclass(frozen=True, slots=True)
class FloatOperator:
    """Operators of a quantized artifact that compute in float: how many of a kind, and why."""

    operator: str
    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class GoldenTensor:
    """One golden tensor, real values, as a .npy file of the bundle."""

    tensor: str
    file: str


@dataclass(frozen=True, slots=True)
class Tolerance:
    """|got - golden| <= atol + rtol * |golden| for an output; integers compare with both at 0."""

    output: str
    atol: float
    rtol: float

    def __post_init__(self) -> None:
        if not (0 <= self.atol < math.inf and 0 <= self.rtol < math.inf):
            raise ValueError(f"tolerance of {self.output!r} must be finite and at least 0")


@dataclass(frozen=True, slots=True)
class Fixture:
    """Golden vectors: inputs, the outputs the build host's engine gave for them, and what may differ.

    `rows`: the file with the same rows as callers give them, where the runtime makes the inputs of something
    else (`Signature.encodes`).
    """

    inputs: tuple[GoldenTensor, ...]
    outputs: tuple[GoldenTensor, ...]
    tolerances: tuple[Tolerance, ...]  # one for each output, in their order
    rows: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a gate says of a candidate.

    `measured_on` names the machine of `value` ("any" where it does not depend on one). `unproven`: there is a
    limit, and only the device can prove it.
    """

    gate: str
    status: Literal["passed", "failed", "unproven", "measured"]
    value: float | None
    limit: float | None
    unit: str
    measured_on: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Budget:
    """What an artifact may cost. None: no limit. Drops are absolute (0.01 is one percentage point)."""

    max_accuracy_drop: float | None = None
    max_latency_ms: float | None = None
    max_size_kb: float | None = None
    max_memory_kb: float | None = None

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if value is not None and not 0 <= value < float("inf"):
                raise ValueError(f"{name} must be a finite number of at least 0, got {value}")


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the artifact comes from; no time stamps, so that the same input gives the same bytes."""

    model_name: str
    model_kind: str
    model_digest: str
    data_digest: str
    versions: Mapping[str, str]
    options: Mapping[str, Scalar | None]


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything a bundle says about itself."""

    format: int
    name: str
    artifact: str  # the file that the engine loads
    artifact_format: str
    scheme: str
    signature: Signature
    float_operators: tuple[FloatOperator, ...]
    fixture: Fixture
    device: str
    budget: Budget
    verdicts: tuple[Verdict, ...]
    provenance: Provenance
    files: tuple[FileEntry, ...]
    tunings: tuple[Tuning, ...] = ()  # of format 2, which has at least one

    def __post_init__(self) -> None:
        if self.format in (FORMAT, TUNED_FORMAT) and self.format != format_of(self.tunings):
            raise ValueError(f"format {self.format} has {'no' if self.format == FORMAT else 'some'} tunings")
        classes = [_class_key(tuning.device_class) for tuning in self.tunings]
        if classes != sorted(set(classes)):
            raise ValueError("tunings must be sorted by device class, each once")
        names = [f.name for f in self.files]
        if names != sorted(set(names)):
            raise ValueError("files must be sorted by name, each once")
        if not (self.name and self.artifact_format and self.scheme):
            raise ValueError("name, artifact_format and scheme must not be empty")
        if not self.signature.methods:
            raise ValueError("signature has no methods")
        fixture = self.fixture
        for what, specs, given in (
            ("inputs", self.signature.inputs, [g.tensor for g in fixture.inputs]),
            ("outputs", self.signature.outputs, [g.tensor for g in fixture.outputs]),
            ("tolerances", self.signature.outputs, [t.output for t in fixture.tolerances]),
        ):
            wanted = [spec.name for spec in specs]
            if given != wanted:
                raise ValueError(f"fixture.{what} must be {wanted} as in the signature, got {given}")
            free = [spec.name for spec in specs if spec.shape[:1] != (None,)]
            if free:
                raise ValueError(f"the first axis of {free[0]!r} must be the batch (null)")
        if (fixture.rows is not None) != self.signature.encodes:
            raise ValueError(
                "fixture.rows must name a file where inputs are columns or encoded, else nothing"
            )
        used = [self.artifact, *(g.file for g in (*fixture.inputs, *fixture.outputs))]
        if fixture.rows is not None:
            used.append(fixture.rows)
        if len(set(used)) != len(used):
            raise ValueError("the artifact and every golden tensor need a file of their own")
        for name in used:
            if name not in names:
                raise ValueError(f"{name[:80]!a} is not among the files")


def format_of(tunings: tuple[Tuning, ...]) -> int:
    """The format of a bundle with those tunings: the oldest that has a place for them."""
    return TUNED_FORMAT if tunings else FORMAT


def with_tuning(tunings: tuple[Tuning, ...], tuning: Tuning) -> tuple[Tuning, ...]:
    """Those tunings with another, in place of the one for the same class of devices if there is one."""
    others = [t for t in tunings if t.device_class != tuning.device_class]
    return tuple(sorted([*others, tuning], key=lambda t: _class_key(t.device_class)))


def _class_key(known: DeviceClass) -> tuple[object, ...]:
    return known.machine, known.cores, known.cpu_features, known.usable_cpus


def manifest_document(manifest: Manifest) -> dict[str, Any]:
    """The manifest as JSON values: the content of `manifest.json`."""
    document: dict[str, Any] = encode(manifest)
    if not manifest.tunings:  # the first format has no place for them
        del document["tunings"]
    return document


def dump_manifest(manifest: Manifest) -> bytes:
    """The canonical bytes; raises CodecError for what JSON cannot hold."""
    try:
        return strict_json.dump(manifest_document(manifest))
    except CodecError as error:
        raise CodecError(f"manifest {error}") from error


def parse_manifest(content: bytes) -> Manifest:
    """The manifest of those bytes; raises ManifestError saying what is wrong."""
    document = strict_json.parse(content, "manifest", max_bytes=MAX_MANIFEST_BYTES)
    version = document.get("format") if isinstance(document, dict) else None
    if type(version) is int and version > NEWEST_FORMAT:
        raise ManifestError(
            f"bundle format {version} is newer than this runtime reads ({NEWEST_FORMAT}); "
            "upgrade edgeml-runtime"
        )
    try:
        manifest = decode(Manifest, document)
    except CodecError as error:
        raise ManifestError(f"manifest: {error}") from error
    if manifest.format not in (FORMAT, TUNED_FORMAT):
        known = f"{FORMAT} to {NEWEST_FORMAT}"
        raise ManifestError(f"bundle format {manifest.format} is unknown; this runtime reads {known}")
    if dump_manifest(manifest) != content:
        raise ManifestError(
            "manifest is not in canonical form (order or repetition of keys, spacing, number spelling)"
        )
    return manifest
