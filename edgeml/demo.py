"""The main job on real data: scikit-learn's digits through a random forest and a small convolution net."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeml.cost import measure_apart
from edgeml.devices import load_device
from edgeml.job import Progress
from edgeml.pipeline import Result, compile
from edgeml.report import print_result
from edgeml_converters.intake import missing_modules
from edgeml_converters.model import Data
from edgeml_runtime.bench import percentile_ns
from edgeml_runtime.bundle import read_bundle
from edgeml_runtime.cli import describe_measurement
from edgeml_runtime.errors import MissingDependencyError
from edgeml_runtime.files import make_output_folder
from edgeml_runtime.manifest import Budget
from edgeml_runtime.session import load
from edgeml_runtime.signature import Array
from edgeml_runtime.verify import verify

if TYPE_CHECKING:
    from rich.console import Console

BUDGET = Budget(max_accuracy_drop=0.01)
BENCH_SECONDS = 0.5


def run_demo(folder: Path, device: str, *, console: Console | None, progress: Progress) -> dict[str, Any]:
    """Train, compile, pack, load, predict and measure both models; returns the JSON report.

    Raises MissingDependencyError with the pip line where a framework is absent, InputError for a device that
    does not exist or a folder that cannot be written.
    """
    missing = missing_modules(("sklearn", "tensorflow", "onnxruntime", "ai_edge_litert"))
    if missing:
        raise MissingDependencyError(f"the demo needs {', '.join(missing)}: pip install 'edgeml[all]'")
    profile = load_device(device)
    make_output_folder(folder)
    images, labels = _digits()
    held_out = np.arange(len(images)) % 2 == 1
    documents = []
    for name, train in (("digits-forest", _forest), ("digits-cnn", _network)):
        progress(f"training {name}", 0, 0)
        model, rows = train(images, labels, ~held_out)
        result = compile(
            model,
            device=profile,
            data=Data(rows[held_out], labels[held_out]),
            budget=BUDGET,
            name=name,
            progress=progress,
        )
        documents.append(_finish(result, folder, rows[held_out], labels[held_out], console))
    return {"folder": str(folder), "models": documents}


def _finish(
    result: Result, folder: Path, rows: Array, labels: Array, console: Console | None
) -> dict[str, Any]:
    """Pack the winner, then use it as a device would: verify, load, predict, measure."""
    path = result.save(folder / f"{result.model.name}.edgeml")
    bundle = read_bundle(path)
    golden = verify(bundle).golden
    predicted = np.asarray(load(path).predict(rows))
    if predicted.ndim == 2:
        predicted = predicted.argmax(axis=1)
    accuracy = float(np.mean(predicted == labels))
    measurement = measure_apart(bundle, seconds=BENCH_SECONDS)
    if console is not None:
        print_result(result, console)
        console.print(f"packed {path} ({bundle.size_bytes:,} bytes), golden vectors {golden}")
        console.print(f"the runtime's accuracy on {len(labels)} held-out digits: {accuracy:.4f}")
        for line in describe_measurement(measurement, heading=True):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        console.print("latency was measured on this machine; on the device: edgeml-runtime bench\n")
    return {
        **result.to_dict(),
        "bundle": str(path),
        "golden": golden,
        "held_out_accuracy": accuracy,
        "host_latency_ms": percentile_ns(measurement.samples_ns, 50) / 1e6,
    }


def _digits() -> tuple[Array, Array]:
    """Images float32[1797, 64] of 0 to 16, labels int64[1797]."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.data.astype(np.float32), digits.target


def _forest(images: Array, labels: Array, training: Array) -> tuple[Any, Array]:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), RandomForestClassifier(n_estimators=100, random_state=0))
    return model.fit(images[training], labels[training]), images


def _network(images: Array, labels: Array, training: Array) -> tuple[Any, Array]:
    from edgeml_converters.tensorflow_import import import_tensorflow

    tensorflow = import_tensorflow()
    keras = tensorflow.keras
    keras.utils.set_random_seed(0)
    rows = (images / 16.0).reshape(-1, 8, 8, 1)
    model = keras.Sequential(
        [
            keras.layers.Input((8, 8, 1)),
            keras.layers.Conv2D(16, 3, padding="same", activation="relu"),
            keras.layers.DepthwiseConv2D(3, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Conv2D(32, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.003), loss="sparse_categorical_crossentropy")
    model.fit(rows[training], labels[training], epochs=15, batch_size=32, verbose=0)
    return model, rows
