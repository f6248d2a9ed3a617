"""Six Keras networks: what `edgeml.compile` chooses against every peer's file; one row, one thread.

Ours is the artifact chosen for this machine with a latency objective, called in its engine and through
`Session.predict`. The peers: ONNX Runtime with the exported graph and with onnxruntime.quantization's static
and dynamic int8, LiteRT with TensorFlow's plain converter in float32 and int8, OpenVINO in float32 and with
NNCF's int8. Each round gives each of them a burst of calls in turn; its time is the median over the rounds
of the fastest call of a burst. A ratio is ours over the fastest peer's.

    python benchmarks/keras_models.py [--networks DS-CNN,ResNet-8] [--seconds 20] [--folder DIR] [--json]

Needs edgeml[all]; OpenVINO takes part where it is installed: pip install openvino nncf. Building takes some
minutes; with --folder what is built is kept, and used again as it is.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.peers import CONTESTANTS, PIP_LINES, build_peers, peer_call
from benchmarks.tiny_networks import network, networks
from edgeml_runtime import Bundle, load, read_bundle
from edgeml_runtime.signature import quantize

MAX_RATIO, MAX_ABOVE_US = 1.02, 10.0
BURST_NS = 1_000_000  # a round gives everybody about that long
ENGINE, PREDICT = "ours", "ours, predict"
Call = Callable[[], Any]


def main() -> None:
    """Build what is not built, measure in a process of its own, print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=lambda text: text.split(","), default=list(networks()))
    parser.add_argument("--seconds", type=float, default=20.0, help="of measuring each network")
    parser.add_argument("--folder", type=Path, help="keep what is built there")
    parser.add_argument(
        "--all", action="store_true", help="measure every candidate of ours, not the chosen alone"
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure is not None:
        print(json.dumps(measured(arguments.measure, arguments.seconds, every=arguments.all)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        results = []
        for name in arguments.networks:
            folder = (arguments.folder or Path(temporary)) / name.lower().replace(" ", "-")
            if not (folder / "chosen.txt").is_file():
                with redirect_stdout(sys.stderr):  # where TensorFlow and NNCF tell what they do
                    build(name, folder)
            command = [
                sys.executable,
                __file__,
                "--measure",
                str(folder),
                "--seconds",
                str(arguments.seconds),
            ]
            done = subprocess.run(
                [*command, *(["--all"] if arguments.all else [])], check=True, capture_output=True, text=True
            )
            results.append({"network": name, **json.loads(done.stdout.splitlines()[-1])})
            if not arguments.json:
                print("\n".join(lines(results[-1])), flush=True)
    if arguments.json:
        print(json.dumps({"max_ratio": MAX_RATIO, "max_above_us": MAX_ABOVE_US, "results": results}))


def build(name: str, folder: Path) -> None:
    """Every candidate of ours, the peers' files, and one row, in that folder."""
    import edgeml
    from edgeml.pack import with_verdicts

    folder.mkdir(parents=True, exist_ok=True)
    model, x = network(name)
    np.save(folder / "row.npy", x[:1])
    build_peers(model, x, folder)
    # Random weights have no accuracy to keep, and their labels flip at a breath: no limit on either.
    y = model.predict(x, verbose=0)
    labels = y if y.shape == x.shape else y.argmax(axis=1) if y.shape[1] > 1 else (y[:, 0] > 0.5).astype(int)
    result = edgeml.compile(
        model,
        device="host",
        data=edgeml.Data(x, labels),
        budget=edgeml.Budget(max_accuracy_drop=1e6),
        name=folder.name,
    )
    for outcome in result.outcomes:
        if outcome.bundle is not None:
            file = outcome.candidate.name.replace("/", "-").replace(" ", "-") + ".edgeml"
            (folder / file).write_bytes(with_verdicts(outcome.bundle, outcome.verdicts))
            if outcome is result.chosen:
                chosen = file
    (folder / "chosen.txt").write_text(chosen)


def measured(folder: Path, seconds: float, *, every: bool) -> dict[str, Any]:
    """Microseconds a call of everybody who is there, the best peer, our ratio."""
    chosen = (folder / "chosen.txt").read_text()
    x = np.load(folder / "row.npy")
    mine = our_calls(read_bundle(folder / chosen), x)
    calls: dict[str, Call] = dict(zip((ENGINE, PREDICT), mine, strict=True))
    peers = {name: call for name in CONTESTANTS if (call := peer_call(name, folder, x)) is not None}
    calls |= peers
    if every:
        others = sorted(path for path in folder.glob("*.edgeml") if path.name != chosen)
        calls |= {f"ours, {path.stem}": our_calls(read_bundle(path), x)[0] for path in others}
    us = interleaved(calls, seconds)
    best = min(peers, key=lambda name: us[name])
    return {
        "chosen": Path(chosen).stem,
        "us": us,
        "best_peer": best,
        "ratio": us[ENGINE] / us[best],
        "above_us": above_us(*mine, seconds),
        "missing": [name for name in CONTESTANTS if name not in peers],
    }


def interleaved(calls: dict[str, Call], seconds: float) -> dict[str, float]:
    """Microseconds: the median over rounds of each one's fastest call in its burst of the round."""
    lengths = {name: burst_length(call) for name, call in calls.items()}
    fastest: dict[str, list[int]] = {name: [] for name in calls}
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline or min(map(len, fastest.values())) < 10:
        for name, call in calls.items():
            fastest[name].append(min(burst(call, lengths[name])))
    return {name: statistics.median(samples) / 1e3 for name, samples in fastest.items()}


def above_us(engine: Call, predict: Call, seconds: float) -> float:
    """What `predict` takes above the engine's call: the median of many differences.

    Of two bursts' medians, one right after the other and either first as often: two times of a millisecond
    taken apart differ by more than what is asked for.
    """
    length = burst_length(predict)
    differences: list[float] = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        one, other = (engine, predict) if len(differences) % 2 else (predict, engine)
        first, second = (statistics.median(burst(call, length)) for call in (one, other))
        differences.append(second - first if one is engine else first - second)
    return statistics.median(differences) / 1e3


def burst_length(call: Call) -> int:
    """How many calls take about a millisecond; 4 at least."""
    once_ns = min(burst(call, 3))
    return min(200, max(4, BURST_NS // max(once_ns, 1)))


def burst(call: Call, length: int) -> list[int]:
    """Nanoseconds of every call but the first, which finds the caches as somebody else left them."""
    clock = time.perf_counter_ns
    call()
    samples = []
    for _ in range(length):
        started = clock()
        call()
        samples.append(clock() - started)
    return samples


def our_calls(bundle: Bundle, x: np.ndarray[Any, Any]) -> tuple[Call, Call]:
    """The engine's own call on stored values, and `predict`, of one session.

    Of one session, since where memory lies makes an open artifact a percent faster or slower for good.
    """
    session = load(bundle)
    spec, method = session.signature.inputs[0], session.signature.methods[0]
    stored, (output,) = quantize(spec, x), method.outputs
    session.handle.run(method.outputs, [stored])  # gives the batch its size
    handle: Any = session.handle
    if bundle.manifest.artifact_format == "onnx":
        run = handle._run
        return (lambda: run([output], {spec.name: stored})), partial(session.call, method.name, x)
    interpreter, (source,), target = handle._interpreter, handle._inputs, handle._outputs[output]

    def engine_call() -> Any:
        interpreter.set_tensor(source, stored)
        interpreter.invoke()
        return interpreter.get_tensor(target)

    return engine_call, partial(session.call, method.name, x)


def lines(result: dict[str, Any]) -> list[str]:
    """A table of one network, everybody as a ratio to the best peer."""
    us, best = result["us"], result["best_peer"]
    told = [
        f"{result['network']}: {result['chosen']}, {result['ratio']:.3f} of the best peer ({best}), "
        f"predict {result['above_us']:.1f} us above the engine"
    ]
    told += [f"  {name:32} {us[name]:10.1f} us {us[name] / us[best]:8.3f}" for name in us]
    for name in result["missing"]:
        packages = PIP_LINES.get(name.partition(" ")[0], ())
        absent = any(find_spec(package) is None for package in packages)
        told.append(f"  {name:32} missing" + (f": pip install {' '.join(packages)}" if absent else ""))
    return told


if __name__ == "__main__":
    main()
