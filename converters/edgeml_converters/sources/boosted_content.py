"""What the boosting libraries' objects hold, as text: their attributes are handles of compiled code."""

from __future__ import annotations

from typing import Any


def content(value: Any) -> str | None:
    """The model in a LightGBM or XGBoost Booster or in CatBoost's, the same in every process; else None."""
    names = {f"{cls.__module__}.{cls.__qualname__}" for cls in type(value).__mro__}
    if "lightgbm.basic.Booster" in names:
        return str(value.model_to_string())
    if "xgboost.core.Booster" in names:
        return bytes(value.save_raw("json")).decode()
    if "catboost.core.CatBoost" in names:
        from edgeml_converters.sources.catboost_model import model_json

        return model_json(value)
    return None
