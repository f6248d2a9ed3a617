"""Inference engines, one file each, found by scanning this folder and the entry points `edgeml.engines`.

A module here imports its engine inside `open` only. `open` gets bytes whose hashes were checked, never a
path, and refuses an artifact whose inputs and outputs are not those of the signature.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from edgeml_runtime.errors import EngineError, EngineFailedError, MissingDependencyError, UnknownNameError
from edgeml_runtime.signature import Array, Signature, TensorSpec, format_shape
from edgeml_runtime.tuning import SessionOptions


class Handle(Protocol):
    """An artifact opened by an engine; safe to call from several threads."""

    def run(self, outputs: tuple[str, ...], inputs: list[Array]) -> list[Array]:
        """The named outputs as stored values that nobody else holds, for inputs in the signature's order."""
        ...


@dataclass(frozen=True, slots=True)
class Engine:
    """An inference engine: which formats it takes, what it needs, how it opens an artifact."""

    name: str
    formats: tuple[str, ...]
    requires: str  # the module that `open` imports
    distribution: str  # the package that brings it, for versions and pip lines
    open: Callable[[bytes, Signature, SessionOptions], Handle]  # (artifact, signature, options)
    options: tuple[str, ...] = ("threads",)  # of SessionOptions, those that `open` heeds

    def installed(self) -> bool:
        """Whether the engine's package is here (it is not imported to find out)."""
        from importlib.util import find_spec

        return find_spec(self.requires.partition(".")[0]) is not None

    def import_module(self) -> None:
        """Import the engine ahead of `open`, so that memory can be told apart from the artifact's."""
        import_engine(self.requires)

    def version(self) -> str:
        """The installed version."""
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version(self.distribution)
        except PackageNotFoundError:  # built from source, or under another distribution's name
            return "unknown"


def import_engine(module: str) -> Any:
    """The engine's module; raises MissingDependencyError where it is there and cannot be imported."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"{module} is installed and cannot be imported: {error}; reinstall it, and numpy with it"
        ) from error


@dataclass(frozen=True, slots=True)
class Found:
    """A tensor as the engine sees it; None where it does not tell a size, or the shape."""

    dtype: str
    shape: tuple[int | None, ...] | None


def check_agreement(what: str, specs: tuple[TensorSpec, ...], found: Mapping[str, Found]) -> None:
    """Refuse an artifact whose tensors are not those of the signature; raises EngineFailedError."""
    for spec in specs:
        wanted = f"{what} {spec.name}: {spec.dtype}{format_shape(spec.shape)}"
        tensor = found.get(spec.name)
        if tensor is None:
            raise EngineFailedError(f"artifact has no {wanted}; it has {', '.join(found) or 'none'}")
        if tensor.dtype != spec.dtype or not _agree(spec.shape, tensor.shape):
            shape = "" if tensor.shape is None else format_shape(tensor.shape)
            raise EngineFailedError(f"artifact's {what} is {tensor.dtype}{shape}; the manifest says {wanted}")
    unfed = sorted(set(found) - {spec.name for spec in specs})
    if unfed and what == "input":
        raise EngineFailedError(f"artifact needs inputs that the manifest does not list: {', '.join(unfed)}")


def _agree(wanted: tuple[int | None, ...], got: tuple[int | None, ...] | None) -> bool:
    return got is None or (
        len(got) == len(wanted) and all(None in (w, g) or w == g for w, g in zip(wanted, got, strict=True))
    )


@functools.cache
def engines() -> Mapping[str, Engine]:
    """Every known engine by name, in order of preference; two owners of a name are an error."""
    import pkgutil
    from importlib.metadata import entry_points

    found: dict[str, Engine] = {}
    modules = [importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)]
    third_party = [point.load() for point in entry_points(group="edgeml.engines")]
    for engine in (*(m.ENGINE for m in modules), *third_party):
        if engine.name in found:
            raise EngineError(f"engine {engine.name!r} is defined twice: uninstall one of the packages")
        found[engine.name] = engine
    return found


def choose_engine(artifact_format: str, name: str | None = None) -> Engine:
    """The engine of that name, or the first installed one for the format.

    Raises UnknownNameError or MissingDependencyError with the pip line.
    """
    fitting = {e.name: e for e in engines().values() if artifact_format in e.formats}
    if not fitting:
        known = sorted({f for e in engines().values() for f in e.formats})
        raise MissingDependencyError(
            f"no engine here runs {artifact_format!a} artifacts, only {', '.join(known)}; "
            "a newer edgeml-runtime or a package with that engine may"
        )
    if name is not None and name not in fitting:
        raise UnknownNameError(f"engine for {artifact_format}", name, fitting)
    candidates = [e for e in fitting.values() if name in (None, e.name)]
    for engine in candidates:
        if engine.installed():
            return engine
    wanted = " or ".join(e.distribution for e in candidates)
    raise MissingDependencyError(
        f"running {artifact_format} needs {wanted}: pip install 'edgeml-runtime[{artifact_format}]'"
    )
