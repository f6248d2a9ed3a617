"""How good estimates of latency are on boards left out of the fit, from the project's published latencies.

    python benchmarks/latency_estimates.py            prints the table of docs/latency-estimates.md
    python benchmarks/latency_estimates.py --write    fits everything and writes
    devices/latency/coefficients.csv

A board is left out of everything: of its core's fit, of the library's shape, of the interval. "New
network": the network's whole family is left out as well, of all boards, as a user's own network is.
Intervals are made from those.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import groupby

import numpy as np

from edgeml.latency import transfer
from edgeml.latency.fit import DTYPES, fit
from edgeml.latency.intervals import COVERAGE, covered, transfer_deviation, transfer_quantile
from edgeml.latency.lines import dumps
from edgeml.latency.published import ALL, MICROCONTROLLER, ONE, Published, folder, load_published
from edgeml.latency.validation import LeftOut, left_out
from edgeml_runtime.files import write_atomically

MODES = {ONE: "one thread", ALL: "all cores", MICROCONTROLLER: "microcontroller"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write devices/latency/coefficients.csv")
    rows = load_published()
    if parser.parse_args().write:
        path = folder() / "coefficients.csv"
        lines = fit(rows)
        write_atomically(path, dumps(lines).encode())
        print(f"{path}: {len(lines)} lines")
        return
    for by in ("board", "soc"):
        print_summary(rows, by)
    print_cores(rows)
    print_transfers(rows)


def absolute(errors: Sequence[np.ndarray]) -> np.ndarray:
    """Relative errors of predictions from logarithmic ones."""
    return np.abs(np.expm1(np.concatenate(errors)))


def print_summary(rows: Published, by: str) -> None:
    old, new = (list(left_out(rows, new_networks=flag, by=by)) for flag in (False, True))
    print(f"\nleft out: one {by}; {COVERAGE:.0%} intervals")
    print(f"{'':16} boards  rows  median error  inside | new network: median error  inside")
    for mode, name in MODES.items():
        known, unseen = ([one for one in found if one.mode == mode] for found in (old, new))
        errors = absolute([one.errors for one in known]), absolute([one.errors for one in unseen])
        inside = [np.concatenate(covered(tested, unseen)).mean() for tested in (known, unseen)]
        print(
            f"{name:16} {len({one.board for one in known}):6} {len(errors[0]):5} "
            f"{np.median(errors[0]):13.1%} {inside[0]:7.1%} | {np.median(errors[1]):25.1%} {inside[1]:7.1%}"
        )


def print_cores(rows: Published) -> None:
    print("\nleft out: one board, by core and library (median error; new network)")
    found: list[list[LeftOut]] = [list(left_out(rows, new_networks=flag)) for flag in (False, True)]
    keyed = {flag: {key: list(part) for key, part in groupby(found[flag], _key)} for flag in (False, True)}
    for key, part in sorted(keyed[False].items()):
        mode, core, library, dtype = key
        known = np.median(absolute([one.errors for one in part]))
        unseen = (
            np.median(absolute([one.errors for one in keyed[True][key]])) if key in keyed[True] else np.nan
        )
        print(
            f"{MODES[mode]:16} {core:13} {library:32} {dtype:8} {len(part):2} boards "
            f"{known:7.1%} {unseen:7.1%}"
        )


def _key(one: LeftOut) -> tuple[str, str, str, str]:
    return one.mode, one.core, one.variant, one.dtype


def print_transfers(rows: Published) -> None:
    print("\na library on a core without its numbers, on a board left out (median error; interval; inside)")
    for mode, name in MODES.items():
        for dtype in DTYPES:
            part = rows.at((rows.mode == mode) & (rows.dtype == dtype))
            if mode == MICROCONTROLLER:
                part = part.at(np.char.startswith(part.core, "Cortex-M"))
            kinds = ("published on other cores", "published nowhere")
            for kind, cells in zip(kinds, transfer.left_out(part), strict=True):
                if not cells:
                    continue
                inside = []
                for one in cells:
                    rest = [other for other in cells if other.board != one.board]
                    width = transfer_quantile(rest) * transfer_deviation(one.variance) if rest else np.inf
                    inside.append(np.abs(one.errors) <= width)
                error = np.median(absolute([one.errors for one in cells]))
                factor = np.exp(
                    transfer_quantile(cells) * np.median([transfer_deviation(o.variance) for o in cells])
                )
                share = np.concatenate(inside).mean()
                print(
                    f"{name:16} {dtype:8} library {kind:25} {len(cells):3} {error:7.1%} "
                    f"x{factor:.2f} {share:6.1%}"
                )


if __name__ == "__main__":
    main()
