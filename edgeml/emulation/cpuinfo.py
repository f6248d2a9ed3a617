"""What a guest reads about its processors: `/proc/cpuinfo` and `/sys/devices/system/cpu` of an ARM machine.

Engines pick kernels by it, and some crash at import where the host's x86 file shines through.
"""

from __future__ import annotations

from edgeml.emulation.platforms import Core

_CLOCKS = [(name, end) for name in ("cpuinfo", "scaling") for end in ("min", "max")]


def cpuinfo_text(core: Core, count: int) -> str:
    """`/proc/cpuinfo` as an ARM Linux prints it, `count` times the same core.

    The board is named as what it is, an emulated one, so that no measurement taken there passes for another.
    """
    blocks = "".join(_processor(core, index) for index in range(count))
    return f"{blocks}Model\t\t: {display_name(core)} emulated by QEMU\n"


def cpu_files(core: Core, count: int, clock_max_hz: int | None) -> dict[str, str]:
    """The files below the root that describe the processors, path to text."""
    span = "0" if count == 1 else f"0-{count - 1}"
    top = "sys/devices/system/cpu"
    files = {"proc/cpuinfo": cpuinfo_text(core, count)}
    files |= {f"{top}/{name}": f"{span}\n" for name in ("possible", "present", "online")}
    files |= {f"{top}/offline": "\n", f"{top}/kernel_max": f"{max(count, 256) - 1}\n"}
    for index in range(count):
        cpu = f"{top}/cpu{index}"
        if core.platform == "aarch64":
            files[f"{cpu}/regs/identification/midr_el1"] = f"{core.midr:#018x}\n"
        files[f"{cpu}/topology/physical_package_id"] = "0\n"
        files[f"{cpu}/topology/core_id"] = f"{index}\n"
        files[f"{cpu}/topology/core_siblings_list"] = f"{span}\n"
        files[f"{cpu}/topology/package_cpus_list"] = f"{span}\n"
        files[f"{cpu}/topology/cluster_cpus_list"] = f"{span}\n"
        files[f"{cpu}/topology/thread_siblings_list"] = f"{index}\n"
        files[f"{cpu}/topology/core_cpus_list"] = f"{index}\n"
        # What a root has no file of is taken from the host, so what is not known is an empty file or folder;
        # of clocks a folder, because engines complain of an empty file on stderr.
        for name, end in _CLOCKS:
            path = f"{cpu}/cpufreq/{name}_{end}_freq"
            if clock_max_hz is None:
                files[f"{path}/unknown"] = ""
            else:
                files[path] = f"{clock_max_hz // 1000}\n"  # the kernel counts in kHz
        files |= {f"{cpu}/cpufreq/scaling_governor": "", f"{cpu}/cache/uevent": ""}
    return files


def display_name(core: Core) -> str:
    """`Cortex-A72` of `cortex-a72`, as profiles and `host_info` write it."""
    family, _, model = core.name.partition("-")
    return f"{family.capitalize()}-{model.upper()}"


def _processor(core: Core, index: int) -> str:
    model = [] if core.platform == "aarch64" else ["model name\t: ARMv7 Processor (v7l)"]
    lines = [
        f"processor\t: {index}",
        *model,
        "BogoMIPS\t: 100.00",
        f"Features\t: {' '.join(core.features)}",
        f"CPU implementer\t: {core.implementer:#04x}",
        f"CPU architecture: {8 if core.platform == 'aarch64' else 7}",
        f"CPU variant\t: {core.variant:#x}",
        f"CPU part\t: {core.part:#05x}",
        f"CPU revision\t: {core.revision}",
    ]
    return "\n".join(lines) + "\n\n"
