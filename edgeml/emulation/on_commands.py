"""`edgeml run`, `bench` and `verify`: the runtime's own commands under this name, and `--on` another machine.

Only click is imported to show that they exist.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

_TEXTS = {
    "run": "Run a bundle on the rows of a file.",
    "bench": "Measure latency and memory of bundles on this machine, or count instructions on another.",
    "verify": "Check a bundle's integrity and run its golden vectors here, or on other machines.",
}
_ON = """
another machine, emulated:
  --on TARGET           {what}: a device, a core such as cortex-a72 or armv7,
                        emulated:NAME, or host (the default){several}
"""
_SEVERAL = """;
                        a list with commas, or all: this machine and each class of cores,
                        each with every engine that loads the bundle there
"""
_COUNTING = """\
  --count               count the instructions of one row; what emulated targets do in any case
  --against FILE        compare with the output of a former --count --json
  --max-increase SHARE  of a count before the exit code is 6 (default 2%)
"""
# The rest of the line is the runtime's, whose own parser refuses what is wrong with it.
_settings: dict[str, Any] = {"ignore_unknown_options": True, "help_option_names": []}
_on_option = click.option("--on", default="host")
_arguments = click.argument("arguments", nargs=-1, type=click.UNPROCESSED)


@click.command(help=_TEXTS["run"], context_settings=_settings, add_help_option=False)
@_on_option
@_arguments
def run(on: str, arguments: tuple[str, ...]) -> int:
    """One target; its output is the device's."""
    if _asks_for_help(arguments):
        return _show_help("run", _ON.format(what="run there", several=""))
    from edgeml.emulation.remote import run_on

    return run_on(on, arguments)


@click.command(help=_TEXTS["verify"], context_settings=_settings, add_help_option=False)
@_on_option
@_arguments
def verify(on: str, arguments: tuple[str, ...]) -> int:
    """One target, or a table of several."""
    if _asks_for_help(arguments):
        return _show_help("verify", _ON.format(what="verify there", several=_SEVERAL.rstrip("\n")))
    from edgeml.emulation.remote import verify_on
    from edgeml.progress import ProgressLine

    with ProgressLine(quiet="--json" in arguments) as progress:
        return verify_on(on, arguments, progress)


@click.command(help=_TEXTS["bench"], context_settings=_settings, add_help_option=False)
@_on_option
@click.option("--count", is_flag=True)
@click.option("--against", type=click.Path(path_type=Path))
@click.option("--max-increase")
@_arguments
def bench(
    on: str, count: bool, against: Path | None, max_increase: str | None, arguments: tuple[str, ...]
) -> int:
    """Times on this machine, instruction counts on emulated targets."""
    if _asks_for_help(arguments):
        return _show_help("bench", _ON.format(what="count there", several="") + _COUNTING)
    from edgeml.emulation.remote import bench_on

    return bench_on(on, arguments, count=count, against=against, max_increase=max_increase)


def _asks_for_help(arguments: tuple[str, ...]) -> bool:
    return "--help" in arguments or "-h" in arguments


def _show_help(command: str, more: str) -> int:
    from edgeml_runtime.cli import parser

    try:
        parser("edgeml").parse_args([command, "--help"])
    except SystemExit:  # argparse's way to end after its help
        click.echo(more, nl=False)
    return 0
