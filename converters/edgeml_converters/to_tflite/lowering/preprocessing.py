"""ai.onnx.ml's operators on raw columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeml_converters.to_tflite.lowering.graph import Handler, Node, Value


def _binarizer(tf: Any, node: Node, inputs: list[Value]) -> Value:
    return tf.cast(tf.math.greater(inputs[0], np.float32(node.attribute("threshold", 0.0))), tf.float32)


def _imputer(tf: Any, node: Node, inputs: list[Value]) -> Value:
    """Replaces one value, mostly NaN, by a value for each column."""
    x = inputs[0]
    if x.dtype.is_floating:
        fills = np.asarray(node.attribute("imputed_value_floats", []), np.float32)
        marker = node.attribute("replaced_value_float", 0.0)
    else:
        fills = np.asarray(node.attribute("imputed_value_int64s", []), x.dtype.as_numpy_dtype)
        marker = node.attribute("replaced_value_int64", 0)
    if fills.size not in (1, x.shape[-1]):
        raise ValueError(f"{fills.size} values for {x.shape[-1]} columns")
    is_missing = tf.math.not_equal(x, x) if np.isnan(marker) else tf.math.equal(x, fills.dtype.type(marker))
    return tf.where(is_missing, fills, x)


def _one_hot_encoder(tf: Any, node: Node, inputs: list[Value]) -> Value:
    """Numbers [..., columns] to [..., columns, categories]; an unknown one to zeros."""
    categories = node.attribute("cats_int64s")
    if not categories:
        raise ValueError("its categories are strings")
    if not node.attribute("zeros", 1):
        raise ValueError("zeros=0: an unknown category is to fail, which TFLite cannot")
    # A fraction is cut off, as ONNX Runtime does.
    whole = tf.expand_dims(tf.cast(inputs[0], tf.int64), -1)
    return tf.cast(tf.math.equal(whole, np.asarray(categories, np.int64)), tf.float32)


def _feature_vectorizer(tf: Any, _node: Node, inputs: list[Value]) -> Value:
    return tf.concat([tf.cast(value, tf.float32) for value in inputs], 1)


HANDLERS: dict[str, Handler] = {
    "ai.onnx.ml:Binarizer": _binarizer,
    "ai.onnx.ml:FeatureVectorizer": _feature_vectorizer,
    "ai.onnx.ml:Imputer": _imputer,
    "ai.onnx.ml:OneHotEncoder": _one_hot_encoder,
}
