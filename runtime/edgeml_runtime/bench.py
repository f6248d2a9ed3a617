"""Latency and memory of a bundle on this machine: raw samples, and the conditions they were taken under.

What is timed is the call an application makes (`Session.predict` with its checks and conversions), one
sample a call, after a warm-up. Samples are kept as they are; percentiles are read off them. Two machines
are never averaged.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgeml_runtime.bundle import Bundle
from edgeml_runtime.errors import InputError
from edgeml_runtime.golden_rows import select_rows
from edgeml_runtime.host import HostInfo, host_info
from edgeml_runtime.memory import peak_memory_bytes, reset_peak_memory, resident_memory_bytes
from edgeml_runtime.session import Session, planned_opening
from edgeml_runtime.signature import Array
from edgeml_runtime.tuning import heeded

PERCENTILES = (50, 90, 99)
_DISTINCT_BATCHES = 8  # they are held in memory, which is measured


@dataclass(frozen=True, slots=True)
class BenchPlan:
    """How to measure: engine threads, rows a call, seconds of warm-up and of sampling, least samples.

    threads: None are those that the bundle was tuned to here, else one. options, tuned: as `load` takes them.
    """

    threads: int | None = None
    batch: int = 1
    warmup_seconds: float = 0.2
    seconds: float = 1.0
    min_samples: int = 10
    options: Mapping[str, int | str | bool] = field(default_factory=dict)
    tuned: bool = True

    def __post_init__(self) -> None:
        if (self.threads is not None and self.threads < 1) or self.batch < 1 or self.min_samples < 1:
            raise InputError("threads, batch and min_samples must be at least 1")
        if not (0 <= self.warmup_seconds < math.inf and 0 < self.seconds < math.inf):
            raise InputError("seconds must be positive and finite")


@dataclass(frozen=True, slots=True)
class Measurement:
    """Raw latencies of one bundle under one plan on one host.

    `options`: those that the engine has, as it was opened; `tuned`: whether they are the bundle's tuning for
    this class of devices, but for what was asked for. `peak_memory_bytes` is the process' peak resident size;
    `idle_memory_bytes` what it held with the engine imported and nothing opened. None where the system does
    not tell.
    """

    bundle: str
    bundle_digest: str
    scheme: str
    engine: str
    engine_version: str
    method: str
    threads: int
    batch: int
    warmup_calls: int
    open_ns: int
    samples_ns: tuple[int, ...]
    idle_memory_bytes: int | None
    peak_memory_bytes: int | None
    host: HostInfo
    options: Mapping[str, int | str | bool] = field(default_factory=dict)
    tuned: bool = False


def percentile_ns(samples_ns: tuple[int, ...], percent: float) -> int:
    """The smallest sample with at least `percent` of all samples at or below it (nearest rank)."""
    ordered = sorted(samples_ns)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def summary_ns(samples_ns: tuple[int, ...]) -> dict[str, int]:
    """`min` and the PERCENTILES (`p50` ...) of raw samples."""
    return {"min": min(samples_ns)} | {f"p{p}": percentile_ns(samples_ns, p) for p in PERCENTILES}


def measure(bundle: Bundle, plan: BenchPlan, *, engine: str | None = None) -> Measurement:
    """Open the bundle and measure its first method on its golden rows, repeated up to `plan.batch`.

    Raises MissingDependencyError or EngineFailedError.
    """
    asked: dict[str, Any] = {
        "engine": engine, "threads": plan.threads, "options": plan.options, "tuned": plan.tuned
    }  # fmt: skip
    how = planned_opening(bundle, **asked)
    chosen = how.engine
    chosen.import_module()
    reset_peak_memory()
    idle = resident_memory_bytes()
    started = time.perf_counter_ns()
    session = Session(bundle, **asked)
    open_ns = time.perf_counter_ns() - started
    method = session.signature.methods[0].name
    batches = golden_batches(bundle, plan.batch)
    call = session.predict if method == "predict" else lambda x: session.call(method, x)
    warmup_calls, samples = _sample(call, batches, plan)
    return Measurement(
        bundle=bundle.manifest.name,
        bundle_digest=bundle.digest,
        scheme=bundle.manifest.scheme,
        engine=chosen.name,
        engine_version=chosen.version(),
        method=method,
        threads=how.options.threads,
        batch=plan.batch,
        warmup_calls=warmup_calls,
        open_ns=open_ns,
        samples_ns=samples,
        idle_memory_bytes=idle,
        peak_memory_bytes=peak_memory_bytes(),
        host=host_info(),
        options=heeded(how),
        tuned=how.tuned,
    )


def golden_batches(bundle: Bundle, batch: int) -> list[Any]:
    """Inputs of `batch` rows, starting at different golden rows, so that samples differ in their data."""
    golden = bundle.golden(bundle.manifest.fixture.inputs)
    rows = len(next(iter(golden.values())))
    starts = [np.arange(start, start + batch) % rows for start in range(min(rows, _DISTINCT_BATCHES))]
    if bundle.manifest.signature.encodes:
        given = bundle.golden_rows()
        return [select_rows(given, r.tolist()) for r in starts]
    batches: list[dict[str, Array]] = [
        {n: np.ascontiguousarray(a[r]) for n, a in golden.items()} for r in starts
    ]
    if len(golden) == 1:
        return [next(iter(feeds.values())) for feeds in batches]
    return batches


def _sample(call: Callable[[Any], Any], batches: list[Any], plan: BenchPlan) -> tuple[int, tuple[int, ...]]:
    clock = time.perf_counter_ns
    count = len(batches)
    warmup_calls = 0
    deadline = clock() + int(plan.warmup_seconds * 1e9)
    while warmup_calls == 0 or clock() < deadline:
        call(batches[warmup_calls % count])
        warmup_calls += 1
    samples: list[int] = []
    collecting = gc.isenabled()
    gc.disable()  # a collection belongs to the caller's program, not to the model
    try:
        deadline = clock() + int(plan.seconds * 1e9)
        while True:
            x = batches[len(samples) % count]
            started = clock()
            call(x)
            ended = clock()
            samples.append(ended - started)
            if ended >= deadline and len(samples) >= plan.min_samples:
                return warmup_calls, tuple(samples)
    finally:
        if collecting:
            gc.enable()
