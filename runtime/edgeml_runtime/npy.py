"""Arrays as .npy, version 1.0, with exactly one spelling; numpy's reader and any other one understand it.

numpy's own writer pads differently from version to version, and its reader evaluates the header and allocates
what that asks for; golden vectors need neither. Specification: numpy.lib.format.
"""

from __future__ import annotations

import math
import re

import numpy as np

from edgeml_runtime.affine import Array
from edgeml_runtime.codec import is_text

_MAGIC = b"\x93NUMPY\x01\x00"
_HEADER = re.compile(
    r"\{'descr': '([<|][fiubU][0-9]{1,4})', 'fortran_order': False, 'shape': \(([0-9, ]{0,100})\), \} *\n"
)
_SIZE = re.compile(r"0|[1-9][0-9]{0,9}")


def npy_bytes(array: Array) -> bytes:
    """An array of numbers, booleans or strings: C order, little-endian."""
    little = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False))
    return _header(little.dtype, array.shape) + little.tobytes()


def read_npy(content: bytes) -> Array:
    """The array, read-only and in native byte order, that `npy_bytes` wrote; ValueError for anything else."""
    length = int.from_bytes(content[len(_MAGIC) : len(_MAGIC) + 2], "little")
    start = len(_MAGIC) + 2 + length
    match = _HEADER.fullmatch(content[len(_MAGIC) + 2 : start].decode("latin-1"))
    if match is None:
        raise ValueError("not a plain .npy file, version 1.0, little-endian, C order")
    sizes = [size for size in match[2].removesuffix(",").split(", ") if size]
    if not all(map(_SIZE.fullmatch, sizes)):
        raise ValueError("malformed shape in a .npy file")
    shape = tuple(map(int, sizes))
    try:
        dtype = np.dtype(match[1])
    except TypeError as error:
        raise ValueError(f"unknown dtype {match[1]!r} in a .npy file") from error
    if content[:start] != _header(dtype, shape):
        raise ValueError("not the canonical header of a .npy file")
    expected = math.prod(shape) * dtype.itemsize
    if len(content) - start != expected:
        raise ValueError(
            f"shape {list(shape)} of {dtype.name} needs {expected} bytes, got {len(content) - start}"
        )
    if expected == 0:
        return np.empty(shape, dtype)
    array: Array = np.frombuffer(content, dtype, offset=start).reshape(shape)
    if dtype.kind == "b" and not set(content[start:]) <= {0, 1}:
        raise ValueError("a boolean is neither 0 nor 1")
    if dtype.kind == "U" and not all(map(is_text, array.ravel().tolist())):
        raise ValueError("a string has a lone surrogate")
    return array.astype(dtype.newbyteorder("="), copy=False)


def _header(dtype: np.dtype[np.generic], shape: tuple[int, ...]) -> bytes:
    sizes = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
    text = f"{{'descr': '{dtype.newbyteorder('<').str}', 'fortran_order': False, 'shape': ({sizes}), }}"
    padding = -(len(_MAGIC) + 2 + len(text) + 1) % 64  # so that the data starts on a multiple of 64
    text += " " * padding + "\n"
    return _MAGIC + len(text).to_bytes(2, "little") + text.encode("latin-1")
