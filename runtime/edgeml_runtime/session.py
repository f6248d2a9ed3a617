"""A loaded bundle: the original model's methods, on the device's engine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgeml_runtime.bundle import Bundle, read_bundle
from edgeml_runtime.engines import choose_engine
from edgeml_runtime.errors import EngineError, InputError, SignatureError
from edgeml_runtime.signature import Array, Method, check_feeds, check_input, dequantize, quantize


class Session:
    """One artifact opened by one engine; safe to share between threads, refused after a fork.

    Callers pass and get real values: where the artifact is quantized, the session converts at the edge.
    """

    __slots__ = ("_call", "_handle", "_input", "_pid", "_predict", "bundle", "engine", "signature", "threads")

    def __init__(self, bundle: Bundle, *, engine: str | None = None, threads: int = 1) -> None:
        if threads < 1:
            raise InputError(f"threads must be at least 1, got {threads}")
        chosen = choose_engine(bundle.manifest.artifact_format, engine)
        self.bundle = bundle
        self.engine = chosen
        self.threads = threads
        self.signature = bundle.manifest.signature
        self._pid = os.getpid()
        self._handle = chosen.open(bundle.artifact, self.signature, threads)
        inputs = self.signature.inputs
        self._input = inputs[0] if len(inputs) == 1 else None
        self._call = {method.name: _Call(self, method) for method in self.signature.methods}
        self._predict = self._call.get("predict")

    def predict(self, x: Any) -> Any:
        """What the original model's `predict` returns for rows `x`: class labels or values.

        x: [batch, ...] as the signature says, or a mapping of input name to array. Raises SignatureError for
        input that does not fit, EngineFailedError where the engine fails.
        """
        call = self._predict
        return call(x) if call is not None else self.call("predict", x)

    def predict_proba(self, x: Any) -> Any:
        """Class probabilities, float32[batch, classes], where the original model has them."""
        return self.call("predict_proba", x)

    def transform(self, x: Any) -> Any:
        """Transformed rows, where the original model is a transformer."""
        return self.call("transform", x)

    def call(self, method: str, x: Any) -> Any:
        """Any method of the signature by its name."""
        call = self._call.get(method)
        if call is None:
            self.signature.method(method)  # raises, naming the methods there are
            raise SignatureError(f"this model has no {method}")
        return call(x)

    def run(self, feeds: Mapping[str, Any]) -> dict[str, Array]:
        """Every output tensor by name, real values, class indices not decoded; dtypes must match exactly."""
        specs = self.signature.inputs
        stored = [
            quantize(spec, array)
            for spec, array in zip(specs, check_feeds(specs, feeds, strict=True), strict=True)
        ]
        names = tuple(spec.name for spec in self.signature.outputs)
        results = self._execute(names, stored)
        return {s.name: dequantize(s, r) for s, r in zip(self.signature.outputs, results, strict=True)}

    def _execute(self, outputs: tuple[str, ...], stored: list[Array]) -> list[Array]:
        if os.getpid() != self._pid:
            raise EngineError(
                f"this session was opened in process {self._pid} and used after a fork in {os.getpid()}: "
                "engines do not survive a fork; load the bundle in the child process"
            )
        return self._handle.run(outputs, stored)

    def _feed(self, x: Any) -> list[Array]:
        """Checked, stored inputs in the signature's order."""
        spec = self._input
        if spec is not None and not isinstance(x, Mapping):
            array = check_input(spec, x)
            return [array if spec.affine is None else quantize(spec, array)]
        specs = self.signature.inputs
        if not isinstance(x, Mapping):
            names = ", ".join(s.describe() for s in specs)
            raise SignatureError(f"this model has several inputs ({names}): pass a mapping of name to array")
        return [quantize(s, a) for s, a in zip(specs, check_feeds(specs, x), strict=True)]


class _Call:
    """One method, prepared: which outputs to ask for and how to decode them."""

    __slots__ = ("_labels", "_method", "_outputs", "_session", "_specs")

    def __init__(self, session: Session, method: Method) -> None:
        self._session = session
        self._method = method
        self._outputs = method.outputs
        self._specs = tuple(session.signature.output(name) for name in method.outputs)
        self._labels = tuple(labels.array() for labels in method.labels)

    def __call__(self, x: Any) -> Any:
        session = self._session
        results = session._execute(self._outputs, session._feed(x))
        if len(results) == 1:
            result = results[0]
            if self._labels:
                return _decode_labels(result, self._labels)
            spec = self._specs[0]
            result = result if spec.affine is None else dequantize(spec, result)
            return [result] if self._method.returns == "list" else result
        values = [dequantize(spec, r) for spec, r in zip(self._specs, results, strict=True)]
        if self._method.returns == "mapping":
            return dict(zip(self._outputs, values, strict=True))
        return values


def _decode_labels(indices: Array, labels: tuple[Array, ...]) -> Array:
    if len(labels) == 1:
        return labels[0][indices]
    return np.stack([table[indices[:, j]] for j, table in enumerate(labels)], axis=1)


def load(source: str | Path | bytes | Bundle, *, engine: str | None = None, threads: int = 1) -> Session:
    """Open a bundle: a path, its bytes, or one already read.

    engine: its name, default the first installed one for the artifact's format; threads: of that engine.
    Raises InputError, IntegrityError, ManifestError, MissingDependencyError, EngineFailedError.
    """
    bundle = source if isinstance(source, Bundle) else read_bundle(source)
    return Session(bundle, engine=engine, threads=threads)
