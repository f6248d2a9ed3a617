"""Every activation function, and the layers that are one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_layers.specimen import Specimen

NAMES = (
    "celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_tanh",
    "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu",
    "soft_shrink", "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax",
    "squareplus", "tanh", "tanh_shrink",
)  # fmt: skip


def _functions(keras: Any) -> Mapping[str, Any]:
    functions = keras.activations
    found = {f"Activation {name}": keras.layers.Activation(name) for name in NAMES}
    found["Activation glu"] = lambda x: functions.glu(keras.layers.Dense(6)(x))
    found["Activation approximate gelu"] = lambda x: functions.gelu(x, approximate=True)
    found["Activation threshold"] = lambda x: functions.threshold(x, 0.3, -1.0)
    return found


def _layers(keras: Any) -> Mapping[str, Any]:
    layers = keras.layers
    return {
        "ReLU": layers.ReLU(),
        "ReLU options": layers.ReLU(max_value=4.0, negative_slope=0.1, threshold=0.2),
        "ReLU six": layers.ReLU(max_value=6.0),
        "ReLU threshold": layers.ReLU(threshold=0.5),
        "LeakyReLU": layers.LeakyReLU(),
        "LeakyReLU slope": layers.LeakyReLU(negative_slope=0.01),
        "PReLU": layers.PReLU(),
        "ELU": layers.ELU(),
        "ELU alpha": layers.ELU(alpha=0.5),
        "Softmax": layers.Softmax(),
    }


def _on_images(keras: Any) -> Mapping[str, Any]:
    layers = keras.layers
    return {
        "PReLU image": layers.PReLU(),
        "PReLU shared": layers.PReLU(shared_axes=[1, 2]),
        "Softmax axis": layers.Softmax(axis=1),
        "Softmax axes": layers.Softmax(axis=(1, 2)),
        "Softmax masked": lambda x: layers.Softmax()(x, mask=x > 0.3),
        "LeakyReLU Conv2D": lambda x: layers.LeakyReLU(0.2)(layers.Conv2D(4, 3)(x)),
        "PReLU Conv2D": lambda x: layers.PReLU(shared_axes=[1, 2])(layers.Conv2D(4, 3)(x)),
        "Activation hard_swish Conv2D": layers.Conv2D(4, 3, activation="hard_swish"),
    }


SPECIMENS = {
    "activation_functions": Specimen(("table",), _functions),
    "activation_layers": Specimen(("table",), _layers),
    "activations_of_images": Specimen(("picture",), _on_images),
}
