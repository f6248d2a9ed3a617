"""Numbers of two float32 in TFLite: each operator against numpy's float64, on what float32 cannot hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import require_module

from edgeml_converters.double_digits import DOUBLE_DIGITS
from edgeml_converters.model import Artifact
from edgeml_converters.to_tflite.from_onnx import CONVERTER
from edgeml_runtime.signature import Signature, TensorSpec
from edgeml_runtime.tuning import DEFAULTS

pytestmark = pytest.mark.slow
ROWS, COLUMNS = 1, 240  # one row: what is expected is a constant, for any batch
RNG = np.random.default_rng(0)
X = RNG.uniform(-1.5, 1.5, (ROWS, COLUMNS)).astype(np.float32)
WEIGHTS = RNG.normal(0, 1e6, (COLUMNS, 3))
OTHER = RNG.uniform(0.5, 3, (1, COLUMNS))


@pytest.fixture(autouse=True)
def _installed():
    require_module("onnx", "tensorflow", "ai_edge_litert")


def run(artifact: Artifact, x: Any) -> dict[str, Any]:
    from edgeml_runtime.engines.litert import ENGINE

    names = tuple(output.name for output in artifact.signature.outputs)
    handle = ENGINE.open(artifact.content, artifact.signature, DEFAULTS)
    return dict(zip(names, handle.run(names, [x]), strict=True))


def third(x: Any) -> Any:
    return x / 3.0


Steps = list[tuple[str, list[str], dict[str, Any]]]
# By name: nodes (operator, inputs, attributes), each reading `t`, x / 3 in float64, or the one before as `y`;
# float64 constants; and the same in numpy.
CASES: dict[str, tuple[Steps, dict[str, Any], Any]] = {
    "Add": ([("Add", ["t", "c"], {})], {"c": OTHER}, lambda t: t + OTHER),
    "Sub": ([("Sub", ["c", "t"], {})], {"c": OTHER}, lambda t: OTHER - t),
    "Mul": ([("Mul", ["t", "c"], {})], {"c": OTHER}, lambda t: t * OTHER),
    "Square": ([("Mul", ["t", "t"], {})], {}, np.square),
    "Div": ([("Div", ["t", "c"], {})], {"c": OTHER}, lambda t: t / OTHER),
    "Neg": ([("Neg", ["t"], {})], {}, np.negative),
    "Abs": ([("Abs", ["t"], {})], {}, np.abs),
    "Exp": ([("Exp", ["t"], {})], {}, np.exp),
    "Exp-small": ([("Mul", ["t", "c"], {}), ("Exp", ["y"], {})], {"c": 40 + OTHER},
                  lambda t: np.exp(t * (40 + OTHER))),
    "Tanh": ([("Tanh", ["t"], {})], {}, np.tanh),
    "Sin": ([("Mul", ["t", "c"], {}), ("Sin", ["y"], {})], {"c": np.array([[3.1]])},
            lambda t: np.sin(t * 3.1)),
    "Sqrt": ([("Abs", ["t"], {}), ("Sqrt", ["y"], {})], {}, lambda t: np.sqrt(np.abs(t))),
    "Pow-2": ([("Pow", ["t", "c"], {})], {"c": np.array([2.0])}, lambda t: t**2),
    "Pow-5": ([("Pow", ["t", "c"], {})], {"c": np.array([5.0])}, lambda t: t**5),
    "Pow-inverse": ([("Abs", ["t"], {}), ("Add", ["y", "d"], {}), ("Pow", ["y", "c"], {})],
                    {"c": np.array([-1.0]), "d": np.array([[1.0]])}, lambda t: 1 / (np.abs(t) + 1)),
    "Pow-real": ([("Abs", ["t"], {}), ("Add", ["y", "d"], {}), ("Pow", ["y", "c"], {})],
                 {"c": np.array([-0.26]), "d": np.array([[1.0]])}, lambda t: (np.abs(t) + 1) ** -0.26),
    "Round": ([("Round", ["t"], {}), ("Sub", ["t", "y"], {})], {}, lambda t: t - np.round(t)),
    "MatMul": ([("MatMul", ["t", "c"], {})], {"c": WEIGHTS}, lambda t: t @ WEIGHTS),
    "MatMul-vector": ([("MatMul", ["t", "c"], {})], {"c": WEIGHTS[:, 0]}, lambda t: t @ WEIGHTS[:, 0]),
    "ReduceSum": ([("ReduceSum", ["t", "axis"], {"keepdims": 1})], {},
                  lambda t: t.sum(axis=1, keepdims=True)),
    "Where": ([("Greater", ["t", "zero"], {}), ("Where", ["y", "t", "c"], {})], {"c": OTHER},
              lambda t: np.where(t > 0, t, OTHER)),
    "Concat": ([("Concat", ["t", "t"], {"axis": 1})], {}, lambda t: np.concatenate([t, t], axis=1)),
}  # fmt: skip


def graph_of(steps: Steps, constants: dict[str, Any], expected: Any, *, note: str) -> Artifact:
    """What is left of the result after float64's result is taken from it, in float32."""
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Cast", ["x"], ["wide"], to=TensorProto.DOUBLE, doc_string=note),
        helper.make_node("Div", ["wide", "three"], ["t"]),
    ]
    last = "t"
    for i, (operator, inputs, attributes) in enumerate(steps):
        names = [last if source == "y" else source for source in inputs]
        last = f"y{i}"
        nodes.append(helper.make_node(operator, names, [last], **attributes))
    nodes += [
        helper.make_node("Sub", [last, "expected"], ["rest"]),
        helper.make_node("Cast", ["rest"], ["out"], to=TensorProto.FLOAT),
    ]
    arrays = {"three": np.array([3.0]), "zero": np.array([0.0]), "axis": np.array([1]), **constants}
    width = ["n", *expected.shape[1:]]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", COLUMNS])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, width)],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in {**arrays, "expected": expected}.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    signature = Signature(
        (TensorSpec("x", "float32", (None, COLUMNS)),),
        (TensorSpec("out", "float32", (None, *expected.shape[1:])),),
        (),
    )
    return Artifact("onnx", "float32", model.SerializeToString(), signature)


@pytest.mark.parametrize("name", sorted(CASES))
def test_digits_beyond_float32(name):
    steps, constants, function = CASES[name]
    expected = function(third(X.astype(np.float64)))
    graph = graph_of(steps, constants, expected, note=DOUBLE_DIGITS)
    left = np.abs(run(CONVERTER.convert(graph, "float32", None), X)["out"])
    largest = np.abs(expected) if name == "Exp-small" else np.abs(expected).max()
    assert (left <= 2e-12 * np.maximum(largest, 1e-20)).all()


def test_without_the_mark_float64_is_float32():
    """Solvers and the like ask ONNX Runtime for float64 without needing all of its digits."""
    steps, constants, function = CASES["Exp"]
    graph = graph_of(steps, constants, function(third(X.astype(np.float64))), note="")
    assert 1e-9 < np.abs(run(CONVERTER.convert(graph, "float32", None), X)["out"]).max() < 1e-6


def test_an_operator_without_such_digits_takes_the_high_part():
    """Floor is not among them; what follows is float32 again."""
    steps: Steps = [("Floor", ["t"], {}), ("Add", ["y", "c"], {})]
    expected = np.floor(third(X.astype(np.float64))) + OTHER
    graph = graph_of(steps, {"c": OTHER}, expected, note=DOUBLE_DIGITS)
    assert np.abs(run(CONVERTER.convert(graph, "float32", None), X)["out"]).max() < 1e-6
