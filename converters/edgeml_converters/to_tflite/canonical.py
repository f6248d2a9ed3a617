"""The TFLite flatbuffer after TensorFlow's converter: read what it holds, write its canonical form.

Schema: https://github.com/google-ai-edge/LiteRT/blob/main/tflite/schema/schema.fbs
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from edgeml_runtime.manifest import FloatOperator
from edgeml_runtime.signature import Affine, TensorSpec

Model = Any  # schema_py_generated.ModelT

# Written by the converter for people and stores, read by no interpreter. Other entries (control
# dependencies) are needed to run the file.
_USELESS_METADATA = (b"CONVERSION_METADATA", b"min_runtime_version")
LEAST_DYNAMIC_WEIGHTS = 1024  # of a layer, for TensorFlow's converter to quantize it dynamically
_LAST_SMALL_CODE = 127  # what the schema's first, 8-bit field of an operator's number holds for larger ones
# They move values between representations and compute nothing.
BOUNDARY_OPERATORS = ("QUANTIZE", "DEQUANTIZE")
# The operator's inputs that hold weights.
WEIGHT_INPUTS = {
    "CONV_2D": (1,),
    "DEPTHWISE_CONV_2D": (1,),
    "CONV_3D": (1,),
    "TRANSPOSE_CONV": (1,),
    "FULLY_CONNECTED": (1,),
    "BATCH_MATMUL": (1,),
    "EMBEDDING_LOOKUP": (1,),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": tuple(range(1, 9)),
    "BIDIRECTIONAL_SEQUENCE_LSTM": tuple(range(1, 9)),
    "UNIDIRECTIONAL_SEQUENCE_RNN": (1, 2),
}


def _schema() -> Any:
    # TensorFlow's copy, because TensorFlow is what wrote the file.
    from tensorflow.lite.python import schema_py_generated

    return schema_py_generated


def parse(content: bytes) -> Model:
    """The object tree of a TFLite file that TensorFlow's converter wrote."""
    schema = _schema()
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))


def pack(model: Model) -> bytes:
    """The bytes of that tree; every buffer starts at a multiple of 16 as the schema demands."""
    import flatbuffers  # type: ignore[import-untyped]

    class AlignedBuilder(flatbuffers.Builder):  # type: ignore[misc]
        # The generated Python code forgets the schema's `force_align: 16` of buffers.
        def StartVector(self, elem_size: int, count: int, alignment: int) -> Any:  # noqa: N802
            return super().StartVector(elem_size, count, max(alignment, 16) if elem_size == 1 else alignment)

    builder = AlignedBuilder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def normalise(model: Model, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> None:
    """Bring the tree into canonical form, in place.

    `inputs`, `outputs`: the converter's name of each tensor of the signature to ours, in our order. Names of
    inner tensors, calibration ranges and the converter's notes are dropped: they carry counters of the
    converting process, and in a small model they take a twentieth of the file.
    """
    model.description = None
    model.metadata = [m for m in model.metadata or () if m.name not in _USELESS_METADATA] or None
    for graph in model.subgraphs:
        graph.name = None
        for tensor in graph.tensors:
            tensor.name = None
            if tensor.quantization is not None:
                tensor.quantization.min = tensor.quantization.max = None
                if tensor.quantization.scale is None:
                    tensor.quantization = None
    (definition,) = model.signatureDefs
    definition.signatureKey = b"serving_default"
    graph = model.subgraphs[definition.subgraphIndex]
    definition.inputs, graph.inputs = _rename(definition.inputs, inputs, graph)
    definition.outputs, graph.outputs = _rename(definition.outputs, outputs, graph)
    compact_buffers(model)


def argmax_in_int8(model: Model) -> None:
    """Let ARG_MAX and ARG_MIN read int8 values, in place.

    TensorFlow's converter dequantizes before them. The order of the stored values is that of the real ones,
    ties included, so the index is the same.
    """
    for graph in model.subgraphs:
        makers = {int(i): op for op in graph.operators for i in op.outputs}
        for operator in graph.operators:
            if operator_name(model, operator) not in ("ARG_MAX", "ARG_MIN"):
                continue
            maker = makers.get(int(operator.inputs[0]))
            if maker is None or operator_name(model, maker) != "DEQUANTIZE":
                continue
            if graph.tensors[maker.inputs[0]].type == _schema().TensorType.INT8:
                operator.inputs = [maker.inputs[0], *operator.inputs[1:]]
        read = {int(i) for op in graph.operators for i in op.inputs} | {int(i) for i in graph.outputs}
        graph.operators = [
            op
            for op in graph.operators
            if operator_name(model, op) != "DEQUANTIZE" or int(op.outputs[0]) in read
        ]


def _rename(maps: Any, names: Mapping[str, str], graph: Any) -> tuple[list[Any], list[int]]:
    by_name = {m.name.decode(): m for m in maps}
    ordered = []
    for theirs, ours in names.items():
        entry = by_name[theirs]
        entry.name = ours.encode()
        graph.tensors[entry.tensorIndex].name = entry.name
        ordered.append(entry)
    return ordered, [m.tensorIndex for m in ordered]


def compact_buffers(model: Model) -> None:
    """Buffer 0 for every tensor without constant data, one buffer for equal constants."""
    old, first = model.buffers, _schema().BufferT()
    new, known = [first], {b"": 0}
    holders = [tensor for graph in model.subgraphs for tensor in graph.tensors]
    holders += model.metadata or []
    for holder in holders:
        data = old[holder.buffer].data
        key = b"" if data is None else bytes(np.asarray(data, np.uint8))
        if key not in known:
            known[key] = len(new)
            new.append(old[holder.buffer])
        holder.buffer = known[key]
    model.buffers = new


def operator_name(model: Model, operator: Any) -> str:
    """`CONV_2D`, as the schema spells it; a custom operator's own name."""
    return operator_code_name(model.operatorCodes[operator.opcodeIndex])


def operator_code_name(code: Any) -> str:
    """The same of an entry of the model's operator codes."""
    if code.customCode:
        return str(code.customCode.decode())
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    return _enum(_schema().BuiltinOperator)[number]


def new_operator(model: Model, name: str, inputs: list[int], outputs: list[int]) -> Any:
    """An operator of that kind, without options, between those tensors; where it stands is the caller's."""
    schema = _schema()
    number = int(getattr(schema.BuiltinOperator, name))
    names = [operator_code_name(code) for code in model.operatorCodes]
    if name not in names:
        code = schema.OperatorCodeT()
        code.builtinCode, code.version = number, 2 if name == "DEQUANTIZE" else 1
        code.deprecatedBuiltinCode = min(number, _LAST_SMALL_CODE)
        model.operatorCodes.append(code)
        names.append(name)
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = names.index(name), inputs, outputs
    return operator


def tensor_type(name: str) -> int:
    """The schema's number of a tensor type, `INT8`."""
    return int(getattr(_schema().TensorType, name))


def _enum(enumeration: type) -> dict[int, str]:
    return {v: k for k, v in vars(enumeration).items() if isinstance(v, int)}


def stored_spec(model: Model, spec: TensorSpec, *, output: bool) -> TensorSpec:
    """`spec` with the dtype and the affine that the file gives the tensor of that name."""
    definition = model.signatureDefs[0]
    maps = definition.outputs if output else definition.inputs
    index = next(m.tensorIndex for m in maps if m.name == spec.name.encode())
    tensor = model.subgraphs[definition.subgraphIndex].tensors[index]
    dtype = _enum(_schema().TensorType)[tensor.type].lower()
    affine = None
    if tensor.quantization is not None and dtype in ("int8", "uint8", "int16"):
        affine = Affine(
            tuple(float(s) for s in tensor.quantization.scale),
            tuple(float(z) for z in tensor.quantization.zeroPoint),
        )
    return replace(spec, dtype=dtype, affine=affine)


def _operators(model: Model) -> Iterator[tuple[str, list[Any], list[Any]]]:
    """(name, input tensors, output tensors) of every operator; an absent optional input is None."""
    for graph in model.subgraphs:
        for operator in graph.operators:
            tensors = [
                [graph.tensors[i] if i >= 0 else None for i in ids]
                for ids in (operator.inputs, operator.outputs)
            ]
            yield operator_name(model, operator), tensors[0], tensors[1]


def operators_in_float(model: Model) -> tuple[FloatOperator, ...]:
    """Operators of a statically quantized file with a float32 operand or result."""
    counts = {name: n for name, n in _with_float(model).items() if name not in BOUNDARY_OPERATORS}
    reason = "TFLite has no integer kernel for it with these operands"
    return tuple(FloatOperator(name, counts[name], reason) for name in sorted(counts))


def conversions(model: Model) -> tuple[FloatOperator, ...]:
    """Conversions between integers and float32 in a statically quantized file."""
    reason = "converts values between integers and floats"
    counts = _with_float(model)
    return tuple(FloatOperator(name, counts[name], reason) for name in BOUNDARY_OPERATORS if counts[name])


def _with_float(model: Model) -> Counter[str]:
    float32 = _schema().TensorType.FLOAT32
    return Counter(
        name
        for name, inputs, outputs in _operators(model)
        if any(t is not None and t.type == float32 for t in (*inputs, *outputs))
    )


def weights_in_float(model: Model) -> tuple[tuple[FloatOperator, ...], int]:
    """Operators of a dynamically quantized file whose weights stayed float32; and how many are int8."""
    types = _schema().TensorType
    counts: Counter[str] = Counter()
    quantized = 0
    for name, inputs, _ in _operators(model):
        held = [inputs[i] for i in WEIGHT_INPUTS.get(name, ()) if i < len(inputs)]
        constants = [t for t in held if t is not None and model.buffers[t.buffer].data is not None]
        if any(t.type == types.FLOAT32 for t in constants):
            counts[name] += 1
        elif any(t.type in (types.INT8, types.INT4) for t in constants):
            quantized += 1
    reason = f"TensorFlow's converter leaves weights of fewer than {LEAST_DYNAMIC_WEIGHTS} values in float"
    return tuple(FloatOperator(name, counts[name], reason) for name in sorted(counts)), quantized
