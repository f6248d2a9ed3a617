"""What a .tflite file holds, read in Python: no native parser sees it, TensorFlow is not imported."""

from __future__ import annotations

from collections import Counter
from typing import Any

from edgeml_converters.to_tflite.reading import names, operator_name, read_file


def describe_file(content: bytes) -> dict[str, Any]:
    """JSON values: size, operators with their counts, inputs and outputs with dtype, shape and quantization.

    Raises InputError for bytes that are not a TFLite file, MissingDependencyError without ai-edge-litert.
    """
    return read_file(content, lambda schema, model: {"size_bytes": len(content), **_document(schema, model)})


def _document(schema: Any, model: Any) -> dict[str, Any]:
    return {
        "operators": dict(sorted(_operators(schema, model).items())),
        "inputs": _tensors(schema, model, "inputs"),
        "outputs": _tensors(schema, model, "outputs"),
    }


def _operators(schema: Any, model: Any) -> Counter[str]:
    operators = names(schema.BuiltinOperator)
    codes = [operator_name(operators, code) for code in model.operatorCodes]
    return Counter(codes[op.opcodeIndex] for graph in model.subgraphs for op in graph.operators or ())


def _tensors(schema: Any, model: Any, direction: str) -> list[dict[str, Any]]:
    types = names(schema.TensorType)
    graph = model.subgraphs[0]
    described = []
    for index in getattr(graph, direction):
        tensor = graph.tensors[index]
        shape = tensor.shape if tensor.shapeSignature is None else tensor.shapeSignature
        quantization = tensor.quantization
        described.append(
            {
                "name": (tensor.name or b"").decode("utf-8", "replace"),
                "dtype": types[tensor.type].lower(),
                "shape": [] if shape is None else [int(size) for size in shape],
                "scale": [float(s) for s in _values(quantization, "scale")],
                "zero_point": [int(z) for z in _values(quantization, "zeroPoint")],
            }
        )
    return described


def _values(quantization: Any, name: str) -> Any:
    values = None if quantization is None else getattr(quantization, name)
    return () if values is None else values
