"""Which of several ways to run a bundle is faster here: measured in turn, decided only where one can tell.

Each contestant has a process of its own, since arenas and threads of one would change another's times. In
each round every process in turn times a burst of calls, so that whatever else the machine does hits all
alike. It is all done several times with new processes: where memory happens to lie makes a process faster or
slower for its whole life.

A ratio's interval is that of the median over rounds (order statistics, nothing assumed of the noise), the
widest of what the launches say. One is faster than another where all of that lies below 1.
"""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from edgeml_runtime.bundle import Bundle, encode_bundle
from edgeml_runtime.errors import EngineFailedError

LAUNCHES = 3
MIN_ROUNDS = 15
MISTAKE = 0.005  # how often the interval of one launch may miss, on either side
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Contestant:
    """A bundle and how to open it: the engine's name and options by name."""

    name: str
    bundle: Bundle
    engine: str
    options: Mapping[str, int | str | bool]


@dataclass(frozen=True, slots=True)
class Times:
    """Of those that ran: for each launch the median nanoseconds a call of each round's burst, by name.

    `refused`: the others, and why: their engine failed, or their golden vectors did not hold.
    """

    launches: tuple[Mapping[str, tuple[float, ...]], ...]
    refused: Mapping[str, str]

    def median_ns(self, name: str) -> float:
        """Of one call, over all rounds."""
        return statistics.median(sample for launch in self.launches for sample in launch[name])


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the time of one is to that of another: the ratio, its interval, and what that says."""

    ratio: float
    low: float
    high: float
    says: Literal["faster", "slower", "cannot tell"]

    def saves(self, share: float) -> bool:
        """Whether it surely takes at least that share less time."""
        return self.high <= 1.0 - share


def compare(times: Times, name: str, other: str) -> Comparison:
    """Whether `name` is faster or slower than `other`."""
    ratios = [[a / b for a, b in zip(launch[name], launch[other], strict=True)] for launch in times.launches]
    intervals = [median_interval(launch) for launch in ratios]
    low, high = min(i[0] for i in intervals), max(i[1] for i in intervals)
    ratio = statistics.median(statistics.median(launch) for launch in ratios)
    if high < 1.0:
        return Comparison(ratio, low, high, "faster")
    return Comparison(ratio, low, high, "slower" if low > 1.0 else "cannot tell")


def median_interval(samples: Sequence[float], mistake: float = MISTAKE) -> tuple[float, float]:
    """Samples that the median of what they were drawn from lies between, but for `mistake` on either side.

    The number of n samples below that median is binomial(n, 1/2). Infinite where there are too few samples.
    """
    ordered, n = sorted(samples), len(samples)
    allowed = Fraction(mistake) * 2**n  # of 2^n ways to lie above or below: floats do not reach that far
    ways = total = 1
    for below in range(n):
        if total > allowed:
            return (ordered[below - 1], ordered[n - below]) if below else (-math.inf, math.inf)
        ways = ways * (n - below) // (below + 1)
        total += ways
    return -math.inf, math.inf


def contest(
    contestants: Sequence[Contestant],
    *,
    seconds: float,
    launches: int = LAUNCHES,
    progress: Progress | None = None,
) -> Times:
    """Time one row a call of each in turn, for `seconds` and what starting the processes takes.

    Raises EngineFailedError where the first one fails to open, or any does later.
    """
    refused: dict[str, str] = {}
    done: list[Mapping[str, tuple[float, ...]]] = []
    with tempfile.TemporaryDirectory(prefix="edgeml-") as folder:
        for launch in range(launches):
            if progress is not None:
                progress(f"comparing {', '.join(c.name for c in contestants)}", launch, launches)
            with ExitStack() as running:
                workers = {}
                for contestant in contestants:
                    if contestant.name in refused:
                        continue
                    worker = running.enter_context(_Worker(contestant, Path(folder)))
                    reason = worker.opened()
                    if reason is None:
                        workers[contestant.name] = worker
                    elif contestant is contestants[0]:
                        raise EngineFailedError(f"{contestant.bundle.manifest.name}: {reason}")
                    else:
                        refused[contestant.name] = reason
                done.append(_rounds(workers, seconds / launches))
    kept = [name for name in done[-1] if name not in refused]
    return Times(tuple({name: launch[name] for name in kept} for launch in done), refused)


def _rounds(workers: Mapping[str, _Worker], seconds: float) -> dict[str, tuple[float, ...]]:
    samples: dict[str, list[float]] = {name: [] for name in workers}
    names = list(workers)
    deadline = time.monotonic() + seconds
    rounds = 0
    while rounds < MIN_ROUNDS or time.monotonic() < deadline:
        for position in range(len(names)):
            name = names[(position + rounds) % len(names)]  # nobody always follows the same one
            samples[name].append(workers[name].burst())
        rounds += 1
    return {name: tuple(taken) for name, taken in samples.items()}


class _Worker:
    """A process that holds one open session and times bursts of calls when asked to."""

    def __init__(self, contestant: Contestant, folder: Path) -> None:
        bundle = contestant.bundle
        path = folder / f"{bundle.digest}.edgeml"
        if not path.is_file():
            path.write_bytes(encode_bundle(bundle.manifest, bundle.files))
        # -P: a json.py or onnxruntime.py in the user's folder is none of our business.
        command = [sys.executable, "-P", "-m", "edgeml.contest_worker", str(path), contestant.engine]
        self._process = subprocess.Popen(  # noqa: S603  our own module, no shell
            [*command, json.dumps(dict(contestant.options))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> _Worker:
        return self

    def opened(self) -> str | None:
        """None once it is ready, or why it cannot take part."""
        answer = self._answer()
        reason = answer.get("error")
        return None if reason is None else str(reason)

    def burst(self) -> float:
        """Median nanoseconds of a call; raises EngineFailedError where the process is gone."""
        with suppress(OSError):  # where it is gone, its last words say more
            print("go", file=self._process.stdin, flush=True)
        answer = self._answer()
        if "error" in answer:
            raise EngineFailedError(f"measuring failed: {answer['error']}")
        return float(answer["ns"])

    def _answer(self) -> dict[str, Any]:
        pipe = self._process.stdout
        line = pipe.readline() if pipe is not None else ""
        try:
            document = json.loads(line)
        except ValueError:
            words = (self._process.communicate()[1] or "").strip().splitlines()[-3:]
            code = self._process.returncode
            return {"error": f"its process ended with exit code {code}: {' '.join(words)}".rstrip(": ")}
        return document if isinstance(document, dict) else {"error": f"unexpected answer {line!r}"}

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()
