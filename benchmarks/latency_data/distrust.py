"""Rows that are left out although they could be read, each group with the evidence against it.

Rows are never left out for disagreeing with other boards of their core: how far boards differ is what leaving
one board out measures. Raspberry Pi 3 with all threads is the one exception, a trap that the collectors name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Group:
    """Rows whose columns match all of `columns` (regular expressions), and why they are left out."""

    columns: Mapping[str, str]
    reason: str

    def holds(self, row: Mapping[str, str]) -> bool:
        """Whether the row belongs to it."""
        return all(re.search(pattern, row[column]) for column, pattern in self.columns.items())


GROUPS = (
    Group(
        {"source_repo": "tiny_results|EdgeMark|tinyengine|esp-nn"},
        "a microcontroller: in microcontrollers.csv, if anywhere",
    ),
    Group(
        {"device": "Loongson|Sunway|VisionFive|T-Head|CVITEK|Spacemit|Xeon Phi|Celeron M 420"},
        "a processor family that no device profile describes",
    ),
    Group({"flag": "SUSPECT"}, "marked suspect by the table"),
    Group(
        {"source_repo": "results_v0.5", "device": "Raspberry Pi 4"},
        "MLPerf v0.5 on Raspberry Pi 4: 5 to 8 times slower than later rounds",
    ),
    Group({"flag": r"fan\.off|power\.[1-9]"}, "fan off, or a power mode that lowers the clock"),
    Group(
        {"device": "Azure Standard D64s v6|Azure Standard D64as v7"},
        "two tables of one machine that differ up to twofold and do not say why",
    ),
    Group({"device": "t2.medium"}, "a shared core of a cloud"),
    Group({"threads": r"^not stated|\?$"}, "threads not stated"),
    Group({"source_repo": "larq/compute-engine"}, "binary networks"),
    Group({"precision": "sparse|pruned|dynamic|int16"}, "sparse, pruned or 16-bit integer networks"),
    Group(
        {"device": r"^Raspberry Pi 3 Model B\+", "source_repo": "ncnn", "threads": "4"},
        "Raspberry Pi 3 with all threads: throttled, 1.5 times the cycles of seven other boards",
    ),
    Group(
        {"device": "FT-2000/4", "source_repo": "ncnn", "threads": "4"},
        "four threads slower than one on the same machine",
    ),
    Group(
        {"device": "Xavier", "framework": r"TFLite v2\.3\.0"},
        "TFLite 2.3.0 on Jetson Xavier: 1.4 to 3.4 times slower than 2.2.0 and 2.4.1 on the same board",
    ),
    Group(
        {"framework": r"ArmNN v(19|20)\."},
        "ArmNN before 21.02: up to 8 times slower than later versions on the same board",
    ),
)


def reason_against(row: Mapping[str, str]) -> str | None:
    """Why a row is left out; None where nothing speaks against it."""
    return next((group.reason for group in GROUPS if group.holds(row)), None)
