"""How good estimates of latency are on boards left out of the fit, from the project's published latencies.

    python benchmarks/latency_estimates.py                  prints the table of docs/latency-estimates.md
    python benchmarks/latency_estimates.py --calibration    errors after measuring one to six networks
    python benchmarks/latency_estimates.py --write          fits everything and writes
    devices/latency/coefficients.csv

A board is left out of everything: of its core's fit, of the library's shape, of the interval. "New
network": the network's whole family is left out as well, of all boards, as a user's own network is.
Intervals are made from those.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby, product

import numpy as np

from edgeml.latency import transfer
from edgeml.latency.calibration import MOST, refit
from edgeml.latency.fit import DTYPES, fit
from edgeml.latency.intervals import COVERAGE, covered, transfer_deviation, transfer_quantile
from edgeml.latency.lines import dumps
from edgeml.latency.model import cycles, shape
from edgeml.latency.published import ALL, MICROCONTROLLER, ONE, Published, folder, load_published
from edgeml.latency.validation import FAMILIES, LeftOut, family, left_out
from edgeml_runtime.files import write_atomically

MODES = {ONE: "one thread", ALL: "all cores", MICROCONTROLLER: "microcontroller"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write devices/latency/coefficients.csv")
    parser.add_argument("--calibration", action="store_true", help="only what a calibration is worth")
    rows = load_published()
    arguments = parser.parse_args()
    if arguments.calibration:
        print_calibrations(rows)
        return
    if arguments.write:
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


def print_calibrations(rows: Published) -> None:
    """Boards left out, calibrated with networks drawn from their own rows, tested on other families."""
    errors: dict[tuple[str, bool, int], list[np.ndarray]] = defaultdict(list)
    random = np.random.default_rng(0)
    for mode, dtype in product((ONE, ALL), DTYPES):
        part = rows.at((rows.mode == mode) & (rows.dtype == dtype))
        for board in np.unique(part.board):
            rest, own = part.at(part.board != board), part.at(part.board == board)
            common = shape(rest, cycles(rest, memory=False))
            for variant in np.unique(own.variant):
                tested = own.at(own.variant == variant)
                kinds = np.array([family(name) for name in tested.network])
                if len(set(kinds)) < 5:
                    continue
                same, others = rest.at(rest.variant == variant), rest.at(rest.variant != variant)
                priors = {False: shape(others, cycles(others, memory=False))}
                if len(set(same.network)) >= FAMILIES:
                    priors[True] = shape(same, cycles(same, memory=False), common)
                for networks, _ in product(range(1, MOST + 1), range(6)):
                    chosen = random.permutation(len(kinds))[:networks]
                    new = ~np.isin(kinds, kinds[chosen])
                    for known, prior in priors.items() if new.any() else ():
                        cost = cycles(tested, memory=False)
                        fitted = refit(tested.costs[chosen], cost[chosen], prior)
                        errors[mode, known, networks].append(np.log(tested.costs[new] @ fitted / cost[new]))
    print("networks measured on the board, of another family than the tested ones: median error, 90% within")
    for mode, known in product((ONE, ALL), (True, False)):
        where = "elsewhere" if known else "nowhere"
        for networks in range(1, MOST + 1):
            found = errors[mode, known, networks]
            factor = np.exp(np.quantile(np.abs(np.concatenate(found)), COVERAGE))
            print(
                f"{MODES[mode]:12} library published {where:9} {networks} "
                f"{np.median(absolute(found)):6.1%} x{factor:.2f}"
            )


if __name__ == "__main__":
    main()
