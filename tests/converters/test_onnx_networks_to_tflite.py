"""Convolution networks from ONNX files to TFLite, against ONNX Runtime on real digits."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import require_module

from edgeml_converters.to_tflite.from_onnx import CONVERTER
from edgeml_runtime.engines import choose_engine
from edgeml_runtime.errors import UnsupportedOperatorError
from edgeml_runtime.tuning import DEFAULTS

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)


def digits(rank):
    """[n, 2, 8, 8], each digit beside its mirror image; or [n, 8, 8], rows as channels."""
    from sklearn.datasets import load_digits

    images = load_digits().images[:40].astype(np.float32) / 16
    return images if rank == 3 else np.stack([images, images[:, :, ::-1]], axis=1)


def build(operator, rank, weights=(), **attributes):
    """An artifact with one operator between input x and output y."""
    from onnx import TensorProto, helper, numpy_helper

    from edgeml_converters.intake import describe
    from edgeml_converters.registry import converters

    x = digits(rank)
    constants = [numpy_helper.from_array(w.astype(np.float32), f"w{i}") for i, w in enumerate(weights)]
    node = helper.make_node(operator, ["x", *(c.name for c in constants)], ["y"], **attributes)
    graph = helper.make_graph(
        [node],
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *x.shape[1:]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", *[None] * (rank - 1)])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    trained = describe(model, "test")
    return trained, converters()["onnx-model-to-onnx"].convert(trained, "float32", None), x


def filters(*shape):
    return RNG.normal(size=shape)


CASES = {
    "conv": ("Conv", 4, (filters(5, 2, 3, 3), filters(5)), {}),
    "conv without bias, stride 2": ("Conv", 4, (filters(5, 2, 3, 3),), {"strides": [2, 2]}),
    "conv padded": ("Conv", 4, (filters(5, 2, 3, 3),), {"pads": [1, 1, 1, 1]}),
    "conv padded, even kernel": ("Conv", 4, (filters(5, 2, 2, 2),), {"pads": [1, 0, 0, 1]}),
    "conv padded, stride 2": ("Conv", 4, (filters(5, 2, 3, 3),), {"pads": [1, 1, 1, 1], "strides": [2, 2]}),
    "conv dilated": ("Conv", 4, (filters(5, 2, 3, 3),), {"dilations": [2, 2], "pads": [2, 2, 2, 2]}),
    "conv depthwise": ("Conv", 4, (filters(6, 1, 3, 3), filters(6)), {"group": 2}),
    "conv same": ("Conv", 4, (filters(5, 2, 3, 3),), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    "conv 1d": ("Conv", 3, (filters(5, 8, 3), filters(5)), {"pads": [1, 1], "strides": [2]}),
    "max pool": ("MaxPool", 4, (), {"kernel_shape": [2, 2], "strides": [2, 2]}),
    "max pool padded": ("MaxPool", 4, (), {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    "average pool": ("AveragePool", 4, (), {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    "average pool counting pads": (
        "AveragePool", 4, (),
        {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2], "count_include_pad": 1},
    ),
    "global average": ("GlobalAveragePool", 4, (), {}),
    "batch normalization": (
        "BatchNormalization", 4, (filters(2), filters(2), filters(2), filters(2) ** 2), {"epsilon": 1e-3},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_an_operator_gives_what_onnx_runtime_gives(case):
    require_module("onnx", "onnxruntime", "tensorflow", "ai_edge_litert")
    operator, rank, weights, attributes = CASES[case]
    _, hub, x = build(operator, rank, weights, **attributes)
    artifact = CONVERTER.convert(hub, "float32", None)
    handles = [choose_engine(a.format).open(a.content, a.signature, DEFAULTS) for a in (hub, artifact)]
    for batch in (1, 7, 40):
        (wanted,), (got,) = (handle.run(("y",), [x[:batch]]) for handle in handles)
        assert got.shape == wanted.shape
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"kernel_shape": [3, 3], "ceil_mode": 1}, "ceil_mode"),
        ({"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}, "this padding of AveragePool"),
    ],
)
def test_what_has_no_lowering_is_refused_by_name(attributes, message):
    require_module("onnx", "onnxruntime", "tensorflow")
    _, hub, _ = build("AveragePool", 4, (), **attributes)
    with pytest.raises(UnsupportedOperatorError, match=message):
        CONVERTER.convert(hub, "float32", None)
