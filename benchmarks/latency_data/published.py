"""Writes devices/latency/published.csv.gz: others' measurements that may be trusted, in one vocabulary.

    python benchmarks/latency_data/published.py COLLECTED.csv.gz

COLLECTED has one row for each published number, as it stands in its source (columns device, soc, core,
freq_mhz, threads, framework, model, input, precision, latency_ms, stat, macs, flag, source_repo, commit,
source_path, source_line); further.py adds a few. What is left out is counted by reason on standard output.
"""

from __future__ import annotations

import argparse
import collections
import csv
import gzip
import io
import sys
from pathlib import Path

import further
import rules

FOLDER = Path(__file__).parents[2] / "devices" / "latency"
COLUMNS = (
    "board",
    "soc",
    "core",
    "clock_hz",
    "architecture",
    "threads",
    "threads_how",
    "all_cores",
    "clusters",
    "library",
    "library_version",
    "dtype",
    "network",
    "latency_ms",
    "statistic",
    "mean_ms",
    "repository",
    "commit",
    "path",
    "line",
)


def normalised(row: rules.Row, networks: frozenset[str]) -> dict[str, object]:
    """The row in the columns above; raises Unused with the reason where it is left out."""
    rules.refuse_distrusted(row)
    network = rules.network(row)
    if network not in networks:
        raise rules.Unused("a network whose architecture is not counted")
    library, version = rules.library(row)
    ran = rules.execution(row)
    mean = rules.refuse_spread(row)
    return {
        "board": ran.board.name,
        "soc": ran.board.soc,
        "core": ran.core,
        "clock_hz": ran.clock_hz,
        "architecture": rules.architecture(row, ran.board),
        "threads": ran.threads,
        "threads_how": ran.threads_how,
        "all_cores": int(ran.all_cores),
        "clusters": ran.clusters,
        "library": library,
        "library_version": version,
        "dtype": rules.dtype(row, ran.core),
        "network": network,
        "latency_ms": row["latency_ms"],
        "statistic": rules.statistic(row),
        "mean_ms": "" if mean is None else mean,
        "repository": row["source_repo"],
        "commit": row["commit"],
        "path": row["source_path"],
        "line": row["source_line"],
    }


def read(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV, compressed or not."""
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    return list(csv.DictReader(io.StringIO(text)))


def known_networks() -> frozenset[str]:
    """The keys of networks.csv."""
    return frozenset(row["network"] for row in read(FOLDER / "networks.csv"))


def select(collected: list[dict[str, str]]) -> tuple[list[dict[str, object]], collections.Counter[str]]:
    """The rows to use, sorted, and how many were left out for which reason."""
    networks = known_networks()
    rows, left_out = [], collections.Counter[str]()
    for row in rules.with_ncnn_generations([*collected, *further.rows()]):
        try:
            rows.append(normalised(row, networks))
        except rules.Unused as reason:
            left_out[str(reason)] += 1
    rows.sort(key=lambda row: [str(row[column]) for column in COLUMNS])
    return rows, left_out


def main() -> int:
    """Exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collected", type=Path)
    rows, left_out = select(read(parser.parse_args().collected))
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    # No time in the archive: the same rows make the same bytes.
    (FOLDER / "published.csv.gz").write_bytes(gzip.compress(text.getvalue().encode(), 9, mtime=0))
    kinds = {column: len({row[column] for row in rows}) for column in ("board", "core", "network")}
    print(f"{len(rows):6d} used: {kinds['board']} boards, {kinds['core']} kinds of cores, ", end="")
    print(f"{kinds['network']} networks")
    for reason, count in left_out.most_common():
        print(f"{count:6d} {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
