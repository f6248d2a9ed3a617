"""Published latencies and the networks they were measured on, as arrays: from `devices/latency/`."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeml.latency.features import Features
from edgeml_runtime.errors import InputError

Array = NDArray[Any]

# Threads: a single one, or as many as the cluster has cores; or a microcontroller's core, which is another
# world.
ONE, ALL, MICROCONTROLLER = "one", "all", "microcontroller"
MAX_CORES = 16  # of a cluster: how servers with more scale is not how boards do


@dataclass(frozen=True, slots=True)
class Published:
    """Rows of one core or of all cores of one cluster; every array has float64[n] or str[n] of one length n.

    `variant` is the library with whatever else separates its kernels: 32-bit ARM, versions before and after
    the kernels of an instruction set. `memory_bytes_per_s` is sqrt(memcpy x memset) of one core, or NaN.
    """

    board: Array
    soc: Array
    core: Array
    variant: Array
    dtype: Array
    mode: Array
    network: Array
    clock_hz: Array
    threads: Array
    memory_bytes_per_s: Array
    latency_ms: Array
    costs: Array  # float64[n, len(COSTS)]

    def __len__(self) -> int:
        return len(self.latency_ms)

    def at(self, rows: Array) -> Published:
        """Those rows: indices or booleans."""
        return Published(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def folder() -> Path:
    """Where the tables and the fitted coefficients stand, in a checkout or in an installed wheel."""
    packaged = Path(__file__).parents[1] / "_devices" / "latency"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "devices" / "latency"


def load_networks(path: Path | None = None) -> Mapping[str, Features]:
    """Published networks by name. Raises InputError where the table is not one."""
    path = path or folder() / "networks.csv"
    with path.open(encoding="utf-8", newline="") as file:
        try:
            return {
                row["network"]: Features(**{f.name: int(row[f.name]) for f in fields(Features)})
                for row in csv.DictReader(file)
            }
        except (KeyError, ValueError, TypeError) as error:
            raise InputError(f"{path}: not the table of networks: {error}") from error


def load_published(where: Path | None = None) -> Published:
    """Every row that a fit of one core can use: no clusters mixed, one thread or all cores of the cluster.

    Repetitions of one network on one board, by versions of a library or by runs, are one row, their median.
    Raises InputError where the tables are not such tables.
    """
    where = where or folder()
    path = where / "published.csv.gz"
    networks = load_networks(where / "networks.csv")
    memory = _memory(where / "boards.csv")
    small = where / "microcontrollers.csv"
    try:
        with gzip.open(path) as packed, io.TextIOWrapper(packed, encoding="utf-8", newline="") as file:
            rows = [(row, mode) for row in csv.DictReader(file) if (mode := _mode(row))]
        with small.open(encoding="utf-8", newline="") as file:
            rows += [({**_ON_CHIP, **row}, MICROCONTROLLER) for row in csv.DictReader(file)]
        rows = [(row, mode) for row, mode in rows if row["network"] in networks]
        names = ("board", "soc", "core", "dtype", "network")
        return _medians(
            Published(
                **{name: np.array([row[name] or row["board"] for row, _ in rows]) for name in names},
                variant=np.array([_variant(row) for row, _ in rows]),
                mode=np.array([mode for _, mode in rows]),
                clock_hz=np.array([float(row["clock_hz"]) for row, _ in rows]),
                threads=np.array([float(row["threads"]) for row, _ in rows]),
                memory_bytes_per_s=np.array([memory.get((r["board"], r["core"]), np.nan) for r, _ in rows]),
                latency_ms=np.array([float(row["latency_ms"]) for row, _ in rows]),
                costs=np.array([networks[row["network"]].costs() for row, _ in rows]),
            )
        )
    except (KeyError, ValueError) as error:
        raise InputError(f"{where}: not the tables of published latencies: {error}") from error


_ON_CHIP = {"soc": "", "architecture": "", "threads": "1"}


def _medians(rows: Published) -> Published:
    names = ("board", "core", "variant", "dtype", "mode", "network", "clock_hz", "threads")
    keys = np.array(["|".join(map(str, key)) for key in zip(*(getattr(rows, n) for n in names), strict=True)])
    _, first, same = np.unique(keys, return_index=True, return_inverse=True)
    medians = np.array([np.median(rows.latency_ms[same == i]) for i in range(len(first))])
    return replace(rows.at(first), latency_ms=medians)


def _mode(row: Mapping[str, str]) -> str | None:
    if row["clusters"] != "1":
        return None
    if row["threads"] == "1":
        return ONE
    return ALL if row["all_cores"] == "1" and int(row["threads"]) <= MAX_CORES else None


def _variant(row: Mapping[str, str]) -> str:
    # The same kernels, measured through TFLite's delegate or on their own.
    library = {"tflite-xnnpack": "xnnpack"}.get(row["library"], row["library"])
    if library == "ncnn" and (row["dtype"] != "float32" or row["architecture"] not in _ARM):
        library = f"{library} {row['library_version']}"
    return f"{library} 32-bit" if row["architecture"] in ("armv7l", "armv6l") else library


# ncnn's kernels for float32 on ARM hardly changed between its versions; those for int8, for half precision
# and for x86 became up to twice as fast.
_ARM = ("aarch64", "armv7l", "armv6l")


def _memory(path: Path) -> Mapping[tuple[str, str], float]:
    with path.open(encoding="utf-8", newline="") as file:
        try:
            return {
                (row["board"], row["core"]): float(
                    np.sqrt(float(row["memcpy_bytes_per_s"]) * float(row["memset_bytes_per_s"]))
                )
                for row in csv.DictReader(file)
                if row["memcpy_bytes_per_s"] and row["memset_bytes_per_s"]
            }
        except (KeyError, ValueError) as error:
            raise InputError(f"{path}: not the table of boards: {error}") from error
