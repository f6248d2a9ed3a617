"""Tune: the engine and its options that run a bundle fastest on this machine, written into the bundle.

One option after the other, each alternative against what is best so far. What is not faster by a margin, or
where one cannot tell, stays as it was; so does everything unless the whole is faster than the defaults. Where
an option breaks the golden vectors it is refused, so verdicts and golden vectors stay valid.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from edgeml.contest import Comparison, Contestant, Progress, compare, contest
from edgeml_runtime.bundle import Bundle, decode_bundle, encode_bundle
from edgeml_runtime.codec import encode
from edgeml_runtime.engines import choose_engine, engines
from edgeml_runtime.errors import InputError
from edgeml_runtime.manifest import format_of, with_tuning
from edgeml_runtime.tuning import (
    DEFAULTS,
    DeviceClass,
    SessionOptions,
    Tuning,
    describe_options,
    device_class,
)

SECONDS = 20.0
MARGIN = 0.03  # of the time, that an option must save: less is not worth another setting
# A thread more takes a core from everything else that the device does.
THREADS_MARGIN = 0.15
Value = int | str | bool


@dataclass(frozen=True, slots=True)
class TunedOption:
    """An alternative, against what was best until then. `refused`: why it could not take part, else empty."""

    option: str
    value: Value
    comparison: Comparison | None
    adopted: bool
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Tuned:
    """What came out. `against_defaults`: the whole against the defaults, None where nothing was adopted.

    `tuning` is None where the defaults stay.
    """

    device_class: DeviceClass
    default_engine: str
    tuning: Tuning | None
    tried: tuple[TunedOption, ...]
    against_defaults: Comparison | None
    default_ns: float
    tuned_ns: float


@dataclass(frozen=True, slots=True)
class _Stage:
    option: str
    values: tuple[Value, ...]
    margin: float


def tune(bundle: Bundle, *, seconds: float = SECONDS, progress: Progress | None = None) -> Tuned:
    """Measure engines and options, one row a call, for about `seconds` in all.

    Raises InputError for seconds that are not positive, MissingDependencyError where no engine is installed,
    EngineFailedError where the defaults do not run or their golden vectors do not hold.
    """
    if not 0 < seconds < float("inf"):
        raise InputError(f"seconds must be positive and finite, got {seconds}")
    artifact_format = bundle.manifest.artifact_format
    here = device_class()
    default = best = (choose_engine(artifact_format).name, DEFAULTS)
    others = tuple(
        e.name for e in engines().values()
        if artifact_format in e.formats and e.installed() and e.name != default[0]
    )  # fmt: skip
    share = seconds / (len(_stages(best[0], here)) + bool(others) + 1)
    tried: list[TunedOption] = []
    if others:
        best = _run_stage(_Stage("engine", others, MARGIN), bundle, best, tried, share, progress)
    for stage in _stages(best[0], here):
        if stage.option == "spinning" and best[1].threads == 1:
            continue  # one thread is the caller's own: nobody waits
        best = _run_stage(stage, bundle, best, tried, share, progress)
    names = ("the defaults", "what was tuned")
    pair = [_contestant(name, bundle, *how) for name, how in zip(names, (default, best), strict=True)]
    times = contest(pair if best != default else pair[:1], seconds=share, progress=progress)
    whole = compare(times, names[1], names[0]) if best != default else None
    holds = whole is not None and whole.saves(MARGIN)
    engine, options = best
    return Tuned(
        device_class=here,
        default_engine=default[0],
        tuning=Tuning(here, engine, engines()[engine].version(), options) if holds else None,
        tried=tuple(tried),
        against_defaults=whole,
        default_ns=times.median_ns(names[0]),
        tuned_ns=times.median_ns(names[1] if holds else names[0]),
    )


def tuned_bundle(bundle: Bundle, tuned: Tuned) -> Bundle:
    """The bundle with that tuning for its class of devices, or with none for it where the defaults stay."""
    manifest = bundle.manifest
    others = tuple(t for t in manifest.tunings if t.device_class != tuned.device_class)
    tunings = others if tuned.tuning is None else with_tuning(others, tuned.tuning)
    changed = replace(manifest, format=format_of(tunings), tunings=tunings)
    return decode_bundle(encode_bundle(changed, bundle.files))


def tuned_content(content: bytes, tuned: Tuned) -> bytes:
    """The same for a bundle's bytes."""
    bundle = tuned_bundle(decode_bundle(content), tuned)
    return encode_bundle(bundle.manifest, bundle.files)


def _stages(engine: str, here: DeviceClass) -> tuple[_Stage, ...]:
    """What to try with that engine, in this order: kernels before threads, which share their work out."""
    doublings = [2**power for power in range(1, 9) if 2**power < here.usable_cpus]
    threads = tuple(dict.fromkeys([*doublings, here.usable_cpus])) if here.usable_cpus > 1 else ()
    every = (
        _Stage("xnnpack", (False,), MARGIN),
        _Stage("graph_optimization", ("extended", "basic"), MARGIN),
        _Stage("memory_arena", (False,), MARGIN),
        _Stage("threads", threads, THREADS_MARGIN),
        _Stage("spinning", (False,), MARGIN),
    )
    return tuple(stage for stage in every if stage.option in engines()[engine].options and stage.values)


def _run_stage(
    stage: _Stage,
    bundle: Bundle,
    best: tuple[str, SessionOptions],
    tried: list[TunedOption],
    seconds: float,
    progress: Progress | None,
) -> tuple[str, SessionOptions]:
    ways = {_name(stage.option, value): _changed(best, stage.option, value) for value in stage.values}
    incumbent = "what is best so far"
    contestants = [_contestant(incumbent, bundle, *best)]
    contestants += [_contestant(name, bundle, *way) for name, way in ways.items()]
    times = contest(contestants, seconds=seconds, progress=progress)
    found = {name: compare(times, name, incumbent) for name in ways if name not in times.refused}
    faster = [name for name, comparison in found.items() if comparison.saves(stage.margin)]
    winner = min(faster, key=lambda name: found[name].ratio) if faster else None
    for value, name in zip(stage.values, ways, strict=True):
        reason = times.refused.get(name, "")
        tried.append(TunedOption(stage.option, value, found.get(name), name == winner, reason))
    return best if winner is None else ways[winner]


def _changed(how: tuple[str, SessionOptions], option: str, value: Value) -> tuple[str, SessionOptions]:
    engine, options = how
    if option == "engine":
        return str(value), options
    changes: dict[str, object] = {option: value}
    return engine, replace(options, **changes)  # type: ignore[arg-type]


def _contestant(name: str, bundle: Bundle, engine: str, options: SessionOptions) -> Contestant:
    return Contestant(name, bundle, engine, encode(options))


def _name(option: str, value: Value) -> str:
    return describe_options({option: value})


def tuned_lines(tuned: Tuned) -> Iterator[str]:
    """For people: every alternative with its ratio and interval, and what came out."""
    yield f"tuned on {tuned.device_class.describe()}, one row a call, {tuned.default_engine} by default"
    for option in tuned.tried:
        comparison = option.comparison
        what = f"  {_name(option.option, option.value):28}"
        if comparison is None:
            yield f"{what} refused: {option.refused}"
        else:
            yield f"{what} {_ratio(comparison)}  {_outcome(option, comparison)}"
    if tuned.tuning is None:
        yield f"the defaults stay: {tuned.default_ns / 1e3:.1f} us"
    elif tuned.against_defaults is not None:
        engine = engines()[tuned.tuning.engine]
        options = encode(tuned.tuning.options)
        heeded: Mapping[str, Value] = {name: options[name] for name in engine.options}
        yield (
            f"best: {tuned.tuning.engine}, {describe_options(heeded)}: {tuned.tuned_ns / 1e3:.1f} us, "
            f"{_ratio(tuned.against_defaults).strip()} of the defaults' {tuned.default_ns / 1e3:.1f} us"
        )


def _outcome(option: TunedOption, comparison: Comparison) -> str:
    if option.adopted:
        return "adopted"
    return "faster, not adopted" if comparison.says == "faster" else comparison.says


def _ratio(comparison: Comparison) -> str:
    return f"{comparison.ratio:6.3f} ({comparison.low:.3f} to {comparison.high:.3f})"
