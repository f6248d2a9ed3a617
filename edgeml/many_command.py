"""`edgeml compile-many`. Only click is imported to show that it exists."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeml.executor_options import executor_of, executor_options
from edgeml.progress import ProgressLine

if TYPE_CHECKING:
    from edgeml.many import Compilations, Compiled

REPORT_FORMAT = 1


@click.command(name="compile-many")
@click.argument("jobs_file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path(),
    help="Folder of the bundles; default: here.",
)
@executor_options
@click.option(
    "--trust-pickle", is_flag=True, help="Load pickles, or Keras files with code: this runs the code in them."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def compile_many_command(
    jobs_file: Path, output: Path, jobs: int, dask: str | None, trust_pickle: bool, as_json: bool
) -> int:
    """Compile the models of a TOML file for its devices; write MODEL-DEVICE.edgeml for each that fits.

    A model is read once. One that fails does not stop the others; Ctrl-C leaves what was written so far. Exit
    code 6 when one does not fit, else the first error's.
    """
    from edgeml.jobs_file import read_jobs
    from edgeml.many import compile_many
    from edgeml_runtime.files import make_output_folder

    told = read_jobs(jobs_file)
    make_output_folder(output)
    written: dict[tuple[str, str], Path] = {}

    def write(pair: Compiled) -> None:
        if pair.result is not None and pair.result.chosen is not None:
            path = output / f"{pair.model}-{pair.device}.edgeml"
            written[pair.model, pair.device] = pair.result.save(path)

    with executor_of(jobs, dask) as executor, ProgressLine(quiet=as_json) as progress:
        found = compile_many(
            told.entries(jobs_file.parent, trust_pickle=trust_pickle),
            told.device_names(jobs_file.parent),
            formats=told.formats,
            schemes=told.schemes,
            objective=told.objective,
            seed=told.seed,
            executor=executor,
            progress=progress,
            done=write,
        )
    if as_json:
        documents = [_document(pair, written.get((pair.model, pair.device))) for pair in found.pairs]
        document = {"format": REPORT_FORMAT, "compiled": documents, "remarks": list(found.remarks)}
        click.echo(json.dumps(document, allow_nan=False))
    else:
        _print(found, len(written), output)
    return found.exit_code


def _document(pair: Compiled, bundle: Path | None) -> dict[str, Any]:
    error = pair.error
    return {
        "model": pair.model,
        "device": pair.device,
        "bundle": None if bundle is None else str(bundle),
        "exit_code": pair.exit_code,
        "error": None if error is None else {"type": type(error).__name__, "message": str(error)},
        "report": None if pair.result is None else pair.result.to_dict(),
    }


def _print(found: Compilations, written: int, output: Path) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from edgeml_runtime.cli import printable

    console = Console(width=None if sys.stdout.isatty() else 120)
    table = Table()
    for heading in ("model", "device", "chosen"):
        table.add_column(heading)
    for heading in ("size kB", "latency ms (here)"):
        table.add_column(heading, justify="right")
    for pair in found.pairs:
        table.add_row(*(Text(printable(cell)) for cell in _cells(pair)))
    console.print(table)
    for pair in found.pairs:
        explanation = None if pair.result is None else pair.result.explanation
        reason = pair.error or (explanation and explanation.summary)
        if reason:
            click.echo(printable(f"{pair.model} for {pair.device}: {reason}"))
    for remark in found.remarks:
        click.echo(printable(f"remark: {remark}"))
    click.echo(f"wrote {written} of {len(found.pairs)} bundles to {output}")


def _cells(pair: Compiled) -> tuple[str, ...]:
    chosen = None if pair.result is None else pair.result.chosen
    if chosen is None:
        why = "nothing fits" if pair.error is None else f"failed: {type(pair.error).__name__}"
        return pair.model, pair.device, why, "-", "-"
    latency = "-" if chosen.latency_ms is None else f"{chosen.latency_ms:.4f}"
    size = f"{(chosen.size_bytes or 0) / 1000:.1f}"
    return pair.model, pair.device, chosen.candidate.name, size, latency
