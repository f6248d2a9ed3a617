"""What estimates are made of: one fitted line per core, library, dtype and use of threads, in a file.

`devices/latency/coefficients.csv` is written by `python benchmarks/latency_estimates.py --write`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path

from edgeml.latency.features import COSTS
from edgeml.latency.published import folder
from edgeml_runtime.errors import InputError


@dataclass(frozen=True, slots=True)
class Line:
    """Coefficients of a library on a core, in cycles of `model.speed` a count, and how far to trust them.

    `libraries`: those they were translated from, when nobody published the library itself there; `known`:
    whether it was published on another core at least. `half_width`: of a 90% interval of the log latency.
    """

    core: str
    library: str
    dtype: str
    mode: str
    memory: bool
    boards: tuple[str, ...]
    libraries: tuple[str, ...]
    known: bool
    networks: int
    smallest_macs: int
    half_width: float
    coefficients: tuple[float, ...]


def dumps(lines: Iterable[Line]) -> str:
    """The lines as the text of a CSV file."""
    text = io.StringIO()
    names = [f.name for f in fields(Line) if f.name != "coefficients"]
    writer = csv.DictWriter(text, [*names, *COSTS], lineterminator="\n")
    writer.writeheader()
    for line in lines:
        row = {name: value for name, value in asdict(line).items() if name in names}
        row |= {"boards": ";".join(line.boards), "libraries": ";".join(line.libraries)}
        row |= {"memory": int(line.memory), "known": int(line.known)}
        writer.writerow(row | dict(zip(COSTS, line.coefficients, strict=True)))
    return text.getvalue()


@cache
def load_lines(path: Path | None = None) -> tuple[Line, ...]:
    """The fitted lines. Raises InputError where the file is not such a table."""
    path = path or folder() / "coefficients.csv"
    with path.open(encoding="utf-8", newline="") as file:
        try:
            return tuple(
                Line(
                    core=row["core"],
                    library=row["library"],
                    dtype=row["dtype"],
                    mode=row["mode"],
                    memory=row["memory"] == "1",
                    boards=tuple(row["boards"].split(";")),
                    libraries=tuple(filter(None, row["libraries"].split(";"))),
                    known=row["known"] == "1",
                    networks=int(row["networks"]),
                    smallest_macs=int(row["smallest_macs"]),
                    half_width=float(row["half_width"]),
                    coefficients=tuple(float(row[name]) for name in COSTS),
                )
                for row in csv.DictReader(file)
            )
        except (KeyError, ValueError, TypeError) as error:
            raise InputError(f"{path}: not the table of coefficients: {error}") from error
