"""Neighbours and clusters where they are delicate: ties, duplicates, radii, tails of densities, donors."""

from __future__ import annotations

import hashlib
import warnings
from typing import Any

import numpy as np
import pytest
from conftest import printed_elsewhere, require_module
from sklearn_parity import assert_same, convert, reasons_for, run, zoo_data
from zoo import ZOO, Specimen

from edgeml_converters.sources.sklearn import SOURCE
from edgeml_converters.to_onnx.from_sklearn import CONVERTER
from edgeml_runtime.errors import UnsupportedModelError

IN_ANOTHER_PROCESS = ("bisecting-k-means", "k-neighbors-imputer", "k-neighbors-tied-leaves")


@pytest.fixture(autouse=True)
def _installed():
    require_module("sklearn", "skl2onnx", "onnxruntime")


def counts(rows: int = 300) -> tuple[Any, Any]:
    """Small integers, many of whose rows are at the same distances; a target that tells all rows apart."""
    x = zoo_data("digits")[0][:rows, 18:26] // 4
    return x, np.arange(rows) ** 1.5


def regressor(count: int, **options: Any) -> Any:
    from sklearn.neighbors import KNeighborsRegressor

    return KNeighborsRegressor(count, **options)


def same(estimator: Any, x: Any, rows: Any = None, tolerance: float = 1e-6) -> None:
    model, artifact = convert("model", Specimen(estimator, x, x))
    assert_same(model, artifact, x if rows is None else rows, tolerance)


def shares_of_ties(estimator: Any, x: Any) -> float:
    """How many rows have more fitted rows within the distance of the last neighbour than neighbours."""
    apart = estimator.kneighbors(x, estimator.n_neighbors + 1)[0]
    return float((apart[:, -1] == apart[:, -2]).mean())


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 13])
@pytest.mark.parametrize("algorithm", ["brute", "kd_tree", "ball_tree"])
@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev"])
def test_ties_go_as_on_the_heap(count, algorithm, metric):
    x, y = counts()
    for leaf_size in (3, 30):
        model = regressor(count, algorithm=algorithm, metric=metric, leaf_size=leaf_size).fit(x[::2], y[::2])
        assert shares_of_ties(model, x) > 0.15
        same(model, x)


@pytest.mark.parametrize("metric", ["canberra", "hamming", "rogerstanimoto"])
def test_ties_of_other_metrics_in_trees(metric):
    x, y = counts()
    x = (x > 1).astype(float) if metric == "rogerstanimoto" else x
    model = regressor(5, algorithm="ball_tree", metric=metric, leaf_size=4).fit(x[::2], y[::2])
    assert shares_of_ties(model, x) > 0.02
    same(model, x)


def test_ties_in_decimals():
    """Distances that are equal in decimals differ in the last bit of float64, and so they do here."""
    x, _ = zoo_data("iris")
    for count, leaf_size in ((1, 30), (4, 30), (5, 7)):
        model = regressor(count, leaf_size=leaf_size).fit(x, np.arange(150.0) ** 1.5)
        assert model._fit_method == "kd_tree"
        same(model, x)


def test_a_batch_with_ties_changes_no_other_row():
    x, y = counts()
    _, artifact = convert("model", Specimen(regressor(5).fit(x[::2], y[::2]), x, y))
    free = x + np.linspace(0.01, 0.07, 8)
    alone = run(artifact, free)["prediction"]
    among = run(artifact, np.concatenate([x, free]))["prediction"]
    np.testing.assert_array_equal(among[len(x) :], alone)


@pytest.mark.parametrize("data", ["iris", "diabetes", "wine"])
@pytest.mark.parametrize("algorithm", ["kd_tree", "brute"])
def test_fitted_rows_are_at_distance_zero(data, algorithm):
    """A fitted row's own target is all that counts, the mean of them where several rows are the same."""
    x, _ = zoo_data(data)
    x = np.concatenate([x, x[:20]])
    y = np.arange(len(x)) ** 1.5
    model = regressor(4, weights="distance", algorithm=algorithm).fit(x, y)
    described, artifact = convert("model", Specimen(model, x, y))
    got = run(artifact, x[:20])["prediction"]
    first = int(np.flatnonzero((x == x[0]).all(axis=1))[-1])
    assert got[0] == pytest.approx((y[0] + y[first]) / 2)
    if algorithm == "kd_tree":
        assert_same(described, artifact, x, 1e-6)


def test_rows_on_the_radius():
    """Within it, as in scikit-learn: distances that are whole, and such that are decimals."""
    from sklearn.neighbors import RadiusNeighborsRegressor

    x, y = counts()
    for radius in (2.0, 3.0):
        same(RadiusNeighborsRegressor(radius, metric="manhattan").fit(x[::2], y[::2]), x)
        same(RadiusNeighborsRegressor(radius, weights="distance").fit(x[::2], y[::2]), x)
    x, y = zoo_data("iris")
    for radius in (0.3, 0.5):
        same(RadiusNeighborsRegressor(radius, metric="chebyshev").fit(x, np.arange(150.0)), x)


def test_rows_without_neighbours():
    from sklearn.neighbors import RadiusNeighborsClassifier, RadiusNeighborsRegressor

    x, y = zoo_data("wine")
    far = x + 1e5
    model, artifact = convert("model", Specimen(RadiusNeighborsRegressor(50.0).fit(x, y * 1.0), x, y))
    assert np.isnan(run(artifact, far)["prediction"]).all()
    assert_same(model, artifact, np.concatenate([x, far]))
    estimator = RadiusNeighborsClassifier(50.0, outlier_label=7).fit(x, y)
    model, artifact = convert("model", Specimen(estimator, x, y))
    assert model.signature.method("predict").labels[0].values == (0, 1, 2, 7)
    outputs = run(artifact, far)
    assert (outputs["label"] == 3).all() and (outputs["probabilities"] == 0).all()
    assert_same(model, artifact, np.concatenate([x, far]))


def test_sparse_rows():
    """Fitted on a sparse matrix; new rows are dense."""
    from scipy.sparse import csr_matrix
    from sklearn.neighbors import KNeighborsClassifier, RadiusNeighborsRegressor

    x, y = zoo_data("digits")
    for estimator in (
        KNeighborsClassifier(3).fit(csr_matrix(x[:200]), y[:200]),
        RadiusNeighborsRegressor(25).fit(csr_matrix(x[:200]), y[:200] * 1.0),
    ):
        same(estimator, x[:300])
        assert not SOURCE.undecided(SOURCE.describe(estimator, "model"), x[:300]).all()


@pytest.mark.parametrize("label", [-1, 1])
def test_radius_by_brute_force(label):
    """scikit-learn counts votes in another way there."""
    from sklearn.neighbors import RadiusNeighborsClassifier
    from sklearn.preprocessing import StandardScaler

    x, y = zoo_data("wine")
    x = StandardScaler().fit_transform(x)
    estimator = RadiusNeighborsClassifier(8.0, outlier_label=label, algorithm="brute", p=1).fit(
        x[::3], y[::3]
    )
    assert any(len(near) == 0 for near in estimator.radius_neighbors(x)[1])
    same(estimator, x)


@pytest.mark.parametrize("label", [1, 20, 77, "most_frequent"])
@pytest.mark.parametrize("metric", ["manhattan", "euclidean"])
def test_labels_of_outliers_by_brute_force(metric, label):
    """scikit-learn takes the label for an index where it counts classes while it computes distances."""
    from sklearn.neighbors import RadiusNeighborsClassifier

    x, y = zoo_data("wine")
    model = RadiusNeighborsClassifier(30.0, metric=metric, algorithm="brute", outlier_label=label)
    same(model.fit(x, np.array([10, 20, 30])[y]), x, np.concatenate([x, x + 1e4]))


def test_metrics_of_special_rows():
    x, y = zoo_data("wine")[0], np.arange(178.0) ** 1.5
    zeros = np.zeros((1, 13))
    same(regressor(178, metric="cosine", weights="distance").fit(x, y), x, np.concatenate([zeros, x[:9]]))
    bits = (x > np.median(x, axis=0)).astype(float)
    for metric in ("jaccard", "russellrao", "rogerstanimoto"):
        estimator = regressor(178, metric=metric, weights="distance").fit(
            np.concatenate([bits[1:], zeros]), y
        )
        same(estimator, bits, np.concatenate([zeros, bits[:9]]))


def test_angles_on_a_globe():
    """Near points, a quarter turn, and nearly opposite ones."""
    places = np.array([[0.0, 0.0], [0.001, 0.0], [np.pi / 2, 0.3], [0.0, 3.1], [-1.5, 2.0], [0.7, -3.0]])
    estimator = regressor(6, metric="haversine", weights="distance", algorithm="brute")
    estimator.fit(places, np.arange(6.0))
    rows = np.concatenate([places + 1e-4, -places, places[::-1] * 0.5])
    same(estimator, places, rows.astype(np.float32).astype(np.float64), 2e-5)


def test_mahalanobis_by_covariance():
    x, y = zoo_data("diabetes")
    covariance = np.cov(x.T)
    for options in ({"V": covariance}, {"VI": np.linalg.inv(covariance)}):
        estimator = regressor(5, metric="mahalanobis", metric_params=options, algorithm="ball_tree")
        same(estimator.fit(x[::2], y[::2]), x)


def test_densities_at_their_ends():
    """Minus infinity where no fitted row is in reach; far from all rows the exact sum of the kernels."""
    from scipy.special import logsumexp
    from sklearn.neighbors import KernelDensity

    x = zoo_data("iris")[0]
    weights = np.where(np.arange(150) % 4, 1.0, 0.0)
    for kernel in ("tophat", "epanechnikov", "linear"):
        estimator = KernelDensity(kernel=kernel, bandwidth=0.4).fit(x[::2], sample_weight=weights[::2])
        _, artifact = convert("model", Specimen(estimator, x, x))
        rows = np.concatenate([x, x + 50])
        with np.errstate(divide="ignore"):  # of weights that are 0
            got, wanted = run(artifact, rows)["scores"], estimator.score_samples(rows)
        np.testing.assert_array_equal(np.isinf(got), np.isinf(wanted))
        inside = wanted > -20  # below, rows are in reach by rounding alone
        np.testing.assert_allclose(got[inside], wanted[inside], rtol=0, atol=1e-5)
    estimator = KernelDensity(bandwidth=0.5).fit(x)
    _, artifact = convert("model", Specimen(estimator, x, x))
    rows = (x + 8).astype(np.float32).astype(np.float64)
    squares = ((rows[:, None] - x[None]) ** 2).sum(axis=2)
    exact = logsumexp(-2 * squares, axis=1) - np.log(150) - 2 * np.log(2 * np.pi * 0.25)
    np.testing.assert_allclose(run(artifact, rows)["scores"], exact, rtol=1e-6)


def test_donors():
    """Rows that share no feature with any donor get the column's mean, rows of nothing all means."""
    from sklearn.impute import KNNImputer

    x = zoo_data("wine")[0][:, :5].copy()
    x[::2, :2], x[1::2, 2:] = np.nan, np.nan
    for weights in ("uniform", "distance"):
        for indicator in (False, True):
            estimator = KNNImputer(n_neighbors=3, weights=weights, add_indicator=indicator).fit(x)
            rows = np.concatenate([x, np.full((1, 5), np.nan), zoo_data("wine")[0][:4, :5]])
            same(estimator, x, rows)


def test_kernels_that_vanish():
    from sklearn.semi_supervised import LabelPropagation

    x, y = zoo_data("iris")
    estimator = LabelPropagation(gamma=20).fit(x, np.where(np.arange(150) % 2, y, -1))
    model, artifact = convert("model", Specimen(estimator, x, y))
    between = x + np.linspace(0, 2, 150)[:, None]  # gone in float32, not in float64
    assert_same(model, artifact, between)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        labels, shares = estimator.predict(x + 20), estimator.predict_proba(x + 20)
    outputs = run(artifact, x + 20)
    assert np.isnan(shares).all() and np.isnan(outputs["probabilities"]).all()
    np.testing.assert_array_equal(outputs["label"], labels)


def test_distributions_that_vanish():
    """Far from all labels a fitted row's own distribution is too small for its product with the kernel."""
    from sklearn.semi_supervised import LabelSpreading

    x, y = zoo_data("digits")
    x = (x[:240] - x.mean(axis=0)) / (x.std(axis=0) + 1e-9)
    estimator = LabelSpreading(gamma=20, max_iter=200)
    model, artifact = convert(
        "model", Specimen(estimator.fit(x[::2], np.where(np.arange(120) % 3, y[:240:2], -1)), x, y)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        shares = estimator.predict_proba(x)
        assert 0 < np.isnan(shares).any(axis=1).sum() < 120
        assert_same(model, artifact, x)


def test_affinity_propagation_without_centres():
    from sklearn.cluster import AffinityPropagation

    x, y = zoo_data("iris")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = AffinityPropagation(max_iter=1, random_state=0).fit(x)
    assert len(estimator.cluster_centers_) == 0
    model, artifact = convert("model", Specimen(estimator, x, y))
    assert (SOURCE.predict(model, "predict", x) == -1).all()
    assert (run(artifact, x)["label"] == -1).all()


def test_bisected_tree_is_not_the_nearest_centre():
    from sklearn.cluster import BisectingKMeans

    x, y = zoo_data("digits")
    estimator = BisectingKMeans(8, random_state=0).fit(x)
    _, artifact = convert("model", Specimen(estimator, x, y))
    wanted = estimator.predict(x)
    assert (wanted != estimator.transform(x).argmin(axis=1)).sum() > 20
    np.testing.assert_array_equal(run(artifact, x)["label"], wanted)
    one = BisectingKMeans(1, random_state=0).fit(x)
    assert (run(convert("model", Specimen(one, x, y))[1], x)["label"] == 0).all()


def test_agglomerated_targets_come_back():
    from sklearn.cluster import FeatureAgglomeration
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.linear_model import LinearRegression

    x, _ = zoo_data("wine")
    merged = TransformedTargetRegressor(
        LinearRegression(), transformer=FeatureAgglomeration(2), check_inverse=False
    )
    same(merged.fit(x[:, :8], x[:, 8:]), x[:, :8], tolerance=1e-5)


def overlap(left: Any, right: Any) -> Any:
    return np.minimum(left, right).sum(axis=-1)


class Overlap:
    def __call__(self, left: Any, right: Any) -> Any:
        return overlap(left, right)


def test_functions_are_refused():
    from sklearn.cluster import FeatureAgglomeration
    from sklearn.impute import KNNImputer
    from sklearn.metrics import DistanceMetric
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
    from sklearn.semi_supervised import LabelSpreading

    def overlap_of(x: Any, axis: int) -> Any:
        return overlap(x, x)

    unknown = "is a function, and what it computes is not known; use"
    for metric, name in ((overlap, "overlap"), (Overlap(), "Overlap")):
        assert reasons_for(KNeighborsClassifier(metric=metric)) == (
            f"model (KNeighborsClassifier): metric {name} {unknown} one of scikit-learn's"
        )
    by_object = KNeighborsRegressor(metric=DistanceMetric.get_metric("euclidean"))
    assert reasons_for(by_object) == (
        "model (KNeighborsRegressor): metric EuclideanDistance64 is an object with parameters of its own; "
        "give its name"
    )
    assert reasons_for(KNeighborsClassifier(weights=np.exp)) == (
        f"model (KNeighborsClassifier): weights exp {unknown} uniform or distance"
    )
    assert reasons_for(KNNImputer(weights=np.exp)) == (
        f"model (KNNImputer): weights exp {unknown} scikit-learn's own"
    )
    assert "pooling_func overlap_of is not translated; use one of numpy's" in reasons_for(
        FeatureAgglomeration(2, pooling_func=overlap_of)
    )

    def likeness(left: Any, right: Any) -> Any:
        return np.exp(-np.square(left[:, None] - right[None]).sum(axis=2))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert "its kernel is the function likeness" in reasons_for(LabelSpreading(likeness))


def test_precomputed_distances_are_refused():
    from sklearn.cluster import AffinityPropagation
    from sklearn.neighbors import KNeighborsClassifier

    x, y = zoo_data("iris")
    apart = np.sqrt(((x[:, None] - x[None]) ** 2).sum(axis=2))
    model = SOURCE.describe(KNeighborsClassifier(metric="precomputed").fit(apart, y), "model")
    assert CONVERTER.offers(model)["float32"] == (
        "model (KNeighborsClassifier): metric 'precomputed' takes distances instead of rows; "
        "use one of scikit-learn's metrics"
    )
    estimator = AffinityPropagation(affinity="precomputed", random_state=0).fit(-apart)
    with pytest.raises(UnsupportedModelError, match="not supported when affinity='precomputed'"):
        SOURCE.describe(estimator, "model")


def fingerprints(names: tuple[str, ...]) -> list[str]:
    return [hashlib.sha256(convert(name, ZOO[name]())[1].content).hexdigest() for name in names]


@pytest.mark.slow  # a fresh process
def test_another_process_gives_the_same_bytes():
    there = printed_elsewhere(__file__, "print(*t.fingerprints(t.IN_ANOTHER_PROCESS), sep='\\n')")
    assert there == fingerprints(IN_ANOTHER_PROCESS)
