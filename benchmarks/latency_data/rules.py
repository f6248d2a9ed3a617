"""What a row of the collected measurements says once it is read: the rules, and why a row is not used.

Each rule that leaves a row out names its reason; the script counts them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import distrust
import models
from boards import HALF_PRECISION, Board, Cluster, find

Row = Mapping[str, str]


class Unused(Exception):  # noqa: N818 - not an error: a row that is left out, and why
    """Why a row is left out."""


@dataclass(frozen=True, slots=True)
class Execution:
    """Where and how a row ran.

    `core` and `clock_hz` are of the fastest cluster that took part, `clusters` is how many of different
    core or clock did; `threads_how`: "stated" or "inferred"; `all_cores`: the threads fill those clusters.
    """

    board: Board
    core: str
    clock_hz: int
    threads: int
    threads_how: str
    all_cores: bool
    clusters: int


SPREAD = re.compile(r"min.*\(avg ([\d.]+), max ([\d.]+)\)")
# The mean may be this many times the fastest run; above, something else took the cores or the clock.
LARGEST_SPREAD = 1.5


def refuse_distrusted(row: Row) -> None:
    """Rows whose device or source makes them useless here, or not to be trusted."""
    reason = distrust.reason_against(row)
    if reason is not None:
        raise Unused(reason)


def refuse_spread(row: Row) -> float | None:
    """The mean of the runs, where the source has it; refuses rows that something disturbed."""
    found = SPREAD.match(row["stat"])
    if found is None:
        return None
    mean = float(found[1])
    if mean > LARGEST_SPREAD * float(row["latency_ms"]):
        raise Unused(f"the mean is over {LARGEST_SPREAD} times the fastest run")
    return mean


def statistic(row: Row) -> str:
    """What the latency is of the runs."""
    text = row["stat"]
    if text.startswith("p50"):
        return "median"
    if text.startswith("min"):
        return "minimum"
    if text.startswith(("mean", "avg", "google-benchmark")):
        return "mean"
    return "not stated"


def library(row: Row) -> tuple[str, str]:
    """Library and version. TFLite says which of its two kernel libraries ran."""
    text, precision = row["framework"], row["precision"]
    name, _, rest = text.partition(" ")
    version = rest.split(" ")[0].removeprefix("v")
    if name == "TFLite":
        if version == "master":
            # The delegate of early 2023 took float models only; quantized ones stayed in ruy, on all cores.
            return ("tflite-xnnpack" if precision == "fp32" else "tflite-ruy"), "2.12"
        if "xnnpack" in text:
            return "tflite-xnnpack", version
        if "benchmark_model" in text:
            return "tflite-ruy", "2020"
        return ("tflite-ruy" if "(ruy)" in text else "tflite-gemmlowp"), version
    if name == "XNNPACK":
        return "xnnpack", re.findall(r"\d{4}-\d\d-\d\d", text)[0]
    known = {
        "ncnn": ("ncnn", row["ncnn_generation"]),
        "ArmNN": ("armnn", version),
        "Paddle-Lite": ("paddle-lite", version),
        "Tengine-Lite": ("tengine", ""),
        "TNN": ("tnn", version),
        "MNN": ("mnn", version),
        "Onnxruntime": ("onnxruntime", version),
    }
    if name not in known:
        raise Unused("an engine of another kind")
    return known[name]


def architecture(row: Row, board: Board) -> str:
    """Of the userland: XNNPACK and Paddle-Lite measured 32-bit builds on 64-bit boards too."""
    for said, meant in (("armv8", "aarch64"), ("arm64", "aarch64"), ("armv7", "armv7l"), ("armv6", "armv6l")):
        if said in row["framework"]:
            return meant
    return board.architecture


def dtype(row: Row, core: str) -> str:
    """float32, float16 or int8; ncnn's float is float16 where the core computes in it, whatever is said."""
    text = row["precision"]
    if text.startswith("int8"):
        return "int8"
    if row["source_repo"] == "Tencent/ncnn":
        if core == "FTC664":
            raise Unused("not known whether ncnn computed in half precision")
        return "float16" if core in HALF_PRECISION else "float32"
    return "float16" if text.startswith("fp16") and core in HALF_PRECISION else "float32"


def execution(row: Row) -> Execution:
    """Which cluster ran the row, with how many threads; refuses what cannot be told."""
    board = find(row["device"])
    if board is None:
        raise Unused("a machine whose cores are not known")
    text = row["threads"]
    stated = text.isdigit()
    threads = int(text.split(" ")[0]) if text[0].isdigit() else board.cores
    allowed = allowed_clusters(row, board)
    available = sum(cluster.count for cluster in allowed)
    first = allowed[0]
    if board.name.startswith("apple-") and threads == 1:  # macOS runs one busy thread on a fast core
        allowed, available = (first,), first.count
    if threads > available * (2 if board.architecture == "x86_64" else 1):
        raise Unused("more threads than cores")
    if threads < available and any(cluster.core != first.core for cluster in allowed):
        raise Unused("not known which kind of core ran")
    if 1 < threads < available and any(cluster.clock_hz != first.clock_hz for cluster in allowed):
        raise Unused("not known which kind of core ran")
    clock_hz = first.clock_hz
    if board.name == "raspberry-pi-4":  # sold with either; the sources say which
        clock_hz = int(row["freq_mhz"]) * 1_000_000
        if "inference_results" in row["source_repo"]:
            # Rounds 2.0 and 3.0 say 1800 MHz; their cycles for each network fall on those of the 1500 MHz
            # rounds (TFLite int8 0.93, ArmNN 22.11 1.00) only if these ran at 1500 as well.
            clock_hz = 1_500_000_000
    return Execution(
        board=board,
        core=first.core,
        clock_hz=clock_hz,
        threads=threads,
        threads_how="stated" if stated else "inferred",
        all_cores=threads >= available,
        clusters=len(allowed) if threads > 1 else 1,
    )


def allowed_clusters(row: Row, board: Board) -> tuple[Cluster, ...]:
    """The clusters whose cores the run was free to use, the fastest first.

    ncnn and Tengine say it; what they call big is above the mean of the fastest and slowest clock. Phones
    were measured on the big cores, MLPerf on all.
    """
    middle = (board.clusters[0].clock_hz + board.clusters[-1].clock_hz) / 2
    big = tuple(cluster for cluster in board.clusters if cluster.clock_hz >= middle)
    little = tuple(cluster for cluster in board.clusters if cluster.clock_hz < middle) or big
    choice = re.match(r"(power|powersave)=(\d)", row["flag"])
    if choice is None:
        return board.clusters if "results" in row["source_repo"] else big
    key = {
        "power": {"0": "all", "1": "big", "3": "little"},
        "powersave": {"0": "all", "1": "little", "2": "big"},
    }
    return {"all": board.clusters, "big": big, "little": little}[key[choice[1]][choice[2]]]


def network(row: Row) -> str:
    """The key in networks.csv."""
    found = models.network(row["source_repo"], row["model"])
    if found is None:
        raise Unused("a network whose architecture is not counted")
    return found


# Networks in the order in which ncnn's benchmark began to list them, the youngest first; kernels for int8,
# half precision and x86 became 1.3 to 2 times faster from one generation of the list to the next.
NCNN_GENERATIONS = (("FastestDet", 4), ("yolo-fastestv2", 3), ("nanodet_m", 2))


def ncnn_tables(rows: list[dict[str, str]]) -> list[list[dict[str, str]]]:
    """The rows of ncnn's page, a list for each table of one device and number of threads."""
    tables: list[list[dict[str, str]]] = []
    last: tuple[str, ...] = ()
    seen: set[tuple[str, str]] = set()
    for row in sorted(rows, key=lambda row: int(row["source_line"])):
        table, entry = (row["device"], row["threads"], row["flag"][:12]), (row["model"], row["precision"][:4])
        if table != last or entry in seen:
            tables.append([])
            seen = set()
        tables[-1].append(row)
        last = table
        seen.add(entry)
    return tables


def with_ncnn_generations(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The rows with a column `ncnn_generation`: "4 (FastestDet)" ... "1"; empty for other libraries.

    ncnn's tables do not say their version, but the youngest network that they list dates them.
    """
    generations = {}
    for table in ncnn_tables([row for row in rows if row["source_repo"] == "Tencent/ncnn"]):
        listed = {row["model"] for row in table}
        named = [f"{number} ({model})" for model, number in NCNN_GENERATIONS if model in listed]
        generations.update({row["source_line"]: named[0] if named else "1" for row in table})
    return [
        row
        | {"ncnn_generation": generations[row["source_line"]] if row["source_repo"] == "Tencent/ncnn" else ""}
        for row in rows
    ]
