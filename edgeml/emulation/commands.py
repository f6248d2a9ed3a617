"""`edgeml devices setup` and `edgeml devices remove`. Only click is imported to show help."""

from __future__ import annotations

import json
from pathlib import Path

import click

_json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")


def _versions(
    _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    for engine, separator, version in pairs:
        if not (engine and separator and version):
            raise click.BadParameter("expected ENGINE=VERSION, such as onnxruntime=1.21.0")
    return {engine: version for engine, _, version in pairs}


@click.command()
@click.argument("name")
@click.option(
    "--engine-version",
    "versions",
    multiple=True,
    callback=_versions,
    metavar="ENGINE=VERSION",
    help="Add this version beside today's; may be repeated.",
)
@click.option(
    "--apt-sources",
    type=click.Path(path_type=Path),
    help="A file of apt sources (of Debian 12) in place of this machine's.",
)
@_json_option
def setup(name: str, versions: dict[str, str], apt_sources: Path | None, as_json: bool) -> int:
    """Prepare the emulation of NAME: a device, a core such as cortex-a53, or `all`.

    Fetches Debian's Python and the engine wheels of its platform into a cache folder; needs QEMU and apt-get,
    no root rights. What is there is not fetched again; an interrupted setup goes on.
    """
    from edgeml.emulation.inventory import set_up, set_up_lines
    from edgeml.progress import ProgressLine
    from edgeml_runtime.cli import printable

    with ProgressLine(quiet=as_json) as progress:
        document = set_up(name, progress, versions=versions, apt_sources=apt_sources)
    if as_json:
        click.echo(json.dumps(document))
    else:
        for line in set_up_lines(document):
            click.echo(printable(line))
    return 0


@click.command()
@click.argument("name", required=False)
@click.option("--all", "everything", is_flag=True, help="Every platform.")
@_json_option
def remove(name: str | None, everything: bool, as_json: bool) -> int:
    """Delete what `setup NAME` prepared, which all devices of that platform share."""
    from edgeml.emulation.inventory import removed, removed_lines
    from edgeml.emulation.targets import ALL
    from edgeml_runtime.cli import printable

    if (name is None) != everything:
        raise click.UsageError("give a NAME or --all")
    document = removed(name or ALL)
    if as_json:
        click.echo(json.dumps(document))
    else:
        for line in removed_lines(document):
            click.echo(printable(line))
    return 0
