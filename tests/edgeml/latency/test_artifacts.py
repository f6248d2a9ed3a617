import pytest

from edgeml.latency.artifacts import artifact_cost
from edgeml.latency.features import Features
from edgeml.latency.published import load_networks
from edgeml_runtime.errors import InputError
from tests.bundles import GOLDEN, node, onnx_graph
from tests.conftest import require_module
from tests.edgeml.latency.networks import separable


def test_an_onnx_network_costs_what_its_layers_do():
    require_module("onnx")
    cost = artifact_cost("onnx", separable(channels=16, size=64))
    moved = 3 * 64 * 64 + 16 * 32 * 32  # what the first convolution reads and writes
    moved += 2 * 16 * 32 * 32 + (16 + 64) * 32 * 32 + 64 * 32 * 32 + 64 + 64 + 10 + 2 * 10
    assert cost.features == Features(
        pointwise_macs=16 * 64 * 32 * 32,
        conv_macs=3 * 16 * 9 * 32 * 32,
        winograd_macs=0,
        depthwise_macs=16 * 9 * 32 * 32,
        dense_macs=640,
        activation_elements=moved,
        weight_elements=16 * 27 + 16 + 16 * 9 + 16 + 64 * 16 + 64 + 640 + 10,
        operators=6,
    )
    assert (cost.dtype, cost.unpriced, cost.obstacle()) == ("float32", (), None)


def test_a_tflite_network_costs_what_is_published_of_it(shared_data):
    require_module("ai_edge_litert")
    cost = artifact_cost("tflite", (shared_data / "kws/kws_reference_int8.tflite").read_bytes())
    published = load_networks()["mlperf-tiny-kws"]
    assert cost.features == published
    assert cost.dtype == "int8"


@pytest.mark.parametrize(("scheme", "dtype"), [("float32", "float32"), ("int8", "int8")])
def test_the_dtype_is_that_of_the_multiply_adds(scheme, dtype):
    require_module("ai_edge_litert")
    assert artifact_cost("tflite", (GOLDEN / f"iris_{scheme}.tflite").read_bytes()).dtype == dtype


def test_operators_that_nobody_published_are_named():
    gather = node("Gather", "e row", "e1", axis=0)
    require_module("onnx")
    import numpy as np

    spec = {"x": ("float32", [None, 4])}
    weights = {"w": np.ones((4, 3), np.float32), "row": np.zeros(1, np.int64)}
    content = onnx_graph(
        [node("MatMul", "x w", "e"), gather, node("Softmax", "e1", "y")],
        spec,
        {"y": ("float32", [1, 3])},
        weights,
    )
    cost = artifact_cost("onnx", content)
    assert cost.unpriced == (("Gather", 1),)
    assert cost.obstacle() == "no published latencies tell what these operators cost: 1 x Gather"


def test_weights_that_are_scaled_at_run_time_are_neither_float32_nor_int8():
    require_module("onnx")
    import numpy as np

    content = onnx_graph(
        [
            node("DynamicQuantizeLinear", "x", "q s z"),
            node("MatMulInteger", "q w z", "y"),
        ],
        {"x": ("float32", [None, 4])},
        {"y": ("int32", [None, 3])},
        {"w": np.ones((4, 3), np.int8)},
    )
    cost = artifact_cost("onnx", content)
    assert cost.dtype is None
    assert cost.obstacle() is not None


@pytest.mark.parametrize(
    ("artifact_format", "content", "message"),
    [
        ("onnx", b"\x0a\x0bnonsense", "not an ONNX file"),
        ("tflite", b"0000TFL1", "identifier TFL3 is absent"),
        ("tflite", b"\xff\xff\xff\x7fTFL3" + b"\xff" * 20, "damaged TFLite file"),
        ("native", b"", "cannot be read; only of onnx, tflite"),
    ],
)
def test_bytes_that_are_no_artifact_are_refused(artifact_format, content, message):
    require_module("onnx", "ai_edge_litert")
    with pytest.raises(InputError, match=message):
        artifact_cost(artifact_format, content)
