"""The command line on the device: `edgeml-runtime info | verify | run | bench`.

`edgeml run`, `bench` and `verify` are these very commands. Exit codes are those of `errors`; `--json`
prints one document on stdout and nothing else, errors included.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from edgeml_runtime.codec import encode
from edgeml_runtime.errors import EdgeMLError, InputError

if TYPE_CHECKING:
    from edgeml_runtime.bench import Measurement
    from edgeml_runtime.manifest import Verdict
    from edgeml_runtime.signature import Signature, TensorSpec
    from edgeml_runtime.tuning import Tuning

DRIFT_EXIT_CODE = 4
INTERRUPTED_EXIT_CODE = 130  # 128 + SIGINT, as shells count
BROKEN_PIPE_EXIT_CODE = 141  # 128 + SIGPIPE


def printable(text: object) -> str:
    """Text from a file, safe for a terminal: whatever could steer it is shown as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def answer(error: BaseException, *, as_json: bool) -> int:
    """The exit code of what ended a command, after telling why; what is not ours is raised again."""
    if isinstance(error, BrokenPipeError):
        # The reader of our output left and there is nobody to tell; Python's own flush at exit must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE_EXIT_CODE
    if isinstance(error, KeyboardInterrupt):
        message, exit_code = "interrupted; nothing was written", INTERRUPTED_EXIT_CODE
    elif isinstance(error, EdgeMLError):
        message, exit_code = str(error), error.exit_code
    else:
        raise error
    if as_json:
        document = {"type": type(error).__name__, "message": message, "exit_code": exit_code}
        print(json.dumps({"error": document}), flush=True)
    else:
        print(f"error: {printable(message)}", file=sys.stderr)
    return exit_code


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """A wrong command line is bad input like any other, in JSON too."""
        raise InputError(f"{message} (see {self.prog} --help)")


def main(argv: Sequence[str] | None = None, prog: str = "edgeml-runtime") -> int:
    """Entry point; returns the exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that lacks a letter shows its number
    try:
        arguments = parser(prog).parse_args(given)
        exit_code: int = arguments.command(arguments)
        print(end="", flush=True)
    except (EdgeMLError, KeyboardInterrupt, BrokenPipeError) as error:
        exit_code = answer(error, as_json="--json" in given)
    except OSError as error:  # files are answered for where they are opened, so this is stdout
        exit_code = answer(InputError(f"cannot write the output: {error.strerror}"), as_json=False)
    return exit_code


def parser(prog: str) -> argparse.ArgumentParser:
    """Of every command; a wrong command line raises InputError."""
    top = _Parser(prog=prog, description="Verify, run and benchmark edgeml bundles.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=command)
        sub.add_argument("--json", action="store_true", help="one JSON document on stdout")
        return sub

    info = add("info", _info, "Check a bundle's integrity and show what it is.")
    info.add_argument("bundle", type=Path)
    verify = add("verify", _verify, "Check a bundle's integrity and run its golden vectors here.")
    verify.add_argument("bundle", type=Path)
    verify.add_argument("--engine", help="engine to use; default: the first installed one")
    run = add("run", _run, "Run a bundle on the rows of a file.")
    run.add_argument("bundle", type=Path)
    run.add_argument("--input", type=Path, required=True, help=".npy, .npz, .csv, .json or .parquet")
    run.add_argument("-o", "--output", type=Path, help=".npy, .npz, .csv or .json; default: JSON on stdout")
    run.add_argument("--method", default=None, help="predict (default), predict_proba, transform")
    run.add_argument("--engine")
    run.add_argument("--threads", type=int, default=None, help="engine threads (default: as tuned, else 1)")
    _add_options(run)
    bench = add("bench", _bench, "Measure latency and memory of bundles on this machine.")
    bench.add_argument("bundle", type=Path, nargs="+")
    bench.add_argument(
        "--threads", type=_numbers, help="engine threads, e.g. 1,2 (default: as tuned, else 1)"
    )
    bench.add_argument("--batch", type=_numbers, default=(1,), help="rows a call, e.g. 1,8 (default 1)")
    bench.add_argument("--seconds", type=float, default=1.0, help="of sampling for each setting (default 1)")
    bench.add_argument("--warmup", type=float, default=0.2, help="seconds of warm-up (default 0.2)")
    bench.add_argument("--engine")
    _add_options(bench)
    return top


def _add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--option",
        type=_option,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of the engine, e.g. xnnpack=off or graph_optimization=basic; may be repeated",
    )
    command.add_argument(
        "--untuned", action="store_true", help="do not use what the bundle was tuned to on such a device"
    )


def _option(text: str) -> tuple[str, int | str | bool]:
    from edgeml_runtime.tuning import read_option

    try:
        return read_option(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected whole numbers such as 1,2, got {text!r}") from None


def _print_json(value: Any) -> None:
    print(json.dumps(encode(value), allow_nan=False))


def _info(arguments: argparse.Namespace) -> int:
    from edgeml_runtime.bundle import read_bundle
    from edgeml_runtime.manifest import manifest_document

    bundle = read_bundle(arguments.bundle)
    manifest = bundle.manifest
    if arguments.json:
        document = manifest_document(manifest)
        _print_json({"digest": bundle.digest, "size_bytes": bundle.size_bytes, "manifest": document})
        return 0
    artifact = next(f for f in manifest.files if f.name == manifest.artifact)
    lines = [
        ("bundle", f"{manifest.name}, {bundle.size_bytes:,} bytes, sha256 {bundle.digest}"),
        ("artifact", f"{manifest.artifact_format} {manifest.scheme}, {artifact.size_bytes:,} bytes"),
        ("made for", manifest.device),
        ("model", f"{manifest.provenance.model_kind}, digest {manifest.provenance.model_digest[:16]}"),
        *(("input", text) for text in describe_inputs(manifest.signature)),
        *(("output", spec.describe()) for spec in manifest.signature.outputs),
        ("methods", ", ".join(m.name for m in manifest.signature.methods)),
        *(("in float", f"{f.count} x {f.operator}: {f.reason}") for f in manifest.float_operators),
        *(("verdict", describe_verdict(v)) for v in manifest.verdicts),
        *(("tuned", text) for text in map(_describe_tuning, manifest.tunings)),
        ("versions", ", ".join(f"{k} {v}" for k, v in sorted(manifest.provenance.versions.items()))),
    ]
    for label, text in lines:
        print(f"{label:9} {printable(text)}")
    return 0


def describe_input(spec: TensorSpec) -> str:
    """One line: `input_1: float32[batch, 1], categories of 'city': 'Oslo', 'Paris'; others are refused`."""
    from edgeml_runtime.encodings.summary import summary

    parts = [spec.describe()]
    source = "" if spec.source_name == spec.name else f"of {spec.source_name!r}"
    if spec.encoding is not None or source:
        parts.append(source if spec.encoding is None else summary(spec.encoding, source))
    if spec.allow_nan:
        parts.append("may be missing")
    return ", ".join(parts)


def describe_inputs(signature: Signature) -> Iterator[str]:
    """A line for each input, and one for the columns of the table that none of them is made of."""
    yield from map(describe_input, signature.inputs)
    unused = [name for name in signature.columns if name not in signature.sources]
    if unused:
        yield f"not used: {', '.join(map(repr, unused))}"


def describe_verdict(verdict: Verdict) -> str:
    """One line: `size passed: 52.1 kB (limit 64 kB), measured on any`."""
    value = "" if verdict.value is None else f": {verdict.value:.6g} {verdict.unit}".rstrip()
    limit = "" if verdict.limit is None else f" (limit {verdict.limit:.6g} {verdict.unit}".rstrip() + ")"
    detail = f"; {verdict.detail}" if verdict.detail else ""
    return f"{verdict.gate} {verdict.status}{value}{limit}, measured on {verdict.measured_on}{detail}"


def _describe_tuning(tuning: Tuning) -> str:
    """One line: `for 4 CPUs of Cortex-A72 (aarch64): litert 2.3.0, threads 2, xnnpack on`."""
    from edgeml_runtime.engines import engines
    from edgeml_runtime.tuning import describe_options

    engine = engines().get(tuning.engine)
    options = encode(tuning.options)
    known = {name: options[name] for name in (options if engine is None else engine.options)}
    name = f"{tuning.engine} {tuning.engine_version}"
    return f"for {tuning.device_class.describe()}: {name}, {describe_options(known)}"


def _verify(arguments: argparse.Namespace) -> int:
    from edgeml_runtime.bundle import read_bundle
    from edgeml_runtime.verify import verify

    result = verify(read_bundle(arguments.bundle), engine=arguments.engine)
    if arguments.json:
        _print_json({"integrity": "ok", **encode(result)})
    else:
        print(f"integrity ok: every hash of {printable(arguments.bundle)} matches")
        if result.golden == "not run":
            print(f"golden vectors not run: {printable(result.reason)}")
        else:
            engine = f"{result.engine} {result.engine_version}"
            print(f"golden vectors {result.golden}: {result.rows} rows on {engine}")
        if result.rows_encoded_differently:
            rows = ", ".join(map(str, result.rows_encoded_differently))
            print(
                f"  rows encoded differently here: {rows} (other Unicode tables? compare Python's versions)"
            )
        if result.rows_flipped:
            print(f"  rows of another class here: {', '.join(map(str, result.rows_flipped))}")
        for check in result.outputs:
            outside = (
                f", rows outside: {', '.join(map(str, check.rows_outside))}" if check.rows_outside else ""
            )
            worst = "not a number" if check.max_abs_difference is None else f"{check.max_abs_difference:.3g}"
            print(
                f"  {printable(check.output)}: largest difference {worst} "
                f"(allowed {check.atol:.3g} + {check.rtol:.3g} x |golden|){outside}"
            )
    return DRIFT_EXIT_CODE if result.golden == "drift" else 0


def _run(arguments: argparse.Namespace) -> int:
    from edgeml_runtime.results import check_result_path, plain, write_result
    from edgeml_runtime.session import load
    from edgeml_runtime.tables import as_inputs, read_arrays, wanted_by

    if arguments.output is not None:
        check_result_path(arguments.output)
    session = load(
        arguments.bundle,
        engine=arguments.engine,
        threads=arguments.threads,
        options=dict(arguments.option),
        tuned=not arguments.untuned,
    )
    signature = session.signature
    x = as_inputs(signature, read_arrays(arguments.input, wanted_by(signature)), arguments.input)
    method = arguments.method or signature.methods[0].name
    result = session.call(method, x)
    if arguments.output is not None:
        write_result(arguments.output, result)
        if arguments.json:
            _print_json({"method": method, "output_file": str(arguments.output)})
        else:
            print(f"wrote {printable(arguments.output)}")
    elif arguments.json:
        _print_json({"method": method, "output": plain(result)})
    else:
        print(json.dumps(plain(result)))
    return 0


def _bench(arguments: argparse.Namespace) -> int:
    from edgeml_runtime.bench import BenchPlan, measure, summary_ns
    from edgeml_runtime.bundle import read_bundle

    bundles = [read_bundle(path) for path in arguments.bundle]
    results = []
    for bundle in bundles:
        for threads in arguments.threads or (None,):
            for batch in arguments.batch:
                plan = BenchPlan(
                    threads,
                    batch,
                    arguments.warmup,
                    arguments.seconds,
                    options=dict(arguments.option),
                    tuned=not arguments.untuned,
                )
                results.append(measure(bundle, plan, engine=arguments.engine))
                if not arguments.json:
                    print("\n".join(describe_measurement(results[-1], heading=len(results) == 1)))
    if arguments.json:
        summaries = [
            {
                "bundle": r.bundle,
                "threads": r.threads,
                "batch": r.batch,
                "summary_ns": summary_ns(r.samples_ns),
            }
            for r in results
        ]
        _print_json({"measurements": [encode(r) for r in results], "summaries": summaries})
    else:
        host = results[0].host
        print(f"measured on this machine: {printable(host.cpu_model)}, {host.usable_cpus} usable CPUs")
        for text in dict.fromkeys(_how_opened(r) for r in results):
            print(printable(text))
    return 0


def _how_opened(result: Measurement) -> str:
    from edgeml_runtime.tuning import describe_options

    source = ", as tuned for such devices" if result.tuned else ""
    return f"{result.bundle}: {describe_options(result.options)}{source}"


def describe_measurement(result: Measurement, *, heading: bool) -> list[str]:
    """A table row of one measurement, times in microseconds a call, after the heading where asked for."""
    from edgeml_runtime.bench import summary_ns

    peak = "-" if result.peak_memory_bytes is None else f"{result.peak_memory_bytes / 1e6:.1f}"
    times = summary_ns(result.samples_ns)
    columns = {
        "bundle": f"{printable(result.bundle)[:24]:24}",
        "engine": f"{result.engine:14}",
        "threads": f"{result.threads:7}",
        "batch": f"{result.batch:5}",
        **{f"{name} us": f"{time_ns / 1e3:9.1f}" for name, time_ns in times.items()},
        "samples": f"{len(result.samples_ns):8}",
        "peak MB": f"{peak:>8}",
    }
    names = [
        name.ljust(len(c)) if i < 2 else name.rjust(len(c)) for i, (name, c) in enumerate(columns.items())
    ]
    row = " ".join(columns.values())
    return [" ".join(names), row] if heading else [row]


if __name__ == "__main__":
    sys.exit(main())
