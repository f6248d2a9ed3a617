"""What a release of an engine reads, tried: prints its entry for `devices/engines/NAME.toml`.

    python benchmarks/engine_releases.py onnxruntime 1.28.0
    python benchmarks/engine_releases.py litert 2.3.0 --also 'numpy<2'

The wheel for this machine and Python goes into a temporary folder. onnxruntime opens models of one
operator with rising opset and IR version, interpreters of TFLite a file for every builtin operator at
every version up to 20. glibc, and what ran on which core, are not asked here.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from edgeml.emulation.wheels import pip_command

PACKAGES = {"onnxruntime": "onnxruntime", "litert": "ai-edge-litert", "tflite-runtime": "tflite-runtime"}
MODULES = {"litert": "ai_edge_litert.interpreter", "tflite-runtime": "tflite_runtime.interpreter"}
LAST_OPERATOR_VERSION = 20

# Run by the release's own Python path: files in a folder, one JSON list of the names that opened.
OPEN_ALL = """
import importlib, json, sys
from pathlib import Path
module, opened = sys.argv[1], []
for path in sorted(Path(sys.argv[2]).iterdir()):
    try:
        if module == "onnxruntime":
            import onnxruntime
            onnxruntime.set_default_logger_severity(4)
            onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
        else:
            importlib.import_module(module).Interpreter(model_content=path.read_bytes())
        opened.append(path.name)
    except Exception:  # of either engine, of many types
        continue
print(json.dumps(opened))
"""


def onnx_files(folder: Path) -> None:
    from onnx import TensorProto, helper

    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 2]) for name in "xy"]

    def write(name: str, node: Any, opsets: dict[str, int], ir_version: int) -> None:
        graph = helper.make_graph([node], "g", values[:1], values[1:])
        imports = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
        model = helper.make_model(graph, opset_imports=imports, ir_version=ir_version)
        (folder / name).write_bytes(model.SerializeToString())

    relu = helper.make_node("Relu", ["x"], ["y"])
    scaler = helper.make_node("Scaler", ["x"], ["y"], domain="ai.onnx.ml", offset=[0.0] * 2, scale=[1.0] * 2)
    for opset in range(7, 41):
        write(f"ai.onnx={opset}", relu, {"": opset}, 8)
    for opset in range(1, 11):
        write(f"ai.onnx.ml={opset}", scaler, {"": 13, "ai.onnx.ml": opset}, 8)
    for ir_version in range(7, 21):
        write(f"ir={ir_version}", relu, {"": 13}, ir_version)


def tflite_files(folder: Path) -> None:
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    for name, number in vars(schema.BuiltinOperator).items():
        for version in range(1, LAST_OPERATOR_VERSION + 1) if isinstance(number, int) else ():
            model, graph, tensor = schema.ModelT(), schema.SubGraphT(), schema.TensorT()
            code = schema.OperatorCodeT()
            code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), version
            tensor.shape, tensor.type, tensor.buffer, tensor.name = [1], 0, 0, b"x"
            graph.tensors, graph.inputs, graph.outputs, graph.operators = [tensor], [0], [0], []
            model.version, model.operatorCodes = 3, [code]
            model.buffers, model.subgraphs = [schema.BufferT()], [graph]
            builder = flatbuffers.Builder(256)
            builder.Finish(model.Pack(builder), b"TFL3")
            (folder / f"{name}={version}").write_bytes(bytes(builder.Output()))


def newest(opened: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, _, version in (entry.partition("=") for entry in opened):
        found[name] = max(found.get(name, 0), int(version))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("engine", choices=PACKAGES)
    parser.add_argument("version")
    parser.add_argument("--also", action="append", default=[], help="another requirement, such as 'numpy<2'")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        wheels, files = Path(temporary, "wheels"), Path(temporary, "files")
        files.mkdir()
        install = [*pip_command(), "install", "-q", "--no-deps", "--only-binary=:all:"]
        wanted = [f"{PACKAGES[given.engine]}=={given.version}", *given.also]
        subprocess.run([*install, "--target", str(wheels), *wanted], check=True)
        (onnx_files if given.engine == "onnxruntime" else tflite_files)(files)
        module = MODULES.get(given.engine, "onnxruntime")
        done = subprocess.run(
            [sys.executable, "-c", OPEN_ALL, module, str(files)],
            env={**os.environ, "PYTHONPATH": str(wheels)},
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
    found = newest(json.loads(done.stdout.splitlines()[-1]))
    print(f'[[releases]]\nversion = "{given.version}"')
    if given.engine == "onnxruntime":
        print(f"ir_version = {found['ir']}")
        print(f'opsets = {{ "ai.onnx" = {found["ai.onnx"]}, "ai.onnx.ml" = {found["ai.onnx.ml"]} }}')
        return 0
    print("[releases.operators]")
    for version in sorted(set(found.values())):
        names = ", ".join(f'"{name}"' for name in sorted(found) if found[name] == version)
        print(f"{version} = [{names}]")
    return 0


if __name__ == "__main__":
    sys.exit(main())
