"""Tiny fitted scikit-learn models on bundled real data, built on first use by name.

`ZOO[name]()` gives a `Specimen`: the fitted model, float64 rows it was not only fitted on, and their targets.
Every family that the sklearn converters know is here, with integer, string and multi-output targets and NaN:
one table, and as long as that takes.
"""

from __future__ import annotations

import functools
import importlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
ROWS = 240  # of the larger sets: enough to fit something real, quick enough for every test


@dataclass(frozen=True, slots=True)
class Specimen:
    """A fitted model, rows x: float64[n, features] (NaN where it takes it), targets y [n] or [n, k]."""

    model: Any
    x: Array
    y: Array


Builder = Callable[[], Specimen]


@functools.cache
def _data(name: str) -> tuple[Array, Array]:
    from sklearn import datasets

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))[:ROWS]
    return np.asarray(x, np.float64)[order], np.asarray(y)[order]


def _words(y: Array) -> Array:
    return np.array(["ankle", "boot", "coat", "dress", "éclair", "frock", "gown", "hat", "i", "j"])[y]


def _with_missing(x: Array, share: float = 0.1) -> Array:
    x = x.copy()
    x[np.random.default_rng(1).random(x.shape) < share] = np.nan
    return x


def _fit(make: Callable[[], Any], data: str, change: Callable[[Array, Array], Any] | None = None) -> Builder:
    @functools.cache
    def build() -> Specimen:
        x, y = _data(data)
        if change is not None:
            x, y = change(x, y)
        return Specimen(make().fit(x, y), x, y)

    return build


def _quietly(build: Builder) -> Builder:
    """Without the warning for what scikit-learn has deprecated and people still have."""

    def quiet() -> Specimen:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return build()

    return quiet


def _strings(x: Array, y: Array) -> tuple[Array, Array]:
    return x, _words(y)


def _sparse_ints(x: Array, y: Array) -> tuple[Array, Array]:
    return x, np.array([-7, 3, 40])[y]


def _bools(x: Array, y: Array) -> tuple[Array, Array]:
    return x, y.astype(bool)


def _whole_floats(x: Array, y: Array) -> tuple[Array, Array]:
    return x, np.array([-1.0, 2.0, 30.0])[y]  # scikit-learn takes fractions for regression targets


def _missing(x: Array, y: Array) -> tuple[Array, Array]:
    return _with_missing(x), y


def _two_targets(x: Array, y: Array) -> tuple[Array, Array]:
    return x, np.stack([y % 3, y % 2], axis=1)


def _coarse(x: Array, y: Array) -> tuple[Array, Array]:
    return np.floor(x[:, :12] / 4), y


def _half_coarse_missing(x: Array, y: Array) -> tuple[Array, Array]:
    # Some columns as categories with values that are not 0..k-1, others real, NaN in both.
    x = x.copy()
    x[:, [0, 3]] = np.floor(x[:, [0, 3]] * 2) + 5
    return _with_missing(x, 0.05), y


def _new(path: str, *args: Any, **parameters: Any) -> Any:
    """A new estimator by its place below sklearn: `_new("linear_model.Ridge", alpha=2)`."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(f"sklearn.{module}"), name)(*args, **parameters)


def _pipe(*steps: Any) -> Any:
    """A pipeline of estimators, or of (path, parameters) below sklearn."""
    from sklearn.pipeline import make_pipeline

    return make_pipeline(*steps)


def _scaled(path: str, **parameters: Any) -> Any:
    return _pipe(_new("preprocessing.StandardScaler"), _new(path, **parameters))


def _columns(classifier: Any) -> Any:
    columns = _new(
        "compose.ColumnTransformer",
        [
            ("scale", _new("preprocessing.MinMaxScaler"), [1, 2]),
            ("bins", _new("preprocessing.KBinsDiscretizer", n_bins=3, quantile_method="linear"), slice(3, 5)),
            ("drop", "drop", [0]),
            ("keep", "passthrough", [6]),
        ],
        remainder=_new("preprocessing.MaxAbsScaler"),
        transformer_weights={"scale": 2.0},
    )
    return _pipe(columns, classifier)


def _union() -> Any:
    return _new(
        "pipeline.FeatureUnion",
        [("pca", _new("decomposition.PCA", 3)), ("poly", _new("preprocessing.PolynomialFeatures", 2))],
        transformer_weights={"pca": 0.5},
    )


LINEAR: dict[str, Builder] = {
    "logistic-regression-binary": _fit(lambda: _scaled("linear_model.LogisticRegression"), "breast_cancer"),
    "logistic-regression-digits": _fit(lambda: _scaled("linear_model.LogisticRegression"), "digits"),
    "logistic-regression-strings": _fit(lambda: _scaled("linear_model.LogisticRegression"), "wine", _strings),
    "logistic-regression-sparse-ints": _fit(
        lambda: _new("linear_model.LogisticRegression", max_iter=3000), "iris", _sparse_ints
    ),
    "logistic-regression-bools": _fit(
        lambda: _scaled("linear_model.LogisticRegression"), "breast_cancer", _bools
    ),
    "decision-tree-float-labels": _fit(
        lambda: _scaled("tree.DecisionTreeClassifier", max_depth=3, random_state=0), "wine", _whole_floats
    ),
    "ridge-classifier": _fit(lambda: _scaled("linear_model.RidgeClassifier"), "wine", _strings),
    "ridge-classifier-binary": _fit(lambda: _scaled("linear_model.RidgeClassifier"), "breast_cancer"),
    "sgd-log-loss": _fit(
        lambda: _scaled("linear_model.SGDClassifier", loss="log_loss", random_state=0), "wine"
    ),
    "sgd-modified-huber": _fit(
        lambda: _scaled("linear_model.SGDClassifier", loss="modified_huber", random_state=0), "iris"
    ),
    "sgd-hinge": _fit(lambda: _scaled("linear_model.SGDClassifier", random_state=0), "digits"),
    "perceptron": _fit(lambda: _scaled("linear_model.Perceptron", random_state=0), "wine"),
    "linear-svc": _fit(lambda: _scaled("svm.LinearSVC"), "digits"),
    "lda": _fit(lambda: _new("discriminant_analysis.LinearDiscriminantAnalysis"), "wine"),
    "lda-binary": _fit(lambda: _new("discriminant_analysis.LinearDiscriminantAnalysis"), "breast_cancer"),
    "qda": _fit(lambda: _new("discriminant_analysis.QuadraticDiscriminantAnalysis"), "wine", _strings),
    "linear-regression": _fit(lambda: _new("linear_model.LinearRegression"), "diabetes"),
    "linear-regression-multi-output": _fit(lambda: _new("linear_model.LinearRegression"), "linnerud"),
    "ridge": _fit(lambda: _scaled("linear_model.Ridge"), "diabetes"),
    "lasso": _fit(lambda: _scaled("linear_model.Lasso"), "diabetes"),
    "elastic-net": _fit(lambda: _scaled("linear_model.ElasticNet"), "diabetes"),
    "sgd-regressor": _fit(lambda: _scaled("linear_model.SGDRegressor", random_state=0), "diabetes"),
    "linear-svr": _fit(lambda: _scaled("svm.LinearSVR", C=10), "diabetes"),
    "poisson-regressor": _fit(lambda: _scaled("linear_model.PoissonRegressor"), "diabetes"),
}

NEURAL: dict[str, Builder] = {
    "mlp-digits": _fit(
        lambda: _scaled("neural_network.MLPClassifier", hidden_layer_sizes=(16,), tol=0.05, random_state=0),
        "digits",
    ),
    "mlp-binary-tanh": _fit(
        lambda: _scaled(
            "neural_network.MLPClassifier",
            hidden_layer_sizes=(8, 4),
            activation="tanh",
            tol=0.05,
            random_state=0,
        ),
        "breast_cancer",
    ),
    "mlp-regressor": _fit(
        lambda: _scaled(
            "neural_network.MLPRegressor",
            hidden_layer_sizes=(8,),
            activation="logistic",
            solver="lbfgs",
            max_iter=5000,
            tol=0.1,
            random_state=0,
        ),
        "diabetes",
    ),
    "mlp-regressor-multi-output": _fit(
        lambda: _scaled(
            "neural_network.MLPRegressor",
            hidden_layer_sizes=(4,),
            solver="lbfgs",
            max_iter=5000,
            tol=0.1,
            random_state=0,
        ),
        "linnerud",
    ),
}

TREES: dict[str, Builder] = {
    "decision-tree": _fit(lambda: _new("tree.DecisionTreeClassifier", max_depth=6, random_state=0), "digits"),
    "decision-tree-missing": _fit(
        lambda: _new("tree.DecisionTreeClassifier", max_depth=5, random_state=0), "wine", _missing
    ),
    "decision-tree-regressor": _fit(
        lambda: _new("tree.DecisionTreeRegressor", max_depth=5, random_state=0), "diabetes"
    ),
    "decision-tree-multi-output": _fit(
        lambda: _new("tree.DecisionTreeClassifier", max_depth=5, random_state=0), "digits", _two_targets
    ),
    "extra-tree": _fit(
        lambda: _new("tree.ExtraTreeClassifier", max_depth=5, random_state=0), "wine", _strings
    ),
    "random-forest": _fit(
        lambda: _scaled("ensemble.RandomForestClassifier", n_estimators=10, random_state=0), "digits"
    ),
    "random-forest-strings": _fit(
        lambda: _new("ensemble.RandomForestClassifier", n_estimators=5, max_depth=4, random_state=0),
        "wine",
        _strings,
    ),
    "random-forest-missing": _fit(
        lambda: _new("ensemble.RandomForestClassifier", n_estimators=5, max_depth=4, random_state=0),
        "breast_cancer",
        _missing,
    ),
    "random-forest-multi-output": _fit(
        lambda: _new("ensemble.RandomForestClassifier", n_estimators=4, max_depth=5, random_state=0),
        "digits",
        _two_targets,
    ),
    "random-forest-regressor": _fit(
        lambda: _new("ensemble.RandomForestRegressor", n_estimators=6, max_depth=5, random_state=0),
        "diabetes",
    ),
    "random-forest-regressor-multi-output": _fit(
        lambda: _new("ensemble.RandomForestRegressor", n_estimators=4, random_state=0), "linnerud"
    ),
    "extra-trees": _fit(
        lambda: _new("ensemble.ExtraTreesClassifier", n_estimators=6, max_depth=6, random_state=0),
        "digits",
    ),
    "extra-trees-regressor": _fit(
        lambda: _new("ensemble.ExtraTreesRegressor", n_estimators=4, max_depth=5, random_state=0),
        "diabetes",
    ),
}

BOOSTING: dict[str, Builder] = {
    "gradient-boosting": _fit(
        lambda: _new("ensemble.GradientBoostingClassifier", n_estimators=5, random_state=0), "wine", _strings
    ),
    "gradient-boosting-binary": _fit(
        lambda: _new("ensemble.GradientBoostingClassifier", n_estimators=10, random_state=0),
        "breast_cancer",
    ),
    "gradient-boosting-exponential": _fit(
        lambda: _new(
            "ensemble.GradientBoostingClassifier", loss="exponential", n_estimators=5, random_state=0
        ),
        "breast_cancer",
    ),
    "gradient-boosting-regressor": _fit(
        lambda: _new("ensemble.GradientBoostingRegressor", n_estimators=10, random_state=0), "diabetes"
    ),
    "gradient-boosting-zero-init": _fit(
        lambda: _new("ensemble.GradientBoostingRegressor", init="zero", n_estimators=5, random_state=0),
        "diabetes",
    ),
    "hist-gradient-boosting": _fit(
        lambda: _new("ensemble.HistGradientBoostingClassifier", random_state=0, max_iter=4, max_leaf_nodes=8),
        "digits",
    ),
    "hist-gradient-boosting-binary": _fit(
        lambda: _new("ensemble.HistGradientBoostingClassifier", random_state=0, max_iter=8),
        "breast_cancer",
        _missing,
    ),
    "hist-gradient-boosting-categorical": _fit(
        lambda: _new(
            "ensemble.HistGradientBoostingClassifier",
            random_state=0,
            max_iter=8,
            categorical_features=[0, 3],
            min_samples_leaf=5,
        ),
        "wine",
        _half_coarse_missing,
    ),
    "hist-gradient-boosting-regressor": _fit(
        lambda: _new("ensemble.HistGradientBoostingRegressor", random_state=0, max_iter=8), "diabetes"
    ),
    "hist-gradient-boosting-poisson": _fit(
        lambda: _new("ensemble.HistGradientBoostingRegressor", random_state=0, loss="poisson", max_iter=8),
        "diabetes",
        _missing,
    ),
    "hist-gradient-boosting-gamma": _fit(
        lambda: _new("ensemble.HistGradientBoostingRegressor", random_state=0, loss="gamma", max_iter=5),
        "diabetes",
    ),
    "hist-gradient-boosting-quantile": _fit(
        lambda: _new(
            "ensemble.HistGradientBoostingRegressor",
            random_state=0,
            loss="quantile",
            quantile=0.8,
            max_iter=5,
        ),
        "diabetes",
    ),
    "ada-boost": _fit(
        lambda: _new("ensemble.AdaBoostClassifier", n_estimators=6, random_state=0), "wine", _strings
    ),
    "ada-boost-binary": _fit(
        lambda: _new("ensemble.AdaBoostClassifier", n_estimators=6, random_state=0), "breast_cancer"
    ),
    "ada-boost-regressor": _fit(
        lambda: _new("ensemble.AdaBoostRegressor", n_estimators=5, random_state=0), "diabetes"
    ),
}

KERNELS_AND_NEIGHBORS: dict[str, Builder] = {
    "svc-rbf": _fit(lambda: _scaled("svm.SVC"), "digits"),
    "svc-rbf-binary": _fit(lambda: _scaled("svm.SVC"), "breast_cancer"),
    "svc-poly-strings": _fit(lambda: _scaled("svm.SVC", kernel="poly"), "wine", _strings),
    "svc-linear-one-vs-one": _fit(
        lambda: _scaled("svm.SVC", kernel="linear", decision_function_shape="ovo"), "wine"
    ),
    "svc-probability": _quietly(_fit(lambda: _scaled("svm.SVC", probability=True, random_state=0), "wine")),
    "svc-probability-binary": _quietly(
        _fit(lambda: _scaled("svm.SVC", probability=True, random_state=0), "breast_cancer")
    ),
    "svc-break-ties": _fit(lambda: _scaled("svm.SVC", break_ties=True), "iris"),
    "nu-svc-sigmoid": _fit(lambda: _scaled("svm.NuSVC", kernel="sigmoid", nu=0.2), "wine"),
    "svr": _fit(lambda: _scaled("svm.SVR", C=100), "diabetes"),
    "nu-svr": _fit(lambda: _scaled("svm.NuSVR", C=100), "diabetes"),
    "k-neighbors": _fit(lambda: _scaled("neighbors.KNeighborsClassifier", n_neighbors=3), "digits"),
    "k-neighbors-strings": _fit(
        lambda: _scaled("neighbors.KNeighborsClassifier", n_neighbors=4), "wine", _strings
    ),
    "k-neighbors-regressor": _fit(
        lambda: _scaled("neighbors.KNeighborsRegressor", n_neighbors=5), "diabetes"
    ),
    "k-means": _fit(lambda: _new("cluster.KMeans", 5, n_init=1, random_state=0), "digits"),
    "mini-batch-k-means": _fit(
        lambda: _scaled("cluster.MiniBatchKMeans", n_clusters=3, n_init=1, random_state=0), "wine"
    ),
}

BAYES: dict[str, Builder] = {
    "gaussian-nb": _fit(lambda: _new("naive_bayes.GaussianNB"), "wine", _strings),
    "bernoulli-nb": _fit(lambda: _new("naive_bayes.BernoulliNB", binarize=7.5), "digits"),
    "multinomial-nb": _fit(lambda: _new("naive_bayes.MultinomialNB"), "digits"),
    "complement-nb": _fit(lambda: _new("naive_bayes.ComplementNB"), "digits"),
    "categorical-nb": _fit(lambda: _new("naive_bayes.CategoricalNB", min_categories=5), "digits", _coarse),
}

PREPROCESSING: dict[str, Builder] = {
    "pca": _fit(lambda: _pipe(_new("preprocessing.RobustScaler"), _new("decomposition.PCA", 5)), "wine"),
    "pca-whitened-logistic": _fit(
        lambda: _pipe(_new("decomposition.PCA", 8, whiten=True), _new("linear_model.LogisticRegression")),
        "digits",
    ),
    "min-max-clip": _fit(lambda: _new("preprocessing.MinMaxScaler", (-1, 1), clip=True), "wine"),
    "normalizer-ridge": _fit(
        lambda: _pipe(_new("preprocessing.Normalizer", "l1"), _new("linear_model.Ridge", 0.01)), "diabetes"
    ),
    "imputer-logistic": _fit(
        lambda: _pipe(
            _new("impute.SimpleImputer", strategy="median", add_indicator=True),
            _new("preprocessing.StandardScaler"),
            _new("linear_model.LogisticRegression"),
        ),
        "wine",
        _missing,
    ),
    "one-hot-logistic": _fit(
        lambda: _pipe(
            _new("preprocessing.OneHotEncoder", handle_unknown="ignore"),
            _new("linear_model.LogisticRegression"),
        ),
        "digits",
        _coarse,
    ),
    "columns-logistic": _fit(
        lambda: _columns(_new("linear_model.LogisticRegression", max_iter=5000)), "wine"
    ),
    "union-ridge": _fit(lambda: _pipe(_union(), _new("linear_model.Ridge")), "iris"),
    "binarizer-bernoulli-nb": _fit(
        lambda: _pipe(_new("preprocessing.Binarizer", threshold=7.5), _new("naive_bayes.BernoulliNB")),
        "digits",
    ),
    "select-k-best": _fit(
        lambda: _pipe(
            _new("feature_selection.VarianceThreshold"),
            _new("feature_selection.SelectKBest", k=20),
            _new("tree.DecisionTreeClassifier", max_depth=4, random_state=0),
        ),
        "digits",
    ),
}

ENSEMBLES: dict[str, Builder] = {
    "voting-soft": _fit(
        lambda: _new(
            "ensemble.VotingClassifier",
            [
                ("tree", _new("tree.DecisionTreeClassifier", max_depth=3, random_state=0)),
                ("nb", _new("naive_bayes.GaussianNB")),
            ],
            voting="soft",
            weights=[2, 1],
        ),
        "wine",
        _strings,
    ),
    "voting-hard": _fit(
        lambda: _new(
            "ensemble.VotingClassifier",
            [
                ("tree", _new("tree.DecisionTreeClassifier", max_depth=3, random_state=0)),
                ("svm", _scaled("svm.LinearSVC")),
                ("nb", _new("naive_bayes.GaussianNB")),
            ],
        ),
        "wine",
    ),
    "voting-regressor": _fit(
        lambda: _new(
            "ensemble.VotingRegressor",
            [
                ("ridge", _new("linear_model.Ridge")),
                ("tree", _new("tree.DecisionTreeRegressor", max_depth=4, random_state=0)),
            ],
        ),
        "diabetes",
    ),
    "stacking": _fit(
        lambda: _new(
            "ensemble.StackingClassifier",
            [
                ("svm", _scaled("svm.LinearSVC")),
                ("nb", _new("naive_bayes.GaussianNB")),
            ],
            cv=3,
        ),
        "breast_cancer",
        lambda x, y: (x, _words(y)),
    ),
    "stacking-regressor": _fit(
        lambda: _new(
            "ensemble.StackingRegressor",
            [
                ("ridge", _new("linear_model.Ridge")),
                ("tree", _new("tree.DecisionTreeRegressor", max_depth=4, random_state=0)),
            ],
            passthrough=True,
            cv=3,
        ),
        "diabetes",
    ),
    "bagging": _fit(
        lambda: _new(
            "ensemble.BaggingClassifier",
            _new("tree.DecisionTreeClassifier", max_depth=4),
            n_estimators=4,
            max_features=0.5,
            random_state=0,
        ),
        "wine",
        _strings,
    ),
    "bagging-regressor": _fit(
        lambda: _new("ensemble.BaggingRegressor", _new("linear_model.Ridge"), n_estimators=3, random_state=0),
        "diabetes",
    ),
    "calibrated-sigmoid": _fit(
        lambda: _new("calibration.CalibratedClassifierCV", _scaled("svm.LinearSVC"), cv=2), "wine", _strings
    ),
    "calibrated-sigmoid-binary": _fit(
        lambda: _new("calibration.CalibratedClassifierCV", _new("naive_bayes.GaussianNB"), cv=2),
        "breast_cancer",
    ),
    "multi-output-classifier": _fit(
        lambda: _pipe(
            _new("preprocessing.StandardScaler"),
            _new("multioutput.MultiOutputClassifier", _new("linear_model.LogisticRegression")),
        ),
        "digits",
        _two_targets,
    ),
    "multi-output-regressor": _fit(
        lambda: _new("multioutput.MultiOutputRegressor", _new("linear_model.Ridge")), "linnerud"
    ),
    "one-vs-rest": _fit(
        lambda: _new("multiclass.OneVsRestClassifier", _scaled("linear_model.LogisticRegression")),
        "wine",
        _strings,
    ),
    "grid-search": _fit(
        lambda: _new(
            "model_selection.GridSearchCV",
            _scaled("linear_model.LogisticRegression"),
            {"logisticregression__C": [0.1, 1.0]},
            cv=2,
        ),
        "wine",
        _sparse_ints,
    ),
}

ZOO: dict[str, Builder] = {
    **LINEAR, **NEURAL, **TREES, **BOOSTING, **KERNELS_AND_NEIGHBORS, **BAYES, **PREPROCESSING, **ENSEMBLES,
}  # fmt: skip
