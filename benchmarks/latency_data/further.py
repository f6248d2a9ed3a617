"""Measurements read in addition to the collection: TensorFlow Lite on Raspberry Pi 2 to 5 and an Intel N100.

NobuoTsukamoto/benchmarks measured EfficientDet-lite with TensorFlow Lite 2.5 (float in XNNPACK, int8 in ruy)
and 2.18 (both in XNNPACK) with one to four threads. Not taken over: float rows of the 64-bit Raspberry Pi 3B+
(they contradict each other: lite3 slower than lite3x), float rows of the 64-bit 3B with four threads (it
hung), and three int8 rows of lite0 on Raspberry Pi 4 (two that do not fit the others, one that an earlier
version of the page has differently). The board that the page calls Raspberry Pi 2 V1.2 and V1.1 needs twice
the cycles of a 3B: it is V1.1, with Cortex-A7.
"""

from __future__ import annotations

from collections.abc import Iterator

REPOSITORY = "NobuoTsukamoto/benchmarks"
COMMIT = "339f3bdd86c9dbde5f5b3f1c0844af25541a91bc"
FOLDER = "tensorflow/lite/efficentdet"
PAGE = f"{FOLDER}/efficientdet.md"
LOG = FOLDER + "/results/{}/efficientdet_latency_v2.18.0.txt"
PYTHON, NATIVE = "mean of 350", "avg of 50"
FLOAT, INT8 = ("TFLite v2.5.0 (xnnpack)", "fp32"), ("TFLite v2.5.0 (ruy)", "int8")
NEW_FLOAT, NEW_INT8 = ("TFLite v2.18.0 (xnnpack)", "fp32"), ("TFLite v2.18.0 (xnnpack)", "int8")

Threads = tuple[float | None, ...]
# Device, MHz, what follows the framework's name, path, runs; by library: the variants' ms, 1 to 4 threads.
Table = tuple[str, int, str, str, str, dict[tuple[str, str], dict[str, Threads]]]
TABLES: tuple[Table, ...] = (
    (
        *("Raspberry Pi 2", 900, " armv7", PAGE, PYTHON),
        {
            FLOAT: {
                "lite0": (2467.89, 1440.69, 1087.39, 935.22),
                "lite1": (4937.80, 2803.23, 2095.07, 1784.62),
                "lite2": (8091.58, 4640.80, 3448.82, 2903.33),
                "lite3": (16927.50, 9393.49, 6898.60, 5689.39),
            },
            INT8: {
                "lite0": (2051.47, 1195.27, 908.50, 801.27),
                "lite1": (3951.50, 2215.11, 1662.73, 1466.31),
                "lite2": (6122.66, 3460.94, 2612.35, 2287.92),
                "lite3": (11941.24, 6501.27, 4871.55, 4186.65),
            },
        },
    ),
    (
        *("Raspberry Pi 3B (V1.2)", 1200, " armv7", PAGE, PYTHON),
        {
            FLOAT: {
                "lite0": (893.71, 570.44, 476.24, 429.04),
                "lite1": (1747.13, 1143.85, 910.80, 810.20),
                "lite2": (2894.44, 1818.92, 1451.73, 1290.80),
                "lite3": (6053.98, 3633.08, 2865.23, 2487.72),
            },
            INT8: {
                "lite0": (956.82, 575.96, 444.88, 381.82),
                "lite1": (1831.74, 1065.62, 817.57, 696.81),
                "lite2": (2871.39, 1657.75, 1279.42, 1071.26),
                "lite3": (5528.07, 3115.55, 2323.23, 1907.66),
            },
        },
    ),
    (
        *("Raspberry Pi 3B (V1.2)", 1200, "", PAGE, PYTHON),
        {
            FLOAT: {
                "lite0": (824.30, 548.65, 469.08),
                "lite1": (1613.29, 1064.76, 899.22),
                "lite2": (2623.55, 1720.31, 1440.32),
                "lite3": (5486.44, 3375.07, 2733.98),
            },
            INT8: {
                "lite0": (727.91, 452.35, 366.23, 323.70),
                "lite1": (1399.45, 850.91, 678.96, 593.82),
                "lite2": (2201.83, 1325.39, 1058.44, 917.29),
                "lite3": (4203.37, 2449.24, 1890.65, 1614.45),
            },
        },
    ),
    (
        *("Raspberry Pi 3B+", 1400, " armv7", PAGE, PYTHON),
        {
            FLOAT: {
                "lite0": (781.42, 504.12, 419.68, 378.83),
                "lite1": (1532.98, 987.37, 806.23, 718.50),
                "lite2": (2487.69, 1609.35, 1297.75, 1147.47),
                "lite3": (5417.56, 3163.71, 2523.05, 2181.24),
            },
            INT8: {
                "lite0": (834.33, 489.97, 380.45, 325.58),
                "lite1": (1590.94, 919.48, 703.03, 595.76),
                "lite2": (2488.91, 1431.96, 1093.88, 918.52),
                "lite3": (4712.73, 2644.12, 1978.40, 1636.10),
            },
        },
    ),
    (
        *("Raspberry Pi 3B+", 1400, "", PAGE, PYTHON),
        {
            INT8: {
                "lite0": (624.07, 388.97, 317.03, 277.76),
                "lite1": (1131.02, 675.48, 532.03, 458.83),
                "lite2": (1785.89, 1057.31, 836.27, 711.60),
                "lite3": (3414.30, 1965.97, 1495.18, 1260.19),
            },
        },
    ),
    (
        *("Raspberry Pi 4", 1500, " armv7", PAGE, PYTHON),
        {
            FLOAT: {
                "lite0": (390.53, 255.46, 221.25, 211.91),
                "lite1": (736.27, 455.01, 387.35, 371.40),
                "lite2": (1175.96, 733.35, 631.99, 593.51),
                "lite3": (2437.04, 1456.22, 1226.60, 1193.19),
            },
            INT8: {
                "lite0": (415.20, 252.07, 200.77),
                "lite1": (774.12, 452.86, 349.22, 293.58),
                "lite2": (1196.17, 703.44, 533.97, 449.62),
                "lite3": (2270.01, 1281.57, 968.61, 789.91),
            },
        },
    ),
    (
        *("Raspberry Pi 4", 1500, "", PAGE, PYTHON),
        {
            FLOAT: {
                "lite0": (354.84, 232.89, 201.95, 193.39),
                "lite1": (691.68, 424.00, 362.36, 348.76),
                "lite2": (1098.97, 690.23, 589.15, 565.30),
                "lite3": (2308.64, 1370.47, 1167.75, 1139.21),
            },
            INT8: {
                "lite0": (None, None, 143.85, 122.06),
                "lite1": (546.90, 324.85, 251.86, 211.73),
                "lite2": (857.87, 505.17, 394.94, 331.20),
                "lite3": (1657.71, 948.42, 716.57, 601.34),
            },
        },
    ),
    (
        *("Raspberry Pi 4", 1500, "", LOG.format("RasPi4_64bit"), NATIVE),
        {
            NEW_FLOAT: {
                "lite0": (328.651, 210.164, 182.026, 175.845),
                "lite1": (648.053, 399.626, 341.426, 330.948),
                "lite2": (1048.77, 649.241, 552.839, 533.455),
                "lite3": (2209.33, 1341.9, 1130.94, 1128.58),
                "lite3x": (3942.57, 2389.41, 2000.87, 2046.68),
                "lite4": (5514.79, 3337.6, None, 2833.7),
            },
            NEW_INT8: {
                "lite0": (197.751, 116.990, 90.8333, 78.0089),
                "lite1": (372.260, 213.295, 161.690, 138.299),
                "lite2": (601.720, 339.004, 252.515, 214.182),
                "lite3": (1202.47, 654.567, 477.113, 399.451),
                "lite3x": (2185.16, 1175.21, 848.327, 702.020),
                "lite4": (2988.07,),
            },
        },
    ),
    (
        *("Raspberry Pi 5", 2400, "", LOG.format("RasPi5"), NATIVE),
        {
            NEW_FLOAT: {
                "lite0": (104.012, 72.8817, 64.3031, 62.245),
                "lite1": (198.975, 135.645, 120.558, 114.632),
                "lite2": (328.918, 220.233, 189.058, 180.557),
                "lite3": (663.834, 421.973, 361.033, 350.481),
                "lite3x": (1181.11, 749.787, 634.694, 615.688),
                "lite4": (1623.24, 995.348, 824.134, 779.460),
            },
            NEW_INT8: {
                "lite0": (44.1976, 29.2993, 24.7803, 22.8766),
                "lite1": (81.6334, 52.5835, 42.9182, 39.7203),
                "lite2": (123.805, 77.0206, 62.4762, 55.5929),
                "lite3": (232.962, 142.042, 113.389, 100.873),
                "lite3x": (417.988, 246.852, 195.625, 170.983),
                "lite4": (550.061, 320.747, 250.394, 216.473),
            },
        },
    ),
    (
        *("Intel N100", 3400, "", LOG.format("N100"), NATIVE),
        {
            NEW_FLOAT: {
                "lite0": (76.5879, 47.2641, 39.5355, 34.9284),
                "lite1": (152.890, 92.0891, 74.4214, 65.8245),
                "lite2": (247.201, 144.754, 116.335, 100.149),
                "lite3": (507.964, 290.196, 227.580, 192.608),
                "lite3x": (941.466, 529.429, 413.075, 347.942),
                "lite4": (1313.08, 736.915, None, 477.214),
            },
            NEW_INT8: {
                "lite0": (54.757, 33.3534, 27.7247, 23.8832),
                "lite1": (103.458, 61.362, 48.3908, 41.5827),
                "lite2": (162.450, 94.4314, 74.9882, 61.9671),
                "lite3": (308.757, 173.971, 134.319, 108.580),
                "lite3x": (540.983, 300.155, 228.844, 186.740),
                "lite4": (733.557, 405.723),
            },
        },
    ),
)


def rows() -> Iterator[dict[str, str]]:
    """One row for each number, in the collection's columns."""
    for device, mhz, suffix, path, runs, libraries in TABLES:
        for (framework, precision), variants in libraries.items():
            for variant, milliseconds in variants.items():
                for threads, latency in enumerate(milliseconds, start=1):
                    if latency is not None:
                        yield {
                            "device": device,
                            "freq_mhz": str(mhz),
                            "threads": str(threads),
                            "framework": framework + suffix,
                            "model": f"efficientdet-{variant}",
                            "precision": precision,
                            "latency_ms": str(latency),
                            "stat": runs,
                            "macs": "",
                            "flag": "",
                            "source_repo": REPOSITORY,
                            "commit": COMMIT,
                            "source_path": path,
                            "source_line": "",
                        }
