"""A loaded bundle: the original model's methods, on the device's engine."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgeml_runtime.affine import Quantizer
from edgeml_runtime.bundle import Bundle, read_bundle
from edgeml_runtime.engines import Engine, Handle
from edgeml_runtime.errors import EngineError, EngineFailedError, SignatureError
from edgeml_runtime.feeds import Intake
from edgeml_runtime.inputs import InputGate, check_feeds
from edgeml_runtime.signature import Array, Method, dequantize, quantize
from edgeml_runtime.tuning import Opening, SessionOptions, opening


class Session:
    """One artifact opened by one engine; safe to share between threads, refused after a fork.

    Callers pass and get real values: where the artifact is quantized, the session converts at the edge.
    """

    __slots__ = ("_calls", "_gate", "_handle", "_intake", "_pid", "bundle", "opening", "signature")

    def __init__(
        self,
        bundle: Bundle,
        *,
        engine: str | None = None,
        threads: int | None = None,
        options: Mapping[str, int | str | bool] | None = None,
        tuned: bool = True,
    ) -> None:
        self.bundle = bundle
        self.opening = planned_opening(bundle, engine=engine, threads=threads, options=options, tuned=tuned)
        self.signature = bundle.manifest.signature
        self._pid = os.getpid()
        self._handle = self.engine.open(bundle.artifact, self.signature, self.options)
        inputs = self.signature.inputs
        plain = len(inputs) == 1 and inputs[0].encoding is None and not self.signature.columns
        self._gate = InputGate(inputs[0]) if plain else None
        self._intake = Intake(self.signature)
        self._calls = {method.name: _prepared(self, method) for method in self.signature.methods}

    @property
    def handle(self) -> Handle:
        """The artifact as the engine opened it: its own call on stored values, for measuring."""
        return self._handle

    @property
    def engine(self) -> Engine:
        """The engine that runs the artifact."""
        return self.opening.engine

    @property
    def options(self) -> SessionOptions:
        """The options it was opened with."""
        return self.opening.options

    @property
    def threads(self) -> int:
        """The engine's threads."""
        return self.options.threads

    def predict(self, x: Any) -> Any:
        """What the original model's `predict` returns for rows `x`: class labels or values.

        x: [batch, ...] as the signature says, documents, a table (DataFrame, mapping of columns, records), or
        a mapping of input name to array. Raises SignatureError for input that does not fit,
        EngineFailedError where the engine fails.
        """
        return self.call("predict", x)

    def predict_proba(self, x: Any) -> Any:
        """Class probabilities, float32[batch, classes], where the original model has them."""
        return self.call("predict_proba", x)

    def transform(self, x: Any) -> Any:
        """Transformed rows, where the original model is a transformer."""
        return self.call("transform", x)

    def call(self, method: str, x: Any) -> Any:
        """Any method of the signature by its name."""
        call = self._calls.get(method)
        if call is None:
            known = ", ".join(self._calls)
            raise SignatureError(f"this model has no {method}; it has {known}")
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
                "engines do not survive a fork; load the bundle in a spawned process "
                '(multiprocessing.get_context("spawn"))'
            )
        return self._handle.run(outputs, stored)

    def _answer(self, outputs: tuple[str, ...], x: Any) -> list[Array]:
        """Stored values of those outputs for whatever callers may pass."""
        specs = self.signature.inputs
        parts = [
            self._execute(outputs, [quantize(s, t) for s, t in zip(specs, tensors, strict=True)])
            for tensors in self._intake.batches(x)
        ]
        return parts[0] if len(parts) == 1 else [np.concatenate(p) for p in zip(*parts, strict=True)]


def _prepared(session: Session, method: Method) -> Callable[[Any], Any]:
    """One method as a function of what a caller passes: what does not change between calls is found once."""
    outputs, returns, gate = method.outputs, method.returns, session._gate
    decoders = tuple(_decoders(session, method).items())

    def call(x: Any) -> Any:
        # The type first: asking an abstract class costs more than everything else here.
        if gate is not None and type(x) is np.ndarray:
            results = session._execute(outputs, [gate(x)])
        else:
            results = session._answer(outputs, x)
        for position, decode in decoders:
            results[position] = decode(results[position])
        if returns == "array":
            return results[0]
        return results if returns == "list" else dict(zip(outputs, results, strict=True))

    return call


def _decoders(session: Session, method: Method) -> dict[int, Callable[[Array], Array]]:
    """What makes real values, or the model's own labels, of outputs, by their place."""
    if method.labels:  # of the only output, which the signature sees to
        return {0: functools.partial(_decode_labels, tuple(labels.array() for labels in method.labels))}
    specs = [session.signature.output(name) for name in method.outputs]
    return {
        position: Quantizer(spec.affine, spec.dtype).dequantize
        for position, spec in enumerate(specs)
        if spec.affine is not None
    }


def _decode_labels(tables: tuple[Array, ...], indices: Array) -> Array:
    if len(tables) == 1:
        return _look_up(tables[0], indices)
    return np.stack([_look_up(table, indices[:, j]) for j, table in enumerate(tables)], axis=1)


def _look_up(labels: Array, indices: Array) -> Array:
    # numpy would take a negative index for one from the end.
    if indices.min() < 0 or indices.max() >= len(labels):
        raise EngineFailedError(
            f"the artifact gave class indices from {indices.min()} to {indices.max()}, "
            f"its labels go from 0 to {len(labels) - 1}"
        )
    decoded: Array = labels[indices]
    return decoded


def planned_opening(
    bundle: Bundle,
    *,
    engine: str | None = None,
    threads: int | None = None,
    options: Mapping[str, int | str | bool] | None = None,
    tuned: bool = True,
) -> Opening:
    """The engine and options of a session that is opened with those arguments (see `load`)."""
    asked = dict(options or {}) | ({} if threads is None else {"threads": threads})
    manifest = bundle.manifest
    return opening(manifest.tunings, manifest.artifact_format, engine=engine, options=asked, tuned=tuned)


def load(
    source: str | Path | bytes | Bundle,
    *,
    engine: str | None = None,
    threads: int | None = None,
    options: Mapping[str, int | str | bool] | None = None,
    tuned: bool = True,
) -> Session:
    """Open a bundle: a path, its bytes, or one already read.

    engine: its name; threads: of that engine; options: by name, of `SessionOptions`. What is not given is as
    the bundle was tuned for this class of devices (unless not `tuned`), else the first installed engine for
    the artifact's format, one thread and the other defaults.
    Raises InputError, IntegrityError, ManifestError, MissingDependencyError, EngineFailedError.
    """
    bundle = source if isinstance(source, Bundle) else read_bundle(source)
    return Session(bundle, engine=engine, threads=threads, options=options, tuned=tuned)
