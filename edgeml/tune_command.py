"""`edgeml tune`. Only click is imported to show that it exists."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--seconds", default=20.0, show_default=True, help="Of measuring; starts come on top.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Default: BUNDLE itself, rewritten.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def tune(bundle: Path, seconds: float, output: Path | None, as_json: bool) -> int:
    """Measure which engine and options run BUNDLE fastest on this machine, and make them its defaults here.

    They are the defaults on devices of this class: the same cores, features and number of CPUs. An option
    that is not surely faster stays as it is.
    """
    from edgeml.progress import ProgressLine
    from edgeml.tune import tune as tune_bundle
    from edgeml.tune import tuned_bundle, tuned_lines
    from edgeml_runtime.bundle import encode_bundle, read_bundle
    from edgeml_runtime.cli import printable
    from edgeml_runtime.codec import encode
    from edgeml_runtime.files import check_writable, write_atomically

    output = output or bundle
    opened = read_bundle(bundle)
    check_writable(output)
    with ProgressLine(quiet=as_json) as progress:
        tuned = tune_bundle(opened, seconds=seconds, progress=progress)
    written = tuned_bundle(opened, tuned)
    write_atomically(output, encode_bundle(written.manifest, written.files))
    if as_json:
        document = {"bundle": str(output), "digest": written.digest, **encode(tuned)}
        click.echo(json.dumps(document, allow_nan=False))
        return 0
    for line in tuned_lines(tuned):
        click.echo(printable(line))
    click.echo(f"wrote {output}")
    return 0
