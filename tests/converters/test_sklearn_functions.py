"""Functions of users' own: what is traced and what is refused; bent columns at the edges of their pieces."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from conftest import require_module
from sklearn_parity import assert_same, convert, run
from zoo import ZOO, Specimen, preprocessing, transforms
from zoo.specimen import load

from edgeml_converters.sources.sklearn import SOURCE
from edgeml_converters.to_onnx.from_sklearn import CONVERTER
from edgeml_converters.to_onnx.sklearn import elementary
from edgeml_converters.to_onnx.sklearn.emitter import Emitter, Rules
from edgeml_converters.to_onnx.sklearn.terms import Term
from edgeml_runtime.errors import UnsupportedModelError


@pytest.fixture(autouse=True)
def _installed():
    require_module("sklearn", "skl2onnx", "onnxruntime")


def fitted(func: Any, x: Any, **parameters: Any) -> Any:
    from sklearn.preprocessing import FunctionTransformer

    return FunctionTransformer(func, **parameters).fit(x)


def reason(func: Any, **parameters: Any) -> str:
    """Why a pipeline with that function is refused, before anything is converted and when converting."""
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer

    x, y = load("iris")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        step = FunctionTransformer(func, **parameters)
        pipeline = Pipeline([("mine", step), ("ridge", Ridge())]).fit(x, y)
    model = SOURCE.describe(pipeline, "model")
    found = CONVERTER.offers(model)["float32"]
    with pytest.raises(UnsupportedModelError) as caught:
        CONVERTER.convert(model, "float32", None)
    assert str(caught.value) == f"model cannot be converted: {found}"
    return str(found)


def _branch(x):
    return np.sqrt(x) if x.min(axis=1)[0] > 0 else x


def _branch_on_all(x):
    return x if (x >= 0).all(axis=1) else -x


def _loop(x):
    return np.column_stack([[float(v) for v in x[:, 0]], x[:, 1]])


def _random(x):
    return x + np.random.default_rng().normal(size=4)


def _counted(x, state=[0]):  # noqa: B006 - what a function keeps between its calls is the subject
    state[0] += 1
    return x * state[0]


def _two_names(x):
    first = x[:, 0]
    x[:, 0] = 0.0
    return x + first[:, None]


def _isinstance(x):
    return x * 2 if isinstance(x, np.ndarray) else x


REFUSED = {
    "branch": (_branch, "it picks some of the rows"),
    "branch-on-all": (_branch_on_all, "it branches on the numbers themselves (use np.where)"),
    "python-numbers": (_loop, "it asks for the number of rows"),
    "math": (lambda x: x * __import__("math").sqrt(x[:, 0]), "it makes Python numbers of rows"),
    "plain-array": (lambda x: np.asarray(x) * 2, "it turns rows into a plain array"),
    "concatenator": (lambda x: np.c_[x, x], "it turns rows into a plain array"),
    "mean-of-rows": (lambda x: x - x.mean(axis=0), "it works along axis 0, across rows"),
    "mean-of-all": (lambda x: x - x.mean(), "it reduces over all rows"),
    "rows": (lambda x: x[:2], "it picks some of the rows"),
    "rows-by-mask": (lambda x: x[x[:, 0] > 5], "it picks by rows' own numbers"),
    "every-pair": (lambda x: x[:, 0] + x[:, :1], "it combines"),
    "unknown-function": (lambda x: np.fft.fft(x, axis=1).real, "numpy.fft is not translated"),
    "unknown-method": (lambda x: x.byteswap(), "it uses .byteswap of an array"),
    "random": (_random, "it answers differently each time"),
    "state": (_counted, "it answers differently each time"),
    "type": (_isinstance, "it does not do the same for all rows"),
    "parts-assigned": (_two_names, "an array that is used under another name"),
    "constant": (lambda x: np.zeros((150, 2)), "does not depend on the rows"),
    "column-by-name": (lambda x: x["petal"], "it asks an array for column 'petal'"),
    "number-of-rows": (lambda x: x / x.shape[0], "it computes with the number of rows"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_traced_is_refused_by_step_with_the_ways_out(name):
    func, text = REFUSED[name]
    found = _described_reason(func)
    assert text in found
    assert found.startswith("FunctionTransformer: func ")
    assert found.endswith("or leave the step outside of what is compiled")


def _described_reason(func: Any) -> str:
    """The reason alone, of a step by itself: a pipeline could not even be fitted with some of these."""
    from edgeml_converters.to_onnx.sklearn.tracing import untraceable

    x, _ = load("iris")
    return f"FunctionTransformer: {untraceable(fitted(func, x))}"


def test_a_pipeline_names_the_step():
    assert reason(_minus_mean).startswith(
        "pipeline.mine (FunctionTransformer): func _minus_mean cannot be traced: it works along axis 0"
    )


def _minus_mean(x):
    return x - x.mean(axis=0)


def test_the_inverse_is_what_counts_for_a_target():
    """func runs on targets in training only: whatever it does, the inverse is what is traced."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.linear_model import Ridge

    x, y = load("diabetes")
    forward = TransformedTargetRegressor(
        Ridge(), func=lambda t: np.asarray(t) / 10, inverse_func=lambda t: t * 10, check_inverse=False
    ).fit(x, y)
    model, artifact = convert("forward", Specimen(forward, x, y))
    assert_same(model, artifact, x)
    back = TransformedTargetRegressor(
        Ridge(), func=lambda t: t / 10, inverse_func=lambda t: np.asarray(t) * 10, check_inverse=False
    ).fit(x, y)
    offered = CONVERTER.offers(SOURCE.describe(back, "back"))["float32"]
    assert offered is not None
    assert offered.startswith(
        "model.transformer (FunctionTransformer): inverse_func <lambda> cannot be traced"
    )


# Against float64 on numbers of every size, where float32 has them: relative differences.
_WIDE = np.concatenate([s * 10.0 ** np.linspace(-30, 30, 400) for s in (-1, 1)])
_MIDDLE = np.concatenate([s * 10.0 ** np.linspace(-12, 1.9, 400) for s in (-1, 1)])
_UNIT = np.concatenate([s * 10.0 ** np.linspace(-12, -1e-6, 400) for s in (-1, 1)])
ELEMENTARY = {
    "log1p": (elementary.log1p, np.log1p, _UNIT),
    "log1p-large": (elementary.log1p, np.log1p, np.abs(_WIDE)),
    "expm1": (elementary.expm1, np.expm1, _MIDDLE),
    "sinh": (elementary.sinh, np.sinh, _MIDDLE),
    "cosh": (elementary.cosh, np.cosh, _MIDDLE),
    "asinh": (elementary.asinh, np.arcsinh, _WIDE),
    "acosh": (elementary.acosh, np.arccosh, 1 + 10.0 ** np.linspace(-3, 30, 400)),
    "atanh": (elementary.atanh, np.arctanh, _UNIT[np.abs(_UNIT) < 0.99]),
    "cbrt": (elementary.cbrt, np.cbrt, _WIDE),
}


@pytest.mark.parametrize("name", ELEMENTARY)
def test_elementary_functions_are_accurate_for_small_and_large_numbers(name):
    formula, wanted, values = ELEMENTARY[name]
    x = values.astype(np.float32)
    emitter = Emitter(Rules())
    got = evaluated(emitter, formula(Term(emitter, "x")).name, x[:, None])[:, 0]
    expected = wanted(x.astype(np.float64))
    inside = np.abs(expected) < 1e38
    np.testing.assert_allclose(got[inside], expected[inside], rtol=3e-6, atol=1e-36)


def evaluated(emitter: Emitter, result: str, x: Any) -> Any:
    import onnxruntime
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [*emitter.nodes, helper.make_node("Identity", [result], ["y"])],
        "formula",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", x.shape[1]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        emitter.initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def test_the_normal_distribution_both_ways():
    from scipy.stats import norm

    z = np.linspace(-5.2, 5.2, 2001)
    lower, upper = norm.cdf(z).astype(np.float32), norm.sf(z).astype(np.float32)
    emitter = Emitter(Rules())
    x = Term(emitter, "x")
    halves = [Term(emitter, emitter.columns("x", [i])) for i in (0, 1)]
    quantile = elementary.normal_quantile(*halves).name
    got = evaluated(emitter, quantile, np.stack([lower, upper], axis=1))[:, 0]
    np.testing.assert_allclose(got, z, rtol=0, atol=2e-6)
    emitter = Emitter(Rules())
    x = Term(emitter, "x")
    tail = evaluated(emitter, elementary.normal_tail(x).name, z[:, None].astype(np.float32))[:, 0]
    np.testing.assert_allclose(tail, norm.sf(np.abs(z.astype(np.float32).astype(np.float64))), rtol=5e-6)


def beside(x: Any, edges: list[Any]) -> Any:
    """Rows on each column's edges and on both float32 beside them, as the decimals these stand for."""
    found = []
    for column, values in enumerate(edges):
        nearest = np.asarray(values, np.float64).astype(np.float32)
        for side in (-np.inf, None, np.inf):
            moved = nearest if side is None else np.nextafter(nearest, np.float32(side))
            for value in moved:
                row = x[len(found) % len(x)].copy()
                row[column] = float(str(value))
                found.append(row)
    return np.array(found)


EDGES = {
    "quantile-uniform": "quantiles_",
    "quantile-normal": "quantiles_",
    "quantile-ties": "quantiles_",
    "quantile-ties-normal": "quantiles_",
    "quantile-subsample": "quantiles_",
    "bins-quantile": "bin_edges_",
    "bins-averaged": "bin_edges_",
    "bins-uniform": "bin_edges_",
    "bins-k-means": "bin_edges_",
    "bins-one-hot": "bin_edges_",
    "spline-constant-0": "bsplines_",
    "spline-constant-3": "bsplines_",
    "spline-linear-1": "bsplines_",
    "spline-linear-3": "bsplines_",
    "spline-continue-3": "bsplines_",
    "spline-quantile-knots": "bsplines_",
    "spline-given-knots": "bsplines_",
}


def edges_of(model: Any, attribute: str) -> list[Any]:
    learned = getattr(model, attribute)
    if attribute == "quantiles_":
        return [np.unique(column) for column in learned.T]
    if attribute == "bsplines_":
        inner = (
            slice(model.degree, -model.degree or None) if model.extrapolation == "constant" else slice(None)
        )
        return [spline.t[inner] for spline in learned]
    return [edges[1:-1] for edges in learned]


@pytest.mark.parametrize("name", EDGES)
def test_on_edges_and_beside_them(name):
    specimen = ZOO[name]()
    model, artifact = convert(name, specimen)
    rows = beside(specimen.x, edges_of(specimen.model, EDGES[name]))
    if name == "spline-constant-0":  # beyond the knots scikit-learn itself fails
        t = np.array([[s.t[0], s.t[-1]] for s in specimen.model.bsplines_]).T
        rows = rows[((rows >= t[0]) & (rows <= t[1])).all(axis=1)]
    assert len(rows) > 20
    assert_same(model, artifact, rows, 1e-5)


FAR = (
    "quantile-uniform", "quantile-normal", "spline-constant-3", "spline-linear-3", "spline-periodic-3",
    "power-yeo-johnson", "standard", "robust", "min-max", "min-max-clip", "max-abs-clip", "normalizer-l1",
    "bins-quantile", "bins-uniform", "isotonic-decreasing-clip",
)  # fmt: skip


@pytest.mark.parametrize("name", FAR)
def test_far_outside_of_the_fitted_range(name):
    specimen = ZOO[name]()
    model, artifact = convert(name, specimen)
    for factor in (-100.0, -3.0, 0.0, 3.0, 100.0):
        assert_same(model, artifact, np.round(specimen.x * factor, 1), 1e-4)


def test_ties_of_data_with_all_digits_stay_ties():
    """Diabetes' second column has two values of seventeen digits: no float32, and each half of the rows."""
    specimen = ZOO["quantile-all-digits"]()
    _, artifact = convert("ties", specimen)
    got = run(artifact, specimen.x)["transformed"][:, 1]
    assert len(np.unique(got)) == 2
    np.testing.assert_array_equal(np.unique(got), [0.0, 1.0])


def test_squares_beyond_float32():
    specimen = ZOO["normalizer"]()
    model, artifact = convert("normalizer", specimen)
    for size in (1e-30, 1e25):
        assert_same(model, artifact, specimen.x * size, 1e-6)


def test_a_posterior_that_is_drawn_is_refused():
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    x, _ = load("iris")
    model = SOURCE.describe(IterativeImputer(sample_posterior=True, max_iter=1).fit(x), "imputer")
    assert CONVERTER.offers(model)["float32"] == (
        "model (IterativeImputer): sample_posterior=True draws its values at random"
    )


OWN = sorted(name for module in (preprocessing, transforms) for name in module.SPECIMENS)


@pytest.mark.parametrize("name", OWN)
def test_boundary_rows(name):
    specimen = ZOO[name]()
    model, artifact = convert(name, specimen)
    boundaries = SOURCE.boundaries(model, specimen.x, 2000)
    if boundaries is not None:
        assert_same(model, artifact, boundaries.rows, 1e-4)
