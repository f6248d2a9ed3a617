"""A budget from a TOML file, with flags on top."""

from __future__ import annotations

import tomllib
from dataclasses import fields, replace
from pathlib import Path

from edgeml_runtime.codec import CodecError, decode
from edgeml_runtime.errors import InputError
from edgeml_runtime.files import read_file
from edgeml_runtime.manifest import Budget


def read_budget(path: str | Path | None, **overrides: float | None) -> Budget:
    """The limits of a TOML file (none without one); limits given by keyword replace the file's.

    Raises InputError naming the field that is unknown, not a number or negative.
    """
    budget = Budget()
    if path is not None:
        try:
            document = tomllib.loads(read_file(Path(path), "budget").decode())
            budget = decode(Budget, document)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, CodecError) as error:
            names = ", ".join(f.name for f in fields(Budget))
            raise InputError(f"budget {path}: {error}; a budget has {names}") from error
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return replace(budget, **given)
    except ValueError as error:
        raise InputError(f"budget: {error}") from error
