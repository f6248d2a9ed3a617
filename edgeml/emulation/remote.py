"""`--on` of run, verify and bench: the runtime's own commands on another machine, and the matrix of several.

What comes out is what the device would print, with the machine it was computed on said beside it.
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path

from edgeml.emulation.cpuinfo import display_name
from edgeml.emulation.engines_there import guest_engine
from edgeml.emulation.guest import emulator_version, failure, last_lines, run_guest
from edgeml.emulation.matrix import Cell, Matrix, verify_matrix
from edgeml.emulation.targets import ALL, Target, resolve_target, resolve_targets
from edgeml_runtime.bundle import read_bundle
from edgeml_runtime.cli import DRIFT_EXIT_CODE, parser, printable
from edgeml_runtime.cli import main as runtime_main
from edgeml_runtime.codec import encode
from edgeml_runtime.errors import EngineFailedError, InputError

PROGRAM = "edgeml"
Progress = Callable[[str, int, int], None]


def run_on(on: str, arguments: Sequence[str]) -> int:
    """`edgeml run` on one target; returns the exit code, raises InputError, EngineError or BundleError."""
    return _forward(resolve_target(on), "run", arguments)


def verify_on(on: str, arguments: Sequence[str], progress: Progress | None = None) -> int:
    """`edgeml verify` on one target, or as a table of several; 4 where anything is wrong on any."""
    if on != ALL and "," not in on:
        return _forward(resolve_target(on), "verify", arguments)
    given = _parse("verify", arguments)
    targets = resolve_targets(on)
    bundle = read_bundle(given.bundle)
    matrix = verify_matrix(bundle, given.bundle, targets, engine=given.engine, progress=progress)
    if given.json:
        document = {
            "integrity": "ok",
            "bundle": matrix.bundle,
            "bundle_digest": matrix.bundle_digest,
            "holds": matrix.holds,
            "cells": encode(matrix.cells),
        }
        print(json.dumps(document, allow_nan=False))
    else:
        print(f"integrity ok: every hash of {printable(given.bundle)} matches")
        print("\n".join(matrix_lines(matrix)))
    return 0 if matrix.holds else DRIFT_EXIT_CODE


def bench_on(
    on: str, arguments: Sequence[str], *, count: bool, against: Path | None, max_increase: str | None
) -> int:
    """`edgeml bench`: times on this machine, instruction counts on emulated ones.

    How long an emulator takes says nothing of the device, so it is never shown.
    """
    targets = resolve_targets(on)
    counting = count or against is not None or max_increase is not None
    if not counting and len(targets) == 1 and not targets[0].emulated:
        return _forward(targets[0], "bench", arguments)
    from edgeml.emulation.counting.command import count_command

    given = _parse("bench", arguments)
    usual = _parse("bench", [str(given.bundle[0])])
    for option in ("threads", "batch", "seconds", "warmup"):
        if getattr(given, option) != getattr(usual, option):
            raise InputError(
                f"--{option} is for measuring time on this machine; instructions are counted for one row and "
                f"one thread"
            )
    exit_code = count_command(
        given.bundle,
        targets,
        engine=given.engine,
        against=against,
        max_increase=max_increase,
        as_json=given.json,
    )
    if not counting and not given.json:
        for line in _estimates(given.bundle, targets):
            print(line)
    return exit_code


def _estimates(paths: Sequence[Path], targets: Sequence[Target]) -> Iterator[str]:
    """Who asked for times is told what is known of them: an estimate, or why there is none."""
    from edgeml.latency.bundles import estimate_bundle

    for path, target in product(paths, targets):
        if target.profile is not None and target.profile.name == target.name:  # a board, not a bare core
            bundle = read_bundle(path)
            found = estimate_bundle(bundle, target.profile).describe()
            yield printable(f"latency of {bundle.manifest.name} on {target.name}: {found}")


def matrix_lines(matrix: Matrix) -> Iterator[str]:
    """A table of the cells, and what went wrong below it."""
    rows = [("target", "core", "engine", "golden vectors")]
    rows += [(c.target, _core(c), _engine(c), _result(c)) for c in matrix.cells]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for *cells, last in rows:
        yield "  ".join([*(text.ljust(width) for text, width in zip(cells, widths, strict=True)), last])
    for cell in matrix.cells:
        if cell.reason:
            where = " ".join(part for part in (cell.target, cell.engine) if part)
            yield printable(f"{where}: {cell.reason}")
    if not any(cell.status == "ok" for cell in matrix.cells):
        yield "nothing is proven: no engine ran the golden vectors"


def _core(cell: Cell) -> str:
    return "this machine" if cell.core is None else f"{cell.core}, emulated"


def _engine(cell: Cell) -> str:
    return printable(f"{cell.engine or '-'} {cell.engine_version or ''}".strip())


def _result(cell: Cell) -> str:
    if cell.status == "ok":
        return f"ok, {cell.rows} rows, largest difference {cell.max_abs_difference:.3g}"
    return cell.status


def _forward(target: Target, command: str, arguments: Sequence[str]) -> int:
    """The runtime's command there, its output passed on; raises EngineFailedError where it crashes."""
    core = target.core
    if core is None:
        return runtime_main([command, *arguments], prog=PROGRAM)
    given = _parse(command, arguments)
    engine = guest_engine(target, _format_of(given.bundle), given.engine)
    # The last one counts; `--engine NAME=VERSION` is ours alone.
    line = ["-m", "edgeml_runtime", command, *arguments, "--engine", engine.name]
    done = run_guest(target, engine, line)
    where = f"{target.describe()} with {engine.package} {engine.version}"
    if (crash := failure(done)) is not None:
        raise EngineFailedError(f"{given.bundle}: {crash.status} on {where}: {crash.reason}")
    said = {
        "emulated": True,
        "target": target.name,
        "core": display_name(core),
        "emulator": emulator_version(core),
    }
    if given.json:
        try:
            document = json.loads(done.stdout)
        except ValueError as error:
            reason = f"no result, exit code {done.returncode}{last_lines(done)}"
            raise EngineFailedError(f"{given.bundle}: could not run on {where}: {reason}") from error
        print(json.dumps({**document, **said}, allow_nan=False))
    else:
        print(done.stdout, end="")
        print(printable(f"on {target.name}: {said['core']} emulated by {said['emulator']}"), file=sys.stderr)
        print(done.stderr, end="", file=sys.stderr)
    return done.returncode or 0


def _parse(command: str, arguments: Sequence[str]) -> Namespace:
    return parser(PROGRAM).parse_args([command, *arguments])


def _format_of(path: Path) -> str:
    return read_bundle(path).manifest.artifact_format
