"""What a .tflite file holds, read in Python: no native parser sees it, TensorFlow is not imported."""

from __future__ import annotations

import struct
from collections import Counter
from typing import Any

from edgeml_runtime.errors import InputError, MissingDependencyError


def describe_file(content: bytes) -> dict[str, Any]:
    """JSON values: size, operators with their counts, inputs and outputs with dtype, shape and quantization.

    Raises InputError for bytes that are not a TFLite file, MissingDependencyError without ai-edge-litert.
    """
    try:
        from ai_edge_litert import schema_py_generated as schema
    except ImportError as error:
        raise MissingDependencyError(
            "inspecting TFLite files needs ai-edge-litert: pip install 'edgeml-converters[tflite]'"
        ) from error
    if content[4:8] != b"TFL3":
        raise InputError("not a TFLite file: the identifier TFL3 is absent")
    try:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
        return {
            "size_bytes": len(content),
            "operators": dict(sorted(_operators(schema, model).items())),
            "inputs": _tensors(schema, model, "inputs"),
            "outputs": _tensors(schema, model, "outputs"),
        }
    except (struct.error, IndexError, TypeError, AttributeError, KeyError, ValueError, MemoryError) as error:
        raise InputError(f"damaged TFLite file: {type(error).__name__} while reading it: {error}") from error


def _operators(schema: Any, model: Any) -> Counter[str]:
    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}
    codes = [
        code.customCode.decode("utf-8", "replace")
        if code.customCode
        else names[max(code.builtinCode, code.deprecatedBuiltinCode)]
        for code in model.operatorCodes
    ]
    return Counter(codes[op.opcodeIndex] for graph in model.subgraphs for op in graph.operators or ())


def _tensors(schema: Any, model: Any, direction: str) -> list[dict[str, Any]]:
    types = {v: k.lower() for k, v in vars(schema.TensorType).items() if isinstance(v, int)}
    graph = model.subgraphs[0]
    described = []
    for index in getattr(graph, direction):
        tensor = graph.tensors[index]
        shape = tensor.shape if tensor.shapeSignature is None else tensor.shapeSignature
        quantization = tensor.quantization
        described.append(
            {
                "name": (tensor.name or b"").decode("utf-8", "replace"),
                "dtype": types[tensor.type],
                "shape": [] if shape is None else [int(size) for size in shape],
                "scale": [float(s) for s in _values(quantization, "scale")],
                "zero_point": [int(z) for z in _values(quantization, "zeroPoint")],
            }
        )
    return described


def _values(quantization: Any, name: str) -> Any:
    values = None if quantization is None else getattr(quantization, name)
    return () if values is None else values
