"""Pack: an artifact, its golden vectors and every verdict into a bundle, byte for byte reproducible."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from edgeml.reference import Reference
from edgeml_converters.model import Artifact, Data, TrainedModel, as_feeds, take_rows
from edgeml_runtime.bundle import Bundle, decode_bundle, encode_bundle, file_entries, npy_bytes
from edgeml_runtime.engines import choose_engine
from edgeml_runtime.inputs import check_feeds
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
from edgeml_runtime.signature import Array, Scalar, TensorSpec, dequantize, quantize

GOLDEN_ROWS = 8
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
    arrays = check_feeds(signature.inputs, as_feeds(model, rows.x))
    outputs = _run(artifact, arrays)
    artifact_file = f"model.{artifact.format}"
    files = {artifact_file: artifact.content}
    fixture = Fixture(
        inputs=_store(files, "in", {s.name: a for s, a in zip(signature.inputs, arrays, strict=True)}),
        outputs=_store(files, "out", outputs),
        tolerances=tuple(_tolerance(spec, outputs[spec.name], artifact.scheme) for spec in signature.outputs),
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


def _run(artifact: Artifact, inputs: list[Array]) -> dict[str, Array]:
    """Every output by name, real values, from the engine itself."""
    signature = artifact.signature
    handle = choose_engine(artifact.format).open(artifact.content, signature, 1)
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
