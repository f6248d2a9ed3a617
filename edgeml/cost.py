"""What an artifact costs here: latency and peak memory of the shipped runtime in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from edgeml_runtime.bench import Measurement
from edgeml_runtime.bundle import Bundle, encode_bundle
from edgeml_runtime.codec import decode
from edgeml_runtime.errors import EngineFailedError

SECONDS = 0.4
TIMEOUT_SECONDS = 300


def measure_apart(bundle: Bundle, *, seconds: float = SECONDS) -> Measurement:
    """Run `edgeml-runtime bench` on the bundle, one thread, one row a call.

    A process of its own holds nothing but numpy and the engine, so its memory is the device's kind of
    memory, and an engine that crashes takes nobody along. Raises EngineFailedError with the process' last
    words.
    """
    with tempfile.TemporaryDirectory(prefix="edgeml-") as folder:
        path = Path(folder) / "candidate.edgeml"
        path.write_bytes(encode_bundle(bundle.manifest, bundle.files))
        # -P: a json.py or onnxruntime.py in the user's folder is none of our business.
        command = [sys.executable, "-P", "-m", "edgeml_runtime", "bench", str(path), "--json"]
        command += ["--seconds", str(seconds)]
        try:
            done = subprocess.run(  # noqa: S603  our own module, no shell
                command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise EngineFailedError(f"measuring took over {TIMEOUT_SECONDS} s and was stopped") from error
    if done.returncode != 0:
        words = (done.stdout + done.stderr).strip().splitlines()[-3:]
        raise EngineFailedError(f"measuring failed with exit code {done.returncode}: {' '.join(words)}")
    return decode(Measurement, json.loads(done.stdout)["measurements"][0])
