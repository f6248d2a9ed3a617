"""The model compiler for edge devices: a trained model in, a verified bundle for a named device out.

import edgeml
result = edgeml.compile(model, device="raspberry-pi-4", data=edgeml.Data(x, y),
                        budget=edgeml.Budget(max_accuracy_drop=0.01))
result.save("model.edgeml")
"""

from edgeml.budget import read_budget
from edgeml.devices import DeviceProfile, device_names, load_device
from edgeml.pipeline import Result, compile
from edgeml_converters.model import Data
from edgeml_runtime.manifest import Budget

__version__ = "0.1.0"

__all__ = [
    "Budget",
    "Data",
    "DeviceProfile",
    "Result",
    "compile",
    "device_names",
    "load_device",
    "read_budget",
]
