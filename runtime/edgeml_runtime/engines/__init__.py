"""Inference engines, one file each, found by scanning this folder and the entry points `edgeml.engines`.

A module here imports its engine inside `open` only. `open` gets bytes whose hashes were checked, never a
path.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from edgeml_runtime.errors import MissingDependencyError, UnknownNameError
from edgeml_runtime.signature import Array, Signature


class Handle(Protocol):
    """An artifact opened by an engine; safe to call from several threads."""

    def run(self, outputs: tuple[str, ...], inputs: list[Array]) -> list[Array]:
        """The named outputs as stored values, for inputs in the signature's order."""
        ...


@dataclass(frozen=True, slots=True)
class Engine:
    """An inference engine: which formats it takes, what it needs, how it opens an artifact."""

    name: str
    formats: tuple[str, ...]
    requires: str  # the module that `open` imports
    distribution: str  # the package that brings it, for versions and pip lines
    open: Callable[[bytes, Signature, int], Handle]  # (artifact, signature, threads)

    def installed(self) -> bool:
        """Whether the engine's package is here (it is not imported to find out)."""
        return importlib.util.find_spec(self.requires.partition(".")[0]) is not None

    def import_module(self) -> None:
        """Import the engine ahead of `open`, so that memory can be told apart from the artifact's."""
        importlib.import_module(self.requires)

    def version(self) -> str:
        """The installed version."""
        from importlib.metadata import version

        return version(self.distribution)


@functools.cache
def engines() -> Mapping[str, Engine]:
    """Every known engine by name, in order of preference; two owners of a name are an error."""
    from importlib.metadata import entry_points

    found: dict[str, Engine] = {}
    modules = [importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)]
    third_party = [point.load() for point in entry_points(group="edgeml.engines")]
    for engine in (*(m.ENGINE for m in modules), *third_party):
        if engine.name in found:
            raise RuntimeError(f"engine {engine.name!r} is defined twice")
        found[engine.name] = engine
    return found


def choose_engine(artifact_format: str, name: str | None = None) -> Engine:
    """The engine of that name, or the first installed one for the format.

    Raises UnknownNameError or MissingDependencyError with the pip line.
    """
    if name is not None and name not in engines():
        raise UnknownNameError("engine", name, engines())
    fitting = [e for e in engines().values() if artifact_format in e.formats and name in (None, e.name)]
    if not fitting:
        raise UnknownNameError(f"engine for {artifact_format}", name or artifact_format, engines())
    for engine in fitting:
        if engine.installed():
            return engine
    wanted = " or ".join(e.distribution for e in fitting)
    raise MissingDependencyError(
        f"running {artifact_format} needs {wanted}: pip install 'edgeml-runtime[{artifact_format}]'"
    )
