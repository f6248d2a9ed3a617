"""Attention of every kind, embeddings and einsum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_layers.specimen import Specimen


def _attention(keras: Any) -> Mapping[str, Any]:
    layers = keras.layers
    heads = layers.MultiHeadAttention
    grouped = layers.GroupQueryAttention

    def of(layer: Any, **options: Any) -> Any:
        return lambda x: layer(x[1], x[0], **options)

    def listed(layer: Any, *more: int, **options: Any) -> Any:
        return lambda x: layer([x[1], x[0], *(x[i] for i in more)], **options)

    def masked(layer: Any) -> Any:
        return lambda x: layer([x[1], x[0]], mask=[x[2], None])

    return {
        "Attention": listed(layers.Attention()),
        "Attention three": listed(layers.Attention(), 0),
        "Attention scaled": listed(layers.Attention(use_scale=True)),
        "Attention concat": listed(layers.Attention(score_mode="concat")),
        "Attention causal": listed(layers.Attention(), use_causal_mask=True),
        "Attention masked": masked(layers.Attention()),
        "Attention scores": listed(layers.Attention(dropout=0.2), return_attention_scores=True),
        "AdditiveAttention": listed(layers.AdditiveAttention()),
        "AdditiveAttention causal": listed(layers.AdditiveAttention(use_scale=False), use_causal_mask=True),
        "MultiHeadAttention": of(heads(2, 3)),
        "MultiHeadAttention self": lambda x: heads(2, 4, value_dim=3)(x[0], x[0]),
        "MultiHeadAttention causal": lambda x: heads(2, 4)(x[0], x[0], use_causal_mask=True),
        "MultiHeadAttention shape": of(heads(3, 2, output_shape=(7,), use_bias=False, dropout=0.1)),
        "MultiHeadAttention scores": lambda x: heads(2, 3)(x[0], x[0], return_attention_scores=True),
        "MultiHeadAttention masked": lambda x: heads(2, 3)(x[1], x[0], query_mask=x[2]),
        "MultiHeadAttention window": lambda x: heads(2, 3, sliding_window=2)(x[0], x[0]),
        "GroupQueryAttention": of(grouped(3, 4, 2)),
        "GroupQueryAttention self": lambda x: grouped(4, 4, 1)(x[0], x[0]),
        "GroupQueryAttention causal": lambda x: grouped(3, 4, 2)(x[0], x[0], use_causal_mask=True),
        "GroupQueryAttention scores": of(grouped(3, 2, 2), return_attention_scores=True),
    }


def _axes(keras: Any) -> Mapping[str, Any]:
    """Attention over images, einsum over more than one axis."""
    layers = keras.layers
    return {
        "MultiHeadAttention axes": lambda x: layers.MultiHeadAttention(2, 3, attention_axes=(1, 2))(
            x[:, :4, :3], x
        ),
        "MultiHeadAttention one axis": lambda x: layers.MultiHeadAttention(2, 3, attention_axes=(2,))(x, x),
        "EinsumDense image": layers.EinsumDense("abcd,de->abce", output_shape=(None, None, 4), bias_axes="e"),
        "EinsumDense two axes": layers.EinsumDense("abcd,cde->abe", output_shape=(12, 4), bias_axes="be"),
    }


def _dense(keras: Any) -> Mapping[str, Any]:
    layers = keras.layers
    return {
        "Dense": layers.Dense(4),
        "Dense relu": layers.Dense(4, activation="relu", use_bias=False),
        "Dense deep": lambda x: layers.Dense(3)(layers.Dense(6, activation="selu")(x)),
        "EinsumDense": layers.EinsumDense("ab,bc->ac", output_shape=4, bias_axes="c"),
        "EinsumDense heads": layers.EinsumDense("ab,bcd->acd", output_shape=(2, 3), bias_axes="cd"),
        "Dense lora": layers.Dense(4, lora_rank=2),
    }


def _embedding(keras: Any) -> Mapping[str, Any]:
    layers = keras.layers
    reversible = layers.ReversibleEmbedding(17, 4)
    untied = layers.ReversibleEmbedding(17, 4, tie_weights=False, logit_soft_cap=3.0)
    masked = layers.Embedding(17, 4, mask_zero=True)
    return {
        "Embedding": layers.Embedding(17, 6),
        "Embedding masked": masked,
        "Embedding LSTM": lambda x: layers.LSTM(4)(masked(x)),
        "Embedding Attention": lambda x: layers.Attention()([masked(x), masked(x)]),
        "Embedding MultiHeadAttention": lambda x: layers.MultiHeadAttention(2, 3)(masked(x), masked(x)),
        "Embedding GlobalAveragePooling1D": lambda x: layers.GlobalAveragePooling1D()(masked(x)),
        "ReversibleEmbedding": reversible,
        "ReversibleEmbedding reversed": lambda x: reversible(layers.Dense(4)(reversible(x)), reverse=True),
        "ReversibleEmbedding untied": lambda x: untied(layers.Dense(4)(untied(x)), reverse=True),
        "Embedding lora": layers.Embedding(17, 6, lora_rank=2),
    }


def _dense_sequences(keras: Any) -> Mapping[str, Any]:
    layers = keras.layers
    return {
        "Dense steps": layers.Dense(4, activation="relu"),
        "Conv1D any length": layers.Conv1D(4, 3, padding="same"),
        "Conv1D causal any length": layers.Conv1D(4, 3, padding="causal", dilation_rate=2),
        "GlobalMaxPooling1D any length": layers.GlobalMaxPooling1D(),
        "LayerNormalization any length": layers.LayerNormalization(),
        "MultiHeadAttention any length": lambda x: layers.MultiHeadAttention(2, 3)(x, x),
        "MultiHeadAttention causal any length": lambda x: layers.MultiHeadAttention(2, 3)(
            x, x, use_causal_mask=True
        ),
        "TimeDistributed any length": layers.TimeDistributed(layers.Dense(3)),
        "GroupQueryAttention any length": lambda x: layers.GroupQueryAttention(3, 4, 2)(x, x),
    }


SPECIMENS = {
    "attention": Specimen(("lines", "queries", "sign"), _attention),
    "attention_axes": Specimen(("picture",), _axes),
    "dense": Specimen(("table",), _dense),
    "embedding": Specimen(("tokens",), _embedding),
    "sequences_of_any_length": Specimen(("lines",), _dense_sequences, axes=(1,)),
}
