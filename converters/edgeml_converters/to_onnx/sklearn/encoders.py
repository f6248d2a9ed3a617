"""Encoders of categories: one-hot, ordinal, by target, and scikit-learn's encoders of labels.

Categories are compared as the tensor holds them: numbers as they are, others by the codes of the runtime's
tables (`Emitter.codes`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeml_converters.sources.sklearn_documents import document_encoding
from edgeml_converters.sources.sklearn_reading import is_nan
from edgeml_converters.to_onnx.sklearn.emitter import Emitter, Rules
from edgeml_converters.to_onnx.sklearn.inputs import document_input
from edgeml_runtime.signature import Array

_FLOAT = 1  # onnx.TensorProto.FLOAT


def one_hot(emitter: Emitter, x: str, categories: Sequence[Array]) -> str:
    """float32[n, sum of categories]: which category of its column a value is; NaN may be a category.

    categories: by column of x, as x holds them.
    """
    values = np.concatenate([np.asarray(c, np.float64) for c in categories])
    repeated = emitter.columns(x, np.repeat(np.arange(len(categories)), [len(c) for c in categories]))
    same = emitter.add("Equal", repeated, emitter.constant(np.nan_to_num(values)[None]))
    if np.isnan(values).any():
        # NaN equals nothing, so its column asks for NaN, and NaN only.
        wanted = emitter.constant(np.isnan(values)[None], "bool")
        others = emitter.constant(~np.isnan(values)[None], "bool")
        missing = emitter.add("And", wanted, emitter.add("IsNaN", repeated))
        same = emitter.add("Or", missing, emitter.add("And", others, same))
    return emitter.declare(emitter.add("Cast", same, to=_FLOAT), len(values))


def _held(emitter: Emitter, model: Any, x: str) -> list[Array]:
    """By column the model's categories as x holds them."""
    return [emitter.codes(x, column, values) for column, values in enumerate(model.categories_)]


def _groups(model: Any, column: int) -> Array:
    """int64[categories]: the group of each category; infrequent ones share the last."""
    count = len(model.categories_[column])
    mappings = getattr(model, "_default_to_infrequent_mappings", None) if model._infrequent_enabled else None
    mapping = None if mappings is None else mappings[column]
    if mapping is None:
        return np.arange(count)
    # OrdinalEncoder leaves out the category that stands for a missing value, which it encodes apart.
    return np.concatenate([mapping, np.zeros(count - len(mapping), np.int64)])


def _blocks(tables: Sequence[Array]) -> Array:
    """The tables [m_i, k_i] along the diagonal of one."""
    rows, columns = (np.cumsum([0, *(t.shape[axis] for t in tables)]) for axis in (0, 1))
    whole = np.zeros((rows[-1], columns[-1]))
    for i, table in enumerate(tables):
        whole[rows[i] : rows[i + 1], columns[i] : columns[i + 1]] = table
    return whole


def _known(emitter: Emitter, hot: str, sizes: Sequence[int]) -> str:
    """float32[n, columns]: 1 where a column's value is one of its categories."""
    return emitter.dense(hot, _blocks([np.ones((size, 1)) for size in sizes]), 0.0)


def _one_hot_encoder(emitter: Emitter, model: Any, x: str) -> str:
    hot = one_hot(emitter, x, _held(emitter, model, x))
    groups = [_groups(model, column) for column in range(len(model.categories_))]
    sizes = [int(g.max()) + 1 for g in groups]
    if model._infrequent_enabled:
        known = _known(emitter, hot, [len(g) for g in groups])
        hot = emitter.dense(hot, _blocks([np.eye(s)[g] for s, g in zip(sizes, groups, strict=True)]), 0.0)
        if model.handle_unknown in ("infrequent_if_exist", "warn"):
            # A value that is not known counts as infrequent where that group exists.
            exists = [indices is not None for indices in model._infrequent_indices]
            last = [np.eye(size)[-1:] * has for size, has in zip(sizes, exists, strict=True)]
            unknown = emitter.add("Sub", emitter.constant([1.0]), known)
            hot = emitter.add("Add", hot, emitter.dense(unknown, _blocks(last), 0.0))
    if model.drop_idx_ is None:
        return hot
    starts = np.cumsum([0, *sizes])
    dropped = [s + d for s, d in zip(starts, model._drop_idx_after_grouping, strict=False) if d is not None]
    return emitter.columns(hot, np.setdiff1d(np.arange(starts[-1]), np.asarray(dropped, np.int64)))


def _ordinal_encoder(emitter: Emitter, model: Any, x: str) -> str:
    held = _held(emitter, model, x)
    sizes = [len(values) for values in held]
    hot = one_hot(emitter, x, held)
    missing = [_missing_category(values) for values in model.categories_]
    codes = [_groups(model, column).astype(np.float64) for column in range(len(sizes))]
    instead = np.zeros(sum(sizes), bool)
    for start, place in zip(np.cumsum([0, *sizes]), missing, strict=False):
        if place is not None:
            instead[start + place] = True
    table = _blocks([c[:, None] for c in codes])
    table[instead] = 0
    encoded = emitter.dense(hot, table, 0.0)
    if model.handle_unknown == "use_encoded_value":
        unknown = emitter.add("Equal", _known(emitter, hot, sizes), emitter.constant([0.0]))
        value = emitter.constant([float(model.unknown_value)])
        encoded = emitter.add("Where", unknown, value, encoded)
    if instead.any():
        # Chosen, not multiplied: the value that stands for a missing one may be NaN.
        picks = _blocks([np.ones((size, 1)) for size in sizes]) * instead[:, None]
        absent = emitter.add("Greater", emitter.dense(hot, picks, 0.0), emitter.constant([0.5]))
        value = emitter.constant([float(model.encoded_missing_value)])
        encoded = emitter.add("Where", absent, value, encoded)
    return emitter.declare(encoded, len(sizes))


def _missing_category(values: Array) -> int | None:
    """The place of NaN among the categories, the last, which OrdinalEncoder encodes apart from them."""
    return len(values) - 1 if is_nan(values.tolist()[-1]) else None


def _target_encoder(emitter: Emitter, model: Any, x: str) -> str:
    held = _held(emitter, model, x)
    hot = one_hot(emitter, x, held)
    several = len(model.classes_) if model.target_type_ == "multiclass" else 1
    encodings = [np.asarray(e, np.float64) for e in model.encodings_]
    per_column = [np.stack(encodings[i * several : (i + 1) * several], axis=1) for i in range(len(held))]
    encoded = emitter.dense(hot, _blocks(per_column), 0.0)
    unknown = emitter.add("Sub", emitter.constant([1.0]), _known(emitter, hot, [len(v) for v in held]))
    means = np.broadcast_to(np.asarray(model.target_mean_, np.float64).ravel(), several)[None]
    return emitter.add("Add", encoded, emitter.dense(unknown, _blocks([means] * len(held)), 0.0))


def _labels(emitter: Emitter, model: Any, x: str) -> str:
    """float32[n, 1]: the index of each label in classes_, -1 for another."""
    return document_input(emitter, x, document_encoding(model))


def _label_encoder(emitter: Emitter, model: Any, x: str) -> str:
    return _labels(emitter, model, x)


def _label_binarizer(emitter: Emitter, model: Any, x: str) -> str:
    if model.y_type_ == "multilabel-indicator":
        zero = emitter.add("Equal", x, emitter.constant([0.0]))
        labels = (emitter.constant([float(label)]) for label in (model.neg_label, model.pos_label))
        return emitter.add("Where", zero, *labels)
    count = len(model.classes_)
    places = [np.arange(count, dtype=np.float64)]
    hot = one_hot(emitter, _labels(emitter, model, x), places)
    if count == 1:  # of one class everything is negative
        hot = emitter.add("Mul", hot, emitter.constant([0.0]))
    hot = emitter.columns(hot, [1]) if count == 2 else hot
    low, high = float(model.neg_label), float(model.pos_label)
    if (low, high) == (0.0, 1.0):
        return hot
    return emitter.add(
        "Add", emitter.add("Mul", hot, emitter.constant([high - low])), emitter.constant([low])
    )


def _documents(emitter: Emitter, model: Any, x: str) -> str:
    return document_input(emitter, x, document_encoding(model))


RULES = Rules(
    transform={
        "DictVectorizer": _documents,
        "FeatureHasher": _documents,
        "LabelBinarizer": _label_binarizer,
        "LabelEncoder": _label_encoder,
        "MultiLabelBinarizer": _documents,
        "OneHotEncoder": _one_hot_encoder,
        "OrdinalEncoder": _ordinal_encoder,
        "TargetEncoder": _target_encoder,
    },
)
