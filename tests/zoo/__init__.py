"""Tiny fitted models on bundled real data, built on first use by name: one module a family.

`ZOO[name]()` gives a `Specimen`: the fitted model, rows it was not only fitted on, and their targets. Every
family that the sklearn converters know is here, with its options, integer, string and multi-output targets
and NaN. A module exports `SPECIMENS`, name to builder.
"""

from __future__ import annotations

import importlib
import pkgutil

from zoo.specimen import Builder, Specimen

__all__ = ["FAMILY", "TREES", "ZOO", "Specimen"]

ZOO: dict[str, Builder] = {}
FAMILY: dict[str, str] = {}  # by name, the module that has it
for _info in pkgutil.iter_modules(__path__):
    for _name, _builder in getattr(importlib.import_module(f"zoo.{_info.name}"), "SPECIMENS", {}).items():
        if _name in ZOO:
            raise RuntimeError(f"two specimens are called {_name!r}")
        ZOO[_name], FAMILY[_name] = _builder, _info.name
TREES: dict[str, Builder] = importlib.import_module("zoo.trees").SPECIMENS
