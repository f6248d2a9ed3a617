"""Verify, run and benchmark edgeml bundles on a device: numpy and at most one engine.

from edgeml_runtime import load
session = load("model.edgeml")
session.predict(x)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeml_runtime.bundle import Bundle, read_bundle
from edgeml_runtime.errors import (
    BundleError,
    EdgeMLError,
    EngineError,
    EngineFailedError,
    InputError,
    IntegrityError,
    ManifestError,
    MissingDependencyError,
    SignatureError,
    UnknownNameError,
)
from edgeml_runtime.manifest import Manifest
from edgeml_runtime.session import Session, load
from edgeml_runtime.signature import Affine, ClassLabels, Method, Signature, TensorSpec
from edgeml_runtime.verify import Verification, verify

if TYPE_CHECKING:
    from edgeml_runtime.bench import BenchPlan, Measurement, measure

__version__ = "0.1.0"

__all__ = [
    # run
    "Session",
    "load",
    # bundle
    "Bundle",
    "Manifest",
    "read_bundle",
    "verify",
    "Verification",
    # signature
    "Affine",
    "ClassLabels",
    "Method",
    "Signature",
    "TensorSpec",
    # bench
    "BenchPlan",
    "Measurement",
    "measure",
    # errors
    "BundleError",
    "EdgeMLError",
    "EngineError",
    "EngineFailedError",
    "InputError",
    "IntegrityError",
    "ManifestError",
    "MissingDependencyError",
    "SignatureError",
    "UnknownNameError",
]


def __getattr__(name: str) -> Any:
    # Who only runs models does not wait for the import of what measures them.
    if name in ("BenchPlan", "Measurement", "measure"):
        from edgeml_runtime import bench

        return getattr(bench, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
