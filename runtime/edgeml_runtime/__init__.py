"""Verify, run and benchmark edgeml bundles on a device: numpy and at most one engine.

from edgeml_runtime import load
session = load("model.edgeml")
session.predict(x)
"""

from edgeml_runtime.bench import BenchPlan, Measurement, measure
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
