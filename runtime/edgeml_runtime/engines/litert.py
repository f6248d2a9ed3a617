"""LiteRT's Interpreter, opened from bytes (that path runs the flatbuffer verifier).

An interpreter owns its tensors, so calls from several threads take turns under a lock.
"""

from __future__ import annotations

import importlib
import threading
from typing import Any

from edgeml_runtime.engines import Engine
from edgeml_runtime.errors import EngineFailedError
from edgeml_runtime.signature import Array, Signature


class _Handle:
    __slots__ = ("_get", "_inputs", "_interpreter", "_invoke", "_lock", "_outputs", "_set", "_shapes")

    def __init__(self, interpreter: Any, signature: Signature) -> None:
        runner = interpreter.get_signature_runner()
        inputs, outputs = runner.get_input_details(), runner.get_output_details()
        self._inputs = tuple(int(inputs[spec.name]["index"]) for spec in signature.inputs)
        self._outputs = {spec.name: int(outputs[spec.name]["index"]) for spec in signature.outputs}
        self._interpreter = interpreter
        self._set, self._invoke, self._get = (
            interpreter.set_tensor,
            interpreter.invoke,
            interpreter.get_tensor,
        )
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
        for index, shape in zip(self._inputs, shapes, strict=True):
            self._interpreter.resize_tensor_input(index, shape)
        self._interpreter.allocate_tensors()
        self._shapes = shapes


def open_with(module: str, content: bytes, signature: Signature, threads: int) -> _Handle:
    """Open with the `Interpreter` class of that module (LiteRT's, or its predecessor's)."""
    interpreter_class = importlib.import_module(module).Interpreter
    try:
        interpreter = interpreter_class(model_content=content, num_threads=threads)
        interpreter.allocate_tensors()
        return _Handle(interpreter, signature)
    except (RuntimeError, ValueError, KeyError) as error:
        raise EngineFailedError(f"{module} refused the artifact: {error}") from error


def _open(content: bytes, signature: Signature, threads: int) -> _Handle:
    return open_with("ai_edge_litert.interpreter", content, signature, threads)


ENGINE = Engine(
    name="litert",
    formats=("tflite",),
    requires="ai_edge_litert.interpreter",
    distribution="ai-edge-litert",
    open=_open,
)
