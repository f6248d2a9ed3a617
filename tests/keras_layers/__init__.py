"""Specimens of every layer of Keras 3 by name: one module a family, each exporting `SPECIMENS`."""

from __future__ import annotations

import importlib
import pkgutil

from keras_layers.specimen import Built, Specimen, build, randomise

__all__ = ["LAYERS", "Built", "Specimen", "build", "randomise"]

LAYERS: dict[str, Specimen] = {}
for _info in pkgutil.iter_modules(__path__):
    for _name, _specimen in getattr(
        importlib.import_module(f"keras_layers.{_info.name}"), "SPECIMENS", {}
    ).items():
        if _name in LAYERS:
            raise RuntimeError(f"two specimens are called {_name!r}")
        LAYERS[_name] = _specimen
