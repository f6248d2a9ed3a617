"""The model compiler for edge devices: a trained model in, a verified bundle for a named device out.

    import edgeml
    result = edgeml.compile(model, device="raspberry-pi-4", data=edgeml.Data(x, y),
                            budget=edgeml.Budget(max_accuracy_drop=0.01))
    result.save("model.edgeml")

Names are imported at their first use, so that `edgeml --help` does not wait for numpy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgeml.budget import read_budget
    from edgeml.devices import DeviceProfile, device_names, load_device
    from edgeml.many import Compilations, Entry, compile_many
    from edgeml.pipeline import Result, compile
    from edgeml_converters.model import Data
    from edgeml_runtime.manifest import Budget

__version__ = "0.1.0"

_HOMES = {
    "Budget": "edgeml_runtime.manifest",
    "Compilations": "edgeml.many",
    "Data": "edgeml_converters.model",
    "DeviceProfile": "edgeml.devices",
    "Entry": "edgeml.many",
    "Result": "edgeml.pipeline",
    "compile": "edgeml.pipeline",
    "compile_many": "edgeml.many",
    "device_names": "edgeml.devices",
    "load_device": "edgeml.devices",
    "read_budget": "edgeml.budget",
}

__all__ = [
    "Budget",
    "Compilations",
    "Data",
    "DeviceProfile",
    "Entry",
    "Result",
    "compile",
    "compile_many",
    "device_names",
    "load_device",
    "read_budget",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
