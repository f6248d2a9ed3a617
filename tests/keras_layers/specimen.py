"""What a specimen of Keras layers is, the real data it sees, and how its model is made.

One model holds all branches of a specimen side by side, each an output: one conversion shows them all, and
the layers share inputs as layers of real networks do. All weights are random, batch statistics too: what a
layer starts with (zeros, ones) would hide a bias that is lost or an axis that is swapped.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
# Of keras: by the branch's name, which begins with its layer's class, a layer or a function of the inputs.
Branches = Callable[[Any], Mapping[str, Any]]
ROWS = 24


@dataclass(frozen=True, slots=True)
class Specimen:
    """Layers that take the same inputs: names of `DATA`, and with them the input shapes.

    `axes`: input axes that the model leaves open though the data has a size there.
    `batch`: the fixed number of rows of stateful models.
    """

    inputs: tuple[str, ...]
    branches: Branches
    axes: tuple[int, ...] = ()
    batch: int | None = None


@dataclass(frozen=True, slots=True)
class Built:
    """A model, its branches' names in the order of its outputs (one or more each), and rows by input name."""

    model: Any = None
    branches: tuple[str, ...] = ()
    x: Mapping[str, Array] | Array | None = None


@functools.cache
def pictures() -> Array:
    """float32[ROWS, 12, 10, 3] in 0..255: patches of scikit-learn's two photographs."""
    from sklearn.datasets import load_sample_images

    photographs = load_sample_images().images
    patches = [p[60 * i : 60 * i + 36 : 3, 70 * i : 70 * i + 30 : 3] for i in range(6) for p in photographs]
    patches += [p[300:312, 40 * i : 40 * i + 10] for i in range(6) for p in photographs]
    return np.stack(patches).astype(np.float32)


def _films() -> Array:
    """float32[ROWS, 6, 7, 5, 2]: a window that moves over the patches."""
    small = pictures()[..., :2] / 255
    return np.stack([small[:, t : t + 7, t // 2 : t // 2 + 5] for t in range(6)], axis=1)


def _digits() -> Array:
    from sklearn.datasets import load_digits

    return (load_digits().images[:ROWS] / 16).astype(np.float32)


def _wine() -> Array:
    from sklearn.datasets import load_wine

    return load_wine().data[:: 178 // ROWS][:ROWS].astype(np.float32)


def _standardized() -> Array:
    wine = _wine()
    return ((wine - wine.mean(axis=0)) / wine.std(axis=0)).astype(np.float32)


def _sound() -> Array:
    """float32[ROWS, 640, 1]: rows of a photograph as waves around zero."""
    from sklearn.datasets import load_sample_image

    lines = load_sample_image("china.jpg")[::17, :, 1][:ROWS].astype(np.float32)
    return ((lines - lines.mean(axis=1, keepdims=True)) / 128)[..., np.newaxis]


def _padded() -> Array:
    """Digits read by lines of which every row has another number, the rest zeros, as Masking has it."""
    steps = _digits()[:, :, :5].copy() + np.float32(0.01)
    for row in range(ROWS):
        steps[row, 2 + row % 7 :] = 0
    return steps


def _tokens() -> Array:
    """int32[ROWS, 9] in 0..16, zeros at the end of most rows."""
    tokens = np.rint(_digits().reshape(ROWS, 64)[:, 20:29] * 16).astype(np.int32)
    for row in range(ROWS):
        tokens[row, 3 + row % 7 :] = 0
        tokens[row, 0] = 1 + row % 16
    return tokens


DATA: Mapping[str, Callable[[], Array]] = {
    "picture": lambda: pictures() / 255,  # float32[12, 10, 3]
    "bytes": pictures,  # the same in 0..255
    "film": _films,  # float32[6, 7, 5, 2]
    "lines": lambda: _digits()[:, :, :5],  # float32[8, 5]: steps, features
    "queries": lambda: _digits()[:, 2:8, :5].copy(),  # float32[6, 5]
    "padded": _padded,  # float32[8, 5]
    "table": _standardized,  # float32[13], about 0
    "other": lambda: _standardized()[::-1].copy(),
    "raw": _wine,  # float32[13] of very different scale
    "sound": _sound,
    "wave": lambda: _sound()[..., 0],  # float32[640]
    "tokens": _tokens,
    "counts": lambda: _tokens() % 6,  # int32[9] in 0..5
    "one_count": lambda: (_tokens() % 6)[:, 2:3],  # int32[1]
    "wide_counts": lambda: (_tokens() % 6).astype(np.int64),
    "weights": lambda: _digits().reshape(ROWS, 64)[:, 30:39],  # float32[9]
    "state": lambda: _standardized()[:, :4] / 4,  # float32[4]
    "sign": lambda: _digits()[:, 2:8, 3] > 0.2,  # bool[6]
}


def build(specimen: Specimen, only: Sequence[str] = ()) -> Built:
    """The model of all branches, or of those; the same weights in every process."""
    from edgeml_converters.tensorflow_import import import_tensorflow, quiet

    import_tensorflow()
    import keras

    with quiet():
        keras.utils.set_random_seed(7)
        feeds = {name: DATA[name]() for name in specimen.inputs}
        inputs = [_input(keras, name, array, specimen) for name, array in feeds.items()]
        taken = inputs[0] if len(inputs) == 1 else inputs
        chosen = {n: b for n, b in specimen.branches(keras).items() if not only or n in only}
        results = {f"b{i}": branch(taken) for i, branch in enumerate(chosen.values())}
        model = keras.Model(inputs, results)
        randomise(model)
    return Built(model, tuple(chosen), feeds)


def _input(keras: Any, name: str, array: Array, specimen: Specimen) -> Any:
    shape = tuple(None if axis in specimen.axes else size for axis, size in enumerate(array.shape))[1:]
    if specimen.batch:
        return keras.Input(batch_shape=(specimen.batch, *shape), dtype=array.dtype.name, name=name)
    return keras.Input(shape, dtype=array.dtype.name, name=name)


def randomise(model: Any) -> None:
    """Weights of every kind about as large as training leaves them; variances and scales stay positive."""
    random = np.random.default_rng(11)
    for weight in model.weights:
        name, shape = weight.path.rpartition("/")[2], tuple(weight.shape)
        if weight.dtype not in ("float32", "float64") or _adapted(weight.path):
            continue
        if "variance" in name or "gamma" in name or name == "scale":
            value = random.uniform(0.5, 2, shape)
        elif len(shape) > 1 and "alpha" not in name:
            value = random.normal(size=shape) / np.sqrt(max(1, np.prod(shape[:-1])))
        else:
            value = random.uniform(-0.5, 0.5, shape)
        weight.assign(value.astype(weight.dtype))


def _adapted(path: str) -> bool:
    """Weights that are no parameters: what preprocessing layers took from data or compute."""
    return any(word in path for word in ("normalization/count", "seed_generator", "adapted", "state"))
