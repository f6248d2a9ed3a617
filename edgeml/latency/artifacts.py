"""What an artifact's file says that one row costs, and what in it nobody has published costs of."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from edgeml.latency.features import Features
from edgeml_runtime.errors import InputError


@dataclass(frozen=True, slots=True)
class ArtifactCost:
    """One row through an artifact.

    `dtype`: what its multiply-adds compute in, "float32" or "int8"; None where it is neither. `unpriced`:
    operators whose costs published latencies say nothing of (tree ensembles, gathers, loops, recurrent
    cells), with counts.
    """

    features: Features
    dtype: str | None
    unpriced: tuple[tuple[str, int], ...]

    def obstacle(self) -> str | None:
        """Why there can be no estimate from published networks, or None."""
        if self.unpriced:
            named = ", ".join(f"{count} x {name}" for name, count in self.unpriced[:4])
            return f"no published latencies tell what these operators cost: {named}"
        if not self.features.macs:
            return "it multiplies nothing, and published latencies are of neural networks"
        if self.dtype is None:
            return "published latencies are of float32, and of int8 weights with int8 activations"
        return None


@dataclass(slots=True)
class Counted:
    """Counts while an artifact is read."""

    pointwise_macs: int = 0
    conv_macs: int = 0
    winograd_macs: int = 0
    depthwise_macs: int = 0
    dense_macs: int = 0
    activation_elements: int = 0
    weight_elements: int = 0
    operators: int = 0

    def convolution(
        self, macs: int, kernel: tuple[int, ...], strides: tuple[int, ...], groups: int, depth: int
    ) -> None:
        """A convolution of `groups` groups over `depth` input channels."""
        if groups > 1 and groups == depth:
            self.depthwise_macs += macs
        elif set(kernel) == {1} and groups == 1:
            self.pointwise_macs += macs
        else:
            self.conv_macs += macs
            if kernel == (3, 3) and set(strides) == {1} and groups == 1:
                self.winograd_macs += macs

    def runs(self, elements: int, weights: int = 0) -> None:
        """An operator that an engine runs, the elements that it reads and writes, and its constants."""
        self.operators += 1
        self.activation_elements += elements
        self.weight_elements += weights

    def features(self) -> Features:
        """What was counted."""
        return Features(**{name: getattr(self, name) for name in Features.__slots__})


def majority(kinds: Counter[str]) -> str | None:
    """The dtype of nearly all multiply-adds; `kinds`: multiply-adds by dtype, "other" for mixtures."""
    total = kinds.total()
    dtype, macs = kinds.most_common(1)[0] if kinds else ("other", 0)
    return dtype if dtype != "other" and macs >= 0.95 * total else None


def artifact_cost(artifact_format: str, content: bytes) -> ArtifactCost:
    """What one row costs in the artifact in those bytes.

    Raises InputError for bytes that are no artifact of that format, MissingDependencyError without the
    package that reads it.
    """
    from edgeml.latency.onnx_cost import onnx_cost
    from edgeml.latency.tflite_cost import tflite_cost

    readers = {"onnx": onnx_cost, "tflite": tflite_cost}
    if artifact_format not in readers:
        known = ", ".join(readers)
        raise InputError(f"the cost of {artifact_format!a} artifacts cannot be read; only of {known}")
    return readers[artifact_format](content)
