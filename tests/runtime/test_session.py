"""Sessions: what the original model returns, on every engine, from threads, and not after a fork."""

from __future__ import annotations

import multiprocessing
import os
import re
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from edgeml_runtime.bundle import Bundle, decode_bundle, encode_bundle
from edgeml_runtime.errors import (
    EngineError,
    EngineFailedError,
    InputError,
    SignatureError,
)
from edgeml_runtime.session import Session, load
from edgeml_runtime.signature import ClassLabels, Method, Signature, TensorSpec
from edgeml_runtime.verify import verify
from tests.bundles import (
    GOLDEN,
    bundle_bytes,
    classifier_bundle,
    iris_rows,
    node,
    onnx_graph,
    tflite_bundle,
    tiny_bundle_bytes,
    two_by_two,
)
from tests.conftest import require_module

Array = np.ndarray[Any, Any]


@pytest.fixture(autouse=True, scope="module")
def engines_are_installed():
    require_module("onnxruntime", "ai_edge_litert")


@pytest.fixture(params=["onnxruntime", "litert float32", "litert int8"])
def bundle(request: pytest.FixtureRequest) -> Bundle:
    """Iris on each engine: logistic regression, a network, the network in int8."""
    engine, _, scheme = request.param.partition(" ")
    if engine == "onnxruntime":
        return classifier_bundle()[0]
    return tflite_bundle(scheme)


def probabilities(session: Session, x: Any) -> Array:
    """float32[n, 3], by whichever method gives them."""
    method = "predict_proba" if session.engine.name == "onnxruntime" else "predict"
    result: Array = session.call(method, x)
    return result


# What the framework that trained the model returns.


@pytest.mark.parametrize(
    ("labels", "dtype"),
    [(("a", "b", "çc"), "str"), ((-1, 5, 300), "int64"), ((0.0, 1.0, 2.0), "float64")],
    ids=["str", "int64", "float64"],
)
def test_classifier_returns_what_sklearn_returns(labels: tuple[Any, ...], dtype: str):
    bundle, model, x = classifier_bundle(labels, dtype)
    session = load(bundle)
    predicted, expected = session.predict(x), model.predict(x)
    assert predicted.dtype.kind == expected.dtype.kind
    np.testing.assert_array_equal(predicted, expected)
    np.testing.assert_allclose(session.predict_proba(x), model.predict_proba(x), atol=1e-5)
    assert session.predict_proba(x).dtype == np.float32


def test_network_returns_what_keras_returns():
    x, expected = iris_rows(), np.load(GOLDEN / "iris_keras.npy")
    float32 = load(tflite_bundle("float32")).predict(x)
    np.testing.assert_allclose(float32, expected, atol=1e-5)
    int8 = load(tflite_bundle("int8")).predict(x)
    assert int8.dtype == np.float32
    assert np.abs(int8 - expected).max() < 0.06
    assert (int8.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.97


def test_rows_do_not_depend_on_the_batch_they_come_in(bundle: Bundle):
    session, x = load(bundle), iris_rows()
    together = probabilities(session, x)
    for size in (1, 7, 150, 2):
        parts = [probabilities(session, x[start : start + size]) for start in range(0, 150, size)]
        np.testing.assert_allclose(np.concatenate(parts), together, atol=1e-6)


def test_results_stay_when_the_session_is_called_again(bundle: Bundle):
    session, x = load(bundle), iris_rows()
    first = probabilities(session, x[:1])
    kept = first.copy()
    probabilities(session, x[149:])
    np.testing.assert_array_equal(first, kept)
    first += 1  # the caller's own
    np.testing.assert_array_equal(probabilities(session, x[:1]), kept)


def test_run_gives_every_output_with_real_values(bundle: Bundle):
    session, x = load(bundle), iris_rows()[:5]
    results = session.run({"x": x})
    assert list(results) == [spec.name for spec in bundle.manifest.signature.outputs]
    np.testing.assert_array_equal(results["probabilities"], probabilities(session, x))
    if "label" in results:
        assert results["label"].dtype == np.int64


# The same refusals on every engine.

SHAPE = "input x: float32[batch, 4]: "
REFUSED: dict[str, tuple[Callable[[Array], Any], str]] = {
    "no rows": (lambda x: x[:0], SHAPE + "expected at least one row, got shape [0, 4]"),
    "one row": (lambda x: x[0], SHAPE + "expected rank 2, got shape [4]; for one row, pass x[None]"),
    "three columns": (lambda x: x[:, :3], SHAPE + "axis 1 must be 4, got shape [150, 3]"),
    "text": (lambda x: x.astype(str), SHAPE + "expected real numbers as float32, got str1024"),
    "NaN": (lambda x: np.where(x < 5, np.nan, x), SHAPE + "nan at index [0, 1]; this model takes"),
    "infinity": (lambda x: x * np.float32(np.inf), SHAPE + "inf at index [0, 0]; this model takes"),
    "beyond float32": (lambda x: x * 1e300, "at index [0, 0]; this model takes values that float32 holds"),
    "another name": (lambda x: {"y": x}, "inputs x: float32[batch, 4]; got y; missing: x; unknown: y"),
    "one name too many": (lambda x: {"x": x, "y": x}, "inputs x: float32[batch, 4]; got x, y; unknown: y"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_alike(bundle: Bundle, name: str):
    spoil, message = REFUSED[name]
    session, x = load(bundle), iris_rows()
    with pytest.raises(SignatureError, match=re.escape(message)):
        session.predict(spoil(x.astype(np.float64)))
    assert len(session.predict(x)) == 150  # and the session goes on


ALIKE: dict[str, Callable[[Array], Any]] = {
    "float64": lambda x: x.astype(np.float64),
    "list": lambda x: x.tolist(),
    "big-endian": lambda x: x.astype(">f4"),
    "Fortran order": np.asfortranarray,
    "strided": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "negative strides": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "mapping": lambda x: {"x": x},
}


@pytest.mark.parametrize("name", ALIKE)
def test_however_it_lies_in_memory(bundle: Bundle, name: str):
    session, x = load(bundle), iris_rows()
    np.testing.assert_array_equal(probabilities(session, ALIKE[name](x)), probabilities(session, x))


def test_input_is_not_written_to(bundle: Bundle):
    x = iris_rows()
    x.flags.writeable = False
    kept = x.copy()
    probabilities(load(bundle), x)
    np.testing.assert_array_equal(x, kept)


def test_run_takes_exact_dtypes_only(bundle: Bundle):
    session, x = load(bundle), iris_rows()
    for wrong in (x.astype(np.float64), x.astype(">f4"), x.tolist(), x.astype(np.int64)):
        with pytest.raises(SignatureError, match="expected real numbers as float32, got"):
            session.run({"x": wrong})


def test_methods_that_there_are(bundle: Bundle):
    session = load(bundle)
    with pytest.raises(
        SignatureError, match=r"this model has no transform; it has predict(, predict_proba)?$"
    ):
        session.transform(iris_rows())


# Threads and processes.


def test_one_session_in_eight_threads(bundle: Bundle):
    session, x = load(bundle), iris_rows()
    expected = probabilities(session, x)
    start = threading.Barrier(8)

    def work(seed: int) -> int:
        rng, wrong = np.random.default_rng(seed), 0
        start.wait()
        for _ in range(150):
            rows = rng.integers(0, 150, rng.integers(1, 5))  # batches of changing size, too
            wrong += not np.allclose(probabilities(session, x[rows]), expected[rows], atol=1e-6)
        return wrong

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(8))) == 0


def in_child(work: Callable[[], str]) -> str:
    """What `work` returns in a forked child."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, work().encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return text


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("threads", [1, 2])
def test_a_forked_child_is_refused_and_a_spawned_one_loads_anew(bundle: Bundle, threads: int):
    session, x = load(bundle, threads=threads), iris_rows()
    expected = session.predict(x[:1]).tolist()

    def child() -> str:
        try:
            session.predict(x[:1])
        except EngineError as error:
            return f"{type(error).__name__}: {error}"
        return "not refused"

    assert re.fullmatch(
        rf"EngineError: this session was opened in process {os.getpid()} and used after a fork in \d+: "
        r"engines do not survive a fork; load the bundle in a spawned process "
        r'\(multiprocessing.get_context\("spawn"\)\)',
        in_child(child),
    )
    assert session.predict(x[:1]).tolist() == expected
    # Not in the forked one: an engine's own threads may have held a lock, and opening it would wait for good.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        anew = pool.submit(predicted, encode_bundle(bundle.manifest, bundle.files), x[:1])
        assert anew.result() == expected


def predicted(content: bytes, x: Array) -> object:
    """What another process answers."""
    return load(content).predict(x).tolist()


def test_several_engine_threads_give_the_same(bundle: Bundle):
    x = iris_rows()
    one, two = load(bundle), load(bundle, threads=2)
    assert two.threads == 2
    np.testing.assert_allclose(probabilities(two, x), probabilities(one, x), atol=1e-6)


@pytest.mark.parametrize("threads", [0, -1, 257])
def test_threads_out_of_range(threads: int):
    with pytest.raises(InputError, match=f"threads must be 1 to 256, got {threads}"):
        load(tiny_bundle_bytes(), threads=threads)


# Several inputs and outputs, labels, strings.


FEEDS = {"b": [2.0, 3.0], "a": [1.0, 4.0]}


def test_what_methods_return():
    names, flags = ClassLabels("str", ("left", "right")), ClassLabels("bool", (False, True))
    session = load(
        two_by_two(
            Method("predict", ("pick",), (names,)),
            Method("flag", ("pick",), (flags,)),
            Method("both", ("picks",), (names, ClassLabels("str", ("l", "r")))),
            Method("array", ("sum",)),
            Method("one_list", ("sum",), returns="list"),
            Method("one_mapping", ("sum",), returns="mapping"),
            Method("list", ("sum", "pick"), returns="list"),
            Method("mapping", ("pick", "sum"), returns="mapping"),
        )
    )
    assert session.predict(FEEDS).tolist() == ["right", "left"]
    assert session.call("flag", FEEDS).dtype == np.bool_
    assert session.call("flag", FEEDS).tolist() == [True, False]
    assert session.call("both", FEEDS).tolist() == [["right", "r"], ["left", "l"]]
    assert session.call("array", FEEDS).tolist() == [3.0, 7.0]
    assert [a.tolist() for a in session.call("one_list", FEEDS)] == [[3.0, 7.0]]
    assert {n: a.tolist() for n, a in session.call("one_mapping", FEEDS).items()} == {"sum": [3.0, 7.0]}
    assert [a.tolist() for a in session.call("list", FEEDS)] == [[3.0, 7.0], [1, 0]]
    assert list(session.call("mapping", FEEDS)) == ["pick", "sum"]
    assert verify(session.bundle).golden == "ok"


def test_several_inputs_need_a_mapping():
    session = load(two_by_two(Method("predict", ("sum",))))
    with pytest.raises(
        SignatureError, match=re.escape("several inputs (a: float32[batch], b: float32[batch])")
    ):
        session.predict([1.0])
    with pytest.raises(SignatureError, match="inputs differ in their number of rows: a 1, b 2"):
        session.predict({"a": [1.0], "b": [1.0, 2.0]})


@pytest.mark.parametrize("labels", [("only",), ("a", "b")])
def test_a_class_index_without_a_label(labels: tuple[str, ...]):
    bundle = two_by_two(Method("predict", ("pick",), (ClassLabels("str", labels),)))
    if len(labels) == 2:
        assert load(bundle).predict(FEEDS).tolist() == ["b", "a"]
        return
    with pytest.raises(EngineFailedError, match="gave class indices from 0 to 1, its labels go from 0 to 0"):
        load(bundle).predict(FEEDS)


def test_strings_go_in_and_out():
    spec = ("str", [None, 1])
    artifact = onnx_graph([node("Identity", "x", "y")], {"x": spec}, {"y": spec}, {})
    signature = Signature(
        (TensorSpec("x", "str", (None, 1)),),
        (TensorSpec("y", "str", (None, 1)),),
        (Method("predict", ("y",)),),
    )
    x = np.array([["grün"], [""]])
    bundle = decode_bundle(bundle_bytes(artifact, "onnx", signature, {"x": x}, {"y": x}))
    result = load(bundle).predict(np.array([["ö"], ["b"]], object))
    assert result.dtype.kind == "U"
    assert result.tolist() == [["ö"], ["b"]]
    assert verify(bundle).golden == "ok"


def test_missing_values_where_the_model_takes_them():
    bundle = decode_bundle(tiny_bundle_bytes())
    fixed = bundle.manifest.signature
    nan = Signature((TensorSpec("x", "float32", (None, 1), allow_nan=True),), fixed.outputs, fixed.methods)
    session = load(
        bundle_bytes(
            bundle.artifact, "onnx", nan, {"x": np.float32([[np.nan]])}, {"y": np.float32([[np.nan]])}
        )
    )
    assert np.isnan(session.predict([[np.nan]])).all()
    assert verify(session.bundle).golden == "ok"
