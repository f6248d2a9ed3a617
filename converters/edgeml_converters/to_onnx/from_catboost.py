"""CatBoost to ONNX, float32: its estimators have rules beside scikit-learn's."""

from __future__ import annotations

from edgeml_converters.registry import Converter
from edgeml_converters.to_onnx.from_sklearn import CONVERTER as SKLEARN

CONVERTER = Converter(
    name="catboost-to-onnx",
    source="catboost",
    target="onnx",
    requires=("catboost", "sklearn", "onnx"),
    extra="catboost",
    offers=SKLEARN.offers,
    convert=SKLEARN.convert,
    steps=SKLEARN.steps,
)
