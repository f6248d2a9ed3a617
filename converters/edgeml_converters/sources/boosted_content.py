"""What the boosting libraries' objects hold, for digests: their attributes are handles of compiled code."""

from __future__ import annotations

import hashlib
from typing import Any


def content(value: Any) -> str | None:
    """What tells a LightGBM or XGBoost Booster or a CatBoost model from others; None for other objects."""
    names = {f"{cls.__module__}.{cls.__qualname__}" for cls in type(value).__mro__}
    if "lightgbm.basic.Booster" in names:
        return str(value.model_to_string())
    if "xgboost.core.Booster" in names:
        return hashlib.sha256(value.save_raw("ubj")).hexdigest()
    if "catboost.core.CatBoost" in names:
        from edgeml_converters.sources.catboost_model import model_json

        # Others hold unfitted ones beside the fitted copies.
        return str(model_json(value)) if value.is_fitted() else repr(sorted(value.get_params().items()))
    return None
