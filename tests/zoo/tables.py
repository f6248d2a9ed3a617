"""Models of tables with text, booleans, categories and missing cells, made of the bundled sets."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from zoo.specimen import Array, Builder, Specimen, load, new, pipe

BANDS = np.array(["low", "middle", "high", "très haut"])


def banded(column: Array) -> Array:
    """A column cut into four named bands."""
    return BANDS[np.searchsorted(np.quantile(column, [0.3, 0.6, 0.9]), column)]


@functools.cache
def wine_table() -> tuple[Any, Array]:
    """Wine as people have it: numbers with gaps, text, categories, booleans, a column nobody needs."""
    import pandas

    x, y = load("wine")
    rng = np.random.default_rng(2)
    frame = pandas.DataFrame(
        {
            "alcohol": x[:, 0],
            "ash (g/l)": np.where(rng.random(len(x)) < 0.1, np.nan, x[:, 2]),
            "colour": banded(x[:, 9]).astype(object),
            "strong": x[:, 0] > 13,
            "hue": pandas.Categorical(banded(x[:, 10])),
            "origin": np.where(rng.random(len(x)) < 0.15, None, banded(x[:, 12])),
            "note": [f"bottle {i}" for i in range(len(x))],
            "label": np.round(x[:, 4] / 10),
        }
    )
    frame.loc[frame.index[::11], "colour"] = np.nan
    return frame, y


def of_table(make: Callable[[], Any], change: Callable[[Any, Array], Any] | None = None) -> Builder:
    """A specimen fitted on the first two thirds of the wine table; its rows are all of it."""

    @functools.cache
    def build() -> Specimen:
        frame, y = wine_table()
        if change is not None:
            frame, y = change(frame, y)
        known = 2 * len(frame) // 3
        return Specimen(make().fit(frame.iloc[:known], y[:known]), frame, y)

    return build


def columns(*parts: Any, remainder: Any = "drop") -> Any:
    return new("compose.ColumnTransformer", list(parts), remainder=remainder)


def mixed(**encoder: Any) -> Any:
    """The usual preparation: numbers filled and scaled, text filled and encoded."""
    numbers = pipe(new("impute.SimpleImputer"), new("preprocessing.StandardScaler"))
    words = pipe(
        new("impute.SimpleImputer", strategy="constant", fill_value="absent"),
        new("preprocessing.OneHotEncoder", **{"handle_unknown": "ignore", **encoder}),
    )
    return columns(
        ("numbers", numbers, ["alcohol", "ash (g/l)", "label"]),
        ("words", words, ["colour", "hue"]),
        ("origin", new("preprocessing.OneHotEncoder", handle_unknown="ignore"), ["origin"]),
        ("strong", "passthrough", ["strong"]),
    )


def _only(*names: str) -> Callable[[Any, Array], Any]:
    return lambda frame, y: (frame[list(names)], y)


def _without_gaps(*names: str) -> Callable[[Any, Array], Any]:
    def change(frame: Any, y: Array) -> Any:
        kept = frame[list(names)].notna().all(axis=1).to_numpy()
        return frame.loc[kept, list(names)], y[kept]

    return change


def _graded(frame: Any, y: Array) -> Any:
    chosen = frame[["alcohol", "ash (g/l)", "hue"]]
    return chosen.assign(grade=frame["origin"].astype("category")), y


def _described(frame: Any, y: Array) -> Any:
    pairs = zip(frame.colour, frame.hue, strict=True)
    return frame.assign(text=[f"A {colour} wine, {hue} hue." for colour, hue in pairs]), y


SPECIMENS: dict[str, Builder] = {
    "table-logistic": of_table(lambda: pipe(mixed(), new("linear_model.LogisticRegression", max_iter=2000))),
    "table-forest": of_table(
        lambda: pipe(
            mixed(drop="if_binary"),
            new("ensemble.RandomForestClassifier", n_estimators=5, random_state=0),
        )
    ),
    "table-ordinal": of_table(
        lambda: pipe(
            columns(
                (
                    "words",
                    new(
                        "preprocessing.OrdinalEncoder",
                        handle_unknown="use_encoded_value",
                        unknown_value=-1,
                        encoded_missing_value=-2,
                    ),
                    ["colour", "hue", "origin"],
                ),
            ),
            new("tree.DecisionTreeClassifier", max_depth=5, random_state=0),
        )
    ),
    "table-ordinal-frequent": of_table(
        lambda: columns(
            (
                "words",
                new(
                    "preprocessing.OrdinalEncoder",
                    handle_unknown="use_encoded_value",
                    unknown_value=np.nan,
                    min_frequency=20,
                ),
                ["colour", "hue", "origin"],
            )
        )
    ),
    "table-one-hot-infrequent": of_table(
        lambda: columns(
            (
                "words",
                new("preprocessing.OneHotEncoder", handle_unknown="infrequent_if_exist", min_frequency=20),
                ["colour", "hue", "origin"],
            )
        )
    ),
    "table-one-hot-known": of_table(
        lambda: pipe(new("preprocessing.OneHotEncoder", drop="first"), new("linear_model.RidgeClassifier")),
        _without_gaps("hue", "origin", "strong"),
    ),
    "table-target": of_table(
        lambda: pipe(
            new("preprocessing.TargetEncoder", random_state=0),
            new("linear_model.LogisticRegression", max_iter=1000),
        ),
        _only("colour", "hue", "origin"),
    ),
    "table-target-binary": of_table(
        lambda: new("preprocessing.TargetEncoder", smooth=5.0, random_state=0),
        lambda frame, y: (frame[["colour", "hue"]], y == 1),
    ),
    "table-target-continuous": of_table(
        lambda: new("preprocessing.TargetEncoder", random_state=0),
        lambda frame, y: (frame[["colour", "origin"]], frame["alcohol"].to_numpy()),
    ),
    "table-histogram-boosting": of_table(
        lambda: new(
            "ensemble.HistGradientBoostingClassifier",
            categorical_features=["hue", "grade"],
            max_iter=5,
            min_samples_leaf=5,
            random_state=0,
        ),
        _graded,
    ),
    "table-most-frequent": of_table(
        lambda: pipe(
            columns(
                (
                    "words",
                    pipe(
                        new("impute.SimpleImputer", strategy="most_frequent", add_indicator=True),
                        new("preprocessing.OneHotEncoder", handle_unknown="ignore"),
                    ),
                    ["colour"],
                ),
                ("missing", new("impute.MissingIndicator"), ["colour", "ash (g/l)"]),
                ("numbers", new("impute.SimpleImputer"), ["ash (g/l)", "alcohol"]),
            ),
            new("naive_bayes.GaussianNB"),
        )
    ),
    "table-union": of_table(
        lambda: pipe(
            new(
                "pipeline.FeatureUnion",
                [
                    ("mixed", mixed()),
                    ("numbers", columns(("scale", new("preprocessing.MinMaxScaler"), ["alcohol"]))),
                ],
            ),
            new("svm.SVC"),
        )
    ),
    "table-text-column": of_table(
        lambda: pipe(
            columns(
                ("words", new("feature_extraction.text.TfidfVectorizer"), "text"),
                (
                    "letters",
                    new("feature_extraction.text.CountVectorizer", analyzer="char_wb", ngram_range=(2, 2)),
                    "text",
                ),
                ("colour", new("preprocessing.OneHotEncoder", handle_unknown="ignore"), ["colour"]),
                ("alcohol", "passthrough", ["alcohol"]),
            ),
            new("linear_model.LogisticRegression", max_iter=2000),
        ),
        _described,
    ),
    "table-object-array": of_table(
        lambda: pipe(
            new("preprocessing.OneHotEncoder", handle_unknown="ignore"), new("naive_bayes.BernoulliNB")
        ),
        lambda frame, y: (frame[["hue", "strong", "origin"]].astype(object), y),
    ),
}
