"""LightGBM, XGBoost and CatBoost: their estimators, every objective, and inside scikit-learn's."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
from conftest import require_module

from zoo.specimen import (
    Array,
    Builder,
    Specimen,
    load,
    missing,
    new,
    pipe,
    sparse_ints,
    strings,
    with_missing,
)

Change = Callable[[Array, Array], Any]
_COMMON: dict[str, dict[str, Any]] = {
    "lightgbm": {
        "n_estimators": 6, "num_leaves": 8, "min_child_samples": 5, "n_jobs": 1, "verbose": -1,
        "random_state": 0, "deterministic": True, "force_row_wise": True,
    },
    "xgboost": {"n_estimators": 5, "max_depth": 4, "n_jobs": 1, "random_state": 0},
    "catboost": {
        "iterations": 6, "depth": 4, "thread_count": 1, "random_seed": 0, "verbose": 0,
        "allow_writing_files": False,
    },
}  # fmt: skip
_PREFIXES = {"LGBM": "lightgbm", "XGB": "xgboost", "CatBoost": "catboost"}


def boosted(kind: str, **parameters: Any) -> Any:
    """A small estimator by its class name, with those parameters; None leaves one of ours out."""
    library = next(name for prefix, name in _PREFIXES.items() if kind.startswith(prefix))
    require_module(library)
    given = {**_COMMON[library], **parameters}
    chosen = {name: value for name, value in given.items() if value is not None or name == "missing"}
    return getattr(importlib.import_module(library), kind)(**chosen)


def built(
    make: Callable[[], Any],
    data: str,
    change: Change | None = None,
    extra: Callable[[Array, Array], dict[str, Any]] = lambda x, y: {},
) -> Builder:
    """`extra`: what fit gets besides x and y."""

    @functools.cache
    def build() -> Specimen:
        x, y = load(data)
        if change is not None:
            x, y = change(x, y)
        return Specimen(make().fit(x, y, **extra(x, y)), x, y)

    return build


def own(kind: str, data: str, change: Change | None = None, **parameters: Any) -> Builder:
    return built(lambda: boosted(kind, **parameters), data, change)


def codes(x: Array, y: Array) -> tuple[Array, Array]:
    """Columns as whole numbers below 8 with some missing: categories."""
    return with_missing(np.floor(x[:, 20:40] / 2), 0.03), y


def lifted(x: Array, y: Array) -> tuple[Array, Array]:
    """Half of the values are 0."""
    return np.where(x > np.median(x, axis=0), x, 0.0), y


def labels(x: Array, y: Array) -> tuple[Array, Array]:
    return x, np.stack([y % 2, y > 4, y % 3 == 0], axis=1).astype(int)


def frame(x: Array, y: Array) -> tuple[Any, Array]:
    """A table: numbers with some missing, booleans, text and whole numbers as categories, some missing."""
    require_module("pandas")
    from pandas import Categorical, DataFrame

    shades = np.array(["pale", "clear", "deep"])[np.digitize(x[:, 9], [3.5, 5.5])]
    table = {
        "malic acid": with_missing(x)[:, 1],
        "shade": Categorical(np.where(np.arange(len(x)) % 11, shades, None), categories=sorted(set(shades))),
        "label": Categorical(np.floor(x[:, 0]).astype(int)),
        "strong": x[:, 0] > 13,
    }
    return DataFrame(table), y


def halves(x: Array, y: Array) -> dict[str, Any]:
    """A set to stop early on, as LightGBM takes it."""
    import lightgbm

    stop = lightgbm.early_stopping(2, verbose=False)
    return {"eval_X": (x[1::2],), "eval_y": (y[::-1][1::2],), "callbacks": [stop]}


def _lightgbm() -> dict[str, Builder]:
    found = {
        "lgbm-binary": own("LGBMClassifier", "breast_cancer", missing),
        "lgbm-strings": own("LGBMClassifier", "wine", strings),
        "lgbm-sparse-ints": own("LGBMClassifier", "wine", sparse_ints),
        "lgbm-digits": own("LGBMClassifier", "digits", n_estimators=3),
        "lgbm-one-vs-all": own("LGBMClassifier", "wine", objective="multiclassova", sigmoid=0.7),
        "lgbm-sigmoid": own("LGBMClassifier", "breast_cancer", sigmoid=2.5),
        "lgbm-cross-entropy": own("LGBMClassifier", "breast_cancer", objective="cross_entropy"),
        "lgbm-squared-error": own("LGBMClassifier", "breast_cancer", objective="regression"),
        "lgbm-dart": own("LGBMClassifier", "wine", boosting_type="dart"),
        "lgbm-random-forest": own(
            "LGBMClassifier", "wine", boosting_type="rf", subsample=0.6, subsample_freq=1
        ),
        "lgbm-zero-as-missing": own("LGBMClassifier", "wine", lifted, zero_as_missing=True),
        "lgbm-without-missing": own("LGBMClassifier", "wine", missing, use_missing=False),
        "lgbm-early-stopping": built(
            lambda: boosted("LGBMClassifier", n_estimators=40, learning_rate=0.5), "wine", extra=halves
        ),
        "lgbm-categories": built(
            lambda: boosted("LGBMClassifier", n_estimators=3, min_data_per_group=5, cat_smooth=1.0),
            "digits",
            codes,
            lambda x, y: {"categorical_feature": list(range(15))},
        ),
        "lgbm-categories-one-hot": built(
            lambda: boosted("LGBMClassifier", n_estimators=3, max_cat_to_onehot=20),
            "digits",
            codes,
            lambda x, y: {"categorical_feature": list(range(15))},
        ),
        "lgbm-frame": own("LGBMClassifier", "wine", frame, min_data_per_group=5, cat_smooth=1.0),
        "lgbm-square-root": own("LGBMRegressor", "diabetes", reg_sqrt=True),
        "lgbm-linear-tree": own("LGBMRegressor", "diabetes", linear_tree=True),
        "lgbm-linear-tree-missing": own("LGBMRegressor", "diabetes", missing, linear_tree=True),
        "lgbm-linear-tree-classes": own("LGBMClassifier", "wine", linear_tree=True),
        "lgbm-constant": own("LGBMRegressor", "diabetes", min_child_samples=500),
        "lgbm-ranker": built(
            lambda: boosted("LGBMRanker"), "breast_cancer", extra=lambda x, y: {"group": [len(y)]}
        ),
    }
    for objective in (
        "regression", "regression_l1", "huber", "fair", "poisson", "quantile", "mape", "gamma", "tweedie",
    ):  # fmt: skip
        name = f"lgbm-{objective.replace('_', '-')}"
        found[name] = own("LGBMRegressor", "diabetes", objective=objective)
    return found


def _xgboost() -> dict[str, Builder]:
    ranking = {"extra": lambda x, y: {"qid": np.zeros(len(y), int)}}
    categorical = {"enable_categorical": True, "feature_types": ["c"] * 15 + ["q"] * 5}
    found = {
        "xgb-binary": own("XGBClassifier", "breast_cancer", missing),
        "xgb-wine": own("XGBClassifier", "wine"),
        "xgb-softmax": own("XGBClassifier", "wine", objective="multi:softmax"),
        "xgb-base-score": own("XGBClassifier", "breast_cancer", base_score=0.2),
        "xgb-logit-raw": own("XGBClassifier", "breast_cancer", objective="binary:logitraw"),
        "xgb-hinge": own("XGBClassifier", "breast_cancer", objective="binary:hinge"),
        "xgb-zero-is-missing": own("XGBClassifier", "wine", lifted, missing=0),
        "xgb-categories": own("XGBClassifier", "digits", codes, n_estimators=3, **categorical),
        "xgb-categories-one-hot": own(
            "XGBClassifier", "digits", codes, n_estimators=3, max_cat_to_onehot=20, **categorical
        ),
        "xgb-frame": own("XGBClassifier", "wine", frame, enable_categorical=True),
        "xgb-frame-sets": own("XGBRegressor", "wine", frame, enable_categorical=True, max_cat_to_onehot=1),
        "xgb-dart": own("XGBClassifier", "wine", booster="dart", rate_drop=0.4),
        "xgb-linear": own("XGBRegressor", "diabetes", missing, booster="gblinear", max_depth=None),
        "xgb-linear-classes": own("XGBClassifier", "wine", booster="gblinear", max_depth=None),
        "xgb-forest": own("XGBRFClassifier", "wine"),
        "xgb-forest-regressor": own("XGBRFRegressor", "diabetes"),
        "xgb-parallel-trees": own("XGBClassifier", "wine", num_parallel_tree=3, subsample=0.6),
        "xgb-pruned": own("XGBClassifier", "wine", tree_method="exact", gamma=1.0),
        "xgb-early-stopping": built(
            lambda: boosted("XGBClassifier", n_estimators=40, learning_rate=0.6, early_stopping_rounds=2),
            "wine",
            extra=lambda x, y: {"eval_set": [(x[1::2], y[::-1][1::2])], "verbose": False},
        ),
        "xgb-multilabel": own("XGBClassifier", "digits", labels),
        "xgb-multilabel-vectors": own("XGBClassifier", "digits", labels, multi_strategy="multi_output_tree"),
        "xgb-multi-output": own("XGBRegressor", "linnerud"),
        "xgb-multi-output-vectors": own("XGBRegressor", "linnerud", multi_strategy="multi_output_tree"),
        "xgb-quantiles": own(
            "XGBRegressor", "diabetes", objective="reg:quantileerror", quantile_alpha=[0.1, 0.5, 0.9]
        ),
        "xgb-constant": own("XGBRegressor", "diabetes", min_child_weight=1e6),
        "xgb-ranker": built(lambda: boosted("XGBRanker"), "breast_cancer", **ranking),
        "xgb-pairwise": built(
            lambda: boosted("XGBRanker", objective="rank:pairwise"), "breast_cancer", **ranking
        ),
    }
    for objective in (
        "reg:squarederror", "reg:squaredlogerror", "reg:pseudohubererror", "reg:absoluteerror", "reg:gamma",
        "reg:tweedie", "count:poisson", "survival:cox",
    ):  # fmt: skip
        name = f"xgb-{objective.partition(':')[2]}"
        found[name] = own("XGBRegressor", "diabetes", objective=objective, base_score=0.7)
    return found


def _catboost() -> dict[str, Builder]:
    found = {
        "catboost-binary": own("CatBoostClassifier", "breast_cancer", missing),
        "catboost-missing-high": own("CatBoostClassifier", "breast_cancer", missing, nan_mode="Max"),
        "catboost-digits": own("CatBoostClassifier", "digits"),
        "catboost-sparse-ints": own("CatBoostClassifier", "wine", sparse_ints),
        "catboost-one-vs-all": own("CatBoostClassifier", "wine", loss_function="MultiClassOneVsAll"),
        "catboost-multilabel": own("CatBoostClassifier", "digits", labels, loss_function="MultiLogloss"),
        "catboost-depthwise": own("CatBoostClassifier", "wine", missing, grow_policy="Depthwise"),
        "catboost-lossguide": own("CatBoostRegressor", "diabetes", missing, grow_policy="Lossguide"),
        "catboost-uncertainty": own("CatBoostRegressor", "diabetes", loss_function="RMSEWithUncertainty"),
        "catboost-multi-output": own("CatBoostRegressor", "linnerud", loss_function="MultiRMSE"),
        "catboost-quantiles": own(
            "CatBoostRegressor", "diabetes", loss_function="MultiQuantile:alpha=0.2,0.8"
        ),
        "catboost-ranker": built(
            lambda: boosted("CatBoostRanker", loss_function="YetiRank"),
            "breast_cancer",
            extra=lambda x, y: {"group_id": np.zeros(len(y), int)},
        ),
    }
    for loss in ("RMSE", "MAE", "Poisson", "Tweedie:variance_power=1.5"):
        name = f"catboost-{loss.partition(':')[0].lower()}"
        found[name] = own("CatBoostRegressor", "diabetes", loss_function=loss)
    return found


def _thirds(*steps: str) -> list[tuple[str, Any]]:
    return [(kind.lower(), boosted(kind, **_SMALLER[kind[:3]])) for kind in steps]


_SMALLER: dict[str, dict[str, Any]] = {
    "LGB": {"n_estimators": 3}, "XGB": {"n_estimators": 3}, "Cat": {"iterations": 3, "depth": 3},
}  # fmt: skip
_CLASSIFIERS = ("LGBMClassifier", "XGBClassifier", "CatBoostClassifier")
_REGRESSORS = ("LGBMRegressor", "XGBRegressor", "CatBoostRegressor")


def _small(kind: str) -> Any:
    return _thirds(kind)[0][1]


def _selected(kind: str) -> Any:
    """A pipeline that keeps the features that matter to the model at its end."""
    return pipe(new("feature_selection.SelectFromModel", _small(kind)), _small(kind))


SPECIMENS: dict[str, Builder] = {
    **_lightgbm(),
    **_xgboost(),
    **_catboost(),
    **{
        f"scaled-{kind.lower()}": built(
            lambda kind=kind: pipe(new("preprocessing.StandardScaler"), _small(kind)), "wine"
        )
        for kind in _CLASSIFIERS
    },
    **{
        f"imputed-{kind.lower()}": built(
            lambda kind=kind: pipe(
                new("impute.SimpleImputer"), new("preprocessing.MinMaxScaler"), _small(kind)
            ),
            "diabetes",
            missing,
        )
        for kind in _REGRESSORS
    },
    "boosters-voting": built(
        lambda: new("ensemble.VotingClassifier", _thirds(*_CLASSIFIERS), voting="soft"), "wine"
    ),
    "boosters-voting-hard": built(
        lambda: new("ensemble.VotingClassifier", _thirds(*_CLASSIFIERS[:2])), "wine", strings
    ),
    "boosters-voting-regressor": built(
        lambda: new("ensemble.VotingRegressor", _thirds(*_REGRESSORS)), "diabetes"
    ),
    "boosters-stacking": built(
        lambda: new("ensemble.StackingClassifier", _thirds(*_CLASSIFIERS), cv=2), "wine"
    ),
    "boosters-stacking-regressor": built(
        lambda: new("ensemble.StackingRegressor", _thirds(*_REGRESSORS), _small("LGBMRegressor"), cv=2),
        "diabetes",
    ),
    "calibrated-xgbclassifier": built(
        lambda: new("calibration.CalibratedClassifierCV", _small("XGBClassifier"), cv=2), "wine"
    ),
    "calibrated-lgbmclassifier": built(
        lambda: new("calibration.CalibratedClassifierCV", _small("LGBMClassifier"), cv=2), "breast_cancer"
    ),
    "one-vs-rest-xgbclassifier": built(
        lambda: new("multiclass.OneVsRestClassifier", _small("XGBClassifier")), "wine", strings
    ),
    "one-vs-rest-lgbmclassifier": built(
        lambda: new("multiclass.OneVsRestClassifier", _small("LGBMClassifier")), "wine", strings
    ),
    "bagging-catboostregressor": built(
        lambda: new("ensemble.BaggingRegressor", _small("CatBoostRegressor"), n_estimators=2), "diabetes"
    ),
    "multi-output-lgbmregressor": built(
        lambda: new("multioutput.MultiOutputRegressor", _small("LGBMRegressor")), "linnerud"
    ),
    "multi-output-xgbclassifier": built(
        lambda: new("multioutput.MultiOutputClassifier", _small("XGBClassifier")), "digits", labels
    ),
    "grid-search-xgbregressor": built(
        lambda: new("model_selection.GridSearchCV", _small("XGBRegressor"), {"max_depth": [2, 3]}, cv=2),
        "diabetes",
    ),
    "logarithmic-target-lgbmregressor": built(
        lambda: new(
            "compose.TransformedTargetRegressor",
            _small("LGBMRegressor"),
            func=np.log1p,
            inverse_func=np.expm1,
        ),
        "diabetes",
    ),
    "selected-lgbmclassifier": built(lambda: _selected("LGBMClassifier"), "breast_cancer"),
    "selected-xgbclassifier": built(lambda: _selected("XGBClassifier"), "breast_cancer"),
    "selected-catboostclassifier": built(lambda: _selected("CatBoostClassifier"), "breast_cancer"),
}
