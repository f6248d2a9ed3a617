"""The process of one contestant (see `contest`): opens a bundle, then times a burst for every line it reads.

    python -m edgeml.contest_worker BUNDLE ENGINE OPTIONS

OPTIONS is JSON. Every answer is one line of JSON: first {} or {"error": reason}, then {"ns": median} a burst.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from typing import Any

BURST_NS = 2_000_000
WARM_UP_NS = 100_000_000


def main() -> None:
    """Serve until the parent closes the pipe or ends this process."""
    from edgeml_runtime import load, read_bundle, verify
    from edgeml_runtime.bench import golden_batches
    from edgeml_runtime.errors import EdgeMLError

    path, engine, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    try:
        bundle = read_bundle(path)
        verification = verify(bundle, engine=engine, options=options, tuned=False)
        session = load(bundle, engine=engine, options=options, tuned=False)
    except EdgeMLError as error:
        _say({"error": str(error)})
        return
    if verification.golden != "ok":
        _say({"error": f"its golden vectors do not hold: {verification.golden}"})
        return
    method = session.signature.methods[0].name
    call = session.predict if method == "predict" else lambda x: session.call(method, x)
    batches = golden_batches(bundle, 1)
    clock = time.perf_counter_ns
    deadline, calls = clock() + WARM_UP_NS, 0
    started = clock()
    while calls < 2 or clock() < deadline:
        call(batches[calls % len(batches)])
        calls += 1
    count = max(3, int(BURST_NS * calls / (clock() - started)))
    gc.disable()  # a collection belongs to the caller's program, not to the model
    _say({})
    for _ in sys.stdin:
        call(batches[0])  # whoever ran before had the caches
        samples = []
        for position in range(count):
            x = batches[position % len(batches)]
            started = clock()
            call(x)
            samples.append(clock() - started)
        _say({"ns": statistics.median(samples)})


def _say(document: dict[str, Any]) -> None:
    print(json.dumps(document), flush=True)


if __name__ == "__main__":
    main()
