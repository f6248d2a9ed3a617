"""Short names: the same graph to the engine, and nothing that somebody outside reads by name."""

from __future__ import annotations

import numpy as np
import pytest

from edgeml_converters.onnx_graph import parse
from edgeml_converters.to_onnx.quantization.compact import compact
from tests.bundles import node, onnx_graph
from tests.conftest import require_module


@pytest.fixture(autouse=True)
def _installed():
    require_module("onnx", "onnxruntime")


def run(content: bytes, x: np.ndarray) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(["a"], {"b": x})[0]


def test_names_become_short_and_equal_constants_one():
    # Input and output have the first short names, which must not be given again.
    content = onnx_graph(
        [
            node("Add", "b a_constant_of_one", "a_very_long_name"),
            node("Mul", "a_very_long_name another_constant_of_one", "another_long_name"),
            node("Add", "another_long_name two", "a"),
        ],
        {"b": ("float32", [None, 2])},
        {"a": ("float32", [None, 2])},
        {
            "a_constant_of_one": np.ones(2, np.float32),
            "another_constant_of_one": np.ones(2, np.float32),
            "two": np.full(2, 2, np.float32),
        },
    )
    model = parse(content)
    compact(model)
    graph = model.graph
    names = [i.name for i in graph.initializer] + [name for n in graph.node for name in n.output]
    assert names == ["c", "d", "e", "f", "a"]
    assert [list(n.input) for n in graph.node] == [["b", "c"], ["e", "c"], ["f", "d"]]
    x = np.float32([[1, 2], [3, 4]])
    np.testing.assert_array_equal(run(model.SerializeToString(), x), run(content, x))


def test_a_constant_that_is_an_output_keeps_its_name():
    content = onnx_graph(
        [node("Add", "b one", "sum")],
        {"b": ("float32", [None, 2])},
        {"sum": ("float32", [None, 2]), "one": ("float32", [2])},
        {"one": np.ones(2, np.float32), "same": np.ones(2, np.float32)},
    )
    model = parse(content)
    compact(model)
    assert "one" in [i.name for i in model.graph.initializer]
    assert [list(n.input) for n in model.graph.node] == [["b", "one"]]


def test_a_graph_with_graphs_inside_is_left_alone():
    from onnx import TensorProto, helper

    inside = helper.make_graph(
        [node("Add", "long_name long_name", "y")], "inside", [], [helper.make_tensor_value_info("y", 1, [1])]
    )
    graph = helper.make_graph(
        [node("Identity", "x", "long_name"), node("If", "c", "z", then_branch=inside, else_branch=inside)],
        "g",
        [
            helper.make_tensor_value_info("x", 1, [1]),
            helper.make_tensor_value_info("c", TensorProto.BOOL, [1]),
        ],
        [helper.make_tensor_value_info("z", 1, [1])],
    )
    model = helper.make_model(graph)
    before = model.SerializeToString()
    compact(model)
    assert model.SerializeToString() == before
