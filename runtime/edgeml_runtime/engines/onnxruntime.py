"""ONNX Runtime on the CPU. Its sessions are safe to call from several threads."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from edgeml_runtime.engines import Engine, Found, check_agreement, import_engine
from edgeml_runtime.errors import EngineFailedError
from edgeml_runtime.signature import Array, Signature
from edgeml_runtime.tuning import SessionOptions

_DTYPES = {
    "tensor(float)": "float32", "tensor(double)": "float64", "tensor(string)": "str", "tensor(bool)": "bool",
    **{f"tensor({name})": name for name in ("int8", "int16", "int32", "int64", "uint8")},
}  # fmt: skip
# Weights in files beside the model would be read unhashed: they are looked for in a folder that cannot be.
_WEIGHTS_FOLDER = ("session.model_external_initializers_file_folder_path", f"{os.devnull}/none")
_LEVELS = {
    "all": "ORT_ENABLE_ALL", "extended": "ORT_ENABLE_EXTENDED", "basic": "ORT_ENABLE_BASIC",
    "disabled": "ORT_DISABLE_ALL",
}  # fmt: skip
_FATAL = 4  # log level: errors are raised, so they need not be printed too


class _Handle:
    __slots__ = ("_names", "_run", "_strings")

    def __init__(self, session: Any, signature: Signature) -> None:
        self._run = session.run
        self._names = tuple(spec.name for spec in signature.inputs)
        self._strings = any(spec.dtype == "str" for spec in signature.outputs)

    def run(self, outputs: tuple[str, ...], inputs: list[Array]) -> list[Array]:
        try:
            results: list[Array] = self._run(outputs, dict(zip(self._names, inputs, strict=True)))
        except Exception as error:
            raise EngineFailedError(f"onnxruntime failed: {error}") from error
        if self._strings:  # which come as objects
            return [r.astype(np.str_) if r.dtype.kind == "O" else r for r in results]
        return results


def _open(content: bytes, signature: Signature, wanted: SessionOptions) -> _Handle:
    onnxruntime = import_engine("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = wanted.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL
    options.graph_optimization_level = getattr(
        onnxruntime.GraphOptimizationLevel, _LEVELS[wanted.graph_optimization]
    )
    options.enable_cpu_mem_arena = wanted.memory_arena
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(wanted.spinning)))
    options.add_session_config_entry(*_WEIGHTS_FOLDER)
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise EngineFailedError(
            f"onnxruntime {onnxruntime.__version__} refused the artifact: {error}"
        ) from error
    check_agreement("input", signature.inputs, {i.name: _found(i) for i in session.get_inputs()})
    # A graph may say nothing, or something stale, about its outputs' sizes: their types must agree.
    outputs = {o.name: Found(_found(o).dtype, None) for o in session.get_outputs()}
    check_agreement("output", signature.outputs, outputs)
    return _Handle(session, signature)


def _found(node: Any) -> Found:
    shape = tuple(size if isinstance(size, int) and size >= 0 else None for size in node.shape)
    return Found(_DTYPES.get(node.type, node.type), shape or None)


ENGINE = Engine(
    name="onnxruntime",
    formats=("onnx",),
    requires="onnxruntime",
    distribution="onnxruntime",
    open=_open,
    options=("threads", "graph_optimization", "memory_arena", "spinning"),
)
