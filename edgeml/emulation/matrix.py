"""The ISA matrix: a bundle's golden vectors on every target and every engine that can load it there.

Each cell is one process of the shipped runtime, so an illegal instruction costs a cell and nothing else.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edgeml.emulation.cpuinfo import display_name
from edgeml.emulation.engines_there import check_engine_name, engine_names, guest_engine
from edgeml.emulation.guest import Completed, emulator_version, execute, failure, last_lines, run_guest
from edgeml.emulation.roots import GuestEngine
from edgeml.emulation.targets import Target
from edgeml_runtime.bundle import Bundle
from edgeml_runtime.codec import CodecError, decode
from edgeml_runtime.engines import engines
from edgeml_runtime.errors import EdgeMLError, InputError, MissingDependencyError
from edgeml_runtime.verify import Verification

Progress = Callable[[str, int, int], None]  # (what is being done, steps done, steps in all)
Status = Literal["ok", "flips", "drift", "illegal instruction", "could not run", "no engine"]

TIMEOUT_SECONDS = 600.0
_GUEST_BYTES = 400_000_000  # of a guest with an engine, beside the bundle


@dataclass(frozen=True, slots=True)
class Cell:
    """One engine on one target.

    flips: golden rows got another class (`rows_flipped`); drift: values beyond their tolerance
    (`rows_outside`, `max_abs_difference`: None where it is no number); no engine: nothing loads that format
    there, which is wrong only where that target is `required`. `reason` says why for all but ok.
    """

    target: str
    emulated: bool
    core: str | None
    emulator: str | None
    engine: str | None
    engine_version: str | None
    required: bool
    status: Status
    reason: str = ""
    rows: int = 0
    max_abs_difference: float | None = None
    rows_outside: tuple[int, ...] = ()
    rows_flipped: tuple[int, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong with the bundle there."""
        return self.status == "ok" or (self.status == "no engine" and not self.required)


@dataclass(frozen=True, slots=True)
class Matrix:
    """Every cell, by target and engine in the order asked for."""

    bundle: str
    bundle_digest: str
    cells: tuple[Cell, ...]

    @property
    def holds(self) -> bool:
        """Whether no cell failed and at least one was ok: where nothing ran nothing is proven."""
        return all(cell.holds for cell in self.cells) and any(cell.status == "ok" for cell in self.cells)


@dataclass(frozen=True, slots=True)
class _Job:
    """A cell to fill; `guest`: the engine of an emulated target."""

    target: Target
    engine: str
    guest: GuestEngine | None


def verify_matrix(
    bundle: Bundle,
    path: Path,
    targets: Sequence[Target],
    *,
    engine: str | None = None,
    preferred_only: bool = False,
    progress: Progress | None = None,
) -> Matrix:
    """Run the golden vectors of a bundle, which was read from `path`, on targets.

    engine: only that one (`NAME`, or `NAME=VERSION` on emulated targets); preferred_only: of the engines of
    a target only the one that the runtime would choose. Raises UnknownNameError for an engine that does not
    run the bundle's format at all; whatever goes wrong on a target is a cell.
    """
    if engine is not None:
        check_engine_name(bundle.manifest.artifact_format, engine)
    planned = [
        step for target in targets for step in _plan(target, bundle, engine, preferred_only=preferred_only)
    ]
    jobs = [step for step in planned if isinstance(step, _Job)]
    report = progress or (lambda _what, _done, _total: None)
    cells: dict[int, Cell] = {}
    with ThreadPoolExecutor(max_workers=_workers(path)) as pool:
        futures: dict[Future[Cell], _Job] = {pool.submit(_fill, job, bundle, path): job for job in jobs}
        try:
            for done, future in enumerate(as_completed(futures)):
                job = futures[future]
                report(f"{job.engine} on {job.target.describe()}", done, len(jobs))
                cells[id(job)] = future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    filled = tuple(cells[id(step)] if isinstance(step, _Job) else step for step in planned)
    return Matrix(bundle.manifest.name, bundle.digest, filled)


def _plan(target: Target, bundle: Bundle, engine: str | None, *, preferred_only: bool) -> list[_Job | Cell]:
    artifact_format = bundle.manifest.artifact_format
    try:
        names = engine_names(target, artifact_format)
    except MissingDependencyError as error:
        return [_cell(target, None, "no engine", str(error))]
    if engine is not None:
        wanted = engine.partition("=")[0]
        if wanted not in names:
            return [_cell(target, wanted, "no engine", f"{target.name} has only {', '.join(names)}")]
        names = (engine,)
    steps: list[_Job | Cell] = []
    for name in names[:1] if preferred_only else names:
        try:
            guest = guest_engine(target, artifact_format, name) if target.emulated else None
            _check_installed(target, name)
        except (InputError, MissingDependencyError) as error:
            steps.append(_cell(target, name.partition("=")[0], "could not run", str(error)))
            continue
        steps.append(_Job(target, name.partition("=")[0], guest))
    return steps


def _check_installed(target: Target, engine: str) -> None:
    """Raises InputError where another version than the one asked for is installed on this machine."""
    name, _, version = engine.partition("=")
    if not target.emulated and version and (here := engines()[name].version()) != version:
        raise InputError(f"{name} {here} is installed on this machine, not {version}")


def _fill(job: _Job, bundle: Bundle, path: Path) -> Cell:
    arguments = ["-m", "edgeml_runtime", "verify", str(path), "--engine", job.engine, "--json"]
    version = None if job.guest is None else job.guest.version
    try:
        if job.guest is None:
            command = [sys.executable, "-P", *arguments]
            done = execute(command, emulated=False, timeout_seconds=TIMEOUT_SECONDS)
        else:
            done = run_guest(job.target, job.guest, arguments, timeout_seconds=TIMEOUT_SECONDS)
    except EdgeMLError as error:
        return _cell(job.target, job.engine, "could not run", str(error), version)
    if (crash := failure(done)) is not None:
        return _cell(job.target, job.engine, crash.status, crash.reason, version)
    return _cell_of(job, done, bundle, version)


def _cell_of(job: _Job, done: Completed, bundle: Bundle, version: str | None) -> Cell:
    try:
        document = json.loads(done.stdout)
        if "error" in document:
            return _cell(job.target, job.engine, "could not run", str(document["error"]["message"]), version)
        del document["integrity"]
        found = decode(Verification, document)
    except (ValueError, KeyError, TypeError, CodecError):
        reason = f"gave no result, exit code {done.returncode}{last_lines(done)}"
        return _cell(job.target, job.engine, "could not run", reason, version)
    if found.golden == "not run" or found.bundle_digest != bundle.digest:
        reason = found.reason or "the file changed while it was verified"
        return _cell(job.target, job.engine, "could not run", reason, version)
    worst = [check.max_abs_difference for check in found.outputs]
    outside = sorted({row for check in found.outputs for row in check.rows_outside})
    return _cell(
        job.target,
        job.engine,
        "flips" if found.rows_flipped else "drift" if found.golden == "drift" else "ok",
        _explain(found, outside),
        found.engine_version,
        rows=found.rows,
        max_abs_difference=None if None in worst else max((w for w in worst if w is not None), default=0.0),
        rows_outside=tuple(outside),
        rows_flipped=found.rows_flipped,
    )


def _explain(found: Verification, outside: Sequence[int]) -> str:
    reasons = []
    if found.rows_flipped:
        reasons.append(f"another class for rows {', '.join(map(str, found.rows_flipped))}")
    if found.rows_encoded_differently:
        rows = ", ".join(map(str, found.rows_encoded_differently))
        reasons.append(f"other inputs made of rows {rows}")
    for check in found.outputs:
        if check.rows_outside:
            worst = check.max_abs_difference
            much = "no number" if worst is None else f"{worst:.3g}"
            allowed = f"{check.atol:.3g} + {check.rtol:.3g} x |golden|"
            reasons.append(f"{check.output} differs by {much} (allowed {allowed})")
    return "; ".join(reasons) + (f" in rows {', '.join(map(str, outside))}" if outside else "")


def _cell(
    target: Target, engine: str | None, status: Status, reason: str, version: str | None = None, **more: Any
) -> Cell:
    core = target.core
    emulator = None
    if core is not None:
        try:
            emulator = emulator_version(core)
        except MissingDependencyError:
            emulator = None  # the reason of that cell says so
    name = None if core is None else display_name(core)
    where = (target.name, target.emulated, name, emulator)
    return Cell(*where, engine, version, target.required, status, reason, **more)


def _workers(path: Path) -> int:
    """As many guests at a time as there are processors and memory for."""
    each = _GUEST_BYTES + 4 * path.stat().st_size
    free = _available_bytes()
    return max(1, min(len(os.sched_getaffinity(0)), 1 if free is None else free // each))


def _available_bytes() -> int | None:
    """What Linux could give to new processes without swapping; None where it does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    kilobytes = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(kilobytes[0]) * 1024 if kilobytes else None
