"""All rules, gathered from the modules beside this one."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from dataclasses import fields

from edgeml_converters.to_onnx.sklearn.emitter import Rules


@functools.cache
def all_rules() -> Rules:
    """Every module's rules, limits and calls together, by role and class name; each has one owner."""
    package = importlib.import_module(__package__ or "")
    found: dict[str, dict[str, object]] = {role.name: {} for role in fields(Rules)}
    for info in pkgutil.iter_modules(package.__path__):
        rules = getattr(importlib.import_module(f"{package.__name__}.{info.name}"), "RULES", None)
        for role in found if rules is not None else ():
            for name, rule in getattr(rules, role).items():
                if name in found[role]:
                    raise RuntimeError(f"{role} of {name} has two rules, one in {info.name}")
                found[role][name] = rule
    return Rules(**found)  # type: ignore[arg-type]
