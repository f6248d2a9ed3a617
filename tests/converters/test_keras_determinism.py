"""The same conversion in another process: the same bytes, and not a word printed."""

from __future__ import annotations

import gc
import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import require_module

pytestmark = pytest.mark.slow

# Building other models first moves every counter that Keras and TensorFlow put into names.
SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from edgeml_converters.tensorflow_import import import_tensorflow
import_tensorflow()
import keras
for _ in range(int(sys.argv[2])):
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
sys.path.insert(0, sys.argv[3])
from test_keras_determinism import results
for line in results(Path(sys.argv[1])):
    print(line)
"""


def results(folder):
    from edgeml_converters.sources.keras import SOURCE
    from edgeml_converters.to_onnx.from_keras import CONVERTER as TO_ONNX
    from edgeml_converters.to_tflite.from_keras import CONVERTER as TO_TFLITE

    x = np.load(folder / "x.npy")
    for name in ("net.keras", "saved"):
        model = SOURCE.describe(SOURCE.load(folder / name), "net")
        yield f"{name} model {model.digest}"
        for converter, scheme in ((TO_TFLITE, "int8-static"), (TO_TFLITE, "float16"), (TO_ONNX, "float32")):
            content = converter.convert(model, scheme, {"x": x}).content
            yield f"{name} {converter.name} {scheme} {hashlib.sha256(content).hexdigest()}"


def test_another_process_gives_the_same_bytes(tmp_path):
    require_module("tensorflow", "tf_keras", "tf2onnx")
    import keras_zoo

    from edgeml_converters.tensorflow_import import quiet

    trained = keras_zoo.trained("digits_cnn")
    with quiet():
        trained.model.save(tmp_path / "net.keras")
        trained.model.export(tmp_path / "saved", verbose=False)
    np.save(tmp_path / "x.npy", trained.x[:50])
    here = os.path.dirname(__file__)  # noqa: PTH120
    tests = os.path.dirname(here)  # noqa: PTH120
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), "3", here],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": tests},
    )
    assert done.stdout.splitlines() == list(results(tmp_path))
    assert done.stderr == ""


def test_garbage_that_is_collected_while_converting_prints_nothing(monkeypatch):
    require_module("tensorflow", "tf2onnx")
    from edgeml_converters.sources.keras import SOURCE
    from edgeml_converters.tensorflow_import import import_tensorflow
    from edgeml_converters.to_onnx.from_keras import CONVERTER as TO_ONNX

    import_tensorflow()
    import keras
    from tensorflow.python.eager import wrap_function

    read = wrap_function.function_from_graph_def
    complaints = []
    collections = []

    def collected_first(*arguments, **named):
        # Here TensorFlow has just forgotten the graph's functions, to register them anew.
        collections.append(gc.collect())
        return read(*arguments, **named)

    tokens = keras.Input((6,), dtype="int32")
    masked = keras.layers.Embedding(17, 4, mask_zero=True)(tokens)
    model = SOURCE.describe(keras.Model(tokens, keras.layers.LSTM(4)(masked)), "masked")
    gc.collect()
    gc.disable()
    monkeypatch.setattr(wrap_function, "function_from_graph_def", collected_first)
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    try:
        TO_ONNX.convert(model, "float32", None)
        gc.collect()
    finally:
        gc.enable()
    assert collections
    assert complaints == []
