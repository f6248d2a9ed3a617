"""Recurrent layers and cells, wrappers around them, masks and states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_layers.specimen import Specimen


def _recurrent(kind: str) -> Any:
    def branches(keras: Any) -> Mapping[str, Any]:
        make = getattr(keras.layers, kind)
        found = {
            kind: make(4),
            f"{kind} sequences": make(4, return_sequences=True),
            f"{kind} backwards": make(4, go_backwards=True, return_sequences=True),
            f"{kind} state": make(4, return_state=True),
            f"{kind} no bias": make(4, use_bias=False),
            f"{kind} dropout": make(4, dropout=0.3, recurrent_dropout=0.2),
            f"{kind} relu": make(4, activation="relu"),
            f"{kind} unrolled": make(4, unroll=True),
        }
        if kind == "GRU":
            found["GRU reset before"] = make(4, reset_after=False)
        if kind != "SimpleRNN":
            found[f"{kind} hard"] = make(4, recurrent_activation="hard_sigmoid")
        if kind == "LSTM":
            found["LSTM no forget bias"] = make(4, unit_forget_bias=False, return_sequences=True)
        return found

    return branches


def _wrappers(keras: Any) -> Mapping[str, Any]:
    layers = keras.layers
    cells = [layers.LSTMCell(4), layers.GRUCell(3)]
    return {
        "Bidirectional": layers.Bidirectional(layers.LSTM(3)),
        "Bidirectional sum": layers.Bidirectional(layers.GRU(3, return_sequences=True), merge_mode="sum"),
        "Bidirectional apart": layers.Bidirectional(layers.SimpleRNN(3), merge_mode=None),
        "Bidirectional two": layers.Bidirectional(
            layers.LSTM(3, return_sequences=True),
            backward_layer=layers.GRU(3, return_sequences=True, go_backwards=True),
        ),
        "Bidirectional deep": lambda x: layers.Bidirectional(layers.GRU(2))(
            layers.Bidirectional(layers.LSTM(3, return_sequences=True))(x)
        ),
        "TimeDistributed": layers.TimeDistributed(layers.Dense(4, activation="relu")),
        "TimeDistributed model": layers.TimeDistributed(
            keras.Sequential([layers.Dense(4, activation="relu"), layers.Dense(2)])
        ),
        "RNN": layers.RNN(layers.SimpleRNNCell(4)),
        "SimpleRNNCell": layers.RNN(layers.SimpleRNNCell(4, activation="relu"), return_sequences=True),
        "GRUCell": layers.RNN(layers.GRUCell(4), go_backwards=True),
        "LSTMCell": layers.RNN(layers.LSTMCell(4), return_state=True),
        "StackedRNNCells": layers.RNN(layers.StackedRNNCells(cells), return_sequences=True),
        "RNN list": layers.RNN([layers.SimpleRNNCell(3), layers.SimpleRNNCell(2)]),
    }


def _images_over_time(keras: Any) -> Mapping[str, Any]:
    layers = keras.layers
    return {
        "TimeDistributed Conv2D": layers.TimeDistributed(layers.Conv2D(3, 3, padding="same")),
        "ConvLSTM2D": layers.ConvLSTM2D(3, 3),
        "ConvLSTM2D same": layers.ConvLSTM2D(3, 2, padding="same", return_sequences=True, strides=2),
        "ConvLSTM2D state": layers.ConvLSTM2D(2, 3, padding="same", return_state=True, go_backwards=True),
        "ConvLSTM2D dilated": layers.ConvLSTM2D(2, 2, dilation_rate=2, padding="same"),
        "ConvLSTM1D": lambda x: layers.ConvLSTM1D(3, 3, padding="same")(layers.Reshape((6, 7, 10))(x)),
        "ConvLSTM1D sequences": lambda x: layers.ConvLSTM1D(2, 2, return_sequences=True)(
            layers.Reshape((6, 7, 10))(x)
        ),
        "ConvLSTM3D": lambda x: layers.ConvLSTM3D(2, 2, padding="same")(layers.Reshape((3, 2, 7, 5, 2))(x)),
        "Bidirectional ConvLSTM2D": layers.Bidirectional(layers.ConvLSTM2D(2, 3)),
    }


def _masked(keras: Any) -> Mapping[str, Any]:
    layers = keras.layers
    mask = layers.Masking()
    return {
        "Masking": mask,
        "Masking LSTM": lambda x: layers.LSTM(4)(mask(x)),
        "Masking GRU": lambda x: layers.GRU(4, return_sequences=True)(mask(x)),
        "Masking SimpleRNN": lambda x: layers.SimpleRNN(4)(mask(x)),
        "Masking zeros": lambda x: layers.RNN(
            layers.LSTMCell(4), zero_output_for_mask=True, return_sequences=True
        )(mask(x)),
        "Masking Bidirectional": lambda x: layers.Bidirectional(layers.LSTM(3, return_sequences=True))(
            mask(x)
        ),
        "Masking GlobalAveragePooling1D": lambda x: layers.GlobalAveragePooling1D()(mask(x)),
        "Masking TimeDistributed": lambda x: layers.TimeDistributed(layers.Dense(3))(mask(x)),
    }


def _states(keras: Any) -> Mapping[str, Any]:
    """An encoder hands its state to a decoder."""
    layers = keras.layers

    def coded(kind: str) -> Any:
        def branch(inputs: Any) -> Any:
            make = getattr(layers, kind)
            _, *state = make(4, return_state=True)(inputs[0])
            return make(4, return_sequences=True)(inputs[1], initial_state=state)

        return branch

    return {f"{kind} initial state": coded(kind) for kind in ("LSTM", "GRU", "SimpleRNN")}


def _any_length(keras: Any) -> Mapping[str, Any]:
    layers = keras.layers
    return {
        "LSTM any length": layers.LSTM(4, return_sequences=True),
        "GRU any length": layers.GRU(4),
        "SimpleRNN any length": layers.SimpleRNN(4),
        "Bidirectional any length": layers.Bidirectional(layers.LSTM(3)),
        "GRU reset before any length": layers.GRU(4, reset_after=False),
        "Masking LSTM any length": lambda x: layers.LSTM(4)(layers.Masking()(x)),
    }


SPECIMENS = {
    "simple_rnn": Specimen(("lines",), _recurrent("SimpleRNN")),
    "gru": Specimen(("lines",), _recurrent("GRU")),
    "lstm": Specimen(("lines",), _recurrent("LSTM")),
    "recurrent_wrappers": Specimen(("lines",), _wrappers),
    "images_over_time": Specimen(("film",), _images_over_time),
    "masked": Specimen(("padded",), _masked),
    "initial_states": Specimen(("lines", "queries"), _states),
    "any_length": Specimen(("lines",), _any_length, axes=(1,)),
}
