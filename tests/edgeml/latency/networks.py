"""Small convolutional networks as ONNX files and bundles, with the operators of a MobileNet."""

import numpy as np

from edgeml_runtime.signature import Method, Signature, TensorSpec
from tests.bundles import bundle_bytes, node, onnx_graph


def separable(channels=16, size=64, extra=()):
    """Convolution, depthwise, pointwise, pooling, dense, soft max: float32[n, 3, size, size] to [n, 10]."""
    random = np.random.default_rng(0)

    def weights(*shape):
        return random.normal(0, 0.1, shape).astype(np.float32)

    nodes = [
        node("Conv", "x w0 b0", "a", strides=[2, 2], pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
        node("Relu", "a", "a1"),
        node("Conv", "a1 w1 b1", "b", pads=[1, 1, 1, 1], kernel_shape=[3, 3], group=channels),
        node("Clip", "b low high", "bounded"),
        node("Conv", "bounded w2 b2", "c", kernel_shape=[1, 1]),
        node("Relu", "c", "c1"),
        node("GlobalAveragePool", "c1", "d"),
        node("Flatten", "d", "d1"),
        node("Gemm", "d1 w3 b3", "e"),
        *extra,
        node("Softmax", "e", "y"),
    ]
    constants = {
        "w0": weights(channels, 3, 3, 3), "b0": weights(channels),
        "w1": weights(channels, 1, 3, 3), "b1": weights(channels),
        "w2": weights(4 * channels, channels, 1, 1), "b2": weights(4 * channels),
        "w3": weights(4 * channels, 10), "b3": weights(10),
        "low": np.float32(0), "high": np.float32(6),
    }  # fmt: skip
    constants = {name: np.asarray(array) for name, array in constants.items()}
    spec = {"x": ("float32", [None, 3, size, size])}
    return onnx_graph(nodes, spec, {"y": ("float32", [None, 10])}, constants)


def bundle(path, channels=32, size=96):
    """The network as a bundle, its golden outputs from ONNX Runtime."""
    import onnxruntime

    content = separable(channels, size)
    x = np.random.default_rng(1).normal(size=(2, 3, size, size)).astype(np.float32)
    (y,) = onnxruntime.InferenceSession(content).run(None, {"x": x})
    signature = Signature(
        (TensorSpec("x", "float32", (None, 3, size, size)),),
        (TensorSpec("y", "float32", (None, 10)),),
        (Method("predict", ("y",)),),
    )
    path.write_bytes(bundle_bytes(content, "onnx", signature, {"x": x}, {"y": y}))
    return path
