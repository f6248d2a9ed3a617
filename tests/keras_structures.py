"""Keras models of every structure, with random weights: how layers are put together rather than which."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from keras_layers import Built, randomise
from keras_layers.specimen import DATA


def _keras() -> Any:
    from edgeml_converters.tensorflow_import import import_tensorflow, quiet

    import_tensorflow()
    with quiet():
        import keras

        keras.utils.set_random_seed(5)
    return keras


def _made(model: Any, *data: str) -> Built:
    """The model with random weights and the rows of those names of `DATA`, an array where there is one."""
    x: Any = {name: DATA[name]() for name in data}
    x = x[data[0]] if len(data) == 1 else x
    if not model.built:
        model(x[:1])
    randomise(model)
    return Built(model, (), x)


def sequential() -> Built:
    keras = _keras()
    layers = keras.layers
    return _made(
        keras.Sequential(
            [
                keras.Input((12, 10, 3)),
                layers.Rescaling(1 / 255, offset=-0.5),
                layers.Conv2D(4, 3, activation="relu"),
                layers.BatchNormalization(),
                layers.GlobalAveragePooling2D(),
                layers.Dense(3, activation="softmax"),
            ]
        ),
        "bytes",
    )


def functional_with_residuals() -> Built:
    """Inverted residuals with squeeze and excitation, a skip that is added, one that is concatenated."""
    keras = _keras()
    layers = keras.layers
    inputs = keras.Input((12, 10, 3))
    x = layers.Conv2D(6, 3, strides=2, padding="same", use_bias=False)(inputs)
    skip = x = layers.Activation("hard_swish")(layers.BatchNormalization()(x))
    x = layers.ReLU(max_value=6.0)(layers.BatchNormalization()(layers.Conv2D(12, 1, use_bias=False)(x)))
    x = layers.ReLU(max_value=6.0)(layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same")(x)))
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Dense(12, activation="hard_sigmoid")(layers.Dense(4, activation="silu")(gate))
    x = layers.BatchNormalization()(layers.Conv2D(6, 1, use_bias=False)(layers.Multiply()([x, gate])))
    x = layers.Add()([x, skip])
    x = layers.Concatenate()([layers.UpSampling2D()(x), layers.Conv2D(3, 1)(inputs)])
    outputs = layers.Conv2DTranspose(2, 3, padding="same", activation="sigmoid")(x)
    return _made(keras.Model(inputs, outputs), "picture")


def arithmetic() -> Built:
    """Operators on symbolic tensors between layers, as people write them."""
    keras = _keras()
    ops, layers = keras.ops, keras.layers
    inputs = keras.Input((8, 5))
    x = layers.Dense(6)(inputs * 2 - 1)
    x = ops.concatenate([ops.maximum(x, 0.0), ops.sin(x)], axis=-1)
    mean = ops.mean(x, axis=1)
    best = ops.argmax(mean, axis=-1)
    outputs = [ops.softmax(mean), ops.cast(best, "int32"), ops.stack([mean, ops.max(x, axis=1)], axis=1)]
    return _made(keras.Model(inputs, outputs), "lines")


def several_inputs_and_outputs() -> Built:
    keras = _keras()
    layers = keras.layers
    picture = keras.Input((12, 10, 3), name="picture")
    table = keras.Input((13,), name="table")
    tokens = keras.Input((9,), dtype="int32", name="tokens")
    seen = layers.Flatten()(layers.Conv2D(2, 3, strides=3, activation="relu")(picture))
    read = layers.GlobalAveragePooling1D()(layers.Embedding(17, 4)(tokens))
    joined = layers.Dense(8, activation="relu")(layers.Concatenate()([seen, table, read]))
    outputs = {"kind": layers.Dense(3, activation="softmax")(joined), "price": layers.Dense(1)(joined)}
    return _made(
        keras.Model({"picture": picture, "table": table, "tokens": tokens}, outputs),
        "picture",
        "table",
        "tokens",
    )


def nested() -> Built:
    """Models as layers of models, three deep, one of them inside TimeDistributed."""
    keras = _keras()
    layers = keras.layers
    inner = keras.Sequential([keras.Input((5,)), layers.Dense(4, activation="relu"), layers.Dense(3)])
    entry = keras.Input((8, 5))
    middle = keras.Model(entry, layers.LSTM(4)(layers.TimeDistributed(inner)(entry)))
    outer = keras.Sequential([keras.Input((8, 5)), middle, layers.Dense(2, activation="softmax")])
    return _made(outer, "lines")


def shared() -> Built:
    """A Siamese net: one encoder on two inputs, and a layer used twice in a row."""
    keras = _keras()
    layers = keras.layers
    encoder = keras.Sequential([keras.Input((13,)), layers.Dense(6, activation="tanh"), layers.Dense(4)])
    table, other = keras.Input((13,), name="table"), keras.Input((13,), name="other")
    again = layers.Dense(4, activation="relu")
    first, second = encoder(table), again(again(encoder(other)))
    outputs = layers.Dense(1, activation="sigmoid")(layers.Subtract()([first, second]))
    return _made(keras.Model([table, other], outputs), "table", "other")


def subclassed() -> Built:
    """Layers in lists and dicts, a loop in `call`, a layer of the user's own with layers inside."""
    keras = _keras()
    layers = keras.layers

    class Block(keras.layers.Layer):
        def __init__(self, units: int) -> None:
            super().__init__()
            self.dense = layers.Dense(units, activation="gelu")
            self.norm = layers.LayerNormalization()
            self.drop = layers.Dropout(0.3)

        def call(self, x: Any, training: bool = False) -> Any:
            return x + self.drop(self.dense(self.norm(x)), training=training)

    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = [Block(13) for _ in range(2)]
            self.heads = {"out": layers.Dense(3, activation="softmax")}
            self.shift = self.add_weight(shape=(13,), name="shift")

        def call(self, x: Any, training: bool = False) -> Any:
            for block in self.blocks:
                x = block(x + self.shift, training=training)
            return self.heads["out"](x)

    return _made(Net(), "table")


def subclassed_with_two_outputs() -> Built:
    keras = _keras()
    layers = keras.layers

    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = layers.GRU(4, return_sequences=True)
            self.head = layers.Dense(2)

        def call(self, x: Any) -> Any:
            steps = self.rnn(x)
            return {"steps": steps, "last": self.head(steps[:, -1])}

    return _made(Net(), "lines")


def transformer() -> Built:
    """Tokens with positions through a masked encoder block, any length."""
    keras = _keras()
    layers = keras.layers
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    x = layers.Embedding(17, 8, mask_zero=True)(tokens)
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 4)(x, x))
    x = layers.LayerNormalization()(x + layers.Dense(8)(layers.Dense(12, activation="gelu")(x)))
    outputs = layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling1D()(x))
    return _made(keras.Model(tokens, outputs), "tokens")


def long_sequence() -> Built:
    """More steps than TFLite unrolls."""
    keras = _keras()
    layers = keras.layers
    inputs = keras.Input((640, 1))
    x = layers.Bidirectional(layers.GRU(3, return_sequences=True))(inputs)
    return _made(keras.Model(inputs, layers.Dense(2)(layers.LSTM(3)(x))), "sound")


def carried_state() -> Built:
    """What a stateful layer is rebuilt as: its state goes in and comes out, call by call."""
    keras = _keras()
    layers = keras.layers
    lines, state = keras.Input((8, 5), name="lines"), keras.Input((4,), name="state")
    outputs, carried = layers.GRU(4, return_state=True)(lines, initial_state=state)
    model = keras.Model([lines, state], {"kind": layers.Dense(2)(outputs), "next_state": carried})
    return _made(model, "lines", "state")


def own_function() -> Built:
    """A Lambda in a live model is the user's own code, traced like any layer."""
    keras = _keras()
    layers = keras.layers
    inputs = keras.Input((13,))
    x = layers.Lambda(lambda v: v * v + 1.0, name="square")(inputs)
    return _made(keras.Model(inputs, layers.Dense(2)(x)), "table")


def spectrum() -> Built:
    """From sound to classes in one graph, as keyword spotting is deployed."""
    keras = _keras()
    layers = keras.layers
    inputs = keras.Input((640,))
    x = layers.MelSpectrogram(sampling_rate=8000, fft_length=128, sequence_stride=64, num_mel_bins=10)(inputs)
    x = layers.Reshape((10, -1, 1))(x)
    x = layers.Conv2D(4, 3, activation="relu")(layers.Rescaling(1 / 40)(x))
    return _made(keras.Model(inputs, layers.Dense(3)(layers.Flatten()(x))), "wave")


STRUCTURES: Mapping[str, Callable[[], Built]] = {
    make.__name__: make
    for make in (
        sequential, functional_with_residuals, arithmetic, several_inputs_and_outputs, nested, shared,
        subclassed, subclassed_with_two_outputs, transformer, long_sequence, carried_state, own_function,
        spectrum,
    )
}  # fmt: skip


def first_rows(x: Any, rows: int) -> Any:
    """Rows of an array, or of every array of a mapping."""
    return (
        {name: value[:rows] for name, value in x.items()} if isinstance(x, Mapping) else np.asarray(x)[:rows]
    )
