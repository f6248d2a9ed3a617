"""A small convolution net for a Raspberry Pi 4: train in Keras, compile to TFLite, look at every verdict."""

import keras
import numpy as np
from sklearn.datasets import load_digits

import edgeml


def trained_network(x: np.ndarray, y: np.ndarray) -> keras.Model:
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(16, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Conv2D(32, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.005), loss="sparse_categorical_crossentropy")
    model.fit(x, y, epochs=10, verbose=0)
    return model


def main() -> None:
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32).reshape(-1, 8, 8, 1)
    model = trained_network(images[::2], labels[::2])

    result = edgeml.compile(
        model,
        device="raspberry-pi-4",
        data=edgeml.Data(images[1::2], labels[1::2]),
        budget=edgeml.Budget(max_accuracy_drop=0.01, max_latency_ms=5),
        formats=["tflite"],
        objective="size",
        name="digits-cnn",
    )
    for outcome in result.outcomes:
        print(f"{outcome.candidate.name:22} {outcome.status:8} {outcome.size_bytes or 0:7,} bytes")
    if result.chosen is None:
        raise SystemExit(result.explanation.summary)
    for verdict in result.chosen.verdicts:
        # A latency limit for the board is unproven until `edgeml-runtime bench` ran there.
        print(f"  {verdict.gate}: {verdict.status}")
    print("wrote", result.save("digits-cnn.edgeml"))


if __name__ == "__main__":
    main()
