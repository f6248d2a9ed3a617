"""A forest in TFLite against the same forest in ONNX: size, and one row's time as a ratio to ONNX Runtime's.

Both sessions alternate in one process. Rows change from call to call, as they do on a device; `same row`
repeats one, which lets the branch predictor learn ONNX Runtime's whole walk; LiteRT's has no branches.

    python benchmarks/forest.py [--rounds 200] [--json]

Needs scikit-learn, skl2onnx, onnxruntime, tensorflow and ai-edge-litert; takes half a minute.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import Any

import numpy as np

from edgeml.pack import bundle_of, provenance_of
from edgeml_converters.intake import describe
from edgeml_converters.model import Data
from edgeml_converters.registry import routes
from edgeml_runtime.manifest import Budget
from edgeml_runtime.session import Session

FORMATS = ("onnx", "tflite")
BURST = 20
MAX_SIZE_KB, MAX_RATIO = 700, 3.0


def main() -> None:
    """Print a line a forest: nodes, kilobytes, medians in microseconds, ratios, the largest difference."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    results = [measured(name, *forest, arguments.rounds) for name, forest in forests().items()]
    if arguments.json:
        print(json.dumps({"max_size_kb": MAX_SIZE_KB, "max_ratio": MAX_RATIO, "results": results}))
        return
    headings = ("onnx kB", "tflite kB", "onnx us", "tflite us", "ratio", "same row", "difference")
    print(f"{'forest':28} {'nodes':>6} " + " ".join(f"{heading:>10}" for heading in headings))
    for r in results:
        figures = [r[key] for key in ("onnx_kb", "tflite_kb", "onnx_us", "tflite_us")]
        print(
            f"{r['forest']:28} {r['nodes']:6} "
            + " ".join(f"{figure:10.1f}" for figure in figures)
            + f" {r['ratio']:10.2f} {r['ratio_same_row']:10.2f} {r['max_difference']:10.1e}"
        )


def forests() -> dict[str, tuple[Any, Any]]:
    """Fitted forests and the rows they are asked about."""
    from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    digits, cancer, diabetes = (
        load(return_X_y=True) for load in (load_digits, load_breast_cancer, load_diabetes)
    )
    return {
        "digits, 100 trees": (RandomForestClassifier(100, random_state=0).fit(*digits), digits[0]),
        "breast cancer, 100 trees": (RandomForestClassifier(100, random_state=0).fit(*cancer), cancer[0]),
        "diabetes, 50 trees": (RandomForestRegressor(50, random_state=0).fit(*diabetes), diabetes[0]),
    }


def measured(name: str, model: Any, x: Any, rounds: int) -> dict[str, Any]:
    """One forest in both formats."""
    described = describe(model, "forest")
    hub = routes("sklearn", "onnx")[0][0].convert(described, "float32", None)
    artifacts = {"onnx": hub, "tflite": routes("sklearn", "tflite")[0][-1].convert(hub, "float32", None)}
    sessions = {}
    for target, artifact in artifacts.items():
        provenance = provenance_of(described, target, (), "", {})
        bundle = bundle_of(
            artifact, described, Data(x[:2]), device="", budget=Budget(), provenance=provenance
        )
        sessions[target] = Session(bundle)
    rows = [np.ascontiguousarray(row[None], np.float32) for row in x]
    method = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    got, wanted = sessions["tflite"].call(method, x), getattr(model, method)(x)
    changing, same = (medians(sessions, chosen, rounds) for chosen in (rows, rows[:1]))
    return {
        "forest": name,
        "nodes": sum(tree.tree_.node_count for tree in model.estimators_),
        "onnx_kb": len(artifacts["onnx"].content) / 1000,
        "tflite_kb": len(artifacts["tflite"].content) / 1000,
        "onnx_us": changing["onnx"],
        "tflite_us": changing["tflite"],
        "ratio": changing["tflite"] / changing["onnx"],
        "ratio_same_row": same["tflite"] / same["onnx"],
        "max_difference": float(np.abs(got - wanted).max() / np.abs(wanted).max()),
    }


def medians(sessions: dict[str, Session], rows: list[Any], rounds: int) -> dict[str, float]:
    """Median microseconds of one row's `predict`, the sessions in turn."""
    samples: dict[str, list[float]] = {target: [] for target in sessions}
    for number in range(rounds + rounds // 10):
        burst = [rows[(number * BURST + i) % len(rows)] for i in range(BURST)]
        for target, session in sessions.items():
            started = time.perf_counter_ns()
            for row in burst:
                session.predict(row)
            if number >= rounds // 10:  # what comes before is warm-up
                samples[target].append((time.perf_counter_ns() - started) / BURST / 1e3)
    return {target: statistics.median(taken) for target, taken in samples.items()}


if __name__ == "__main__":
    main()
