"""MLPerf Tiny's trained networks in int8: no larger and no worse than what the issue tracker promises.

The same functions print it in `benchmarks/quantized_networks.py`; here only what does not depend on time.
"""

from __future__ import annotations

import numpy as np
import pytest
from conftest import require_module

import edgeml
from benchmarks.anomaly_inputs import NOISE_DB, anomaly_inputs, reconstruction_error
from benchmarks.peers import litert_call
from benchmarks.quantized_networks import (
    AUTOENCODER_BYTES,
    MAX_DROP,
    MAX_RELATIVE,
    REFERENCE_BYTES,
    autoencoder,
)

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _installed():
    require_module("tensorflow", "tf_keras", "ai_edge_litert", "onnxruntime")


def test_keyword_spotting_beats_the_benchmarks_own_int8_file(shared_data):
    with np.load(shared_data / "kws/kws.npz") as arrays:
        rows = edgeml.Data(arrays["x"], arrays["y"])
    result = edgeml.compile(
        shared_data / "kws/kws_ds_cnn.h5",
        device="host",
        data=rows,
        budget=edgeml.Budget(max_accuracy_drop=MAX_DROP),
        schemes=["int8-static"],
        objective="size",
    )
    assert result.chosen is not None
    reference = shared_data / "kws/kws_reference_int8.tflite"
    judging = result.split.judging
    labels = [litert_call(reference, x[None])().argmax() for x in judging.x]
    score = np.mean(np.equal(labels, judging.y))
    for outcome in result.outcomes:  # what latency chooses and what size chooses
        assert outcome.status == "fits"
        assert outcome.size_bytes <= REFERENCE_BYTES
        assert outcome.accuracy.drop <= MAX_DROP
        assert outcome.accuracy.candidate >= score


def test_the_autoencoder_keeps_its_reconstruction_error(shared_data):
    found = autoencoder(shared_data)
    assert found["bytes"] <= AUTOENCODER_BYTES
    assert abs(found["relative"]) <= MAX_RELATIVE


def test_drawn_inputs_are_reconstructed_but_for_their_noise(shared_data):
    import keras

    model = keras.models.load_model(shared_data / "models/ad_autoencoder.h5", compile=False)
    x = anomaly_inputs(model, 300)
    assert x.shape == (300, 640)
    error = reconstruction_error(x, model.predict(x, verbose=0))
    assert NOISE_DB**2 * 0.9 < error < NOISE_DB**2 * 1.5
    assert error < 0.2 * x.var()  # a model that had learned nothing would leave all of it
