"""A .tflite file read in Python by LiteRT's schema: no native parser sees it, TensorFlow is not imported."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from edgeml_runtime.errors import InputError, MissingDependencyError

Found = TypeVar("Found")


def read_file(content: bytes, read: Callable[[Any, Any], Found]) -> Found:
    """What `read` finds in a file, given LiteRT's schema module and the file's ModelT.

    Raises InputError for bytes that are not a whole TFLite file, MissingDependencyError without
    ai-edge-litert.
    """
    try:
        from ai_edge_litert import schema_py_generated as schema
    except ImportError as error:
        raise MissingDependencyError(
            "reading TFLite files needs ai-edge-litert: pip install 'edgeml-converters[tflite]'"
        ) from error
    if content[4:8] != b"TFL3":
        raise InputError("not a TFLite file: the identifier TFL3 is absent")
    try:
        return read(schema, schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0)))
    except (struct.error, IndexError, TypeError, AttributeError, KeyError, ValueError, MemoryError) as error:
        raise InputError(f"damaged TFLite file: {type(error).__name__} while reading it: {error}") from error


def names(enumeration: Any) -> Mapping[int, str]:
    """`CONV_2D` by its number, for the schema's BuiltinOperator; `INT8`, for its TensorType."""
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


def operator_name(operators: Mapping[int, str], code: Any) -> str:
    """Of an operator code; a custom one has its own name."""
    if code.customCode:
        return str(code.customCode.decode("utf-8", "replace"))
    return operators[max(code.builtinCode, code.deprecatedBuiltinCode)]


def is_constant(model: Any, tensor: Any) -> bool:
    """Whether the file holds the tensor's values."""
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0
