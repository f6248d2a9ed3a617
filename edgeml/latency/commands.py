"""`edgeml estimate` and `edgeml devices calibrate`. Only click is imported to show help."""

from __future__ import annotations

import json
from pathlib import Path

import click

_json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
_path = click.Path(path_type=Path)


@click.command(name="estimate")
@click.argument("bundle", type=_path)
@click.option("--device", required=True, help="Names or profiles' paths, separated by commas, or `all`.")
@click.option("--threads", default="1", show_default=True, help="1, all, or a number.")
@_json_option
def estimate_command(bundle: Path, device: str, threads: str, as_json: bool) -> int:
    """Estimate the latency of BUNDLE on devices that are not here, with an interval; nothing is run.

    From latencies that others published of the same core, or measured on the device (`edgeml devices
    calibrate`). An estimate proves no limit. Where nothing is published that tells, it says so and prints
    no number.
    """
    from edgeml.devices import device_names, load_device
    from edgeml.latency.bundles import estimate_bundle
    from edgeml.latency.estimate import Estimate
    from edgeml_runtime.bundle import read_bundle
    from edgeml_runtime.cli import printable
    from edgeml_runtime.codec import encode

    names = [name.strip() for name in device.split(",") if name.strip()]
    profiles = [load_device(name) for name in (device_names() if names == ["all"] else names)]
    opened = read_bundle(bundle)
    found = [estimate_bundle(opened, p, threads=_threads(threads, p.cores[0].count)) for p in profiles]
    if as_json:
        rows = [{"estimate" if isinstance(one, Estimate) else "no_estimate": encode(one)} for one in found]
        document = {"bundle": opened.manifest.name, "digest": opened.digest, "estimates": rows}
        click.echo(json.dumps(document, indent=2))
        return 0
    width = max(len(profile.name) for profile in profiles)
    for profile, one in zip(profiles, found, strict=True):
        click.echo(printable(f"{profile.name:{width}}  {one.describe()}"))
        if len(profiles) == 1 and isinstance(one, Estimate):
            for note in one.notes:
                click.echo(printable(f"{'':{width}}  {note}"))
    return 0


def _threads(text: str, cores: int) -> int:
    from edgeml_runtime.errors import InputError

    if text == "all":
        return cores
    if not text.isdecimal() or not 1 <= int(text) <= 4096:
        raise InputError(f"--threads: expected 1, all or a number of threads, got {text!a}")
    return int(text)


@click.command()
@click.argument("name")
@click.argument("bundles", nargs=-1, type=_path)
@click.option(
    "--on", "measured", type=_path, multiple=True, required=True, help="What `bench --json` printed there."
)
@click.option("-o", "--output", type=_path, help="The calibrated profile; default: NAME.toml, here.")
@_json_option
def calibrate(
    name: str, bundles: tuple[Path, ...], measured: tuple[Path, ...], output: Path | None, as_json: bool
) -> int:
    """Fit estimates for the device NAME to latencies measured on it, and write its profile with them.

    Measure one to six networks there (`edgeml bench BUNDLE --json > M.json`) and give the BUNDLES and the
    measurements. `--device NAME.toml` then estimates with them.
    """
    from edgeml.devices import load_device, to_toml
    from edgeml.latency.bundles import read_measured
    from edgeml.latency.calibration import calibrate as fit
    from edgeml.probing.measured import check_profile_path
    from edgeml_runtime.bundle import read_bundle
    from edgeml_runtime.cli import printable
    from edgeml_runtime.codec import encode
    from edgeml_runtime.files import write_atomically

    profile = load_device(name)
    output = output or Path(f"{profile.name}.toml")
    check_profile_path(output, profile.name)
    opened = {bundle.digest: bundle for bundle in map(read_bundle, bundles)}
    rows = [row for path in measured for row in read_measured(path, opened, profile)]
    calibrated = fit(profile, rows)
    write_atomically(output, to_toml(calibrated).encode())
    if as_json:
        document = {"profile": str(output), "calibrations": encode(calibrated.calibrations)}
        click.echo(json.dumps(document, indent=2))
        return 0
    for one in calibrated.calibrations:
        plural = "s" if one.networks > 1 else ""
        threads = f"{one.threads} thread{'s' if one.threads > 1 else ''}"
        click.echo(
            printable(
                f"{one.engine} {one.dtype}, {threads}: from {one.networks} network{plural}; nine in ten "
                f"latencies within a factor of {one.interval_factor:.2f}"
            )
        )
    click.echo(printable(f"wrote {output}"))
    return 0
