"""Run inside the emulated machine: one inference at a time, between the marks that the plugin counts by.

    python guest_script.py ENGINE ROWS WARM_UP < BUNDLE

A mark is the system call sched_get_priority_min, which nothing else here makes: 5 has the plugin instrument
the code, 1, 2 and 3 begin a region of that kind, 0 ends it. Prints one JSON object: which engine ran on
which rows, or the error. The bundle comes through stdin: the length of a path moves the stack, and with it
what is aligned, which changes counts by a thousandth.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time

MARKS, ENGINE, CALL = 1, 2, 3
END, PREPARE = 0, 5
_WARM_UP_S = 60.0  # emulated, of a large network: what one call more would change is then nothing beside it


def main() -> int:
    """Warm up, then mark each run and each call of each row; the exit code."""
    from edgeml_runtime.cli import answer
    from edgeml_runtime.errors import EdgeMLError

    try:
        print(json.dumps(_count(sys.stdin.buffer.read(), sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
    except EdgeMLError as error:
        return answer(error, as_json=True)
    return 0


def _count(content: bytes, engine: str, rows: int, warm_up: int) -> dict[str, object]:
    import numpy as np

    from edgeml_runtime.bench import golden_batches
    from edgeml_runtime.bundle import decode_bundle
    from edgeml_runtime.session import Session
    from edgeml_runtime.signature import quantize

    bundle = decode_bundle(content)
    session = Session(bundle, engine=engine, threads=1)
    signature = bundle.manifest.signature
    method = signature.methods[0].name
    outputs = signature.methods[0].outputs
    handle = session.engine.open(bundle.artifact, signature, session.options)
    golden = bundle.golden(bundle.manifest.fixture.inputs)
    batches = golden_batches(bundle, 1)
    chosen = [i % len(batches) for i in range(rows)]
    stored = [
        [np.ascontiguousarray(quantize(s, golden[s.name][i : i + 1])) for s in signature.inputs]
        for i in range(len(batches))
    ]
    call = session.predict if method == "predict" else lambda x: session.call(method, x)
    run, mark = handle.run, os.sched_get_priority_min
    gc.collect()
    gc.disable()  # a collection belongs to the caller's program, not to the model
    mark(PREPARE)
    deadline = time.monotonic() + _WARM_UP_S
    for position, i in enumerate([*chosen[:1] * warm_up, *chosen]):
        if 0 < position < warm_up and time.monotonic() > deadline:
            continue
        tensors, x = stored[i], batches[i]
        mark(MARKS)
        mark(END)
        mark(ENGINE)
        run(outputs, tensors)
        mark(END)
        mark(CALL)
        call(x)
        mark(END)
    return {
        "bundle": bundle.manifest.name,
        "bundle_digest": bundle.digest,
        "scheme": bundle.manifest.scheme,
        "engine": session.engine.name,
        "engine_version": session.engine.version(),
        "method": method,
        "rows": chosen,
    }


if __name__ == "__main__":
    sys.exit(main())
