"""An int8 file gives the same answers on x86 with and without VNNI: run in the real engines under QEMU."""

from __future__ import annotations

import platform
import subprocess
import sys

import numpy as np
import pytest
from conftest import require, require_module, require_program

from edgeml_converters.model import Artifact
from edgeml_converters.recipe import PLAIN, Recipe
from edgeml_converters.registry import converters
from edgeml_converters.to_onnx.quantize import CONVERTER
from edgeml_runtime.signature import Method, Signature, TensorSpec

pytestmark = pytest.mark.slow

REDUCED = Recipe(reduced_range=True)
# AVX2 without VNNI, and SSE4.2; OpenBLAS, NumPy's, takes other kernels than QEMU's processor has unless told.
PROCESSORS = ("Haswell", "Nehalem")
RUN = """
import sys
from pathlib import Path
import numpy as np
x = np.load(sys.argv[1])
for path in sys.argv[2:]:
    content = Path(path).read_bytes()
    if path.endswith("onnx"):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        (given,) = session.get_inputs()
        (y,) = session.run(None, {given.name: x.reshape(len(x), *given.shape[1:])})
    else:
        from ai_edge_litert.interpreter import Interpreter
        interpreter = Interpreter(model_content=content, num_threads=1)
        (given,), (made,) = interpreter.get_input_details(), interpreter.get_output_details()
        scale, zero = given["quantization"]
        interpreter.resize_tensor_input(given["index"], [len(x), *given["shape"][1:]])
        interpreter.allocate_tensors()
        interpreter.set_tensor(given["index"], np.clip(np.rint(x / scale) + zero, -128, 127).astype(np.int8))
        interpreter.invoke()
        scale, zero = made["quantization"]
        y = (interpreter.get_tensor(made["index"]).astype(np.float32) - zero) * np.float32(scale)
    print(path.rpartition("/")[2], y.tobytes().hex())
"""


def network(nodes, weights, inputs, outputs):
    """A float32 artifact; inputs and outputs: (name, shape without the batch)."""
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        [helper.make_node(*node) for node in nodes],
        "network",
        [helper.make_tensor_value_info(inputs[0], TensorProto.FLOAT, ["n", *inputs[1]])],
        [helper.make_tensor_value_info(outputs[0], TensorProto.FLOAT, ["n", *outputs[1]])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    given, made = (TensorSpec(name, "float32", (None, *shape)) for name, shape in (inputs, outputs))
    signature = Signature((given,), (made,), (Method("predict", (made.name,)),))
    return Artifact("onnx", "float32", model.SerializeToString(), signature)


def dense_network():
    """Positive weights and inputs near their largest: sums of two products reach 2 * 255 * 127 > 2^15."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0.5, 1, (64, 32)).astype(np.float32)
    weights = {
        "w": rng.uniform(0.5, 1, (32, 8)).astype(np.float32),
        "v": rng.uniform(-1, 1, (8, 4)).astype(np.float32),
    }
    nodes = [("MatMul", ["x", "w"], ["h"]), ("Relu", ["h"], ["r"]), ("MatMul", ["r", "v"], ["y"])]
    return network(nodes, weights, ("x", (32,)), ("y", (4,))), x


def convolution_network(x):
    rng = np.random.default_rng(1)
    weights = {"w": rng.uniform(0.5, 1, (8, 2, 3, 3)).astype(np.float32)}
    made = network([("Conv", ["x", "w"], ["y"])], weights, ("x", (2, 4, 4)), ("y", (8, 2, 2)))
    return made, {"x": x.reshape(-1, 2, 4, 4)}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files by name, rows, and the float answers of each network."""
    require_module("onnxruntime", "tensorflow", "ai_edge_litert")
    require_program("qemu-x86_64")
    require("x86-64", available=platform.machine() == "x86_64", reason="the engines here are not for x86-64")
    folder = tmp_path_factory.mktemp("files")
    dense, x = dense_network()
    convolution, images = convolution_network(x)
    made = {"dense-float.onnx": dense.content, "conv-float.onnx": convolution.content}
    for name, artifact, rows in (("dense", dense, {"x": x}), ("conv", convolution, images)):
        for kind, recipe in (("plain", PLAIN), ("reduced", REDUCED)):
            static = CONVERTER.quantizer(artifact, rows).artifact(recipe)
            made[f"{name}-static-{kind}.onnx"] = static.content
            made[f"{name}-dynamic-{kind}.onnx"] = CONVERTER.dynamic(artifact, recipe).content
    to_tflite = converters()["onnx-to-tflite"].convert(dense, "int8-static", {"x": x})
    made["dense-static-plain.tflite"] = to_tflite.content
    for name, content in made.items():
        (folder / name).write_bytes(content)
    np.save(folder / "x.npy", x)
    (folder / "run.py").write_text(RUN)
    return folder, sorted(made)


def answers(files, prefix=(), environment=None):
    folder, names = files
    done = subprocess.run(
        [*prefix, sys.executable, folder / "run.py", folder / "x.npy", *(str(folder / n) for n in names)],
        capture_output=True,
        text=True,
        env={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **(environment or {})},
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [name for name, _ in lines] == names
    return {name: np.frombuffer(bytes.fromhex(values), np.float32) for name, values in lines}


@pytest.fixture(scope="module")
def here(files):
    return answers(files)


@pytest.fixture(scope="module", params=PROCESSORS)
def without_vnni(request, files):
    model = request.param
    return model, answers(files, ["qemu-x86_64", "-cpu", model], {"OPENBLAS_CORETYPE": model})


def off(got, name):
    """Largest error relative to the largest value of the float network."""
    wanted = got[f"{name.partition('-')[0]}-float.onnx"]
    return np.abs(got[name] - wanted).max() / np.abs(wanted).max()


@pytest.mark.parametrize("scheme", ["static", "dynamic"])
def test_full_range_saturates_with_avx2_alone(without_vnni, scheme):
    processor, got = without_vnni
    error = off(got, f"dense-{scheme}-plain.onnx")
    assert error > 0.1 if processor == "Haswell" else error < 0.02


@pytest.mark.parametrize(
    "name",
    ["dense-static-reduced.onnx", "dense-dynamic-reduced.onnx", "conv-static-reduced.onnx",
     "conv-dynamic-plain.onnx", "dense-static-plain.tflite"],
)  # fmt: skip
def test_the_same_answers_everywhere(here, without_vnni, name):
    assert off(here, name) < 0.02
    np.testing.assert_array_equal(without_vnni[1][name], here[name])
