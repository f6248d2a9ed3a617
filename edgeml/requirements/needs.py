"""What an artifact asks of the engine and the memory that run it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgeml_runtime.errors import InputError


@dataclass(frozen=True, slots=True)
class OperatorUse:
    """An operator of an artifact: `version` is since which opset it is so (ONNX), or TFLite's own of it."""

    name: str
    count: int
    version: int | None = None  # None: a custom operator, or one that the reading library does not know
    domain: str = ""


@dataclass(frozen=True, slots=True)
class Needs:
    """Sizes in bytes at a batch of one.

    `peak_bytes`: tensors alive at once, the operators run in the file's order and wherever possible in place:
    no interpreter holds less. `arena_bytes`: a plan that places them (TFLite). Both None where `unsized`
    names tensors whose size the file does not tell; weights are in neither.
    """

    artifact_format: str
    file_bytes: int
    weights_bytes: int
    operators: tuple[OperatorUse, ...]
    ir_version: int | None = None
    opsets: Mapping[str, int] = field(default_factory=dict)
    peak_bytes: int | None = None
    arena_bytes: int | None = None
    unsized: tuple[str, ...] = ()


def needs_of(artifact_format: str, content: bytes) -> Needs:
    """What the artifact in those bytes needs.

    Raises InputError for bytes that are no artifact of that format or a format that cannot be read,
    MissingDependencyError without the package that reads it.
    """
    from edgeml.requirements.onnx_needs import onnx_needs
    from edgeml.requirements.tflite_needs import tflite_needs

    readers = {"onnx": onnx_needs, "tflite": tflite_needs}
    if artifact_format not in readers:
        raise InputError(f"what {artifact_format!a} artifacts need cannot be read; only {', '.join(readers)}")
    return readers[artifact_format](content)
