"""How long the fast search of the keyword model takes, and how much of it is our own code.

The whole command runs as a user runs it, in a process of its own. A second run under cProfile splits the
calling thread's time: ours is what is spent in the bodies of edgeml's functions, imports apart; what they
call of other packages is not. Profiling slows Python down and native code not, so the share is an upper
bound.

    python benchmarks/overhead.py [--device raspberry-pi-4] [--json]

Needs TensorFlow and ../shared/data/kws.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
KWS = ROOT.parent / "shared" / "data" / "kws"
LIMIT_SECONDS, LIMIT_SHARE = 60.0, 0.2
OURS = tuple(str(ROOT / folder) for folder in ("edgeml", "converters", "runtime"))
SHOWN = 8


def main() -> None:
    """Print seconds, our share and our most expensive functions."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="raspberry-pi-4")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        options = [str(KWS / "kws_ds_cnn.h5"), "--data", str(KWS / "kws.npz"), "--device", arguments.device]
        options += ["--max-accuracy-drop", "0.01", "-o", str(Path(folder) / "kws.edgeml"), "--json"]
        began = time.monotonic()
        subprocess.run([sys.executable, "-m", "edgeml", "compile", *options], check=True, capture_output=True)
        seconds = time.monotonic() - began
        share, most = profiled(["compile", *options])
    if arguments.json:
        limits = {"limit_seconds": LIMIT_SECONDS, "limit_share": LIMIT_SHARE}
        print(json.dumps({"seconds": seconds, "own_share": share, **limits}))
        return
    print(f"whole command {seconds:.1f} s (limit {LIMIT_SECONDS:.0f} s)")
    print(
        f"our own code {100 * share:.1f}% of the profiled time (limit {100 * LIMIT_SHARE:.0f}%), most of it:"
    )
    for name, own_seconds in most:
        print(f"  {own_seconds:6.2f} s  {name}")


def profiled(arguments: list[str]) -> tuple[float, list[tuple[str, float]]]:
    """Our share of the time in this process, and our most expensive functions with their seconds."""
    import contextlib
    import io

    from edgeml.cli import main as command

    profile = cProfile.Profile()
    with contextlib.redirect_stdout(io.StringIO()):
        profile.runcall(command, arguments)
    spent = {
        f"{Path(file).name}:{line} {function}": own
        for (file, line, function), (_, _, own, _, _) in pstats.Stats(profile).stats.items()
        if file.startswith(OURS) and function != "<module>"
    }
    whole = sum(own for _, _, own, _, _ in pstats.Stats(profile).stats.values())
    most = sorted(spent.items(), key=lambda item: item[1], reverse=True)[:SHOWN]
    return sum(spent.values()) / whole, most


if __name__ == "__main__":
    main()
