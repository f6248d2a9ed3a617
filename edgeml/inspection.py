"""What a file is: a bundle, an artifact, or a trained model with what each step and format says to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgeml.coverage import Coverage, StepCoverage, coverage, coverage_lines
from edgeml_converters.intake import describe, load_model
from edgeml_converters.model import TrainedModel
from edgeml_runtime.bundle import read_bundle
from edgeml_runtime.cli import describe_inputs, describe_verdict, printable
from edgeml_runtime.codec import decode, encode
from edgeml_runtime.errors import InputError
from edgeml_runtime.files import read_file
from edgeml_runtime.manifest import Manifest, manifest_document
from edgeml_runtime.signature import Signature


def inspect_file(path: Path, *, trust_pickle: bool = False) -> dict[str, Any]:
    """A JSON document whose `what` is "bundle", "tflite" or "model"; raises InputError or BundleError."""
    suffix = path.suffix.lower()
    if suffix == ".edgeml":
        bundle = read_bundle(path)
        return {
            "what": "bundle",
            "digest": bundle.digest,
            "size_bytes": bundle.size_bytes,
            "manifest": manifest_document(bundle.manifest),
        }
    if suffix == ".tflite":
        from edgeml_converters.to_tflite.inspection import describe_file

        content = read_file(path, "TFLite file")
        try:
            return {"what": "tflite", **describe_file(content)}
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
    return _model_document(describe(load_model(path, trust_pickle=trust_pickle), path.stem))


def _model_document(model: TrainedModel) -> dict[str, Any]:
    return {
        "what": "model",
        "name": model.name,
        "kind": model.kind,
        "task": model.task,
        "digest": model.digest,
        "warnings": list(model.warnings),
        "signature": encode(model.signature),
        **encode(coverage(model)),
    }


def inspection_lines(document: dict[str, Any]) -> Iterator[str]:
    """The document for people, safe for a terminal."""
    for key, text in _pairs(document):
        yield f"{key:10} {printable(text)}"


def _tensors(signature: Signature) -> Iterator[tuple[str, str]]:
    for text in describe_inputs(signature):
        yield "input", text
    for spec in signature.outputs:
        yield "output", spec.describe()


def _pairs(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "what", document["what"]
    if document["what"] == "bundle":
        manifest = decode(Manifest, document["manifest"])
        yield "digest", document["digest"]
        yield "artifact", f"{manifest.artifact_format} {manifest.scheme}, made for {manifest.device}"
        for entry in manifest.files:
            yield "file", f"{entry.name}, {entry.size_bytes:,} bytes"
        yield from _tensors(manifest.signature)
        for operator in manifest.float_operators:
            yield "in float", f"{operator.count} x {operator.operator}: {operator.reason}"
        for verdict in manifest.verdicts:
            yield "verdict", describe_verdict(verdict)
    elif document["what"] == "model":
        yield "name", f"{document['name']} ({document['kind']}, {document['task']})"
        yield from _tensors(decode(Signature, document["signature"]))
        for warning in document["warnings"]:
            yield "warning", warning
        yield from coverage_lines(
            Coverage(document["formats"], tuple(StepCoverage(**step) for step in document["steps"]))
        )
    else:
        for key, value in document.items():
            if key != "what":
                yield key, str(value)
