"""Single operators on LiteRT against ONNX Runtime, which runs users' files.

A conversion takes half a second, so operators of one kind share a graph: each reads `x` and is an output.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import require_module

from edgeml_converters.model import Artifact
from edgeml_converters.to_tflite.from_onnx import CONVERTER
from edgeml_runtime.errors import UnsupportedOperatorError
from edgeml_runtime.signature import Method, Signature, TensorSpec
from edgeml_runtime.tuning import DEFAULTS

pytestmark = pytest.mark.slow

X = np.random.default_rng(0).normal(0, 2, (9, 6)).astype(np.float32)
X[:3] = [[0, -0.0, 0.5, 1.5, 2.5, -0.5], [1, 1, 1, 0, 0, 0], [-3, -3, 2, 2, -1, 5]]  # ties and halves
MISSING = X.copy()
MISSING[::2, 1::2] = np.nan


@pytest.fixture(autouse=True)
def _installed():
    require_module("onnx", "onnxruntime", "tensorflow", "ai_edge_litert")


def graph_of(nodes: list[Any], constants: dict[str, Any], outputs: list[str]) -> bytes:
    """A graph from x: float32[n, 6] to those outputs, whose types and shapes ONNX infers."""
    from onnx import TensorProto, helper, numpy_helper, shape_inference

    model = helper.make_model(
        helper.make_graph(
            nodes,
            "operators",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 6])],
            [helper.make_empty_tensor_value_info(name) for name in outputs],
            [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)],
        ir_version=8,
    )
    return shape_inference.infer_shapes(model).SerializeToString()


def reference(content: bytes, x: Any) -> dict[str, Any]:
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(names, {session.get_inputs()[0].name: x}), strict=True))


def lowered(content: bytes, wanted: dict[str, Any], *, takes_nan: bool = False) -> Artifact:
    outputs = tuple(
        TensorSpec(name, value.dtype.name, (None, *value.shape[1:])) for name, value in wanted.items()
    )
    method = Method("call", tuple(wanted), returns="mapping")
    x = TensorSpec("x", "float32", (None, 6), allow_nan=takes_nan)
    subject = Artifact("onnx", "float32", content, Signature((x,), outputs, (method,)))
    return CONVERTER.convert(subject, "float32", None)


def run(artifact: Artifact, x: Any) -> dict[str, Any]:
    from edgeml_runtime.engines.litert import ENGINE

    handle = ENGINE.open(artifact.content, artifact.signature, DEFAULTS)
    names = tuple(spec.name for spec in artifact.signature.outputs)
    return dict(zip(names, handle.run(names, [x]), strict=True))


def assert_same(got: dict[str, Any], wanted: dict[str, Any], rtol: float, atol: float) -> None:
    for name, value in wanted.items():
        assert got[name].dtype == value.dtype and got[name].shape == value.shape, name
        np.testing.assert_allclose(got[name], value, rtol=rtol, atol=atol, err_msg=name)


def assert_agrees(content: bytes, x: Any, rtol: float = 2e-6, atol: float = 1e-6) -> None:
    artifact = lowered(content, reference(content, x), takes_nan=bool(np.isnan(x).any()))
    for rows in (x, x[:1], x[2:9]):
        assert_same(run(artifact, rows), reference(content, rows), rtol, atol)


ROW = np.array([0.5, -1, 2, 0, 1.5, 3], np.float32)
ML = "ai.onnx.ml"
Case = tuple[str, list[Any], dict[str, Any]]  # operator, further inputs (arrays), attributes

FAMILIES: dict[str, list[Case]] = {
    "unary": [
        *((name, [], {}) for name in ("Abs", "Ceil", "Cos", "Elu", "Erf", "Exp", "Floor", "HardSigmoid")),
        *((name, [], {}) for name in ("Identity", "LeakyRelu", "Neg", "Reciprocal", "Relu", "Round")),
        *((name, [], {}) for name in ("Sigmoid", "Sign", "Sin", "Softplus", "Tanh", "IsNaN", "IsInf")),
        ("Clip", [np.float32(-1), np.float32(1)], {}),
        ("Clip", ["", np.float32(1)], {}),
        ("Cast", [], {"to": 7}),
        ("Cast", [], {"to": 6}),
        ("Cast", [], {"to": 9}),
        ("LeakyRelu", [], {"alpha": 0.3}),
        ("Dropout", [], {}),
    ],
    "binary": [
        *((name, [ROW], {}) for name in ("Add", "Sub", "Mul", "Max", "Min", "Sum")),
        *((name, [ROW], {}) for name in ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")),
        ("Div", [ROW + np.float32(5)], {}),
        ("Pow", [np.float32(2)], {}),
        ("Max", [ROW, np.float32(0.25)], {}),
    ],
    "reductions": [
        *(
            (f"Reduce{name}", [np.array([1])], {"keepdims": keep})
            for name in ("L1", "L2", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")
            for keep in (0, 1)
        ),
        ("ArgMax", [], {"axis": 1, "keepdims": 0}),
        ("ArgMin", [], {"axis": -1}),
        ("Softmax", [], {"axis": -1}),
        ("LogSoftmax", [], {"axis": 1}),
        ("CumSum", [np.array(1)], {}),
        ("CumSum", [np.array(1)], {"exclusive": 1, "reverse": 1}),
    ],
    "shapes": [
        ("Concat", [], {"axis": 1}),
        ("Expand", [np.array([1, 6])], {}),
        ("Flatten", [], {}),
        ("Gather", [np.array([5, 0, -1])], {"axis": 1}),
        ("Gather", [np.array(3)], {"axis": 1}),
        ("Pad", [np.array([0, 1, 0, 2]), np.float32(7)], {}),
        ("Reshape", [np.array([-1, 2, 3])], {}),
        ("Reshape", [np.array([0, 3, -1])], {}),
        ("Slice", [np.array([4]), np.array([-(2**62)]), np.array([1]), np.array([-2])], {}),
        ("Slice", [np.array([1]), np.array([-1]), np.array([1])], {}),
        ("Squeeze", [], {}),
        ("Tile", [np.array([1, 2])], {}),
        ("Unsqueeze", [np.array([1, -1])], {}),
    ],
    "columns": [
        ("ArrayFeatureExtractor", [np.array([4, 1])], {"domain": ML}),
        ("Binarizer", [], {"domain": ML, "threshold": 0.5}),
        ("FeatureVectorizer", [], {"domain": ML, "inputdimensions": [6]}),
        ("LinearRegressor", [], {"domain": ML, "coefficients": ROW.tolist(), "intercepts": [0.25]}),
        *(("Normalizer", [], {"domain": ML, "norm": norm}) for norm in ("L1", "L2", "MAX")),
        ("OneHotEncoder", [], {"domain": ML, "cats_int64s": [-3, 0, 1, 2], "zeros": 1}),
        ("Scaler", [], {"domain": ML, "offset": ROW.tolist(), "scale": (ROW + 2).tolist()}),
        ("Scaler", [], {"domain": ML, "offset": [1.0], "scale": [0.5]}),
    ],
    "missing": [
        ("Imputer", [], {"domain": ML, "imputed_value_floats": [9.0], "replaced_value_float": float("nan")}),
        ("Imputer", [], {"domain": ML, "imputed_value_floats": ROW.tolist(), "replaced_value_float": 1.0}),
        ("IsNaN", [], {}),
    ],
}  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_operators(family):
    from onnx import helper

    nodes, constants, outputs = [], {}, []
    for i, (operator, further, attributes) in enumerate(FAMILIES[family]):
        inputs, output = ["x"], f"{operator}_{i}"
        for position, value in enumerate(further):
            name = "" if isinstance(value, str) else f"{output}_input_{position}"
            inputs.append(name)
            if name:
                constants[name] = value
        if operator == "Squeeze":  # of what it can squeeze
            nodes.append(helper.make_node("Unsqueeze", ["x", f"{output}_axis"], [f"{output}_wide"]))
            constants[f"{output}_axis"] = np.array([2])
            inputs = [f"{output}_wide", f"{output}_axis"]
        elif operator == "Concat":
            inputs = ["x", "x"]
        elif operator == "IsInf":
            nodes.append(helper.make_node("Reciprocal", ["x"], [f"{output}_inverse"]))
            inputs = [f"{output}_inverse"]
        nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        outputs.append(output)
    assert_agrees(graph_of(nodes, constants, outputs), MISSING if family == "missing" else X)


def test_operators_in_company():
    """Those that take more than x and constants: truth values, integers, computed shapes."""
    from onnx import helper

    make = helper.make_node
    nodes = [
        make("Greater", ["x", "zero"], ["big"]),
        make("Less", ["x", "one"], ["small"]),
        make("And", ["big", "small"], ["and"]),
        make("Or", ["big", "small"], ["or"]),
        make("Xor", ["big", "small"], ["xor"]),
        make("Not", ["big"], ["not"]),
        make("Where", ["big", "x", "row"], ["where"]),
        make("Split", ["x", "sizes"], ["left", "right"], axis=1),
        make("Transpose", ["right"], ["turned"], perm=[0, 1]),
        make("TopK", ["x", "three"], ["values", "places"]),
        make("TopK", ["x", "three"], ["lowest", "lowest_places"], largest=0),
        make("GatherElements", ["x", "places"], ["gathered"], axis=1),
        make("ArgMax", ["x"], ["place"], axis=1, keepdims=0),
        make("OneHot", ["place", "six", "off_on"], ["one_hot"]),
        make("LabelEncoder", ["place"], ["code"], domain=ML, keys_int64s=[0, 3], values_int64s=[7, -2]),
        make("LabelEncoder", ["place"], ["word"], domain=ML, keys_int64s=[0, 5], values_strings=["a", "b"]),
        make("LabelEncoder", ["word"], ["back"], domain=ML, keys_strings=["b"], values_int64s=[5]),
        make("Shape", ["x"], ["batch"], start=0, end=1),
        make("Concat", ["batch", "one_int"], ["column_shape"], axis=0),
        make("ConstantOfShape", ["column_shape"], ["ones"], value=helper.make_tensor("v", 1, [1], [1.0])),
        make("Concat", ["ones", "x"], ["with_ones"], axis=1),
        make("MatMul", ["x", "vector"], ["dotted"]),
        make("Gemm", ["x", "matrix", "bias"], ["product"], transB=1, alpha=0.5, beta=2.0),
    ]  # fmt: skip
    random = np.random.default_rng(1)
    constants = {
        "zero": np.float32(0), "one": np.float32(1), "row": ROW, "sizes": np.array([2, 4]),
        "three": np.array([3]), "six": np.array(6), "off_on": np.array([0.5, 2], np.float32),
        "one_int": np.array([1]), "vector": ROW.astype(np.float64).astype(np.float32),
        "matrix": random.normal(size=(3, 6)).astype(np.float32), "bias": np.ones(3, np.float32),
    }  # fmt: skip
    outputs = [
        *("and", "or", "xor", "not", "where", "left", "turned", "values", "places", "lowest", "gathered"),
        *("one_hot", "code", "back", "with_ones", "dotted", "product"),
    ]
    assert_agrees(graph_of(nodes, constants, outputs), X)


TREES = {
    "nodes_treeids": [0, 0, 0, 1, 1, 1],
    "nodes_nodeids": [0, 1, 2, 0, 1, 2],
    "nodes_featureids": [0, 0, 0, 1, 0, 0],
    "nodes_values": [0.5, 0.0, 0.0, -0.5, 0.0, 0.0],
    "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"] * 2,
    "nodes_truenodeids": [1, 0, 0] * 2,
    "nodes_falsenodeids": [2, 0, 0] * 2,
    "class_treeids": [0, 0, 1, 1],
    "class_nodeids": [1, 2, 1, 2],
}
COEFFICIENTS = np.random.default_rng(2).normal(size=18).round(2).tolist()
CLASSIFIERS: dict[str, dict[str, Any]] = {
    "shares": {**TREES, "class_ids": [1] * 4, "class_weights": [0.1, 0.4, 0.2, 0.5]},
    "shares-of-class-0": {**TREES, "class_ids": [0] * 4, "class_weights": [0.1, 0.4, 0.2, 0.5]},
    "signed-of-class-0": {
        **TREES, "class_ids": [0] * 4, "class_weights": [-0.3, 0.4, -0.2, 0.5], "base_values": [0.05],
    },
    "signed-of-class-0-baseless": {**TREES, "class_ids": [0] * 4, "class_weights": [-0.3, 0.4, -0.2, 0.5]},
    "signed-of-class-0-logistic": {
        **TREES, "class_ids": [0] * 4, "class_weights": [-0.3, 0.4, -0.2, 0.5], "post_transform": "LOGISTIC",
    },
    "signed": {**TREES, "class_ids": [1] * 4, "class_weights": [-0.3, 0.4, -0.2, 0.5]},
    "signed-base": {
        **TREES, "class_ids": [1] * 4, "class_weights": [-0.3, 0.4, -0.2, 0.5], "base_values": [0.05],
    },
    "signed-logistic": {
        **TREES, "class_ids": [1] * 4, "class_weights": [-0.3, 0.4, -0.2, 0.5], "post_transform": "LOGISTIC",
    },
    "two-of-three": {**TREES, "class_ids": [0, 2, 1, 0], "class_weights": [0.3, 0.4, 0.2, 0.5], "n": 3},
    "softmax": {
        **TREES, "class_ids": [0, 2, 1, 0], "class_weights": [-0.3, 0.4, 0.2, 0.5], "n": 3,
        "base_values": [0.1, -0.1, 0.2], "post_transform": "SOFTMAX",
    },
    "softmax-zero": {
        **TREES, "class_ids": [0, 2, 1, 0], "class_weights": [-0.3, 0.4, 0.2, 0.5], "n": 3,
        "post_transform": "SOFTMAX_ZERO",
    },
    "probit": {
        **TREES, "class_ids": [0, 2, 1, 0], "class_weights": [0.3, 0.2, 0.1, 0.4], "n": 3,
        "base_values": [0.1, 0.05, 0.2], "post_transform": "PROBIT",
    },
    "linear-one-score": {"coefficients": COEFFICIENTS[:6], "intercepts": [0.1]},
    "linear-one-score-logistic": {
        "coefficients": COEFFICIENTS[:6], "intercepts": [0.1], "post_transform": "LOGISTIC",
    },
    "linear-two": {"coefficients": COEFFICIENTS[:12], "intercepts": [0.1, 0.0], "post_transform": "LOGISTIC"},
    "linear-three": {
        "coefficients": COEFFICIENTS, "intercepts": [0, 0.1, 0], "n": 3, "post_transform": "SOFTMAX",
    },
}  # fmt: skip


def test_classifiers_where_the_specification_is_open():
    from onnx import helper

    nodes, outputs = [], []
    for name, attributes in CLASSIFIERS.items():
        attributes = dict(attributes)
        labels = [4, 7, 5][: attributes.pop("n", 2)]
        trees = "nodes_modes" in attributes
        kind, table = (
            ("TreeEnsembleClassifier", "classlabels_int64s")
            if trees
            else ("LinearClassifier", "classlabels_ints")
        )
        made = [f"{name}_label", f"{name}_scores"]
        nodes.append(helper.make_node(kind, ["x"], made, domain=ML, **{table: labels}, **attributes))
        outputs += made
    assert_agrees(graph_of(nodes, {}, outputs), X)


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {  # operator, attributes, reason
    "cast": ("Cast", {"to": 8}, "ONNX type 8"),
    "argmax": ("ArgMax", {"axis": 1, "select_last_index": 1}, "last of equal"),
    "batch-sum": ("ReduceSum", {}, "the batch included"),
    "aggregate": (
        "TreeEnsembleRegressor",
        {"domain": ML, "aggregate_function": "MAX"}
        | {k: v for k, v in TREES.items() if k.startswith("nodes")}
        | {"target_treeids": [0], "target_nodeids": [1], "target_ids": [0], "target_weights": [1.0]},
        "aggregate_function MAX",
    ),
    "two-classes": (
        "TreeEnsembleClassifier",
        {"domain": ML, "class_ids": [0, 1, 1, 0], "class_weights": [0.1, 0.4, 0.2, 0.5]}
        | TREES | {"classlabels_int64s": [0, 1]},
        "contradict its scores",
    ),
    "damaged-trees": (
        "TreeEnsembleRegressor",
        {"domain": ML}
        | {k: v for k, v in TREES.items() if k.startswith("nodes")} | {"nodes_truenodeids": [0, 0, 0] * 2}
        | {"target_treeids": [0], "target_nodeids": [1], "target_ids": [0], "target_weights": [1.0]},
        "form no trees",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_forms_name_the_operator_and_the_reason(name):
    from onnx import helper

    operator, attributes, reason = REFUSED[name]
    outputs = ["label", "y"] if "Classifier" in operator else ["y"]
    content = graph_of([helper.make_node(operator, ["x"], outputs, **attributes)], {}, ["y"])
    with pytest.raises(UnsupportedOperatorError, match=reason):
        lowered(content, {"y": X})


@pytest.mark.parametrize("classes", [2, 3])
def test_svm_probabilities_by_pairwise_coupling(classes):
    """Of shares that contradict each other: each row stops in its own round, as in ONNX Runtime."""
    from onnx import helper

    random = np.random.default_rng(classes)
    pairs, vectors = classes * (classes - 1) // 2, 4 * classes
    node = helper.make_node(
        "SVMClassifier",
        ["x"],
        ["label", "probabilities"],
        domain=ML,
        kernel_type="RBF",
        kernel_params=[0.1, 0.0, 3.0],
        classlabels_ints=list(range(classes)),
        vectors_per_class=[4] * classes,
        support_vectors=random.normal(0, 2, vectors * 6).astype(np.float32).tolist(),
        coefficients=random.normal(0, 3, (classes - 1) * vectors).astype(np.float32).tolist(),
        rho=random.normal(size=pairs).astype(np.float32).tolist(),
        prob_a=[-3.0] * pairs,
        prob_b=random.normal(size=pairs).astype(np.float32).tolist(),
    )
    rows = np.random.default_rng(9).normal(0, 2, (200, 6)).astype(np.float32)
    assert_agrees(graph_of([node], {}, ["label", "probabilities"]), rows, rtol=0, atol=2e-6)
