"""Writes devices/latency/microcontrollers.csv: cycles a multiply-add of networks on microcontrollers.

    python benchmarks/latency_data/microcontrollers.py COLLECTED.csv.gz

COLLECTED is the same table as for published.py. What is left out is counted by reason on standard output.
"""

from __future__ import annotations

import argparse
import collections
import csv
import io
import re
import sys
from pathlib import Path

from published import FOLDER, read
from rules import Row, Unused

COLUMNS = (
    "board",
    "core",
    "clock_hz",
    "library",
    "library_version",
    "dtype",
    "network",
    "operators",
    "macs",
    "cycles_per_mac",
    "latency_ms",
    "memory",
    "repository",
    "commit",
    "path",
    "line",
)
# A part of the device's name in the tables -> our name, core.
BOARDS = {
    "L4R5ZI": ("stm32l4r5", "Cortex-M4"),
    "F746NG": ("stm32f746", "Cortex-M7"),
    "U585I": ("stm32u585", "Cortex-M33"),
    "U385RG": ("stm32u385", "Cortex-M33"),
    "G0B1RE": ("stm32g0b1", "Cortex-M0+"),
    "CY8CPROTO-062": ("psoc62", "Cortex-M4"),
    "M467HJ": ("numaker-m467", "Cortex-M4"),
    "EK-RA6M4": ("ra6m4", "Cortex-M33"),
    "EK-RA8D1": ("ra8d1", "Cortex-M85"),
    "nRF5340": ("nrf5340", "Cortex-M33"),
    "ESP32-S3": ("esp32-s3", "Xtensa LX7"),
    "ESP32-C3": ("esp32-c3", "ESP32-C3 RISC-V"),
    "ESP32": ("esp32", "Xtensa LX6"),
}
NETWORKS = {
    "mlperf_tiny_ad_autoencoder": ("mlperf-tiny-ad", "dense"),
    "edgemark_TinyMLPerf_AE": ("mlperf-tiny-ad", "dense"),
    "mlperf_tiny_ic_resnet8": ("mlperf-tiny-ic", "convolution"),
    "edgemark_TinyMLPerf_ResNet": ("mlperf-tiny-ic", "convolution"),
    "mlperf_tiny_kws_dscnn": ("mlperf-tiny-kws", "separable"),
    "edgemark_TinyMLPerf_DS_CNN": ("mlperf-tiny-kws", "separable"),
    "mlperf_tiny_vww_mbv1_0.25_96": ("mlperf-tiny-vww", "separable"),
    "edgemark_TinyMLPerf_MBNet": ("mlperf-tiny-vww", "separable"),
    "tflm person_detect": ("person-detect-96", "separable"),
}
EDGEMARK = re.compile(r"edgemark_(FC|CNN)_(\d+)")
LIBRARIES = (
    (r"^TFLM \(CMSIS-NN\)$", "tflite-micro-cmsis-nn", ""),
    (r"^TFLM (-O\w+|no-FPU build)$", "tflite-micro-cmsis-nn", "{0}"),
    (r"^TFLM \+ ESP-NN$", "tflite-micro-esp-nn", ""),
    (r"^TFLM reference \(no ESP-NN\)$", "tflite-micro", ""),
    (
        r"^(?i:tflite-micro|tensorflow lite (?:for )?micro(?:controllers)?)(?: v([\d.]+))?$",
        "tflite-micro",
        "{0}",
    ),
    (r"^X-CUBE-AI v([\d.]+)$", "x-cube-ai", "{0}"),
    (r"^Plumerai Inference Engine ?([\d.]*)$", "plumerai", "{0}"),
    (r"^Bosch .* version ([\d.]+)$", "hale", "{0}"),
    (r"^microTVM$", "microtvm", ""),
    (r"^ONNC$", "onnc", ""),
    (r"^Edge Impulse EON$", "edge-impulse-eon", ""),
    (r"^Ekkono$", "ekkono", ""),
)
WITHOUT_PROFILE = re.compile(r"RX65N|RH850|Andes|ADP-XC7K|FPGA|Nezha|Scepu|Tinker|LC236|K1_BOARD|ESP32-P4")


def refuse(row: Row) -> None:
    """Rows that are no plain processor's, or of which the clock is not known."""
    device = row["device"]
    if device.startswith("Raspberry Pi 4"):
        raise Unused("not a microcontroller")
    if WITHOUT_PROFILE.search(device):
        raise Unused("a processor that no device profile describes")
    if "U3C5" in device or device.startswith("xG24"):
        raise Unused("an accelerator for matrix products takes part")
    if "clock not stated" in row["flag"]:
        raise Unused("clock not stated")
    if row["precision"] not in ("int8", "fp32", "int16x8"):
        raise Unused("pruned, clustered, dynamic range, or converts its input")


def board_of(row: Row) -> tuple[str, str]:
    """Our name and the core."""
    found = [known for part, known in BOARDS.items() if part in row["device"]]
    if not found:
        raise Unused("a board that is not listed")
    return found[0]


def network_of(row: Row, counted: dict[str, int]) -> tuple[str, str, int]:
    """Name, class of operators, multiply-adds. EdgeMark's own networks count as it says itself."""
    model = row["model"]
    if model in NETWORKS:
        name, operators = NETWORKS[model]
        return name, operators, counted[name]
    own = EDGEMARK.fullmatch(model)
    if own is None:
        raise Unused("a network whose operators are not known")
    return (
        f"edgemark-{own[1].lower()}-{own[2]}",
        {"FC": "dense", "CNN": "convolution"}[own[1]],
        int(row["macs"]),
    )


def library_of(row: Row) -> tuple[str, str]:
    """Library and version; "" where the source has none."""
    if "EK-RA8D1" in row["device"]:  # 0.33 cycles a product are Helium's: TensorFlow Lite Micro with CMSIS-NN
        return "tflite-micro-cmsis-nn", ""
    text = re.split(r"[=,]", row["framework"])[0].strip()
    for pattern, name, version in LIBRARIES:
        found = re.search(pattern, text)
        if found is not None:
            return name, version.format(*(part or "" for part in found.groups()))
    raise Unused("a library that is not listed")


def normalised(row: Row, counted: dict[str, int]) -> dict[str, object]:
    """The row in the columns above; raises Unused with the reason where it is left out."""
    refuse(row)
    board, core = board_of(row)
    network, operators, macs = network_of(row, counted)
    library, version = library_of(row)
    clock_hz = round(float(row["freq_mhz"]) * 1e6)
    cycles = float(row["latency_ms"]) / 1e3 * clock_hz / macs
    memory = row["flag"] if "esp-nn" in row["source_repo"] else ""
    if "max_performa" in row["flag"]:
        version += " max performance"
    return {
        "board": board,
        "core": core,
        "clock_hz": clock_hz,
        "library": library,
        "library_version": version,
        "dtype": {"int8": "int8", "fp32": "float32", "int16x8": "int16x8"}[row["precision"]],
        "network": network,
        "operators": operators,
        "macs": macs,
        "cycles_per_mac": f"{cycles:.4g}",
        "latency_ms": row["latency_ms"],
        "memory": memory,
        "repository": row["source_repo"],
        "commit": row["commit"],
        "path": row["source_path"],
        "line": row["source_line"],
    }


def select(collected: list[dict[str, str]]) -> tuple[list[dict[str, object]], collections.Counter[str]]:
    """The rows to use, sorted, and how many were left out for which reason."""
    classes = ("pointwise_macs", "conv_macs", "depthwise_macs", "dense_macs")
    table = read(FOLDER / "networks.csv")
    counted = {row["network"]: sum(int(row[name]) for name in classes) for row in table}
    rows, left_out = [], collections.Counter[str]()
    for row in collected:
        if re.search("tiny_results|EdgeMark|tinyengine|esp-nn", row["source_repo"]):
            try:
                rows.append(normalised(row, counted))
            except Unused as reason:
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
    (FOLDER / "microcontrollers.csv").write_text(text.getvalue(), encoding="utf-8")
    print(f"{len(rows):6d} used")
    for reason, count in left_out.most_common():
        print(f"{count:6d} {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
