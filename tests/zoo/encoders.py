"""Encoders of categories with their options, imputers of text: alone and before models."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.real_rows import fit_rows, patient_table, wine_table
from zoo.specimen import Array, Builder, fit, missing, new, pipe, quietly, with_missing

_TEXT = ["hue", "cellar", "shade", "label"]
_WHOLE = ["label", "strong"]  # nothing missing


def _on(names: list[str], change: Any = None) -> Any:
    def rows() -> Any:
        frame, y = wine_table()
        frame = frame[names]
        return frame if change is None else change(frame), y

    return rows


def _hot(names: list[str] = _TEXT, **options: Any) -> Builder:
    return fit_rows(lambda: new("preprocessing.OneHotEncoder", **options), _on(names))


def _ordinal(names: list[str] = _TEXT, **options: Any) -> Builder:
    return fit_rows(lambda: new("preprocessing.OrdinalEncoder", **options), _on(names))


def _target(y: Any, **options: Any) -> Builder:
    def rows() -> Any:
        frame, targets = wine_table()
        return frame[[*_TEXT, "strong"]], y(frame, targets)

    return fit_rows(lambda: new("preprocessing.TargetEncoder", cv=3, random_state=0, **options), rows)


def _imputer(names: list[str], **options: Any) -> Builder:
    return fit_rows(
        lambda: pipe(new("impute.SimpleImputer", **options), new("preprocessing.OneHotEncoder")), _on(names)
    )


def _numeric(change: Any = missing, **options: Any) -> Builder:
    return fit(lambda: new("impute.SimpleImputer", **options), "wine", change)


def _marked(x: Array, y: Array) -> tuple[Array, Array]:
    return np.nan_to_num(with_missing(x), nan=-1.0), y


def _with_empty(x: Array, y: Array) -> tuple[Array, Array]:
    x = with_missing(np.round(x))
    x[:, 4] = np.nan
    return x, y


def _patients() -> Any:
    frame, y = patient_table()
    return frame.drop(columns="bmi").to_numpy(object), y


_UNKNOWN = {"handle_unknown": "use_encoded_value"}
SPECIMENS: dict[str, Builder] = {
    "one-hot": _hot(),
    "one-hot-drop-first": _hot(drop="first", sparse_output=False, dtype=np.int32),
    "one-hot-drop-if-binary": _hot(["strong", "hue"], drop="if_binary", handle_unknown="ignore"),
    "one-hot-drop-these": _hot(_WHOLE, drop=["10", True]),
    "one-hot-ignore": _hot(handle_unknown="ignore"),
    "one-hot-infrequent": _hot(min_frequency=30, handle_unknown="infrequent_if_exist"),
    "one-hot-infrequent-share": _hot(min_frequency=0.2, handle_unknown="ignore"),
    "one-hot-infrequent-warn": _hot(max_categories=3, handle_unknown="warn"),
    "one-hot-infrequent-dropped": _hot(max_categories=2, drop="first", handle_unknown="infrequent_if_exist"),
    "one-hot-all-infrequent": _hot(_WHOLE, max_categories=1, handle_unknown="infrequent_if_exist"),
    "one-hot-given": _hot(
        _WHOLE, categories=[["10", "2", "1", "absent"], [False, True]], handle_unknown="ignore"
    ),
    "ordinal": _ordinal(),
    "ordinal-missing": _ordinal(encoded_missing_value=-5),
    "ordinal-unknown": _ordinal(**_UNKNOWN, unknown_value=-1, dtype=np.float32),
    "ordinal-unknown-nan": _ordinal(**_UNKNOWN, unknown_value=np.nan, encoded_missing_value=-2),
    "ordinal-infrequent": _ordinal(**_UNKNOWN, unknown_value=-1, min_frequency=40),
    "ordinal-few": _ordinal(max_categories=3),
    "ordinal-whole": _ordinal(_WHOLE, dtype=np.int64),
    "target-classes": quietly(_target(lambda frame, y: y)),
    "target-binary": quietly(_target(lambda frame, y: frame["alcohol"] > 13, smooth=5.0)),
    "target-values": quietly(
        _target(lambda frame, y: frame["alcohol"], smooth=0.0, target_type="continuous")
    ),
    "impute-most-frequent": _imputer(["hue", "label"], strategy="most_frequent"),
    "impute-constant": _imputer(["hue", "label"], strategy="constant"),
    "impute-named": _imputer(
        ["hue", "label"], strategy="constant", fill_value="unbekannt", add_indicator=True
    ),
    "impute-none": _imputer(["cellar", "label"], strategy="most_frequent", missing_values=None),
    "impute-text": _imputer(["label"], strategy="constant", fill_value="2", missing_values="10"),
    "impute-then-ordinal": fit_rows(
        lambda: pipe(
            new("impute.SimpleImputer", strategy="most_frequent", add_indicator=True),
            new("preprocessing.OrdinalEncoder", **_UNKNOWN, unknown_value=-1),
            new("tree.DecisionTreeClassifier", max_depth=4, random_state=0),
        ),
        _on(["hue", "shade"]),
    ),
    "imputer-mean": _numeric(strategy="mean", add_indicator=True),
    "imputer-median-of-marked": _numeric(_marked, missing_values=-1.0, strategy="median"),
    "imputer-constant-with-empty": _numeric(
        _with_empty, strategy="constant", fill_value=-3.5, keep_empty_features=True
    ),
    "imputer-most-frequent-but-empty": _numeric(_with_empty, strategy="most_frequent"),
    "missing-indicator": fit(lambda: new("impute.MissingIndicator", error_on_new=False), "wine", missing),
    "missing-indicator-none": fit_rows(
        lambda: new("impute.MissingIndicator", features="all", missing_values=None), _on(["cellar", "label"])
    ),
    "one-hot-of-an-array": fit_rows(
        lambda: new("preprocessing.OneHotEncoder", handle_unknown="ignore"),
        _on(_TEXT, lambda frame: frame.to_numpy(object)),
    ),
    "one-hot-of-mixed-cells": fit_rows(
        lambda: pipe(new("preprocessing.OneHotEncoder", handle_unknown="ignore"), new("linear_model.Ridge")),
        _patients,
    ),
    "ordinal-forest": fit_rows(
        lambda: pipe(
            new("preprocessing.OrdinalEncoder", **_UNKNOWN, unknown_value=-1, encoded_missing_value=-1),
            new("ensemble.RandomForestRegressor", 4, max_depth=5, random_state=0),
        ),
        _patients,
    ),
}
