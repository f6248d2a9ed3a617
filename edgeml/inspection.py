"""What a file is: a bundle, an artifact, or a trained model with what each step and format says to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgeml.plan import FORMATS
from edgeml_converters.intake import describe, load_model, missing_modules, with_pip_line
from edgeml_converters.model import TrainedModel
from edgeml_converters.registry import converters
from edgeml_runtime.bundle import read_bundle
from edgeml_runtime.cli import describe_verdict, printable
from edgeml_runtime.codec import encode
from edgeml_runtime.errors import InputError
from edgeml_runtime.files import read_file


def inspect_file(path: Path, *, trust_pickle: bool = False) -> dict[str, Any]:
    """A JSON document whose `what` is "bundle", "tflite" or "model"; raises InputError or BundleError."""
    suffix = path.suffix.lower()
    if suffix == ".edgeml":
        bundle = read_bundle(path)
        return {
            "what": "bundle",
            "digest": bundle.digest,
            "size_bytes": bundle.size_bytes,
            "manifest": encode(bundle.manifest),
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
        "signature": encode(model.signature),
        "steps": [encode(step) for step in model.steps],
        "formats": {name: _obstacle(model, name) for name in FORMATS},
    }


def _obstacle(model: TrainedModel, target: str) -> str | None:
    """Why no converter takes the model towards `target` (or the hub); None where one does."""
    direct = [c for c in converters().values() if c.source == model.kind and c.target == target]
    towards = direct or [c for c in converters().values() if c.source == model.kind]
    for converter in towards:
        missing = missing_modules(converter.requires)
        if missing:
            return f"needs {with_pip_line(missing, converter.extra)}"
        offers = converter.offers(model)
        if all(reason is not None for reason in offers.values()):
            return next(iter(offers.values()))
    return None


def inspection_lines(document: dict[str, Any]) -> Iterator[str]:
    """The document for people, safe for a terminal."""
    for key, text in _pairs(document):
        yield f"{key:10} {printable(text)}"


def _pairs(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "what", document["what"]
    if document["what"] == "bundle":
        from edgeml_runtime.codec import decode
        from edgeml_runtime.manifest import Manifest

        manifest = decode(Manifest, document["manifest"])
        yield "digest", document["digest"]
        yield "artifact", f"{manifest.artifact_format} {manifest.scheme}, made for {manifest.device}"
        for entry in manifest.files:
            yield "file", f"{entry.name}, {entry.size_bytes:,} bytes"
        for spec in (*manifest.signature.inputs, *manifest.signature.outputs):
            yield "tensor", spec.describe()
        for operator in manifest.float_operators:
            yield "in float", f"{operator.count} x {operator.operator}: {operator.reason}"
        for verdict in manifest.verdicts:
            yield "verdict", describe_verdict(verdict)
    elif document["what"] == "model":
        yield "name", f"{document['name']} ({document['kind']}, {document['task']})"
        for step in document["steps"]:
            yield "step", f"{step['path']}: {step['kind']}"
        for name, obstacle in document["formats"].items():
            yield name, "supported" if obstacle is None else obstacle
    else:
        for key, value in document.items():
            if key != "what":
                yield key, str(value)
