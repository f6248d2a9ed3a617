"""Short names and shared constants: in a small network names are a percent of the file that nobody reads."""

from __future__ import annotations

import hashlib
import itertools
import string
from collections.abc import Iterator
from typing import Any

_LETTERS = string.ascii_lowercase + string.digits


def compact(model: Any) -> None:
    """Rename inner tensors and keep one of several equal constants, in place.

    Inputs and outputs keep their names. A graph with graphs inside is left alone: they read names of it.
    """
    graph = model.graph
    if any(
        attribute.HasField("g") or attribute.graphs for node in graph.node for attribute in node.attribute
    ):
        return
    kept = {value.name for value in (*graph.input, *graph.output)}
    same = _equal_constants(graph, kept)
    constants = [i for i in graph.initializer if i.name not in same]
    inner = [name for node in graph.node for name in node.output if name]
    names = _short_names(kept)
    new = {name: next(names) for name in (*(i.name for i in constants), *inner) if name not in kept}
    for initializer in constants:
        initializer.name = new.get(initializer.name, initializer.name)
    del graph.initializer[:]
    graph.initializer.extend(constants)
    for node in graph.node:
        node.name = ""
        for names_of in (node.input, node.output):
            names_of[:] = [new.get(same.get(name, name), name) for name in names_of]
    del graph.value_info[:]


def _equal_constants(graph: Any, kept: set[str]) -> dict[str, str]:
    """By the name of a constant that occurred before, the first one's."""
    first: dict[bytes, str] = {}
    same: dict[str, str] = {}
    for initializer in graph.initializer:
        if initializer.name in kept:
            continue
        name, initializer.name = initializer.name, ""
        content = hashlib.sha256(initializer.SerializeToString(deterministic=True)).digest()
        initializer.name = name
        if content in first:
            same[name] = first[content]
        else:
            first[content] = name
    return same


def _short_names(kept: set[str]) -> Iterator[str]:
    for length in itertools.count(1):
        for letters in itertools.product(_LETTERS, repeat=length):
            name = "".join(letters)
            if name not in kept and not name[0].isdigit():
                yield name
