"""Calibration keeps to its stated memory cap: resident memory of a process with a large network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import require, require_module

from edgeml_converters.observation import MEMORY_CAP_BYTES

pytestmark = pytest.mark.slow

# Engine, copies of the model, and what the allocator holds back: not activations.
CONSTANT_BYTES = 100 * 1024 * 1024

MEASURE = """
import sys
import numpy as np
from edgeml_converters.intake import describe
from edgeml_converters.recipe import Recipe
from edgeml_converters.registry import routes

def status(field):
    with open("/proc/self/status") as lines:
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))

def peak_of(step):
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak starts anew
    before = status("VmRSS")
    result = step()
    print(status("VmHWM") - before)
    return result
"""

ONNX = """
from onnx import TensorProto, helper, numpy_helper
rng = np.random.default_rng(0)
tensors, nodes, last = [], [], "x"
for layer in range(8):
    kernel = rng.normal(0, 0.1, (16, 3 if layer == 0 else 16, 3, 3)).astype(np.float32)
    tensors.append(numpy_helper.from_array(kernel, f"k{layer}"))
    nodes.append(helper.make_node("Conv", [last, f"k{layer}"], [f"c{layer}"], pads=[1, 1, 1, 1]))
    nodes.append(helper.make_node("Relu", [f"c{layer}"], [f"r{layer}"]))
    last = f"r{layer}"
nodes.append(helper.make_node("GlobalAveragePool", [last], ["y"]))
size = "side" if "side" in sys.argv else 160
graph = helper.make_graph(nodes, "large",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, size, size])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 16, 1, 1])], tensors)
model = describe(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "large")
(route,) = (r for r in routes("onnx-model", "onnx") if r[-1].quantizer is not None)
hub = route[0].convert(model, "float32", None)
rows = rng.uniform(-1, 1, (int(sys.argv[1]), 3, 160, 160)).astype(np.float32)
quantizer = peak_of(lambda: route[-1].quantizer(hub, {"x": rows}))
for recipe in (Recipe(), Recipe("percentile"), Recipe("entropy", corrected_bias=True)):
    peak_of(lambda: quantizer.artifact(recipe))
"""

TFLITE = """
import keras
layers = [keras.layers.Conv2D(16, 3, padding="same", activation="relu") for _ in range(8)]
model = keras.Sequential([keras.layers.Input((160, 160, 3)), *layers, keras.layers.GlobalAveragePooling2D()])
model = describe(model, "large")
(name,) = (spec.name for spec in model.signature.inputs)
route = next(r for r in routes("keras", "tflite") if r[-1].quantizer is not None)
rows = np.random.default_rng(0).uniform(-1, 1, (int(sys.argv[1]), 160, 160, 3)).astype(np.float32)
quantizer = peak_of(lambda: route[-1].quantizer(model, {name: rows}))
for recipe in (Recipe(), Recipe("percentile"), Recipe("entropy", corrected_bias=True)):
    peak_of(lambda: quantizer.artifact(recipe))
"""


def peaks(script: str, *arguments: str) -> list[int]:
    """Bytes of resident memory that calibrating, then every recipe, added at most."""
    resettable = Path("/proc/self/clear_refs").exists()
    require("procfs", available=resettable, reason="no /proc/self/clear_refs to measure a peak with")
    done = subprocess.run(
        [sys.executable, "-c", MEASURE + script, *arguments], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return [int(line) for line in done.stdout.split()]


@pytest.mark.parametrize("size", ["160", "side"])  # known, and known from the rows alone
def test_onnx(size):
    require_module("onnx", "onnxruntime")
    assert max(peaks(ONNX, "60", size)) < MEMORY_CAP_BYTES + CONSTANT_BYTES


def test_tflite():
    require_module("tensorflow", "keras")
    (few, *_), (many, *recipes) = peaks(TFLITE, "2"), peaks(TFLITE, "60")
    # TensorFlow's own calibrator takes one row at a time; converting takes what it takes.
    assert many < few + CONSTANT_BYTES
    assert max(recipes) < MEMORY_CAP_BYTES + CONSTANT_BYTES


def test_a_row_beyond_the_cap_is_refused_with_both_numbers():
    require_module("onnx", "onnxruntime")
    script = ONNX.partition("for recipe")[0].replace("160", "1280") + "quantizer.artifact(Recipe())"
    done = subprocess.run([sys.executable, "-c", MEASURE + script, "2"], capture_output=True, text=True)
    assert done.returncode == 1
    # Eight convolutions and Relus of 16 channels and the mean, twice.
    needed = 2 * 4 * (8 * 2 * 16 * 1280 * 1280 + 16)
    assert f"one row take {needed:,} bytes, calibration holds at most {MEMORY_CAP_BYTES:,}" in done.stderr
