"""`edgeml bench BUNDLE... --on NAME --count`: print what one row costs, and gate its increase.

A count is a cost. It is never printed as a time, and nothing here turns it into one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgeml.emulation.counting.comparison import (
    DEFAULT_MAX_INCREASE,
    Comparison,
    baseline_of,
    compare,
    parse_max_increase,
    read_baselines,
)
from edgeml.emulation.counting.counts import CLASSES, InstructionCount, document, spread_percent
from edgeml.emulation.counting.inference import count_inference, emulated_core
from edgeml.progress import ProgressLine
from edgeml_runtime.bundle import read_bundle
from edgeml_runtime.cli import printable
from edgeml_runtime.codec import encode
from edgeml_runtime.errors import InputError, NothingFitsError

if TYPE_CHECKING:
    from edgeml.emulation.targets import Target

_MEANING = (
    "Counts are a cost, not a time: instructions that the program executes, whatever the core makes of them."
)


def count_command(
    bundles: Sequence[Path],
    targets: Sequence[Target],
    *,
    engine: str | None = None,
    against: Path | None = None,
    max_increase: str | None = None,
    as_json: bool = False,
) -> int:
    """Count every bundle on every target and print it; the exit code.

    0, or 6 (a budget is not kept) where anything rose by more than `max_increase` over the counts in
    `against`. Options, targets, bundles and that file are checked before anything is counted; raises what
    `count_inference` and `read_bundle` raise, InputError for the rest.
    """
    if max_increase is not None and against is None:
        raise InputError("--max-increase is of what a former count says: give it with --against FILE")
    limit = parse_max_increase(max_increase or DEFAULT_MAX_INCREASE)
    former = None if against is None else read_baselines(against)
    for target in targets:
        emulated_core(target)
    names = [read_bundle(bundle).manifest.name for bundle in bundles]
    jobs = [(b, name, t) for b, name in zip(bundles, names, strict=True) for t in targets]
    counts = []
    with ProgressLine(quiet=as_json) as progress:
        for done, (bundle, name, target) in enumerate(jobs):
            progress(f"counting {printable(name)} on {printable(target.name)}", done, len(jobs))
            counts.append(count_inference(bundle, target, engine))
            if not as_json:
                print("\n".join(describe(counts[-1])), flush=True)
    comparison = None if former is None else compare(former, [*map(baseline_of, counts)], limit)
    if as_json:
        print(json.dumps(_document(counts, comparison), allow_nan=False))
    else:
        print(_MEANING)
        if comparison is not None:
            print("\n".join(describe_comparison(comparison)))
    return NothingFitsError.exit_code if comparison is not None and comparison.exceeds else 0


def _document(counts: Sequence[InstructionCount], comparison: Comparison | None) -> dict[str, object]:
    compared = None if comparison is None else {**encode(comparison), "exceeds": comparison.exceeds}
    return {"instruction_counts": [document(count) for count in counts], "comparison": compared}


def describe(count: InstructionCount) -> Iterator[str]:
    """A small table of one count: engine run and whole call, the classes below the sum."""
    run, call = count.run, count.call
    rows = [
        ("instructions", run.instructions, call.instructions),
        *((f"  {name}", run.by_class[name], call.by_class[name]) for name in CLASSES),
        ("bytes loaded", run.bytes_loaded, call.bytes_loaded),
        ("bytes stored", run.bytes_stored, call.bytes_stored),
    ]
    core = "" if count.core == count.target else f" ({count.core})"
    yield (
        f"{printable(count.bundle)} {printable(count.scheme)} on {printable(count.target)}{core} with "
        f"{count.engine} {count.engine_version}, QEMU {count.qemu_version}"
    )
    yield f"  {f'one row, median of {len(count.rows)}':20} {'engine run':>15} {'whole call':>15}"
    yield from (f"  {name:20} {in_run:15,} {in_call:15,}" for name, in_run, in_call in rows)
    yield f"  {'rows differ by':20} {spread_percent(count.runs):14.2f}% {spread_percent(count.calls):14.2f}%"
    if count.other_threads:
        yield f"  of all rows together, {count.other_threads:,} instructions in other threads"


def describe_comparison(comparison: Comparison) -> Iterator[str]:
    """A line for each number that is on both sides, then what is on one side only, then the verdict."""
    limit = f"{100 * comparison.max_increase:g}%"
    for change in comparison.changes:
        verdict = f", more than {limit}" if change.exceeds else ""
        note = f" ({printable(change.note)})" if change.note else ""
        yield (
            f"{100 * change.increase:+8.2f}% {printable(change.name)}, {change.measured}: "
            f"{change.before:,} -> {change.now:,} instructions{verdict}{note}"
        )
    for what, names in (("only before", comparison.only_before), ("only now", comparison.only_now)):
        yield from (f"{what}: {printable(name)}" for name in names)
    yield f"above {limit}: the gate fails" if comparison.exceeds else f"nothing rose by more than {limit}"
