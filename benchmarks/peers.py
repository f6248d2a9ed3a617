"""The peers' own files of a Keras model, made as their manuals say, and one call of each.

Everybody gets the same float32 row and gives float32 values: where a file's own inputs are int8, the caller
converts with numpy.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

CALIBRATION_ROWS = 100
PIP_LINES = {"OpenVINO": ("openvino", "nncf")}
CONTESTANTS = {
    "ORT float32": "float32.onnx",
    "ORT int8 static": "static.onnx",
    "ORT int8 dynamic": "dynamic.onnx",
    "LiteRT float32": "float32.tflite",
    "LiteRT int8": "int8.tflite",
    "LiteRT int8, numpy at the edges": "int8-edges.tflite",
    "OpenVINO float32": "float32.xml",
    "OpenVINO int8": "int8.xml",
}
Array = np.ndarray[Any, Any]


def build_peers(model: Any, x: Array, folder: Path) -> None:
    """Write each peer's file of CONTESTANTS; those whose package is not installed are left out."""
    rows = [row[None] for row in x[:CALIBRATION_ROWS]]
    model.export(folder / "float32.onnx", format="onnx", verbose=False)
    _onnxruntime(folder, rows)
    _tensorflow(model, folder, rows)
    if all(find_spec(name) is not None for name in PIP_LINES["OpenVINO"]):
        _openvino(folder, rows)


def _onnxruntime(folder: Path, rows: list[Array]) -> None:
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, quantize_dynamic, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    source, prepared = folder / "float32.onnx", folder / "prepared.onnx"
    name = onnx.load(source).graph.input[0].name

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rows = iter(rows)

        def get_next(self) -> dict[str, Array] | None:
            row = next(self.rows, None)
            return None if row is None else {name: row}

    logging.disable(logging.WARNING)
    quant_pre_process(source, prepared)
    quantize_static(prepared, folder / "static.onnx", Reader())
    quantize_dynamic(prepared, folder / "dynamic.onnx")
    logging.disable(logging.NOTSET)


def _tensorflow(model: Any, folder: Path, rows: list[Array]) -> None:
    import tensorflow as tf

    (folder / "float32.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())

    def representative() -> Iterator[list[Array]]:
        return ([row] for row in rows)

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    (folder / "int8.tflite").write_bytes(converter.convert())
    converter.inference_input_type = converter.inference_output_type = tf.int8
    (folder / "int8-edges.tflite").write_bytes(converter.convert())


def _openvino(folder: Path, rows: list[Array]) -> None:
    import nncf
    import openvino

    model = openvino.convert_model(folder / "float32.onnx", input=list(rows[0].shape))
    openvino.save_model(model, folder / "float32.xml", compress_to_fp16=False)
    quantized = nncf.quantize(model, nncf.Dataset(rows), subset_size=len(rows))
    openvino.save_model(quantized, folder / "int8.xml")


def peer_call(name: str, folder: Path, x: Array) -> Callable[[], Any] | None:
    """One call of a contestant on a row, one thread; None where its file or its engine is not there."""
    path = folder / CONTESTANTS[name]
    if not path.is_file():
        return None
    if path.suffix == ".onnx":
        return _ort_call(path, x)
    if path.suffix == ".tflite":
        return litert_call(path, x)
    return _openvino_call(path, x) if find_spec("openvino") is not None else None


def _ort_call(path: Path, x: Array) -> Callable[[], Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name, outputs = session.get_inputs()[0].name, [session.get_outputs()[0].name]
    return lambda: session.run(outputs, {name: x})


def litert_call(path: Path, x: Array) -> Callable[[], Any]:
    """One call of a TFLite file on a float32 row, converted with numpy where the file's edges are int8."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    (source,), (target, *_) = interpreter.get_input_details(), interpreter.get_output_details()
    inputs, outputs = source["index"], target["index"]

    def call() -> Any:
        interpreter.set_tensor(inputs, x)
        interpreter.invoke()
        return interpreter.get_tensor(outputs)

    (x_scale, x_zero), (y_scale, y_zero) = source["quantization"], target["quantization"]

    def converting_call() -> Any:
        stored = np.clip(np.rint(x / x_scale + x_zero), -128, 127).astype(np.int8)
        interpreter.set_tensor(inputs, stored)
        interpreter.invoke()
        return (interpreter.get_tensor(outputs).astype(np.float32) - y_zero) * y_scale

    return converting_call if source["dtype"] == np.int8 else call


def _openvino_call(path: Path, x: Array) -> Callable[[], Any]:
    import openvino

    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": 1}
    request = openvino.Core().compile_model(path, "CPU", settings).create_infer_request()
    tensor = openvino.Tensor(x, shared_memory=True)

    def call() -> Any:
        request.set_input_tensor(0, tensor)
        request.infer()
        return request.get_output_tensor(0).data

    return call
