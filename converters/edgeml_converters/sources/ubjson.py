"""Universal Binary JSON, draft 12, as XGBoost writes it: lengths are checked before anything is read.

XGBoost itself ends the process on a truncated file, so its files are read here first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

MAX_DEPTH = 64
_NUMBERS = {  # big endian
    "i": ">i1", "U": ">u1", "I": ">i2", "l": ">i4", "L": ">i8", "d": ">f4", "D": ">f8",
}  # fmt: skip
_VALUES = {"Z": None, "T": True, "F": False}


def decode(content: bytes) -> Any:
    """The document: dicts, lists, text, numbers; arrays of one number type as numpy arrays.

    Raises ValueError where the bytes are none, are truncated or have something behind them.
    """
    reader = _Reader(content)
    value = reader.value(reader.marker(), 0)
    if reader.place != len(content):
        raise ValueError(f"{len(content) - reader.place} bytes behind the document")
    return value


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self.place = 0

    def take(self, count: int) -> bytes:
        if not 0 <= count <= len(self._content) - self.place:
            raise ValueError(f"truncated at byte {len(self._content)}")
        self.place += count
        return self._content[self.place - count : self.place]

    def marker(self) -> str:
        return chr(self.take(1)[0])

    def value(self, marker: str, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise ValueError("nested too deeply")
        if marker in _VALUES:
            return _VALUES[marker]
        if marker in _NUMBERS:
            return self.numbers(marker, 1)[0].item()
        if marker == "S":
            return self.text()
        if marker == "C":
            return self.marker()
        if marker == "{":
            return self.mapping(depth)
        if marker == "[":
            return self.array(depth)
        raise ValueError(f"byte {self.place - 1} is no value's beginning")

    def numbers(self, kind: str, count: int) -> Any:
        dtype = np.dtype(_NUMBERS[kind])
        return np.frombuffer(self.take(count * dtype.itemsize), dtype).astype(dtype.newbyteorder("="))

    def length(self) -> int:
        kind = self.marker()
        if kind not in "iUIlL":
            raise ValueError(f"byte {self.place - 1} is no length")
        length = int(self.numbers(kind, 1)[0])
        if length < 0:
            raise ValueError(f"byte {self.place - 1}: a length below zero")
        return length

    def text(self) -> str:
        return self.take(self.length()).decode("utf-8")

    def mapping(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self._content[self.place : self.place + 1] != b"}":
            key = self.text()
            found[key] = self.value(self.marker(), depth + 1)
        self.place += 1
        return found

    def array(self, depth: int) -> Any:
        ahead = self.marker()
        if ahead == "$":
            kind, sign = self.marker(), self.marker()
            if kind not in _NUMBERS or sign != "#":
                raise ValueError(f"byte {self.place - 1} begins no array")
            return self.numbers(kind, self.length())
        if ahead == "#":
            return [self.value(self.marker(), depth + 1) for _ in range(self.length())]
        found = []
        while ahead != "]":
            found.append(self.value(ahead, depth + 1))
            ahead = self.marker()
        return found
