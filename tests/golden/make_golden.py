"""Makes the files beside it: a Keras network for iris, what it predicts, and its .tflite in float32 and int8.

Run by hand, once: `python tests/golden/make_golden.py` (needs TensorFlow). The files are committed, so that
the tests of the runtime need none.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_iris

HERE = Path(__file__).parent


def main() -> None:
    """Train 4 -> 8 -> 3 on standardized iris rows; write iris_keras.npy and the two .tflite."""
    tf.keras.utils.set_random_seed(0)
    x, y = load_iris(return_X_y=True)
    x = x.astype(np.float32)
    normalize = tf.keras.layers.Normalization()
    normalize.adapt(x)
    model = tf.keras.Sequential(
        [
            tf.keras.Input((4,), name="x"),
            normalize,
            tf.keras.layers.Dense(8, activation="relu"),
            tf.keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=60, batch_size=8, verbose=0)
    print("accuracy", model.evaluate(x, y, verbose=0)[1])
    np.save(HERE / "iris_keras.npy", model.predict(x, verbose=0))

    # Variables would stay variables, which the calibrator does not take; these are constants.
    mean, deviation = normalize.mean.numpy(), np.sqrt(normalize.variance.numpy())
    (w1, b1), (w2, b2) = model.layers[1].get_weights(), model.layers[2].get_weights()

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, "x")])
    def serve(x):
        hidden = tf.nn.relu((x - mean) / deviation @ w1 + b1)
        return {"probabilities": tf.nn.softmax(hidden @ w2 + b2)}

    module = tf.Module()
    module.serve = serve
    for name, quantized in (("iris_float32", False), ("iris_int8", True)):
        concrete = serve.get_concrete_function()
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
        if quantized:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ({"x": row[None]} for row in x)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
        content = converter.convert()
        (HERE / f"{name}.tflite").write_bytes(content)
        print(name, len(content), "bytes")


if __name__ == "__main__":
    main()
