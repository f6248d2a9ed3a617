"""Pack: an artifact, its golden vectors and every verdict into a bundle, byte for byte reproducible."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from edgeml.reference import Reference
from edgeml_converters.model import Artifact, Data, TrainedModel, take_rows
from edgeml_runtime.bundle import Bundle, decode_bundle, encode_bundle, file_entries, npy_bytes
from edgeml_runtime.engines import choose_engine
from edgeml_runtime.errors import InputError
from edgeml_runtime.feeds import Intake
from edgeml_runtime.golden_rows import MAX_BYTES, plain_rows, select_rows
from edgeml_runtime.manifest import (
    FORMAT,
    Budget,
    Fixture,
    GoldenTensor,
    Manifest,
    Provenance,
    Tolerance,
    Verdict,
)
from edgeml_runtime.signature import Array, Scalar, Signature, TensorSpec, dequantize, quantize
from edgeml_runtime.strict_json import dump
from edgeml_runtime.tuning import DEFAULTS

GOLDEN_ROWS = 8
GOLDEN_BYTES = (
    1 << 20
)  # of encoded rows; a single one may have more, as documents hashed to a million columns
GOLDEN_ROWS_FILE = "golden-rows.json"
_DISTRIBUTIONS = {"sklearn": "scikit-learn"}
# What another machine's engine may answer differently, as a share of an output's largest value: summation
# order in float; for the quantized schemes a few steps of 1/255 of the range, since rounding differs between
# kernels.
_RELATIVE_TOLERANCE = {
    "float32": 1e-4,
    "float16": 5e-3,
    "int8-dynamic": 3e-2,
    "int8-static": 3e-2,
    "int16x8-static": 5e-3,
}


def golden_rows(data: Data, reference: Reference) -> Array:
    """Indices of the rows for golden vectors: those whose label no rounding can change, evenly spread."""
    rows = np.arange(len(data))
    if reference.margins is not None:
        rows = np.sort(np.argsort(-reference.margins, kind="stable")[: max(GOLDEN_ROWS, len(data) // 2)])
    spread = np.linspace(0, len(rows) - 1, min(GOLDEN_ROWS, len(rows))).astype(np.int64)
    chosen: Array = rows[spread]
    return chosen


def bundle_of(
    artifact: Artifact,
    model: TrainedModel,
    rows: Data,
    *,
    device: str,
    budget: Budget,
    provenance: Provenance,
) -> Bundle:
    """A bundle without verdicts, its golden outputs computed by the engine here.

    Raises EngineFailedError where the engine refuses the artifact.
    """
    signature = artifact.signature
    artifact_file = f"model.{artifact.format}"
    files = {artifact_file: artifact.content}
    x = rows.x
    if signature.encodes:
        x = _plain_golden_rows(signature, rows)
        files[GOLDEN_ROWS_FILE] = dump(x)
    arrays = Intake(signature)(x)
    outputs = _run(artifact, arrays)
    fixture = Fixture(
        inputs=_store(files, "in", {s.name: a for s, a in zip(signature.inputs, arrays, strict=True)}),
        outputs=_store(files, "out", outputs),
        tolerances=tuple(_tolerance(spec, outputs[spec.name], artifact.scheme) for spec in signature.outputs),
        rows=GOLDEN_ROWS_FILE if signature.encodes else None,
    )
    manifest = Manifest(
        format=FORMAT,
        name=bundle_name(model.name),
        artifact=artifact_file,
        artifact_format=artifact.format,
        scheme=artifact.scheme,
        signature=signature,
        float_operators=artifact.float_operators,
        fixture=fixture,
        device=device,
        budget=budget,
        verdicts=(),
        provenance=provenance,
        files=file_entries(files),
    )
    return decode_bundle(encode_bundle(manifest, files))


def _plain_golden_rows(signature: Signature, rows: Data) -> Any:
    """As many rows, as JSON values, as fit; raises InputError where not one does."""
    width = sum(spec.encoding.width for spec in signature.inputs if spec.encoding is not None)
    count = min(len(rows), max(1, GOLDEN_BYTES // (4 * max(width, 1))))
    plain = plain_rows(signature, rows.x)
    while count:
        chosen = select_rows(plain, list(range(count)))
        if len(dump(chosen)) <= MAX_BYTES:
            return chosen
        count //= 2
    raise InputError(f"data: a single row has more than {MAX_BYTES} bytes; a bundle cannot show it")


def _run(artifact: Artifact, inputs: list[Array]) -> dict[str, Array]:
    """Every output by name, real values, from the engine itself."""
    signature = artifact.signature
    handle = choose_engine(artifact.format).open(artifact.content, signature, DEFAULTS)
    stored = [quantize(spec, array) for spec, array in zip(signature.inputs, inputs, strict=True)]
    results = handle.run(tuple(spec.name for spec in signature.outputs), stored)
    return {spec.name: dequantize(spec, r) for spec, r in zip(signature.outputs, results, strict=True)}


def with_verdicts(bundle: Bundle, verdicts: tuple[Verdict, ...]) -> bytes:
    """The final bytes.

    Latency and memory vary from run to run, so their values stay in the report, not in the bundle.
    """
    reproducible = tuple(
        replace(v, value=None, detail="") if v.gate in ("latency", "memory") else v for v in verdicts
    )
    return encode_bundle(replace(bundle.manifest, verdicts=reproducible), bundle.files)


def bundle_name(text: str) -> str:
    """A name of [a-z0-9._-] out of any text."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-.")[:64] or "model"


def provenance_of(
    model: TrainedModel,
    artifact_format: str,
    requires: tuple[str, ...],
    data_digest: str,
    options: Mapping[str, Scalar | None],
) -> Provenance:
    """Versions of ourselves, the converters' packages and the engine; digests of model and data."""
    names = {"edgeml", "numpy", choose_engine(artifact_format).distribution}
    names |= {_DISTRIBUTIONS.get(m, m.replace("_", "-")) for m in requires}
    versions = {}
    for name in sorted(names):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "unknown"
    return Provenance(
        model_name=model.name,
        model_kind=model.kind,
        model_digest=model.digest,
        data_digest=data_digest,
        versions=versions,
        options=options,
    )


def _store(files: dict[str, bytes], direction: str, tensors: Mapping[str, Array]) -> tuple[GoldenTensor, ...]:
    stored = []
    for number, (name, array) in enumerate(tensors.items()):
        file = f"golden-{direction}-{number}.npy"
        files[file] = npy_bytes(array)
        stored.append(GoldenTensor(name, file))
    return tuple(stored)


def _tolerance(spec: TensorSpec, golden: Array, scheme: str) -> Tolerance:
    if golden.dtype.kind != "f":
        return Tolerance(spec.name, 0.0, 0.0)
    share = _RELATIVE_TOLERANCE[scheme]
    largest = float(np.abs(golden[np.isfinite(golden)]).max(initial=0.0))
    return Tolerance(spec.name, share * largest or share, share)


def golden_data(data: Data, reference: Reference) -> Data:
    """The rows that go into the bundle."""
    return Data(take_rows(data.x, golden_rows(data, reference)))
