"""The boards, phones and computers that others measured: which name in their tables is which, and its cores.

Cores are called as `edgeml_runtime.host` calls them; Qualcomm's Kryo 260 to 485 are the Arm cores they are
built on, of which only the four cores of 2016 (Kryo) are Qualcomm's own. Clocks are those that the sources
state; where none does, the maker's. Of x86 machines it is the boost clock: what they ran at is not known.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cluster:
    """Equal cores."""

    core: str
    count: int
    clock_hz: int


@dataclass(frozen=True, slots=True)
class Board:
    """A kind of machine; its clusters, the fastest first."""

    name: str
    soc: str
    architecture: str
    clusters: tuple[Cluster, ...]

    @property
    def cores(self) -> int:
        """All cores of all clusters."""
        return sum(cluster.count for cluster in self.clusters)


def board(name: str, soc: str, cores: str, architecture: str = "aarch64") -> Board:
    """`cores` is written "2 Cortex-A72 1.8 + 4 Cortex-A53 1.5": count, core, GHz."""
    clusters = []
    for text in cores.split(" + "):
        count, *core, clock = text.split(" ")
        clusters.append(Cluster(" ".join(core), int(count), round(float(clock) * 1e9)))
    return Board(name, soc, architecture, tuple(clusters))


# How the name of a device begins in somebody's table (the longest beginning wins) -> the board.
BOARDS: dict[str, Board] = {
    "Raspberry Pi Zero W": board("raspberry-pi-zero", "BCM2835", "1 ARM1176 1.0", "armv6l"),
    "Raspberry Pi 2": board("raspberry-pi-2", "BCM2836", "4 Cortex-A7 0.9", "armv7l"),
    "Raspberry Pi 3B ": board("raspberry-pi-3b", "BCM2837", "4 Cortex-A53 1.2"),
    "Raspberry Pi 3B+": board("raspberry-pi-3b-plus", "BCM2837", "4 Cortex-A53 1.4"),
    "Raspberry Pi 3 Model B+": board("raspberry-pi-3b-plus", "BCM2837", "4 Cortex-A53 1.4"),
    "Raspberry Pi 4": board("raspberry-pi-4", "BCM2711", "4 Cortex-A72 1.8"),
    "Raspberry Pi 5": board("raspberry-pi-5", "BCM2712", "4 Cortex-A76 2.4"),
    "Banana Pi M2 Zero": board("banana-pi-m2-zero", "H2+", "4 Cortex-A7 1.2", "armv7l"),
    "AXERA AX620A": board("ax620a", "AX620A", "4 Cortex-A7 1.0", "armv7l"),
    "AXERA AX630C": board("ax630c", "AX630C", "2 Cortex-A53 1.2"),
    "Freescale i.MX7": board("imx7-dual", "i.MX7D", "2 Cortex-A7 1.0", "armv7l"),
    "Z7-Lite 7020": board("zynq-7020", "XC7Z020", "2 Cortex-A9 0.766", "armv7l"),
    "Amlogic S805": board("s805", "S805", "4 Cortex-A5 1.536", "armv7l"),
    "Rockchip RK3288": board("rk3288", "RK3288", "4 Cortex-A17 1.8", "armv7l"),
    "Arduino UNO Q": board("arduino-uno-q", "QRB2210", "4 Cortex-A53 2.0"),
    "EAIDK 310": board("eaidk-310", "RK3228H", "4 Cortex-A53 1.3"),
    "NanoPi R2S": board("nanopi-r2s", "RK3328", "4 Cortex-A53 1.3"),
    "RDK X3": board("rdk-x3", "Sunrise X3", "4 Cortex-A53 1.5"),
    "OrangePi Zero 2": board("orange-pi-zero-2", "H616", "4 Cortex-A53 1.5"),
    "Qualcomm MSM8916": board("msm8916", "Snapdragon 410", "4 Cortex-A53 1.2"),
    "Redmi 6 Pro": board("redmi-6-pro", "Snapdragon 625", "8 Cortex-A53 1.8"),
    "Radxa Zero 3W": board("radxa-zero-3w", "RK3566", "4 Cortex-A55 1.416"),
    "Rock3A": board("rock-3a", "RK3568", "4 Cortex-A55 2.0"),
    "Station P2": board("station-p2", "RK3568", "4 Cortex-A55 2.0"),
    "Station-M2": board("station-m2", "RK3566", "4 Cortex-A55 1.8"),
    "OrangePicm4": board("orange-pi-cm4", "RK3566", "4 Cortex-A55 1.8"),
    "MYIR RemiPi": board("remi-pi", "RZ/G2L", "2 Cortex-A55 1.5"),
    "Avaota Aim T527": board("avaota-aim", "T527", "4 Cortex-A55 2.2 + 4 Cortex-A55 1.8"),
    "NVIDIA Jetson Nano": board("jetson-nano", "Tegra X1", "4 Cortex-A57 1.479"),
    "Qualcomm MSM8994": board("msm8994", "Snapdragon 810", "4 Cortex-A57 2.0 + 4 Cortex-A53 1.55"),
    "NVIDIA Jetson TX2 NX": board("jetson-tx2-nx", "Tegra X2", "2 Denver 2 2.0 + 4 Cortex-A57 2.0"),
    "Rockchip RK3399": board("rk3399", "RK3399", "2 Cortex-A72 1.8 + 4 Cortex-A53 1.5"),
    "RK3399 board": board("rk3399", "RK3399", "2 Cortex-A72 1.8 + 4 Cortex-A53 1.5"),
    "EAIDK610": board("eaidk-610", "RK3399", "2 Cortex-A72 1.8 + 4 Cortex-A53 1.4"),
    "Firefly-RK3399": board("firefly-rk3399", "RK3399", "2 Cortex-A72 1.8 + 4 Cortex-A53 1.4"),
    "OrangePi4 LTS": board("orange-pi-4-lts", "RK3399", "2 Cortex-A72 1.8 + 4 Cortex-A53 1.5"),
    "Huawei P9": board("huawei-p9", "Kirin 950", "4 Cortex-A72 2.3 + 4 Cortex-A53 1.8"),
    "AWS cloud instance a1.2xlarge": board("aws-a1", "Graviton", "8 Cortex-A72 2.3"),
    "Linaro HiKey960": board("hikey960", "Kirin 960", "4 Cortex-A73 2.362 + 4 Cortex-A53 1.844"),
    "Huawei P10 Plus": board("huawei-p10-plus", "Kirin 960", "4 Cortex-A73 2.36 + 4 Cortex-A53 1.844"),
    "Huawei Mate 10 Pro": board("mate-10-pro", "Kirin 970", "4 Cortex-A73 2.36 + 4 Cortex-A53 1.8"),
    "Kirin 970": board("kirin-970", "Kirin 970", "4 Cortex-A73 2.4 + 4 Cortex-A53 1.8"),
    "Kirin970": board("kirin-970", "Kirin 970", "4 Cortex-A73 2.36 + 4 Cortex-A53 1.8"),
    "Khadas VIM3": board("khadas-vim3", "A311D", "4 Cortex-A73 2.2 + 2 Cortex-A53 1.8"),
    "Odroid N2+": board("odroid-n2-plus", "S922X", "4 Cortex-A73 2.208 + 2 Cortex-A53 1.896"),
    "Qualcomm SDM660": board("sdm660", "Snapdragon 660", "4 Cortex-A73 2.2 + 4 Cortex-A53 1.84"),
    "Qualcomm MSM8998": board("msm8998", "Snapdragon 835", "4 Cortex-A73 2.45 + 4 Cortex-A53 1.9"),
    "Xiaomi Mi 6": board("xiaomi-mi-6", "Snapdragon 835", "4 Cortex-A73 2.45 + 4 Cortex-A53 1.9"),
    "Xiaomi 6": board("xiaomi-mi-6", "Snapdragon 835", "4 Cortex-A73 2.45 + 4 Cortex-A53 1.9"),
    "Pixel 2": board("pixel-2", "Snapdragon 835", "4 Cortex-A73 2.35 + 4 Cortex-A53 1.9"),
    "Qualcomm MSM8996 Pro": board("msm8996-pro", "Snapdragon 821", "2 Kryo 2.35 + 2 Kryo 2.19"),
    "Pixel": board("pixel", "Snapdragon 821", "2 Kryo 2.15 + 2 Kryo 1.6"),
    "Pixel 3a": board("pixel-3a", "Snapdragon 670", "2 Cortex-A75 2.0 + 6 Cortex-A55 1.7"),
    "Pixel 3": board("pixel-3", "Snapdragon 845", "4 Cortex-A75 2.8 + 4 Cortex-A55 1.77"),
    "Xiaomi Mi 8": board("xiaomi-mi-8", "Snapdragon 845", "4 Cortex-A75 2.8 + 4 Cortex-A55 1.77"),
    "Galaxy S9+": board("galaxy-s9-plus", "Snapdragon 845", "4 Cortex-A75 2.8 + 4 Cortex-A55 1.77"),
    "Oppo K3": board("oppo-k3", "Snapdragon 710", "2 Cortex-A75 2.2 + 6 Cortex-A55 1.7"),
    "Qualcomm MSM6150": board("msm6150", "Snapdragon 675", "2 Cortex-A76 2.0 + 6 Cortex-A55 1.7"),
    "Qualcomm SDM765G": board(
        "sdm765g", "Snapdragon 765G", "1 Cortex-A76 2.4 + 1 Cortex-A76 2.2 + 6 Cortex-A55 1.8"
    ),
    "Qualcomm SM8150": board(
        "sm8150", "Snapdragon 855", "1 Cortex-A76 2.96 + 3 Cortex-A76 2.42 + 4 Cortex-A55 1.8"
    ),
    "Xiaomi Mi 9": board(
        "xiaomi-mi-9", "Snapdragon 855", "1 Cortex-A76 2.84 + 3 Cortex-A76 2.42 + 4 Cortex-A55 1.8"
    ),
    "Pixel 4": board("pixel-4", "Snapdragon 855", "1 Cortex-A76 2.84 + 3 Cortex-A76 2.42 + 4 Cortex-A55 1.8"),
    "Mate 20": board("mate-20", "Kirin 980", "2 Cortex-A76 2.6 + 2 Cortex-A76 1.92 + 4 Cortex-A55 1.8"),
    "Huawei P30 Pro": board(
        "huawei-p30-pro", "Kirin 980", "2 Cortex-A76 2.6 + 2 Cortex-A76 1.92 + 4 Cortex-A55 1.8"
    ),
    "Mate 30": board("mate-30", "Kirin 990", "2 Cortex-A76 2.86 + 2 Cortex-A76 2.36 + 4 Cortex-A55 1.95"),
    "Huawei Mate30 Pro": board(
        "mate-30", "Kirin 990", "2 Cortex-A76 2.86 + 2 Cortex-A76 2.36 + 4 Cortex-A55 1.95"
    ),
    "Rockchip RK3588": board("rk3588", "RK3588", "4 Cortex-A76 2.4 + 4 Cortex-A55 1.8"),
    "Station-M3": board("station-m3", "RK3588", "4 Cortex-A76 2.4 + 4 Cortex-A55 1.8"),
    "OrangePi5,": board("orange-pi-5", "RK3588", "4 Cortex-A76 2.4 + 4 Cortex-A55 1.8"),
    "OrangePi5 Plus": board("orange-pi-5-plus", "RK3588", "4 Cortex-A76 2.4 + 4 Cortex-A55 1.8"),
    "Xiaomi Mi 10": board(
        "xiaomi-mi-10", "Snapdragon 865", "1 Cortex-A77 2.84 + 3 Cortex-A77 2.42 + 4 Cortex-A55 1.8"
    ),
    "Qualcomm Snapdragon 888": board(
        "snapdragon-888", "Snapdragon 888", "1 Cortex-X1 2.84 + 3 Cortex-A78 2.4 + 4 Cortex-A55 1.8"
    ),
    "NVIDIA Jetson AGX Orin": board("jetson-agx-orin", "Orin", "12 Cortex-A78AE 2.2"),
    "NVIDIA Jetson AGX Xavier": board("jetson-agx-xavier", "Xavier", "8 Carmel 2.2"),
    "Qualcomm SM8550": board(
        "sm8550",
        "Snapdragon 8 Gen 2",
        "1 Cortex-X3 3.2 + 2 Cortex-A715 2.8 + 2 Cortex-A710 2.8 + 3 Cortex-A510 2.0",
    ),
    "MediaTek Dimensity 9300": board(
        "dimensity-9300", "MT6989", "1 Cortex-X4 3.25 + 3 Cortex-X4 2.85 + 4 Cortex-A720 2.0"
    ),
    "Radxa Orion O6": board(
        "orion-o6", "CIX P1", "4 Cortex-A720 2.6 + 4 Cortex-A720 2.4 + 4 Cortex-A520 1.8"
    ),
    "Qualcomm Snapdragon X Elite": board("snapdragon-x-elite", "X1E78100", "12 Oryon 3.4"),
    "MacBook Pro (13-inch, M1, 2020)": board("apple-m1", "M1", "4 Firestorm 3.2 + 4 Icestorm 2.06"),
    "MacBook Pro M1 2020": board("apple-m1", "M1", "4 Firestorm 3.2 + 4 Icestorm 2.06"),
    "MacBook-Pro M1": board("apple-m1", "M1", "4 Firestorm 3.2 + 4 Icestorm 2.06"),
    "MacBook-Pro-2 M1": board("apple-m1-pro", "M1 Pro", "8 Firestorm 3.2 + 2 Icestorm 2.06"),
    "MacBook Air (13-inch, M3, 2024)": board("apple-m3", "M3", "4 Everest 4.05 + 4 Sawtooth 2.75"),
    "iPhone 5S": board("iphone-5s", "A7", "2 Cyclone 1.3"),
    "iPhone XS": board("iphone-xs", "A12", "2 Vortex 2.49 + 4 Tempest 1.59"),
    "HUAWEI KunPeng 920 2251K": board("kunpeng-920-8", "Kunpeng 920", "8 TaiShan v110 2.6"),
    "HUAWEI KunPeng 920 3211K": board("kunpeng-920-24", "Kunpeng 920", "24 TaiShan v110 2.6"),
    "HUAWEI Kunpeng 920 7260": board("kunpeng-920-64", "Kunpeng 920", "64 TaiShan v110 2.6"),
    "Phytium FT-2000/4": board("ft-2000-4", "FT-2000/4", "4 FTC663 2.2"),
    "Phytium FT-2000+": board("ft-2000-plus", "FT-2000+/64", "8 FTC662 2.4"),
    "PhytiumPi": board("phytium-pi", "E2000", "2 FTC664 1.8 + 2 FTC310 1.5"),
    "Microsoft Azure Standard D64ps v6": board("azure-d64ps-v6", "Cobalt 100", "64 Neoverse-N2 3.4"),
    "Amazon EC2 (c6gd.xlarge)": board("aws-c6g", "Graviton2", "4 Neoverse-N1 2.5"),
    "Intel Atom x5-Z8350": board("atom-x5-z8350", "x5-Z8350", "4 Airmont 1.92", "x86_64"),
    "Intel N100": board("intel-n100", "N100", "4 Gracemont 3.4", "x86_64"),
    "Intel Celeron N5105": board("celeron-n5105", "N5105", "4 Tremont 2.9", "x86_64"),
    "AMD Ryzen Embedded V1605B": board("ryzen-v1605b", "V1605B", "4 Zen 3.6", "x86_64"),
    "AMD Ryzen Threadripper 3970X": board("threadripper-3970x", "3970X", "32 Zen2 4.5", "x86_64"),
    "AMD Ryzen 5700g": board("ryzen-5700g", "5700G", "8 Zen3 4.6", "x86_64"),
    "AMD Ryzen 9 5950X": board("ryzen-5950x", "5950X", "16 Zen3 4.9", "x86_64"),
    "AMD Ryzen Zen4 workstation": board("ryzen-7950x", "7950X", "16 Zen4 5.7", "x86_64"),
    "AMD EPYC 7742": board("epyc-7742", "EPYC 7742", "64 Zen2 3.4", "x86_64"),
    "AWS cloud instance c5.4xlarge": board("aws-c5-4xlarge", "8275CL", "8 Cascade Lake 3.6", "x86_64"),
    "AWS c5.4xlarge Instance": board("aws-c5-4xlarge", "8275CL", "8 Cascade Lake 3.6", "x86_64"),
    "Xeon Gold 6133": board("xeon-6133", "Gold 6133", "20 Skylake-SP 3.0", "x86_64"),
    "MacBook Pro (15-inch, 2019)": board("macbook-pro-2019", "i7-9750H", "6 Coffee Lake 4.5", "x86_64"),
    "Hyper-V Linux Guest with GPU-PV enabled (Intel Core i7-11800H": board(
        "i7-11800h", "i7-11800H", "8 Willow Cove 4.6", "x86_64"
    ),
    "Hyper-V Linux Guest with GPU-PV enabled (Intel Core i7-7700K": board(
        "i7-7700k", "i7-7700K", "4 Kaby Lake 4.5", "x86_64"
    ),
}

# Arithmetic in half precision came with Armv8.2: what ncnn calls float is float16 on these cores.
HALF_PRECISION = frozenset(
    {"Cortex-A55", "Cortex-A75", "Cortex-A76", "Cortex-A77", "Cortex-A78", "Cortex-A78AE", "Cortex-A510"}
    | {"Cortex-A520", "Cortex-A710", "Cortex-A715", "Cortex-A720", "Cortex-X1", "Cortex-X3", "Cortex-X4"}
    | {"Carmel", "Oryon", "Firestorm", "Icestorm", "Everest", "Sawtooth", "Vortex", "TaiShan v110"}
    | {"Neoverse-N1", "Neoverse-N2"}
)


def find(device: str) -> Board | None:
    """The board that a table calls `device`, or None."""
    known = [beginning for beginning in BOARDS if device.startswith(beginning)]
    return BOARDS[max(known, key=len)] if known else None
