"""What every layer of Keras becomes in every format and how far its answers are from Keras' own.

`table()` is docs/keras-support.md, written by `python tests/keras_catalogue.py`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from keras_layers import LAYERS, Built, build
from keras_zoo import by_name, run_onnx, run_tflite

from edgeml_converters.keras_support import LAYERS as REFUSED
from edgeml_converters.model import Artifact, TrainedModel
from edgeml_converters.sources.keras import SOURCE
from edgeml_converters.to_onnx.from_keras import CONVERTER as TO_ONNX
from edgeml_converters.to_tflite.from_keras import CONVERTER as TO_TFLITE

FORMATS = ("onnx", "tflite")
TABLE = Path(__file__).parent.parent / "docs" / "keras-support.md"
_WAYS = {"onnx": (TO_ONNX, run_onnx), "tflite": (TO_TFLITE, run_tflite)}


@functools.cache
def built(name: str) -> Built:
    return build(LAYERS[name])


@functools.cache
def described(name: str) -> tuple[TrainedModel, Mapping[str, Any]]:
    """A specimen's model, and what Keras predicts by output name."""
    specimen = built(name)
    model = SOURCE.describe(specimen.model, name)
    return model, by_name(model, SOURCE.predict(model, "predict", specimen.x))


@functools.cache
def artifact(name: str, target: str) -> Artifact:
    """The specimen in float32."""
    return _WAYS[target][0].convert(described(name)[0], "float32", None)


@functools.cache
def differences(name: str, target: str) -> Mapping[str, float]:
    """By branch: the largest difference on the specimen's rows as a share of the largest value.

    The rows are given all at once, one and seven.
    """
    specimen, (_, expected), made = built(name), described(name), artifact(name, target)
    found = dict.fromkeys(specimen.branches, 0.0)
    for rows in ROWS_AT_ONCE:
        got = _WAYS[target][1](made, {key: value[:rows] for key, value in specimen.x.items()})
        for output, value in got.items():
            branch = specimen.branches[int(output.removeprefix("b").partition("_")[0])]
            found[branch] = max(found[branch], share(expected[output][:rows], value))
    return found


ROWS_AT_ONCE = (24, 1, 7)


def share(wanted: Any, got: Any) -> float:
    """The largest difference as a share of the largest value; infinite where shape or dtype differ."""
    if wanted.shape != got.shape or wanted.dtype != got.dtype or not np.isfinite(got).all():
        return math.inf
    wanted, got = wanted.astype(np.float64), got.astype(np.float64)
    scale = float(np.abs(wanted).max(initial=0.0)) or 1.0
    return float(np.abs(wanted - got).max(initial=0.0)) / scale


def exported() -> Mapping[str, type]:
    """Every layer class that keras.layers exports, by its first name (Conv2D, not Convolution2D)."""
    from edgeml_converters.tensorflow_import import import_tensorflow

    import_tensorflow()
    import keras

    found: dict[type, str] = {}
    for name, cls in sorted(vars(keras.layers).items()):
        if isinstance(cls, type) and issubclass(cls, keras.Layer) and found.get(cls) != cls.__name__:
            found[cls] = name
    return {name: cls for cls, name in found.items()}


@dataclass(frozen=True, slots=True)
class Row:
    """A layer, an activation or a structure: how many branches show it, the largest difference by format."""

    kind: str
    branches: int
    largest: Mapping[str, float]


def rows(formats: tuple[str, ...] = FORMATS) -> dict[str, Row]:
    """What the specimens show, by kind; converts all of them in those formats."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name in LAYERS:
        for branch in built(name).branches:
            found.setdefault(kind_of(branch), []).append((name, branch))
    return {
        kind: Row(
            kind,
            len(shown),
            {f: max(differences(name, f)[branch] for name, branch in shown) for f in formats},
        )
        for kind, shown in sorted(found.items())
    }


def kind_of(branch: str) -> str:
    """The layer that a branch shows; of Activation the function too."""
    words = branch.split()
    return f"Activation {words[1]}" if words[0] == "Activation" else words[0]


def bound(value: float) -> str:
    """The least power of ten that is not below; "same" for no difference at all."""
    return "same" if value == 0 else f"1e{max(-8, math.ceil(math.log10(value)))}"


def table() -> str:
    """docs/keras-support.md."""
    return "\n".join([_HEAD, *_supported(), *_refused()]) + "\n"


def _supported() -> Iterator[str]:
    yield from ("", "## Layers", "", "| layer | ONNX | TFLite | specimens |", "|---|---|---|---|")
    for row in rows().values():
        bounds = " | ".join(bound(row.largest[target]) for target in FORMATS)
        yield f"| {row.kind} | {bounds} | {row.branches} |"


def _refused() -> Iterator[str]:
    yield from ("", "## Refused", "", "| layer | why, and what to do |", "|---|---|")
    for kind, reason in sorted((REFUSED | NOT_IN_MODELS).items()):
        yield f"| {kind} | {reason} |"


# Classes among keras.layers that no specimen can show.
NOT_IN_MODELS = {
    "Equalization": "Keras cannot put it into a functional model; it does nothing at inference",
    "Layer": "the class that layers derive from",
    "MaxNumBoundingBoxes": "changes bounding boxes of training data; does nothing to images",
    "Wrapper": "the class that wrappers derive from",
}


def read_table(text: str) -> dict[str, tuple[str, ...]]:
    """The other cells of the table's rows by their first."""
    found = {}
    for line in text.splitlines():
        cells = tuple(cell.strip() for cell in line.strip("|").split("|"))
        if line.startswith("| ") and cells[0] != "layer":
            found[cells[0]] = cells[1:]
    return found


_HEAD = """# Keras: which layers are supported, and how exactly

Every layer class that Keras 3 exports, converted and compared with Keras itself on real data with random
weights. The columns of the formats hold the largest difference of any value as a share of the largest value
(the least power of ten above it); `same`: no difference at all. `specimens`: how many layers, with other
options, inputs and neighbours, show it (`tests/keras_layers/`). TFLite files hold TFLite's own operators
only, ONNX files those of the standard's opset 17. A Lambda layer is taken from a live model; from a file its
code is run only on `--trust-pickle`.

`python tests/keras_catalogue.py` writes this page; a test fails when it is out of date."""


if __name__ == "__main__":
    TABLE.write_text(table())
