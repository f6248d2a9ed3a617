"""Counts against those of a former `--json` output: by how much each rose or fell, and is that too much?"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeml.emulation.counting.counts import InstructionCount
from edgeml_runtime.codec import CodecError, decode
from edgeml_runtime.errors import InputError
from edgeml_runtime.files import read_file

DEFAULT_MAX_INCREASE = "2%"
_MAX_BYTES = 1 << 24  # of a file of former counts


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a former document says of one bundle, target and engine; instructions of one row."""

    bundle: str
    scheme: str
    target: str
    core: str
    engine: str
    engine_version: str
    qemu_version: str
    run_instructions: int
    call_instructions: int

    @property
    def name(self) -> str:
        """Which count it is one of; what is compared has the same."""
        return f"{self.bundle} {self.scheme} on {self.target} with {self.engine}"


@dataclass(frozen=True, slots=True)
class Change:
    """One of the two numbers of a count, before and now; `increase` 0.02 is 2% more."""

    name: str
    measured: str  # "engine run" or "whole call"
    before: int
    now: int
    increase: float
    exceeds: bool
    note: str  # versions that differ


@dataclass(frozen=True, slots=True)
class Comparison:
    """Every change, and what only one side has."""

    max_increase: float
    changes: tuple[Change, ...]
    only_before: tuple[str, ...]
    only_now: tuple[str, ...]

    @property
    def exceeds(self) -> bool:
        """Whether anything rose by more than the limit."""
        return any(change.exceeds for change in self.changes)


def baseline_of(count: InstructionCount) -> Baseline:
    """What a later comparison needs of a count."""
    return Baseline(
        count.bundle,
        count.scheme,
        count.target,
        count.core,
        count.engine,
        count.engine_version,
        count.qemu_version,
        count.run.instructions,
        count.call.instructions,
    )


def compare(before: Sequence[Baseline], now: Sequence[Baseline], max_increase: float) -> Comparison:
    """Pair what is of the same bundle, scheme, target and engine.

    Raises InputError where nothing is on both sides, or two of one side cannot be told apart.
    """
    old, new = _by_name(before, "the former file"), _by_name(now, "this run")
    common = [name for name in new if name in old]
    if not common:
        raise InputError(
            f"nothing to compare: the former file has {', '.join(old) or 'no counts'}; this run has "
            f"{', '.join(new)}"
        )
    return Comparison(
        max_increase=max_increase,
        changes=tuple(change for name in common for change in _changes(old[name], new[name], max_increase)),
        only_before=tuple(name for name in old if name not in new),
        only_now=tuple(name for name in new if name not in old),
    )


def _by_name(baselines: Iterable[Baseline], where: str) -> Mapping[str, Baseline]:
    found: dict[str, Baseline] = {}
    for baseline in baselines:
        if baseline.name in found:
            raise InputError(f"{where} has two counts of {baseline.name}: nothing tells which one to compare")
        found[baseline.name] = baseline
    return found


def _changes(before: Baseline, now: Baseline, max_increase: float) -> Iterable[Change]:
    versions = [
        (before.core, now.core, "core"),
        (before.engine_version, now.engine_version, now.engine),
        (before.qemu_version, now.qemu_version, "QEMU"),
    ]
    note = ", ".join(f"{what} was {old}, is {new}" for old, new, what in versions if old != new)
    for measured, old, new in (
        ("engine run", before.run_instructions, now.run_instructions),
        ("whole call", before.call_instructions, now.call_instructions),
    ):
        exceeds = new - old > max_increase * old
        yield Change(now.name, measured, old, new, (new - old) / old, exceeds, note)


def parse_max_increase(text: str) -> float:
    """`2%` or `0.02` as a ratio; raises InputError."""
    number, percent = (text[:-1], True) if text.endswith("%") else (text, False)
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf or (not percent and value >= 1):
        hint = f"; {text} without % would be {100 * value:.0f}%" if 1 <= value < math.inf else ""
        raise InputError(f"--max-increase: expected a share such as 2% or 0.02, got {text!r}{hint}")
    return value / 100 if percent else value


def read_baselines(path: Path) -> tuple[Baseline, ...]:
    """The counts of a file that `edgeml bench --count --json` printed; raises InputError."""
    content = read_file(path, "former counts", _MAX_BYTES)
    try:
        value = json.loads(content)
        entries = value["instruction_counts"]
        return tuple(_baseline(entry, f"instruction_counts[{i}]") for i, entry in enumerate(entries))
    except (ValueError, RecursionError, TypeError, LookupError) as error:
        reason = f"{error}" if isinstance(error, (ValueError, RecursionError)) else "no instruction_counts"
        raise InputError(
            f"{path} is not what `edgeml bench --count --json` prints: {reason}; write one with "
            "`edgeml bench BUNDLE --on NAME --count --json > FILE`"
        ) from error


def _baseline(entry: Any, where: str) -> Baseline:
    if not isinstance(entry, dict) or not isinstance(entry.get("call"), dict):
        raise CodecError(f"{where}: expected a count with a `call`")
    fields = {
        "run_instructions": entry.get("instructions"),
        "call_instructions": entry["call"].get("instructions"),
        **{
            name: entry.get(name)
            for name in Baseline.__dataclass_fields__
            if not name.endswith("instructions")
        },
    }
    baseline = decode(Baseline, fields, where)
    if min(baseline.run_instructions, baseline.call_instructions) < 1:
        raise CodecError(f"{where}: expected instructions of at least 1")
    return baseline
