"""Decompositions, kernels and manifolds beyond the zoo: where solvers stop, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import require_module
from zoo.specimen import load

from edgeml_converters.sources.sklearn import SOURCE
from edgeml_converters.to_onnx.from_sklearn import CONVERTER
from edgeml_runtime.errors import UnsupportedModelError
from edgeml_runtime.signature import Array


@pytest.fixture(autouse=True)
def _installed():
    require_module("sklearn", "onnxruntime")


def transformed(model: Any, rows: Array) -> tuple[Array, Array]:
    """What the graph and what scikit-learn answer, for the same batch."""
    import onnxruntime

    described = SOURCE.describe(model, "model")
    artifact = CONVERTER.convert(described, "float32", None)
    session = onnxruntime.InferenceSession(artifact.content, providers=["CPUExecutionProvider"])
    (got,) = session.run(["transformed"], {"x": rows.astype(np.float32)})
    return got, SOURCE.predict(described, "transform", rows)


def assert_same(model: Any, rows: Array, tolerance: float = 1e-6) -> None:
    got, wanted = transformed(model, rows)
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, rtol=0, atol=tolerance * np.abs(wanted).max())


def counts() -> Array:
    return np.floor(load("digits")[0])


def shares() -> Array:
    x = load("wine")[0]
    return x / x.max(axis=0)


@pytest.mark.filterwarnings("ignore:Maximum number of iterations")
@pytest.mark.parametrize("max_iter", [1, 9, 10, 13])
@pytest.mark.parametrize("solver", ["cd", "mu"])
def test_a_factorization_ends_after_all_iterations(solver, max_iter):
    """The updates look at the divergence after each ten, and may end in between."""
    from sklearn.decomposition import NMF

    x = shares()
    model = NMF(3, solver=solver, max_iter=max_iter, tol=1e-12, init="nndsvda", random_state=0).fit(x)
    assert_same(model, x)


@pytest.mark.parametrize(("solver", "tol"), [("cd", 0.02), ("mu", 1e-3)])
def test_a_factorization_depends_on_the_batch_as_in_scikit_learn(solver, tol):
    from sklearn.decomposition import NMF

    x = shares()
    model = NMF(3, solver=solver, max_iter=2000, tol=tol, init="nndsvda", random_state=0).fit(x)
    for rows in (x, x[:3], x[5:6], np.zeros((2, x.shape[1])), np.concatenate([x[:4] * 100, x[:4] / 100])):
        if rows.any():
            assert_same(model, rows)
    whole = transformed(model, x)[1]
    alone = np.concatenate([transformed(model, row[None])[1] for row in x[:20]])
    assert np.abs(whole[:20] - alone).max() > 1e-4 * np.abs(whole).max()


def test_documents_iterate_each_until_its_own_end():
    from sklearn.decomposition import LatentDirichletAllocation

    x = counts()
    model = LatentDirichletAllocation(4, max_iter=2, random_state=0, mean_change_tol=1e-3).fit(x)
    together, _ = transformed(model, x[:20])
    for i in range(20):
        np.testing.assert_allclose(transformed(model, x[i : i + 1])[0][0], together[i], rtol=0, atol=1e-7)
    empty = np.zeros((2, x.shape[1]))
    empty[1, 20] = 1e-3
    assert_same(model, empty)
    assert_same(model, x * 1e4)


def test_components_of_small_variance_are_exact_in_onnx():
    """All 76 components of a smooth kernel, variances from 37 to 1e-9: float32 would lose the last ones."""
    from sklearn.decomposition import KernelPCA

    x = load("iris")[0]
    assert_same(KernelPCA(kernel="rbf").fit(x), x, 1e-5)


def test_angles_of_many_turns_keep_their_fraction_in_onnx():
    from sklearn.kernel_approximation import RBFSampler

    x = load("wine")[0]
    model = RBFSampler(gamma=10.0, n_components=30, random_state=0).fit(x)
    rows = x.astype(np.float32).astype(np.float64)  # what a float32 input cannot hold is not the graph's
    assert np.abs(rows @ model.random_weights_).max() > 1e4
    assert_same(model, rows)


@pytest.mark.parametrize("algorithm", ["omp", "lasso_lars", "lasso_cd"])
def test_an_atom_that_is_a_sum_of_others(algorithm):
    """Nothing is left of it once the others are active: it must not divide by that.

    Least angle regression is no oracle here: its order of atoms is mixed up once it leaves one out.
    """
    from sklearn.decomposition import SparseCoder

    x = load("digits")[0] / 16
    atoms = x[:8] / np.linalg.norm(x[:8], axis=1, keepdims=True)
    twin = atoms[0] + atoms[1]
    atoms = np.concatenate([atoms, twin[None] / np.linalg.norm(twin)])
    given = {"transform_n_nonzero_coefs": 9} if algorithm == "omp" else {"transform_alpha": 0.3}
    model = SparseCoder(atoms, transform_algorithm=algorithm, **given).fit(x)
    rows = x[20:60]
    got, wanted = transformed(model, rows)
    # The code is not unique, what it stands for is.
    left = [((rows - code @ atoms) ** 2).sum(axis=1) for code in (got, wanted)]
    np.testing.assert_allclose(left[0], left[1], rtol=1e-4, atol=1e-6)
    assert np.abs(got).max() < 100


def test_rows_that_are_atoms_or_zero_end_early():
    from sklearn.decomposition import SparseCoder

    x = load("digits")[0] / 16
    atoms = x[:20] / np.linalg.norm(x[:20], axis=1, keepdims=True)
    rows = np.concatenate([atoms[:5], np.zeros((2, x.shape[1])), x[40:45]])
    for algorithm in ("omp", "lars", "lasso_lars", "lasso_cd", "threshold"):
        model = SparseCoder(atoms, transform_algorithm=algorithm, transform_alpha=0.05)
        assert_same(model.fit(x), rows)


def test_a_fitted_row_is_its_own_neighbor():
    from sklearn.manifold import Isomap, LocallyLinearEmbedding

    x = load("diabetes")[0]
    for model in (Isomap(n_neighbors=4), LocallyLinearEmbedding(n_neighbors=6, random_state=0)):
        assert_same(model.fit(x), x, 2e-5)


def test_a_radius_that_reaches_no_row_of_zeros():
    """The shape of the answer is asked with fitted rows, where zeros and ones have no neighbour."""
    from sklearn.manifold import Isomap

    x = load("wine")[0]
    x = (x - x.mean(axis=0)) / x.std(axis=0) + 50
    assert_same(Isomap(n_neighbors=None, radius=5.0).fit(x[:120]), x[:120])


def refusal(model: Any) -> str:
    described = SOURCE.describe(model, "model")
    reason = CONVERTER.offers(described)["float32"]
    with pytest.raises(UnsupportedModelError):
        CONVERTER.convert(described, "float32", None)
    return str(reason)


def overlap(left: Any, right: Any) -> float:
    return float(np.minimum(left, right).sum())


def test_what_is_refused():
    from sklearn.decomposition import NMF
    from sklearn.kernel_approximation import Nystroem
    from sklearn.manifold import Isomap

    x = shares()
    assert "the function overlap, which is not translated" in refusal(
        Nystroem(overlap, n_components=3).fit(x)
    )
    kernel = x[:20] @ x[:20].T
    assert "rows that the graph does not see" in refusal(Nystroem("precomputed", n_components=20).fit(kernel))
    shuffled = NMF(2, shuffle=True, init="random", max_iter=400, tol=1e-3).fit(x)
    assert "set random_state to a number" in refusal(shuffled)
    assert "metric='canberra' is not supported" in refusal(Isomap(metric="canberra").fit(x))


def test_methods_that_are_left_out():
    """Their estimators are compiled without them."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.neural_network import BernoulliRBM

    x, y = shares(), load("wine")[1]
    machine = SOURCE.describe(BernoulliRBM(3, n_iter=2, random_state=0).fit(x), "model")
    assert [method.name for method in machine.signature.methods] == ["transform"]
    for solver, methods in (
        ("lsqr", ["predict", "predict_proba", "decision_function"]),
        ("eigen", ["predict", "predict_proba", "decision_function", "transform"]),
    ):
        model = SOURCE.describe(LinearDiscriminantAnalysis(solver=solver).fit(x, y), "model")
        assert [method.name for method in model.signature.methods] == methods
        assert CONVERTER.offers(model) == {"float32": None}
