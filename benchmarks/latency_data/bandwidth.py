"""Writes devices/latency/boards.csv: main memory as one core reaches it, for the boards of published.csv.gz.

    python benchmarks/latency_data/bandwidth.py

Numbers are sbc-bench's (memcpy and memset by tinymembench, MB a second), one core of the cluster, by system
on a chip, and by board where boards of one chip have different memory. Of other boards nothing is known.
"""

from __future__ import annotations

import csv
import io
import sys

from boards import BOARDS, Board
from published import FOLDER

SORTED = "ThomasKaiser/sbc-bench Sorted-Results.md @09739cdd9ce7a75dbc0127ac908d32773192c56b"
RESULTS = "ThomasKaiser/sbc-bench results/{}"
# (chip or board, core) -> memcpy, memset in MB/s, source.
MEASURED: dict[tuple[str, str], tuple[int, int, str]] = {
    ("BCM2835", "ARM1176"): (430, 1670, SORTED),
    ("BCM2836", "Cortex-A7"): (1000, 1180, SORTED),
    ("raspberry-pi-3b", "Cortex-A53"): (1110, 1700, SORTED),
    ("raspberry-pi-3b-plus", "Cortex-A53"): (1120, 1600, SORTED),
    ("BCM2711", "Cortex-A72"): (2330, 3120, SORTED),
    ("BCM2712", "Cortex-A76"): (6025, 9985, SORTED),
    ("RK3399", "Cortex-A72"): (3690, 8360, SORTED),
    ("RK3399", "Cortex-A53"): (1869, 8260, RESULTS.format("1iFp.txt")),
    ("RK3328", "Cortex-A53"): (1340, 5770, SORTED),
    ("RK3566", "Cortex-A55"): (3240, 6100, SORTED),
    ("radxa-zero-3w", "Cortex-A55"): (2400, 5580, SORTED),
    ("RK3568", "Cortex-A55"): (3150, 6250, SORTED),
    ("RK3588", "Cortex-A76"): (12140, 29220, SORTED),
    ("RK3588", "Cortex-A55"): (5250, 22190, RESULTS.format("4D0a.txt")),
    ("H616", "Cortex-A53"): (1190, 2820, SORTED),
    ("H2+", "Cortex-A7"): (890, 3450, SORTED),
    ("S805", "Cortex-A5"): (980, 2990, SORTED),
    ("RK3288", "Cortex-A17"): (1540, 4150, SORTED),
    ("Tegra X1", "Cortex-A57"): (3730, 8870, SORTED),
    ("Xavier", "Carmel"): (10910, 22520, SORTED),
    ("Orin", "Cortex-A78AE"): (10600, 30350, SORTED),
    ("A311D", "Cortex-A73"): (5080, 9240, SORTED),
    ("S922X", "Cortex-A73"): (4300, 7480, SORTED),
    ("Snapdragon 835", "Cortex-A73"): (9720, 14070, SORTED),
    ("Snapdragon 865", "Cortex-A77"): (14470, 23910, SORTED),
    ("Graviton", "Cortex-A72"): (4280, 14220, SORTED),
    ("x5-Z8350", "Airmont"): (2740, 3140, SORTED),
    ("N100", "Gracemont"): (8140, 7970, RESULTS.format("uHzXI7.txt")),
    ("N5105", "Tremont"): (7710, 9290, SORTED),
}
COLUMNS = ("board", "soc", "core", "memcpy_bytes_per_s", "memset_bytes_per_s", "source")


def known(board: Board, core: str) -> tuple[int, int, str] | None:
    """What was measured on the board or, without that, on another of its chip."""
    return MEASURED.get((board.name, core), MEASURED.get((board.soc, core)))


def table() -> str:
    """The whole table as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    rows = set()
    for board in BOARDS.values():
        for cluster in board.clusters:
            found = known(board, cluster.core)
            if found is not None:
                memcpy, memset, source = found
                rows.add((board.name, board.soc, cluster.core, memcpy * 10**6, memset * 10**6, source))
    writer.writerows(sorted(rows))
    return text.getvalue()


def main() -> int:
    """Exit code."""
    (FOLDER / "boards.csv").write_text(table(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
