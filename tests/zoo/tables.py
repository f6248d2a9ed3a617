"""Pipelines on tables as people have them: numbers, text, booleans, categories, missing cells."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.real_rows import descriptions, fit_rows, patient_table, wine_table
from zoo.specimen import Array, Builder, new, pipe

_NUMBERS = ["malic acid", "alcohol"]
_TEXT = ["hue", "cellar"]


def _columns(**options: Any) -> Any:
    numbers = pipe(new("impute.SimpleImputer", strategy="median"), new("preprocessing.StandardScaler"))
    text = pipe(
        new("impute.SimpleImputer", strategy="constant", fill_value="?"),
        new("preprocessing.OneHotEncoder", handle_unknown="ignore"),
    )
    parts = [
        ("numbers", numbers, _NUMBERS),
        ("text", text, _TEXT),
        ("strong", "passthrough", ["strong"]),
        ("label", new("preprocessing.OneHotEncoder"), ["label"]),
    ]
    return new("compose.ColumnTransformer", parts, **options)


def _by_dtype() -> Any:
    from sklearn.compose import make_column_selector

    return new(
        "compose.ColumnTransformer",
        [
            ("numbers", new("impute.SimpleImputer"), make_column_selector(dtype_include="number")),
            (
                "categories",
                new("preprocessing.OrdinalEncoder", handle_unknown="use_encoded_value", unknown_value=-1),
                make_column_selector(dtype_include="category"),
            ),
            ("flags", "passthrough", make_column_selector(dtype_include="bool")),
        ],
        verbose_feature_names_out=False,
    )


def _rest() -> Any:
    """Categories by place and name; all else goes on as it is."""
    encoder = new("preprocessing.OneHotEncoder", drop="if_binary", handle_unknown="ignore")
    return new("compose.ColumnTransformer", [("sex", encoder, ["sex", "age"])], remainder="passthrough")


def _classifier(last: str, **options: Any) -> Any:
    return pipe(_columns(), new(last, **options))


def _patients(change: Any = None) -> Any:
    def rows() -> tuple[Any, Array]:
        frame, y = patient_table()
        frame = frame.drop(columns="smoker")
        return frame if change is None else change(frame), y

    return rows


def _categories(frame: Any) -> Any:
    return frame.astype({"sex": "category", "age": "category"})


def _with_text() -> tuple[Any, Array]:
    """Lines of text beside their length, whether they hold digits, and their first letter."""
    import pandas

    lines, y = descriptions()
    return pandas.DataFrame(
        {
            "line": lines,
            "length": [len(line) for line in lines],
            "digits": [any(c.isdigit() for c in line) for line in lines],
            "first": [line[0].lower() for line in lines],
        }
    ), y


def _on_text() -> Any:
    words = new("feature_extraction.text.TfidfVectorizer", min_df=2)
    letters = new("feature_extraction.text.CountVectorizer", analyzer="char", max_features=30)
    return new(
        "compose.ColumnTransformer",
        [
            ("words", words, "line"),
            ("letters", letters, "line"),
            (
                "first",
                new("preprocessing.OneHotEncoder", min_frequency=3, handle_unknown="ignore"),
                ["first"],
            ),
            ("length", new("preprocessing.MinMaxScaler"), ["length"]),
        ],
        remainder="passthrough",
        sparse_threshold=0.9,
    )


_LOGISTIC = "linear_model.LogisticRegression"
_BOOSTING = "ensemble.HistGradientBoosting"
_FEW = {"max_iter": 6, "max_leaf_nodes": 8, "min_samples_leaf": 5, "random_state": 0}
SPECIMENS: dict[str, Builder] = {
    "table-transformed": fit_rows(_columns, wine_table),
    "table-logistic": fit_rows(lambda: _classifier(_LOGISTIC), wine_table),
    "table-forest": fit_rows(
        lambda: _classifier("ensemble.RandomForestClassifier", n_estimators=5, max_depth=5, random_state=0),
        wine_table,
    ),
    "table-neighbors": fit_rows(lambda: _classifier("neighbors.KNeighborsClassifier"), wine_table),
    "table-svc": fit_rows(lambda: _classifier("svm.SVC"), wine_table),
    "table-perceptron": fit_rows(
        lambda: _classifier(
            "neural_network.MLPClassifier", hidden_layer_sizes=(8,), solver="lbfgs", random_state=0
        ),
        wine_table,
    ),
    "table-by-dtype": fit_rows(
        lambda: pipe(_by_dtype(), new("tree.DecisionTreeClassifier", max_depth=4, random_state=0)), wine_table
    ),
    "table-selected": fit_rows(
        lambda: pipe(_columns(), new("feature_selection.SelectKBest", k=6), new(_LOGISTIC)), wine_table
    ),
    "table-clusters": fit_rows(
        lambda: _classifier("cluster.KMeans", n_clusters=3, random_state=0, n_init=1), wine_table
    ),
    "table-outliers": fit_rows(
        lambda: _classifier("ensemble.IsolationForest", n_estimators=5, random_state=0), wine_table
    ),
    "table-rest": fit_rows(lambda: pipe(_rest(), new("linear_model.Ridge")), _patients()),
    "table-rest-target": fit_rows(
        lambda: new(
            "compose.TransformedTargetRegressor",
            pipe(_rest(), new("linear_model.LinearRegression")),
            transformer=new("preprocessing.StandardScaler"),
        ),
        _patients(),
    ),
    "table-union": fit_rows(
        lambda: pipe(
            new("pipeline.FeatureUnion", [("a", _columns()), ("b", _by_dtype())]),
            new("impute.SimpleImputer"),
            new("preprocessing.StandardScaler"),
            new(_LOGISTIC),
        ),
        wine_table,
    ),
    "table-voting": fit_rows(
        lambda: new(
            "ensemble.VotingClassifier",
            [
                ("line", _classifier(_LOGISTIC)),
                ("tree", _classifier("tree.DecisionTreeClassifier", max_depth=3, random_state=0)),
            ],
            voting="soft",
        ),
        wine_table,
    ),
    "table-stacking": fit_rows(
        lambda: new(
            "ensemble.StackingClassifier",
            [("line", _classifier(_LOGISTIC)), ("near", _classifier("neighbors.KNeighborsClassifier"))],
            new(_LOGISTIC),
            cv=2,
        ),
        wine_table,
    ),
    "table-calibrated": fit_rows(
        lambda: new("calibration.CalibratedClassifierCV", _classifier("svm.LinearSVC"), cv=2), wine_table
    ),
    "table-search": fit_rows(
        lambda: new(
            "model_selection.GridSearchCV", _classifier(_LOGISTIC), {"logisticregression__C": [0.1, 1]}, cv=2
        ),
        wine_table,
    ),
    "table-one-vs-rest": fit_rows(
        lambda: new("multiclass.OneVsRestClassifier", _classifier(_LOGISTIC)), wine_table
    ),
    "table-boosting-from-dtype": fit_rows(
        lambda: new(f"{_BOOSTING}Classifier", categorical_features="from_dtype", **_FEW),
        lambda: (wine_table()[0].drop(columns=["hue", "cellar", "label"]), wine_table()[1]),
    ),
    "table-boosting-names": fit_rows(
        lambda: new(f"{_BOOSTING}Regressor", categorical_features=["sex", "age"], **_FEW), _patients()
    ),
    "table-boosting-categories": fit_rows(
        lambda: new(f"{_BOOSTING}Regressor", categorical_features="from_dtype", loss="poisson", **_FEW),
        _patients(_categories),
    ),
    "table-boosting-behind-a-step": fit_rows(
        lambda: pipe(
            "passthrough", new(f"{_BOOSTING}Regressor", categorical_features=["sex", "age", "bp"], **_FEW)
        ),
        _patients(),
    ),
    "table-text": fit_rows(lambda: pipe(_on_text(), new(_LOGISTIC, max_iter=2000)), _with_text),
    "table-text-svd": fit_rows(
        lambda: pipe(
            _on_text(), new("decomposition.TruncatedSVD", 6, random_state=0), new("neighbors.NearestCentroid")
        ),
        _with_text,
    ),
    "table-array": fit_rows(
        lambda: pipe(
            new(
                "compose.ColumnTransformer",
                [
                    ("text", new("preprocessing.OneHotEncoder", handle_unknown="ignore"), [0, 1]),
                    ("numbers", new("preprocessing.StandardScaler"), [2, 3]),
                ],
            ),
            new("linear_model.Ridge"),
        ),
        _patients(lambda frame: frame.to_numpy(object)),
    ),
    "table-missing": fit_rows(
        lambda: pipe(
            new(
                "compose.ColumnTransformer",
                [
                    ("numbers", _columns(), slice(None)),
                    ("missing", new("impute.MissingIndicator", features="all"), ["malic acid", "hue"]),
                    ("none", new("impute.MissingIndicator", missing_values=None), ["cellar"]),
                ],
            ),
            new("naive_bayes.BernoulliNB"),
        ),
        wine_table,
    ),
    "table-numbered": fit_rows(
        lambda: pipe(
            new(
                "compose.ColumnTransformer",
                [("text", new("preprocessing.TargetEncoder", cv=2, target_type="continuous"), [0, 1])],
                remainder=new("preprocessing.MinMaxScaler"),
            ),
            new("linear_model.Ridge"),
        ),
        _patients(lambda frame: frame.set_axis(np.arange(frame.shape[1]), axis=1)),
    ),
}
