"""Approximations of kernels and of distances: random features, landmarks, random projections."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.decomposition import known_kernel
from edgeml_converters.to_onnx.sklearn.emitter import Emitter, Rules
from edgeml_converters.to_onnx.sklearn.pairwise_kernels import cast, pairwise_kernel, product

_PARAMETERS = ("gamma", "degree", "coef0")


def _random_projection(emitter: Emitter, model: Any, x: str) -> str:
    components = model.components_
    dense = components.toarray() if hasattr(components, "toarray") else components
    return emitter.dense(x, np.asarray(dense).T, 0.0)


def _fourier(emitter: Emitter, model: Any, x: str) -> str:
    return _cosines(emitter, model, cast(emitter, x, "float64"))


def _cosines(emitter: Emitter, model: Any, x: str) -> str:
    """cos(x @ weights + offset) sqrt(2 / k), x in float64: an angle of many turns keeps its fraction."""
    angle = product(emitter, x, model.random_weights_, "float64")
    angle = emitter.add("Add", angle, emitter.constant(model.random_offset_, "float64"))
    wave = cast(emitter, emitter.add("Cos", angle), "float32")
    return emitter.add("Mul", wave, emitter.constant([np.sqrt(2.0 / model.n_components)]))


def _skewed_chi2(emitter: Emitter, model: Any, x: str) -> str:
    x = cast(emitter, x, "float64")
    shifted = emitter.add("Add", x, emitter.constant([float(model.skewedness)], "float64"))
    return _cosines(emitter, model, emitter.add("Log", shifted))


def _additive_chi2(emitter: Emitter, model: Any, x: str) -> str:
    """sqrt(x L), then for j = 1, 2, ...: sqrt(2 x L / cosh(pi j L)) times cos and sin of j L log x."""
    interval, steps = model.sample_interval, model.sample_steps
    if interval is None:
        interval = {1: 0.8, 2: 0.5, 3: 0.4}[steps]
    zero, one = emitter.constant([0.0]), emitter.constant([1.0])
    root = emitter.add("Sqrt", x)
    empty = emitter.add("Equal", x, zero)
    logarithm = emitter.add("Log", emitter.add("Where", empty, one, x))
    parts = [emitter.add("Mul", root, emitter.constant([np.sqrt(interval)]))]
    for j in range(1, steps):
        size = emitter.constant([np.sqrt(2 * interval / np.cosh(np.pi * j * interval))])
        amplitude = emitter.add("Mul", root, size)
        angle = emitter.add("Mul", logarithm, emitter.constant([j * interval]))
        parts += [emitter.add("Mul", amplitude, emitter.add(wave, angle)) for wave in ("Cos", "Sin")]
    return emitter.concat(parts)


def _count_sketch(emitter: Emitter, model: Any, x: str) -> str:
    """The circular convolution of `degree` count sketches, as a product of their Fourier transforms.

    A count sketch and its transform are one matrix; half of the frequencies are the others' conjugates.
    """
    bits, index = np.asarray(model.bitHash_, np.float64), np.asarray(model.indexHash_)
    size, width = int(model.n_components), bits.shape[1]
    frequencies = np.arange(size // 2 + 1)
    turn = 2 * np.pi * np.outer(np.arange(size), frequencies) / size
    scale = np.full(width, np.sqrt(model.gamma))
    constant = np.zeros(width)
    if width > model.n_features_in_:
        scale[-1], constant[-1] = 0.0, np.sqrt(model.coef0)
    real = imaginary = ""
    for bit, place in zip(bits, index, strict=True):
        parts = []
        for wave in (np.cos(turn), -np.sin(turn)):
            rows = bit[:, None] * wave[place]
            features = (scale[:, None] * rows)[: model.n_features_in_]
            parts.append(emitter.dense(x, features, constant @ rows))
        if not real:
            real, imaginary = parts
            continue
        a, b = real, imaginary
        real = emitter.add("Sub", emitter.add("Mul", a, parts[0]), emitter.add("Mul", b, parts[1]))
        imaginary = emitter.add("Add", emitter.add("Mul", a, parts[1]), emitter.add("Mul", b, parts[0]))
    weight = np.where((frequencies == 0) | (2 * frequencies == size), 1.0, 2.0)[:, None] / size
    back = np.concatenate([weight * np.cos(turn).T, -weight * np.sin(turn).T])
    return emitter.dense(emitter.concat([real, imaginary]), back, 0.0)


def _nystroem(emitter: Emitter, model: Any, x: str) -> str:
    given = {name: getattr(model, name) for name in _PARAMETERS}
    others = {name: (model.kernel_params or {}).get(name) for name in _PARAMETERS}
    either = {n: others[n] if given[n] is None else given[n] for n in _PARAMETERS}
    parameters: dict[str, Any] = {n: value for n, value in either.items() if value is not None}
    kernel = pairwise_kernel(emitter, x, model.components_, model.kernel, **parameters, precision="float64")
    weights = np.asarray(model.normalization_, np.float64).T
    return cast(emitter, product(emitter, kernel, weights, "float64"), "float32")


def _landmarks(model: Any) -> str | None:
    if model.kernel == "precomputed":
        return "kernel='precomputed' compares with rows that the graph does not see; name the kernel"
    return known_kernel(model)


RULES = Rules(
    transform={
        "AdditiveChi2Sampler": _additive_chi2,
        "GaussianRandomProjection": _random_projection,
        "Nystroem": _nystroem,
        "PolynomialCountSketch": _count_sketch,
        "RBFSampler": _fourier,
        "SkewedChi2Sampler": _skewed_chi2,
        "SparseRandomProjection": _random_projection,
    },
    limits={"Nystroem": _landmarks},
)
