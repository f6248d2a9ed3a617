"""Count the instructions of single inferences in an emulated machine, start-up excluded."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeml.emulation.counting.build import plugin_file, qemu_version
from edgeml.emulation.counting.counts import InstructionCount, parse_regions
from edgeml_runtime.errors import EngineError, EngineFailedError, InputError

if TYPE_CHECKING:
    from edgeml.emulation.guest import Completed
    from edgeml.emulation.platforms import Core
    from edgeml.emulation.targets import Target

ROWS = 5  # golden rows, each counted once
_WARM_UP = 12  # calls; Python's interpreter specializes what runs often, in our code and the engine's
_TIMEOUT_S = 1800.0
_SCRIPT = Path(__file__).with_name("guest_script.py")


def count_inference(bundle_path: Path, target: Target, engine: str | None = None) -> InstructionCount:
    """The cost of one row, for each of the first golden rows, with one engine thread.

    Raises InputError for a target that is no emulated one, MissingDependencyError without a C compiler or a
    QEMU that takes plugins, EngineError where the plugin fails, EngineFailedError where the engine does.
    """
    from edgeml.emulation.engines_there import guest_engine
    from edgeml.emulation.guest import failure, run_guest
    from edgeml.emulation.platforms import platform_of
    from edgeml.emulation.roots import qemu_program
    from edgeml_runtime.bundle import read_bundle
    from edgeml_runtime.files import read_file

    core = emulated_core(target)
    version = qemu_version(qemu_program(platform_of(core)))
    plugin = plugin_file()
    manifest = read_bundle(bundle_path).manifest
    content = read_file(bundle_path, "bundle")
    there = guest_engine(target, manifest.artifact_format, engine)
    what = f"{manifest.name} on {target.name} with {there.name} {there.version}"
    with tempfile.TemporaryDirectory() as scratch:
        results = Path(scratch, "regions")
        done = run_guest(
            target,
            there,
            [str(_SCRIPT), there.name, str(ROWS), str(_WARM_UP)],
            plugin=f"file={_escaped(plugin)},out={_escaped(results)}",
            stdin=content,
            timeout_seconds=_TIMEOUT_S,
            fixed_layout=True,
        )
        if (failed := failure(done)) is not None:
            raise EngineFailedError(f"{what}: {failed.status}: {failed.reason}")
        said = _answer(done, what)
        regions = results.read_text(encoding="ascii")
    runs, calls, other_threads = parse_regions(regions, ROWS)
    return InstructionCount(
        bundle=said["bundle"],
        bundle_digest=said["bundle_digest"],
        scheme=said["scheme"],
        target=target.name,
        core=core.name,
        engine=said["engine"],
        engine_version=said["engine_version"],
        qemu_version=version,
        method=said["method"],
        rows=tuple(said["rows"]),
        runs=runs,
        calls=calls,
        other_threads=other_threads,
    )


def emulated_core(target: Target) -> Core:
    """The core that is emulated there; raises InputError for this machine."""
    if target.core is None:
        raise InputError(
            f"instructions are counted on emulated cores, not on {target.name}: --on DEVICE or emulated:CORE"
        )
    return target.core


def _answer(done: Completed, what: str) -> dict[str, Any]:
    try:
        said: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        words = done.stderr.strip().splitlines()[-1:] or ["nothing was printed"]
        raise EngineError(f"{what}: nothing was counted: {words[0]}") from error
    if "error" in said:
        raise EngineFailedError(f"{what}: {said['error']['message']}")
    return said


def _escaped(path: Path) -> str:
    """A path as the value of one of QEMU's options, which commas separate."""
    return str(path).replace(",", ",,")
