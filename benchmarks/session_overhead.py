"""What `Session.predict` costs above the raw engine call, one row a call.

Both calls alternate in one process, so that whatever else the machine does hits both; each round times a
burst of either, the medians over the rounds are compared. The raw call of a quantized model gets rows that
are quantized already: checks, quantization, dequantization and labels all count as the session's.

    python benchmarks/session_overhead.py [--rounds 300] [--json]

Needs onnxruntime, onnx and ai-edge-litert. With TensorFlow the LiteRT models are made as large as the ONNX
ones; without it the small ones of `tests/golden` stand in.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from edgeml_runtime.bundle import Bundle, decode_bundle
from edgeml_runtime.session import Session
from edgeml_runtime.signature import Affine, Array, ClassLabels, Method, Signature, TensorSpec, quantize
from tests.bundles import bundle_bytes, node, onnx_graph, tflite_bundle

BURST = 20
LIMIT_US = 10.0


def main() -> None:
    """Print a line a model: medians in microseconds, their difference and ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    results = []
    for name, bundle in models().items():
        raw_us, session_us = compare(bundle, arguments.rounds)
        results.append({"model": name, "raw_us": raw_us, "session_us": session_us})
    if arguments.json:
        print(json.dumps({"limit_us": LIMIT_US, "results": results}))
        return
    print(f"{'model':34} {'raw us':>9} {'predict us':>11} {'above us':>9} {'ratio':>6}")
    for r in results:
        above, ratio = r["session_us"] - r["raw_us"], r["session_us"] / r["raw_us"]
        print(f"{r['model']:34} {r['raw_us']:9.2f} {r['session_us']:11.2f} {above:9.2f} {ratio:6.2f}")


def compare(bundle: Bundle, rounds: int) -> tuple[float, float]:
    """Median microseconds a call: the engine alone, the session."""
    session = Session(bundle)
    spec = session.signature.inputs[0]
    x = np.random.default_rng(0).standard_normal((1, *(d or 1 for d in spec.shape[1:]))).astype(np.float32)
    raw = raw_call(bundle, quantize(spec, x))
    calls: tuple[Callable[[], Any], ...] = (raw, lambda: session.predict(x))
    samples: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + rounds // 10):
        for call, taken in zip(calls, samples, strict=True):
            started = time.perf_counter_ns()
            for _ in range(BURST):
                call()
            if number >= rounds // 10:  # what comes before is warm-up
                taken.append((time.perf_counter_ns() - started) / BURST / 1e3)
    return statistics.median(samples[0]), statistics.median(samples[1])


def raw_call(bundle: Bundle, x: Array) -> Callable[[], Any]:
    """The engine's own call on stored values, through its public interface."""
    output = bundle.manifest.signature.methods[0].outputs[0]
    name = bundle.manifest.signature.inputs[0].name
    if bundle.manifest.artifact_format == "onnx":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        engine = onnxruntime.InferenceSession(bundle.artifact, options, providers=["CPUExecutionProvider"])
        return lambda: engine.run([output], {name: x})
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=bundle.artifact, num_threads=1)
    runner = interpreter.get_signature_runner()
    source = runner.get_input_details()[name]["index"]
    target = runner.get_output_details()[output]["index"]
    del runner
    interpreter.allocate_tensors()

    def call() -> Any:
        interpreter.set_tensor(source, x)
        interpreter.invoke()
        return interpreter.get_tensor(target)

    return call


def models() -> dict[str, Bundle]:
    """Bundles by what they are."""
    found = {
        "onnxruntime MLP 64 float32": onnx_mlp(quantized=False),
        "onnxruntime MLP 64 int8": onnx_mlp(quantized=True),
        "onnxruntime conv 490 float32": onnx_conv(),
    }
    if importlib.util.find_spec("tensorflow") is None:
        return found | {f"litert iris 4 {s}": tflite_bundle(s) for s in ("float32", "int8")}
    return found | {
        f"litert {name} {'int8' if quantized else 'float32'}": litert(shape, quantized=quantized)
        for name, shape in (("MLP 64", (64,)), ("conv 490", (49, 10, 1)))
        for quantized in (False, True)
    }


def bundled(
    artifact: bytes, fmt: str, x: TensorSpec, y: TensorSpec, labels: tuple[ClassLabels, ...] = ()
) -> Bundle:
    signature = Signature((x,), (y,), (Method("predict", (y.name,), labels),))
    rows = np.zeros((1, *(d or 1 for d in x.shape[1:])), np.float32)
    result = np.zeros((1, *(d or 1 for d in y.shape[1:])), y.real_dtype)
    return decode_bundle(bundle_bytes(artifact, fmt, signature, {x.name: rows}, {y.name: result}))


def weights(*shape: int) -> Array:
    """Seeded float32 weights, scaled as a fresh layer's are."""
    drawn = np.random.default_rng(sum(shape)).standard_normal(shape) / np.sqrt(np.prod(shape[:-1]))
    return drawn.astype(np.float32)


def onnx_mlp(*, quantized: bool) -> Bundle:
    """64 -> 32 -> 10 with string labels; quantized: int8 input and output-side float, QDQ in between."""
    nodes = [
        node("MatMul", "x_real w1", "h"),
        node("Relu", "h", "r"),
        node("MatMul", "r w2", "scores"),
        node("ArgMax", "scores", "label", axis=1, keepdims=0),
    ]
    scale = {"s": np.float32(0.05), "z": np.int8(0)}
    first = node("DequantizeLinear", "x s z", "x_real") if quantized else node("Identity", "x", "x_real")
    dtype = "int8" if quantized else "float32"
    artifact = onnx_graph(
        [first, *nodes],
        {"x": (dtype, [None, 64])},
        {"label": ("int64", [None])},
        {"w1": weights(64, 32), "w2": weights(32, 10)} | (scale if quantized else {}),
    )
    affine = Affine((0.05,), (0.0,)) if quantized else None
    classes = ClassLabels("str", tuple(f"digit {i}" for i in range(10)))
    return bundled(
        artifact,
        "onnx",
        TensorSpec("x", dtype, (None, 64), affine),
        TensorSpec("label", "int64", (None,)),
        (classes,),
    )


def onnx_conv() -> Bundle:
    """The start of a keyword-spotting network: 490 inputs, a 10 x 4 convolution, 12 classes."""
    artifact = onnx_graph(
        [
            node("Reshape", "x nchw", "image"),
            node("Conv", "image w", "c", strides=[2, 2], pads=[4, 1, 5, 1]),
            node("Relu", "c", "r"),
            node("GlobalAveragePool", "r", "p"),
            node("Flatten", "p", "f"),
            node("MatMul", "f d", "scores"),
            node("Softmax", "scores", "probabilities", axis=1),
        ],
        {"x": ("float32", [None, 49, 10, 1])},
        {"probabilities": ("float32", [None, 12])},
        {"w": weights(16, 1, 10, 4), "d": weights(16, 12), "nchw": np.array([-1, 1, 49, 10])},
    )
    return bundled(
        artifact,
        "onnx",
        TensorSpec("x", "float32", (None, 49, 10, 1)),
        TensorSpec("probabilities", "float32", (None, 12)),
    )


def litert(shape: tuple[int, ...], *, quantized: bool) -> Bundle:
    """A dense or convolutional network, its TFLite file made by TensorFlow's converter."""
    import tensorflow as tf

    if len(shape) == 1:

        def network(x: Any) -> Any:
            return tf.nn.softmax(tf.nn.relu(x @ weights(64, 32)) @ weights(32, 10))
    else:

        def network(x: Any) -> Any:
            pooled = tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(x, weights(10, 4, 1, 16), 2, "SAME")), [1, 2])
            return tf.nn.softmax(pooled @ weights(16, 12))

    serve = tf.function(
        lambda x: {"y": network(x)}, input_signature=[tf.TensorSpec([None, *shape], name="x")]
    )
    module = tf.Module()
    module.serve = serve
    converter = tf.lite.TFLiteConverter.from_concrete_functions([serve.get_concrete_function()], module)
    x_affine = y_affine = None
    if quantized:
        rows = np.random.default_rng(0).standard_normal((50, 1, *shape)).astype(np.float32)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ({"x": row} for row in rows)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    content = converter.convert()
    dtype = "int8" if quantized else "float32"
    if quantized:
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_content=content)
        runner = interpreter.get_signature_runner()
        (sx, zx), (sy, zy) = (
            details[name]["quantization"]
            for details, name in ((runner.get_input_details(), "x"), (runner.get_output_details(), "y"))
        )
        x_affine, y_affine = Affine((float(sx),), (float(zx),)), Affine((float(sy),), (float(zy),))
    classes = 10 if len(shape) == 1 else 12
    return bundled(
        content,
        "tflite",
        TensorSpec("x", dtype, (None, *shape), x_affine),
        TensorSpec("y", dtype, (None, classes), y_affine),
    )


if __name__ == "__main__":
    main()
