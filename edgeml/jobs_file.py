"""A TOML file of models and devices: what `edgeml compile-many` compiles."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeml.many import Entry
from edgeml_runtime.codec import CodecError, decode
from edgeml_runtime.errors import InputError
from edgeml_runtime.files import read_file
from edgeml_runtime.manifest import Budget


@dataclass(frozen=True, slots=True)
class ModelLine:
    """One of the file's `[[models]]`. Paths are relative to the file; the name is the model file's stem."""

    model: str
    name: str | None = None
    data: str | None = None
    target: str | None = None
    budget: Budget | None = None


@dataclass(frozen=True, slots=True)
class JobsFile:
    """What such a file holds; `budget` is of every model without one of its own."""

    devices: tuple[str, ...]
    models: tuple[ModelLine, ...]
    budget: Budget = field(default_factory=Budget)
    formats: tuple[str, ...] | None = None
    schemes: tuple[str, ...] | None = None
    objective: str = "latency"
    seed: int = 0

    def entries(self, folder: Path, *, trust_pickle: bool) -> list[Entry]:
        """For `compile_many`; `folder` is the file's."""
        return [
            Entry(
                folder / line.model,
                line.name or Path(line.model).stem,
                None if line.data is None else folder / line.data,
                line.target,
                line.budget or self.budget,
                trust_pickle,
            )
            for line in self.models
        ]

    def device_names(self, folder: Path) -> list[str | Path]:
        """Names, and the paths of profiles."""
        return [folder / d if d.endswith(".toml") or "/" in d else d for d in self.devices]


def read_jobs(path: Path) -> JobsFile:
    """Raises InputError naming the field that is missing, unknown or wrong."""
    try:
        document: dict[str, Any] = tomllib.loads(read_file(path, "jobs file").decode())
        jobs = decode(JobsFile, document)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, CodecError) as error:
        raise InputError(f"jobs file {path}: {error}") from error
    for line in jobs.models:
        name = line.name or Path(line.model).stem
        if not name or Path(name).name != name:
            raise InputError(f"jobs file {path}: the name {name!r} cannot be part of a file's name")
    return jobs
