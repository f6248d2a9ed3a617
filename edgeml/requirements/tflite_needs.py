"""What a TFLite file needs: operators and their versions, weights, arena. No native code reads the file."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from edgeml.requirements.liveness import Step, arena_bytes, lifetimes, peak_bytes
from edgeml.requirements.needs import Needs, OperatorUse
from edgeml_converters.to_tflite.reading import is_constant, names, operator_name, read_file

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
    return read_file(content, lambda schema, model: _read(schema, model, len(content)))


def _read(schema: Any, model: Any, file_bytes: int) -> Needs:
    types, operators = names(schema.TensorType), names(schema.BuiltinOperator)
    codes = [operator_name(operators, code) for code in model.operatorCodes]
    fixed = {i for i, name in enumerate(codes) if name in _NOT_IN_PLACE}
    unsized: list[str] = []
    peak = arena = 0
    for graph in model.subgraphs:
        sizes = {}
        for index, tensor in enumerate(graph.tensors):
            if is_constant(model, tensor):
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
        file_bytes=file_bytes,
        weights_bytes=sum(0 if b.data is None else len(b.data) for b in model.buffers),
        operators=_operators(codes, model),
        peak_bytes=None if unsized else peak,
        arena_bytes=None if unsized else arena,
        unsized=tuple(unsized),
    )


def _tensor_bytes(dtype: str, tensor: Any) -> int | None:
    """Sizes that depend on the batch are in the file as for one row."""
    if dtype not in _BITS:
        return None
    shape = [] if tensor.shape is None else [int(size) for size in tensor.shape]
    return -(-math.prod(max(size, 1) for size in shape) * _BITS[dtype] // 8)


def _ids(indices: Any) -> list[int]:
    return [] if indices is None else [int(i) for i in indices if i >= 0]


def _operators(codes: Sequence[str], model: Any) -> tuple[OperatorUse, ...]:
    counts = Counter(int(op.opcodeIndex) for graph in model.subgraphs for op in graph.operators or ())
    found: Counter[tuple[str, int | None, str]] = Counter()
    for index, (name, code) in enumerate(zip(codes, model.operatorCodes, strict=True)):
        key = (name, None, CUSTOM_DOMAIN) if code.customCode else (name, int(code.version), "")
        found[key] += counts[index]
    return tuple(
        OperatorUse(name, found[name, version, domain], version, domain)
        for name, version, domain in sorted(found, key=lambda key: (key[2], key[0], key[1] or 0))
    )
