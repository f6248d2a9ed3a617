"""ONNX Runtime on the CPU. Its sessions are safe to call from several threads."""

from __future__ import annotations

from typing import Any

from edgeml_runtime.engines import Engine
from edgeml_runtime.errors import EngineFailedError
from edgeml_runtime.signature import Array, Signature


class _Handle:
    __slots__ = ("_names", "_run")

    def __init__(self, session: Any, names: tuple[str, ...]) -> None:
        self._run = session.run
        self._names = names

    def run(self, outputs: tuple[str, ...], inputs: list[Array]) -> list[Array]:
        try:
            results: list[Array] = self._run(outputs, dict(zip(self._names, inputs, strict=True)))
        except Exception as error:
            raise EngineFailedError(f"onnxruntime failed: {error}") from error
        return results


def _open(content: bytes, signature: Signature, threads: int) -> _Handle:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise EngineFailedError(
            f"onnxruntime {onnxruntime.__version__} refused the artifact: {error}"
        ) from error
    return _Handle(session, tuple(spec.name for spec in signature.inputs))


ENGINE = Engine(
    name="onnxruntime", formats=("onnx",), requires="onnxruntime", distribution="onnxruntime", open=_open
)
