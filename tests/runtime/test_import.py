"""`import edgeml_runtime` stays thin: numpy, and little of the standard library beside it."""

from __future__ import annotations

import subprocess
import sys

import edgeml_runtime

# What a measurement, a command line or an engine needs, and a model that only runs does not.
FORBIDDEN = {
    "argparse", "asyncio", "csv", "difflib", "email", "importlib.metadata", "logging", "multiprocessing",
    "pkgutil", "subprocess", "tempfile", "unittest", "onnxruntime", "ai_edge_litert", "tflite_runtime",
    "pandas", "pyarrow", "edgeml_runtime.bench", "edgeml_runtime.cli", "edgeml_runtime.host",
    "edgeml_runtime.tables", "edgeml_runtime.engines.onnxruntime", "edgeml_runtime.engines.litert",
}  # fmt: skip


def test_import_brings_little():
    script = """
import sys
import numpy
before = set(sys.modules)
import edgeml_runtime
print("\\n".join(set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    new = set(done.stdout.split())
    assert "edgeml_runtime.session" in new
    assert sorted(new & FORBIDDEN) == []


def test_every_public_name_is_there():
    for name in edgeml_runtime.__all__:
        assert getattr(edgeml_runtime, name).__doc__, name
    assert callable(edgeml_runtime.verify)  # the function, not the module of its name
