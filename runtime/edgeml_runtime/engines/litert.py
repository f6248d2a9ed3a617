"""LiteRT's Interpreter, opened from bytes (that path runs the flatbuffer verifier).

An interpreter owns its tensors, so calls from several threads take turns under a lock.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from edgeml_runtime.engines import Engine, Found, check_agreement, import_engine
from edgeml_runtime.errors import EngineFailedError
from edgeml_runtime.signature import Array, Signature
from edgeml_runtime.tuning import SessionOptions


class _Handle:
    __slots__ = ("_get", "_inputs", "_interpreter", "_invoke", "_lock", "_outputs", "_set", "_shapes")

    def __init__(self, interpreter: Any, inputs: tuple[int, ...], outputs: dict[str, int]) -> None:
        self._interpreter = interpreter
        self._inputs = inputs
        self._outputs = outputs
        self._set, self._invoke = interpreter.set_tensor, interpreter.invoke
        self._get = interpreter.get_tensor  # a copy, which the next call leaves alone
        self._shapes: tuple[tuple[int, ...], ...] = ()
        self._lock = threading.Lock()

    def run(self, outputs: tuple[str, ...], inputs: list[Array]) -> list[Array]:
        with self._lock:
            try:
                shapes = tuple([array.shape for array in inputs])
                if shapes != self._shapes:
                    self._resize(shapes)
                for index, array in zip(self._inputs, inputs, strict=True):
                    self._set(index, array)
                self._invoke()
                return [self._get(self._outputs[name]) for name in outputs]
            except (RuntimeError, ValueError) as error:
                self._shapes = ()
                raise EngineFailedError(f"LiteRT failed: {error}") from error

    def _resize(self, shapes: tuple[tuple[int, ...], ...]) -> None:
        self._shapes = ()  # until it is done: an interrupted resize must not pass for one
        for index, shape in zip(self._inputs, shapes, strict=True):
            self._interpreter.resize_tensor_input(index, shape)
        self._interpreter.allocate_tensors()
        self._shapes = shapes


def open_with(module: str, content: bytes, signature: Signature, options: SessionOptions) -> _Handle:
    """Open with the `Interpreter` class of that module (LiteRT's, or its predecessor's)."""
    engine = import_engine(module)
    resolvers = engine.OpResolverType
    resolver = resolvers.AUTO if options.xnnpack else resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        interpreter = engine.Interpreter(
            model_content=content, num_threads=options.threads, experimental_op_resolver_type=resolver
        )
        # The runner is only asked for names: while it lives, the interpreter refuses to resize.
        runner = interpreter.get_signature_runner()
        inputs, outputs = runner.get_input_details(), runner.get_output_details()
        del runner
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError, KeyError) as error:
        raise EngineFailedError(f"{module} refused the artifact: {error}") from error
    check_agreement("input", signature.inputs, {name: _found(d) for name, d in inputs.items()})
    # Sizes of outputs may be stale until the inputs have theirs.
    check_agreement(
        "output", signature.outputs, {n: Found(_found(d).dtype, None) for n, d in outputs.items()}
    )
    return _Handle(
        interpreter,
        tuple(int(inputs[spec.name]["index"]) for spec in signature.inputs),
        {spec.name: int(outputs[spec.name]["index"]) for spec in signature.outputs},
    )


def _found(details: Any) -> Found:
    sizes = [int(size) for size in details["shape_signature"]]
    # The batch is resized, whatever size the file was made with.
    shape = tuple(None if size < 0 or axis == 0 else size for axis, size in enumerate(sizes))
    dtype = np.dtype(details["dtype"])
    return Found("str" if dtype.kind in "SUO" else dtype.name, shape or None)


def _open(content: bytes, signature: Signature, options: SessionOptions) -> _Handle:
    return open_with("ai_edge_litert.interpreter", content, signature, options)


ENGINE = Engine(
    name="litert",
    formats=("tflite",),
    requires="ai_edge_litert.interpreter",
    distribution="ai-edge-litert",
    open=_open,
    options=("threads", "xnnpack"),
)
