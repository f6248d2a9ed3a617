"""The gate `isa`: what would be chosen runs its golden vectors on other machines before it is.

Only winners are verified, one after the other, until one holds: each costs a process a target.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from edgeml.choose import Choice
from edgeml.emulation.matrix import Cell, verify_matrix
from edgeml.emulation.targets import Target, resolve_targets
from edgeml.judge import Outcome
from edgeml_runtime.bundle import Bundle, encode_bundle
from edgeml_runtime.manifest import Verdict

GATE = "isa"
_UNIT = "rows"


def verification_targets(names: str | Sequence[str] | None) -> tuple[Target, ...]:
    """The targets of those names, each ready to run.

    Raises UnknownNameError, InputError with the line that sets a target up, MissingDependencyError.
    """
    targets = () if names is None else resolve_targets(names)
    for target in targets:
        if target.emulated:
            target.root()
    return targets


def verify_winners(
    outcomes: Sequence[Outcome],
    pick: Callable[[Sequence[Outcome]], Choice],
    targets: Sequence[Target],
    progress: Callable[[str, int, int], None],
) -> list[Outcome]:
    """The outcomes with verdicts of this gate: on the one that `pick` chooses and on those that failed it.

    A failed one no longer fits, so that `pick` chooses another. What fits and was never picked says so.
    """
    judged = list(outcomes)
    while targets and (chosen := pick(judged).chosen) is not None and not _verified(chosen):
        position = next(number for number, outcome in enumerate(judged) if outcome is chosen)
        judged[position] = _verify(chosen, targets, progress)
    if not targets:
        return judged
    never = Verdict(
        GATE,
        "unproven",
        None,
        0.0,
        _UNIT,
        ", ".join(target.describe() for target in targets),
        "not verified, another candidate was chosen and holds",
    )
    return [
        replace(o, verdicts=(*o.verdicts, never)) if o.status == "fits" and not _verified(o) else o
        for o in judged
    ]


def _verified(outcome: Outcome) -> bool:
    return any(verdict.gate == GATE for verdict in outcome.verdicts)


def _verify(
    outcome: Outcome, targets: Sequence[Target], progress: Callable[[str, int, int], None]
) -> Outcome:
    verdicts = [
        _verdict(cell, target)
        for cell, target in zip(_cells(outcome, targets, progress), targets, strict=True)
    ]
    failed = any(verdict.status == "failed" for verdict in verdicts)
    return replace(
        outcome,
        status="exceeds" if failed else outcome.status,
        verdicts=(*outcome.verdicts, *verdicts),
    )


def _cells(
    outcome: Outcome, targets: Sequence[Target], progress: Callable[[str, int, int], None]
) -> tuple[Cell, ...]:
    """One cell a target, of the engine that the runtime would choose there."""
    bundle: Bundle | None = outcome.bundle
    if bundle is None:
        return ()

    def report(what: str, done: int, total: int) -> None:
        progress(f"verifying {outcome.candidate.name} with {what}", done, total)

    with tempfile.TemporaryDirectory(prefix="edgeml-") as folder:
        path = Path(folder) / "candidate.edgeml"
        path.write_bytes(encode_bundle(bundle.manifest, bundle.files))
        return verify_matrix(bundle, path, targets, preferred_only=True, progress=report).cells


def _verdict(cell: Cell, target: Target) -> Verdict:
    wrong = len({*cell.rows_outside, *cell.rows_flipped})
    ran = cell.status in ("ok", "drift", "flips")
    engine = f"{cell.engine} {cell.engine_version}: " if cell.engine else ""
    said = cell.reason if cell.status == "no engine" else f"{engine}{cell.status}"
    more = f"; {cell.reason}" if cell.reason and cell.status != "no engine" else ""
    return Verdict(
        gate=GATE,
        status="failed" if not cell.holds else "passed" if ran else "unproven",
        value=float(wrong) if ran else None,
        limit=0.0,
        unit=_UNIT,
        measured_on=target.describe(),
        detail=f"{said}{more}",
    )
