"""Sources, converters and the routes between them.

A source or a converter is one module that exports one record (`SOURCE`, `CONVERTER`). Ours are found by
scanning the folders, third parties' through the entry points `edgeml.sources` and `edgeml.converters`. A
record's module imports nothing heavy: frameworks are imported inside its functions.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from edgeml_converters.model import Artifact, Boundaries, Reduction, TrainedModel
from edgeml_converters.recipe import Quantizer, Recipe
from edgeml_runtime.signature import Array

Subject = TrainedModel | Artifact
Calibration = Mapping[str, Array]  # real values by input name, each [n, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A kind of trained model: recognised by class names (never by importing), loaded, described, called."""

    kind: str
    suffixes: tuple[str, ...]  # of files that `load` reads; "" stands for a folder
    requires: tuple[str, ...]  # modules that must be importable, with the extra that brings them as `extra`
    extra: str
    recognises: Callable[[object], bool]
    load: Callable[[Path], object]
    describe: Callable[[Any, str], TrainedModel]  # (live object, name)
    predict: Callable[[TrainedModel, str, Any], Any]  # (model, method, x): what the framework itself returns
    scores: Callable[[TrainedModel, Any], Array | None]  # [n, classes] to take margins from, or None
    # (model, ordinary rows, most rows to give): rows on the model's thresholds, edges and categories
    boundaries: Callable[[TrainedModel, Any, int], Boundaries | None] | None = None
    reductions: Callable[[Any], Iterator[Reduction]] | None = None  # live object -> parts of it
    # (model, x): bool[n], rows whose answer hangs on ties that float32 cannot tell; None where none can
    undecided: Callable[[TrainedModel, Any], Array | None] | None = None
    holds: Callable[[Path], bool] = lambda path: True  # whether a file of such a suffix is one of its models
    # `load` that runs the code which the file holds or names
    load_trusted: Callable[[Path], object] | None = None


@dataclass(frozen=True, slots=True)
class Converter:
    """One edge of the graph: from a source kind or a format to a format."""

    name: str
    source: str
    target: str
    requires: tuple[str, ...]
    extra: str
    offers: Callable[[Any], Mapping[str, str | None]]  # subject -> scheme -> None, or why it is not offered
    convert: Callable[[Any, str, Calibration | None], Artifact]  # (subject, scheme, calibration)
    # Of a subject that takes int8-static: its recipes, after one calibration
    quantizer: Callable[[Any, Calibration | None], Quantizer] | None = None
    # int8-dynamic of a subject that takes it, by a recipe: where a device asks for a reduced range
    dynamic: Callable[[Any, Recipe], Artifact] | None = None
    # Of a trained model: by step path why that step has no float32 form; None, or no entry, where it has
    steps: Callable[[TrainedModel], Mapping[str, str | None]] | None = None


Route = tuple[Converter, ...]


@functools.cache
def sources() -> Mapping[str, Source]:
    """Every source by kind; two owners of one kind are an error."""
    return _scan("edgeml_converters.sources", "SOURCE", "edgeml.sources", lambda s: s.kind)


@functools.cache
def converters() -> Mapping[str, Converter]:
    """Every converter by name."""
    found: dict[str, Converter] = {}
    for package in ("to_onnx", "to_tflite"):
        found |= _scan(f"edgeml_converters.{package}", "CONVERTER", None, lambda c: c.name)
    return found | _scan(None, "CONVERTER", "edgeml.converters", lambda c: c.name)


def routes(kind: str, target: str) -> tuple[Route, ...]:
    """Every path without a cycle from a source kind to a format, shortest first.

    A converter from a format to itself (quantization) may end a path but not stand inside it.
    """
    found: list[Route] = []
    pending: list[Route] = [(c,) for c in converters().values() if c.source == kind]
    while pending:
        route = pending.pop(0)
        if route[-1].target == target:
            found.append(route)
        if route[-1].source == route[-1].target:
            continue
        visited = {kind, *(c.target for c in route[:-1])}
        pending += [
            (*route, c)
            for c in converters().values()
            if c.source == route[-1].target and c.target not in visited and c not in route
        ]
    return tuple(sorted(found, key=len))


def _scan(
    package: str | None, attribute: str, group: str | None, key: Callable[[Any], str]
) -> dict[str, Any]:
    records: dict[str, tuple[str, Any]] = {}

    def add(owner: str, record: Any) -> None:
        name = key(record)
        if name in records:
            raise RuntimeError(f"{attribute} {name!r} is defined by {records[name][0]} and by {owner}")
        records[name] = (owner, record)

    if package is not None:
        for info in pkgutil.iter_modules(importlib.import_module(package).__path__):
            module = importlib.import_module(f"{package}.{info.name}")
            if hasattr(module, attribute):
                add(module.__name__, getattr(module, attribute))
    if group is not None:
        for point in entry_points(group=group):
            add(point.value, point.load())
    return {name: record for name, (_, record) in sorted(records.items())}
