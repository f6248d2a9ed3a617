"""What a TFLite file needs: operators and their versions, weights, arena. No native code reads the file."""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Mapping
from typing import Any

from edgeml.requirements.liveness import Step, arena_bytes, lifetimes, peak_bytes
from edgeml.requirements.needs import Needs, OperatorUse
from edgeml_runtime.errors import InputError, MissingDependencyError

_BITS = {
    "BOOL": 8, "INT4": 4, "UINT4": 4, "INT2": 2, "INT8": 8, "UINT8": 8, "INT16": 16, "UINT16": 16,
    "FLOAT16": 16, "BFLOAT16": 16, "INT32": 32, "UINT32": 32, "FLOAT32": 32, "INT64": 64, "UINT64": 64,
    "FLOAT64": 64, "COMPLEX64": 64, "COMPLEX128": 128,
}  # fmt: skip
CUSTOM_DOMAIN = "custom"
# They read an input again after writing of the output has begun.
_NOT_IN_PLACE = (
    "CONV_2D", "CONV_3D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "BATCH_MATMUL",
    "AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D", "TRANSPOSE", "GATHER", "GATHER_ND",
)  # fmt: skip


def tflite_needs(content: bytes) -> Needs:
    """Raises InputError for bytes that are not a TFLite file, MissingDependencyError without its schema."""
    try:
        from ai_edge_litert import schema_py_generated as schema
    except ImportError as error:
        raise MissingDependencyError(
            "reading TFLite files needs ai-edge-litert: pip install 'edgeml-converters[tflite]'"
        ) from error
    if content[4:8] != b"TFL3":
        raise InputError("not a TFLite file: the identifier TFL3 is absent")
    try:
        return _read(schema, schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0)), content)
    except (struct.error, IndexError, TypeError, AttributeError, KeyError, ValueError, MemoryError) as error:
        raise InputError(f"damaged TFLite file: {type(error).__name__} while reading it: {error}") from error


def _read(schema: Any, model: Any, content: bytes) -> Needs:
    types = {v: k for k, v in vars(schema.TensorType).items() if isinstance(v, int)}
    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}
    fixed = {i for i, code in enumerate(model.operatorCodes) if _builtin(names, code) in _NOT_IN_PLACE}
    unsized: list[str] = []
    peak = arena = 0
    for graph in model.subgraphs:
        sizes = {}
        for index, tensor in enumerate(graph.tensors):
            if _is_constant(model, tensor):
                continue
            size = _tensor_bytes(types[tensor.type], tensor)
            if size is None:
                unsized.append(f"{index} ({types[tensor.type].lower()})")
            sizes[index] = size or 0
        steps = [
            Step(
                tuple(i for i in _ids(op.inputs) if i in sizes),
                tuple(_ids(op.outputs)),
                in_place=op.opcodeIndex not in fixed,
            )
            for op in graph.operators or ()
        ]
        # What an operator remembers from one call to the next lives throughout.
        lasting = [i for i, t in enumerate(graph.tensors) if t.isVariable and i in sizes]
        spans = lifetimes(steps, [*_ids(graph.inputs), *lasting], [*_ids(graph.outputs), *lasting])
        spans = {key: span for key, span in spans.items() if key in sizes}
        # Every graph has tensors of its own; those of a loop's body are alive beside its caller's.
        arena += arena_bytes(spans, sizes)
        peak = max(peak, peak_bytes(steps, spans, sizes))
    return Needs(
        artifact_format="tflite",
        file_bytes=len(content),
        weights_bytes=sum(0 if b.data is None else len(b.data) for b in model.buffers),
        operators=_operators(names, model),
        peak_bytes=None if unsized else peak,
        arena_bytes=None if unsized else arena,
        unsized=tuple(unsized),
    )


def _is_constant(model: Any, tensor: Any) -> bool:
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


def _tensor_bytes(dtype: str, tensor: Any) -> int | None:
    """Sizes that depend on the batch are in the file as for one row."""
    if dtype not in _BITS:
        return None
    shape = [] if tensor.shape is None else [int(size) for size in tensor.shape]
    return -(-math.prod(max(size, 1) for size in shape) * _BITS[dtype] // 8)


def _ids(indices: Any) -> list[int]:
    return [] if indices is None else [int(i) for i in indices if i >= 0]


def _builtin(names: Mapping[int, str], code: Any) -> str:
    return names[max(code.builtinCode, code.deprecatedBuiltinCode)]


def _operators(names: Mapping[int, str], model: Any) -> tuple[OperatorUse, ...]:
    counts = Counter(int(op.opcodeIndex) for graph in model.subgraphs for op in graph.operators or ())
    found: Counter[tuple[str, int | None, str]] = Counter()
    for index, code in enumerate(model.operatorCodes):
        key: tuple[str, int | None, str]
        if code.customCode:
            key = (code.customCode.decode("utf-8", "replace"), None, CUSTOM_DOMAIN)
        else:
            key = (_builtin(names, code), int(code.version), "")
        found[key] += counts[index]
    return tuple(
        OperatorUse(name, found[name, version, domain], version, domain)
        for name, version, domain in sorted(found, key=lambda key: (key[2], key[0], key[1] or 0))
    )
