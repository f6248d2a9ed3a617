"""Categories of the frames that LightGBM and XGBoost models were fitted on, and such frames themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeml_converters.sources import lightgbm_model, xgboost_model

Known = Mapping[int, tuple[Any, ...]]  # by column; those without are numbers


def categories_of(model: Any) -> Known:
    """Of an estimator or a Booster of LightGBM or XGBoost; empty for those fitted on numbers, and others."""
    names = {f"{cls.__module__.partition('.')[0]}.{cls.__name__}" for cls in type(model).__mro__}
    if names & {"lightgbm.LGBMModel", "lightgbm.Booster"}:
        booster = model.booster_ if "lightgbm.LGBMModel" in names else model
        if not booster.pandas_categorical:
            return {}
        return lightgbm_model.read_model(booster.model_to_string(), "model").categories
    if names & {"xgboost.XGBModel", "xgboost.Booster"}:
        booster = model.get_booster() if "xgboost.XGBModel" in names else model
        if "c" not in (booster.feature_types or ()):
            return {}
        return xgboost_model.booster_model(booster, "model").categories
    return {}


def refuses_unknown(model: Any) -> bool:
    """Whether a category that training did not have is an error; to LightGBM it is missing."""
    return any(cls.__module__.partition(".")[0] == "xgboost" for cls in type(model).__mro__)


def takes_arrays(model: Any) -> bool:
    """Whether a model takes arrays though it knows names: those libraries refuse frames of plain numbers."""
    return bool({"LGBMModel", "XGBModel"} & {cls.__name__ for cls in type(model).__mro__})


def as_categories(frame: Any, categories: Known) -> Any:
    """The frame with those columns as the libraries take categories; values that are none are missing."""
    from pandas import Categorical

    made = frame.copy(deep=False)
    for place, values in categories.items():
        name = made.columns[place]
        column = made[name].astype(object)
        made[name] = Categorical(column.where(column.isin(list(values))), categories=list(values))
    return made
