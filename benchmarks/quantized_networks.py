"""MLPerf Tiny's trained networks in int8: size, quality and time against the benchmark's own int8 file.

Keyword spotting: compiled for this machine within 0.01 of the float accuracy, once for size and once for
latency, against the reference file on the rows that judged it; both get a float32 row. The anomaly
autoencoder: the relative change of its reconstruction error, on inputs drawn from what it learned
(anomaly_inputs.py), in at most 280 kB.

    python benchmarks/quantized_networks.py [--data ../shared/data] [--seconds 10] [--json]

Needs edgeml[all] and tf-keras. Sizes and accuracies repeat; times are a ratio from one interleaved run.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.anomaly_inputs import anomaly_inputs, reconstruction_error
from benchmarks.keras_models import interleaved, our_calls
from benchmarks.peers import litert_call

REFERENCE_BYTES, MAX_DROP = 53_936, 0.01
AUTOENCODER_BYTES, MAX_RELATIVE = 280_000, 0.01
AUTOENCODER_ROWS = 600


def main() -> None:
    """Print a line for each target: what was reached and what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared/data")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with redirect_stdout(sys.stderr):
        keywords = {o: keyword_spotting(arguments.data, o, arguments.seconds) for o in ("size", "latency")}
        anomalies = autoencoder(arguments.data)
    if arguments.json:
        print(json.dumps({"keyword_spotting": keywords, "autoencoder": anomalies}))
        return
    for objective, found in keywords.items():
        print(
            f"keyword spotting, by {objective}: {found['chosen']}, {found['bytes']:,} bytes (reference "
            f"{REFERENCE_BYTES:,}), accuracy {found['accuracy']:.4f} (reference "
            f"{found['reference_accuracy']:.4f}, float {found['float_accuracy']:.4f}), "
            f"{found['latency_ratio']:.3f} of the reference's time"
        )
    print(
        f"autoencoder: {anomalies['chosen']}, {anomalies['bytes']:,} bytes (at most {AUTOENCODER_BYTES:,}), "
        f"reconstruction error {anomalies['relative']:+.2%} of float's (at most {MAX_RELATIVE:.0%})"
    )


def keyword_spotting(data: Path, objective: str, seconds: float) -> dict[str, Any]:
    """The chosen artifact and the reference file on the rows that judged it, and one row's time of both."""
    import edgeml

    with np.load(data / "kws/kws.npz") as arrays:
        rows = edgeml.Data(arrays["x"], arrays["y"])
    budget = edgeml.Budget(max_accuracy_drop=MAX_DROP)
    result = edgeml.compile(
        data / "kws/kws_ds_cnn.h5", device="host", data=rows, budget=budget, objective=objective
    )
    judging, chosen = result.split.judging, result.chosen
    if chosen is None or chosen.bundle is None or chosen.accuracy is None:
        raise SystemExit("nothing fits")
    reference = data / "kws/kws_reference_int8.tflite"
    labels = [litert_call(reference, x[None])().argmax() for x in judging.x]
    row = np.ascontiguousarray(judging.x[:1])
    us = interleaved(
        {"ours": our_calls(chosen.bundle, row)[0], "reference": litert_call(reference, row)}, seconds
    )
    return {
        "chosen": chosen.candidate.name,
        "bytes": chosen.size_bytes,
        "accuracy": chosen.accuracy.candidate,
        "float_accuracy": chosen.accuracy.original,
        "reference_accuracy": float(np.mean(np.equal(labels, judging.y))),
        "latency_ratio": us["ours"] / us["reference"],
    }


def autoencoder(data: Path) -> dict[str, Any]:
    """The int8 artifact with the least change of the reconstruction error that is small enough."""
    import keras

    import edgeml
    from edgeml_runtime import load

    model = keras.models.load_model(data / "models/ad_autoencoder.h5", compile=False)
    x = anomaly_inputs(model, AUTOENCODER_ROWS)
    result = edgeml.compile(
        model,
        device="host",
        data=edgeml.Data(x),
        budget=edgeml.Budget(max_size_kb=AUTOENCODER_BYTES / 1000),
        schemes=["int8-static", "int8-dynamic"],
        objective="size",
        name="autoencoder",
    )
    rows = result.split.judging.x
    in_float = reconstruction_error(rows, model.predict(rows, verbose=0))
    found = [
        {
            "chosen": outcome.candidate.name,
            "bytes": outcome.size_bytes,
            "relative": reconstruction_error(rows, load(outcome.bundle).predict(rows)) / in_float - 1.0,
        }
        for outcome in result.outcomes
        if outcome.status == "fits" and outcome.bundle is not None
    ]
    return min(found, key=lambda one: abs(float(one["relative"])))


if __name__ == "__main__":
    main()
