"""The command line. `run`, `bench` and `verify` are the runtime's own commands under this name.

Only click is imported to show help; everything else waits until a command needs it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeml.emulation.commands import remove, setup
from edgeml.emulation.on_commands import bench, run, verify
from edgeml.executor_options import executor_of, executor_options
from edgeml.latency.commands import calibrate, estimate_command
from edgeml.many_command import compile_many_command
from edgeml.progress import ProgressLine
from edgeml.tune_command import tune

if TYPE_CHECKING:
    from rich.console import Console

    from edgeml.coverage import Coverage
    from edgeml.device_profile import DeviceProfile


@click.group(context_settings={"max_content_width": 110})
@click.version_option(package_name="edgeml", prog_name="edgeml")
def cli() -> None:
    """Compile trained scikit-learn and Keras models for edge devices; prove, run and measure them."""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _invoke(arguments)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  raised again unless it is ours
        # Imported late, as everything that brings numpy: help must come at once.
        from edgeml_runtime.cli import answer

        return answer(error, as_json="--json" in arguments)


def _invoke(arguments: list[str]) -> int:
    try:
        result = cli.main(arguments, prog_name="edgeml", standalone_mode=False)
    except click.exceptions.Abort:
        raise KeyboardInterrupt from None
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        # A wrong command line is bad input like any other, in JSON too.
        from edgeml_runtime.errors import InputError

        context = getattr(error, "ctx", None)
        program = "edgeml" if context is None else context.command_path
        problem = error.format_message().rstrip(".")
        raise InputError(f"{problem} (see {program} --help)") from error
    return result if isinstance(result, int) else 0


def _names(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    names = None if value is None else tuple(part.strip() for part in value.split(",") if part.strip())
    if names == ():
        raise click.BadParameter("expected names separated by commas")
    return names


_json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
_trust_option = click.option(
    "--trust-pickle", is_flag=True, help="Load a pickle, or a Keras file with code: this runs the code in it."
)


@cli.command(name="compile")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--device", required=True, help="A device's name (see `edgeml devices`) or a profile's path.")
@click.option(
    "--data", type=click.Path(path_type=Path), help="Rows: .npz (x, y), .npy, .csv, .json or .parquet."
)
@click.option("--target", help="The column or array of labels in the data; default: `y`.")
@click.option("--budget", "budget_file", type=click.Path(path_type=Path), help="Limits in a TOML file.")
@click.option("--max-accuracy-drop", type=float, help="Absolute: 0.01 is one percentage point.")
@click.option("--max-latency-ms", type=float, help="Median of one row on the device.")
@click.option("--max-size-kb", type=float, help="Of the artifact, 1 kB = 1000 bytes.")
@click.option("--max-memory-kb", type=float, help="Peak resident memory of the process, 1 kB = 1000 bytes.")
@click.option("--formats", callback=_names, help="Comma-separated; default: onnx,tflite.")
@click.option("--schemes", callback=_names, help="Comma-separated; default: every one a route honours.")
@click.option("--objective", default="latency", show_default=True, help="latency, size or memory.")
@click.option(
    "--verify-on",
    callback=_names,
    help="Targets on which the chosen one's golden vectors must hold: devices, cores, all; comma-separated.",
)
@click.option(
    "--tune", "tuned", is_flag=True, help="Also tune what is chosen, where the device is this machine."
)
@click.option(
    "--search",
    default="fast",
    show_default=True,
    help="fast judges the plan; full also searches recipes and tunes.",
)
@click.option("--trials", type=int, help="Of the full search; default: 200 without --search-seconds.")
@click.option("--search-seconds", type=float, help="After which the full search starts no trial.")
@click.option("--journal", type=click.Path(path_type=Path), help="The full search's; default: in the cache.")
@click.option("--seed", default=0, show_default=True, help="Of the split into calibration and judging rows.")
@executor_options
@_trust_option
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Default: MODEL.edgeml, here.")
@_json_option
def compile_command(
    model: Path,
    device: str,
    data: Path | None,
    target: str | None,
    budget_file: Path | None,
    formats: tuple[str, ...] | None,
    schemes: tuple[str, ...] | None,
    objective: str,
    verify_on: tuple[str, ...] | None,
    tuned: bool,
    search: str,
    trials: int | None,
    search_seconds: float | None,
    journal: Path | None,
    seed: int,
    jobs: int,
    dask: str | None,
    trust_pickle: bool,
    output: Path | None,
    as_json: bool,
    **limits: float | None,
) -> int:
    """Compile MODEL (.keras, .h5, SavedModel folder, .onnx, .skops, .joblib, .pkl) for a device.

    Every candidate is built and judged against the original; the best that fits the budget is written. Exit
    code 6 when nothing fits: the report still comes, no bundle is written.
    """
    from functools import partial

    from edgeml.budget import read_budget
    from edgeml.devices import load_device
    from edgeml.pipeline import compile
    from edgeml_runtime.errors import NothingFitsError
    from edgeml_runtime.files import check_writable

    output = output or Path(f"{model.resolve().stem}.edgeml")
    check_writable(output)
    profile = load_device(device)
    with executor_of(jobs, dask) as executor, ProgressLine(quiet=as_json) as progress:
        result = compile(
            model,
            device=profile,
            data=data,
            target=target,
            budget=read_budget(budget_file, **limits),
            formats=formats,
            schemes=schemes,
            objective=objective,
            seed=seed,
            trust_pickle=trust_pickle,
            verify_on=verify_on,
            tune=tuned,
            search=search,
            trials=trials,
            search_seconds=search_seconds,
            journal=journal,
            executor=executor,
            progress=progress,
            announce=None if as_json else partial(_announce, profile),
        )
    written = result.save(output) if result.chosen is not None else None
    if as_json:
        _print_json({**result.to_dict(), "bundle": None if written is None else str(written)})
    else:
        from edgeml.report import print_result

        print_result(result, _console())
        if written is not None:
            click.echo(f"wrote {written} ({written.stat().st_size:,} bytes)")
    return 0 if written is not None else NothingFitsError.exit_code


for _command in (compile_many_command, run, bench, verify, tune):
    cli.add_command(_command)


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@_trust_option
@_json_option
def inspect(file: Path, trust_pickle: bool, as_json: bool) -> int:
    """Show what FILE is: a bundle, a .tflite, an .onnx or a trained model and what it can become."""
    from edgeml.inspection import inspect_file, inspection_lines

    document = inspect_file(file, trust_pickle=trust_pickle)
    if as_json:
        _print_json(document)
    else:
        for line in inspection_lines(document):
            click.echo(line)
    return 0


@cli.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--device", required=True, help="A device's name, a profile's path, or `all`.")
@click.option("--no-measure", is_flag=True, help="Do not run the bundle here for its peak memory.")
@_json_option
def fits(bundle: Path, device: str, no_measure: bool, as_json: bool) -> int:
    """Say whether BUNDLE loads and fits on a device: wheel, instructions, operators, memory.

    Exit code 0 where nothing speaks against it (unproven ones included), 6 where the device cannot.
    """
    from edgeml.devices import device_names, load_device
    from edgeml.fits import bundle_fit, fit_line, fit_lines, peak_here
    from edgeml_runtime.bundle import read_bundle
    from edgeml_runtime.cli import printable
    from edgeml_runtime.codec import encode
    from edgeml_runtime.errors import NothingFitsError

    profiles = [load_device(name) for name in (device_names() if device == "all" else (device,))]
    opened = read_bundle(bundle)
    with ProgressLine(quiet=as_json) as progress:
        progress("measuring the bundle's peak memory here", 0, 0)
        linux = any(profile.kind == "linux" for profile in profiles)
        peak_bytes = peak_here(opened) if linux and not no_measure else None
    found = [bundle_fit(opened, profile, peak_bytes) for profile in profiles]
    if as_json:
        name = opened.manifest.name
        _print_json({"bundle": name, "digest": opened.digest, "fits": [encode(fit) for fit in found]})
    elif device == "all":
        for fit in found:
            click.echo(printable(fit_line(fit)))
    else:
        for line in fit_lines(found[0]):
            click.echo(printable(line))
    return NothingFitsError.exit_code if all(fit.answer == "no" for fit in found) else 0


cli.add_command(estimate_command)


@cli.group(invoke_without_command=True)
@_json_option
@click.pass_context
def devices(context: click.Context, as_json: bool) -> int:
    """List devices, and what is set up to emulate them."""
    if context.invoked_subcommand is None:
        return _list_devices(as_json)
    return 0


devices.add_command(setup)
devices.add_command(remove)
devices.add_command(calibrate)


@devices.command(name="list")
@_json_option
def devices_list(as_json: bool) -> int:
    """List every device and what it runs."""
    return _list_devices(as_json)


def _list_devices(as_json: bool) -> int:
    from edgeml.catalogue import list_lines, summary
    from edgeml.devices import device_names, load_device
    from edgeml.emulation.inventory import inventory, inventory_lines
    from edgeml_runtime.cli import printable

    profiles = [load_device(name) for name in device_names()]
    if as_json:
        _print_json({"devices": [summary(profile) for profile in profiles], "emulated": inventory()})
        return 0
    for line in (*list_lines(profiles), *inventory_lines()):
        click.echo(printable(line))
    return 0


@devices.command()
@click.argument("name")
@_json_option
def show(name: str, as_json: bool) -> int:
    """Show what a device is and runs, and every number of its profile with the source."""
    from edgeml.catalogue import show_lines
    from edgeml.devices import facts, formats, load_device
    from edgeml_runtime.cli import printable
    from edgeml_runtime.codec import encode

    profile = load_device(name)
    if as_json:
        found = [encode(fact) for fact in facts(profile)]
        _print_json({**encode(profile), "formats": formats(profile), "facts": found})
    else:
        for line in show_lines(profile):
            click.echo(printable(line))
    return 0


@devices.command()
@click.option("--name", help="Name of the profile; default: that of the output file, else `host`.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the profile there.")
@click.option("--quick", is_flag=True, help="Only what the operating system tells: measure nothing.")
@_json_option
def probe(name: str | None, output: Path | None, quick: bool, as_json: bool) -> int:
    """Describe this machine as a device profile; bandwidth and peak of one core are measured."""
    from edgeml.devices import HOST, to_toml
    from edgeml.devices import probe as told_profile
    from edgeml.probing.measured import check_profile_path, measured_profile
    from edgeml_runtime.codec import encode
    from edgeml_runtime.files import write_atomically

    name = name or (HOST if output is None else output.stem)
    if output is not None:
        check_profile_path(output, name)
    with ProgressLine(quiet=as_json) as progress:
        profile = told_profile(name) if quick else measured_profile(name, progress)
    if output is not None:
        write_atomically(output, to_toml(profile).encode())
    if as_json:
        _print_json(encode(profile))
    elif output is not None:
        click.echo(f"wrote {output}")
    else:
        click.echo(to_toml(profile), nl=False)
    return 0


@cli.command()
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path("edgeml-demo"), show_default=True
)
@click.option("--device", default="raspberry-pi-4", show_default=True)
@_json_option
def demo(output: Path, device: str, as_json: bool) -> int:
    """Train two small models on handwritten digits, compile, pack, run and measure them: about a minute."""
    from edgeml.demo import run_demo

    with ProgressLine(quiet=as_json) as progress:
        document = run_demo(output, device, console=None if as_json else _console(), progress=progress)
    if as_json:
        _print_json(document)
    return 0


def _announce(profile: DeviceProfile, found: Coverage) -> None:
    """What each step, format and engine of the device is taken for, before anything is built."""
    from edgeml.coverage import coverage_lines
    from edgeml.fits import engine_fits, engine_lines
    from edgeml_runtime.cli import printable

    for key, text in coverage_lines(found):
        click.echo(printable(f"{key:10} {text}"))
    click.echo(printable(f"{'device':10} {profile.name}"))
    for line in engine_lines(engine_fits(profile)):
        click.echo(printable(line))


def _print_json(document: Any) -> None:
    click.echo(json.dumps(document, allow_nan=False))


def _console() -> Console:
    from rich.console import Console

    # Where nobody's window sets the width, tables are not squeezed into 80 columns.
    return Console(width=None if sys.stdout.isatty() else 120)


if __name__ == "__main__":
    sys.exit(main())
