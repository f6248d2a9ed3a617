"""The profile of this machine with what only a measurement tells: bandwidth and peak of one core.

Takes some seconds, so nothing else asks for it: `load_device("host")` reads only what the system tells.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from edgeml.device_profile import Bandwidth, DeviceProfile, Peak
from edgeml.devices import HOST, probe
from edgeml.probing.rates import MIN_COPY_BYTES
from edgeml_runtime.errors import EngineError, InputError
from edgeml_runtime.files import check_writable

TIMEOUT_SECONDS = 120
_COMPILERS = ("cc", "gcc", "clang")
# Compilers of some architectures know the machine by another option, and 32-bit Arm's need NEON named.
_TUNINGS = (
    ("-march=native",),
    ("-mcpu=native",),
    ("-mcpu=native", "-mfpu=neon-vfpv4"),
    ("-march=armv7-a", "-mfpu=neon-vfpv4"),
    (),
)
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"), "1"
)
_TOLD = ("cores", "isa", "userland", "engines", "soc", "boards", "memory_bytes")

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Kernel:
    """A rate of the C kernel: multiply-adds a second, by which instruction."""

    name: str  # "fp32", "fp16", "int8"
    macs_per_s: int
    instruction: str


def measured_profile(name: str = HOST, progress: Progress | None = None) -> DeviceProfile:
    """`probe`, with bandwidth and peak of one core of the first cluster, measured now.

    Without a C compiler the peak is what numpy's BLAS reaches, which is less, and `peak.how` says so. Raises
    EngineError where measuring fails.
    """
    report = progress or (lambda _what, _done, _total: None)
    profile = probe(name)
    report("measuring memory bandwidth", 0, 2)
    size = _copy_bytes(profile)
    rates = _rates(size)
    report("measuring multiply-adds", 1, 2)
    kernels, compiler = _kernels()
    who = f"edgeml devices probe {_version()}"
    told = {field: f"told by the operating system to {who}" for field in _TOLD if getattr(profile, field)}
    if any((profile.caches.l1d_bytes, profile.caches.l2_bytes, profile.caches.l3_bytes)):
        told["caches"] = f"told by the operating system to {who}"
    return replace(
        profile,
        description=f"{profile.description}, one core measured",
        bandwidth=Bandwidth(rates["memcpy"], rates["memset"]),
        peak=_peak(kernels, compiler, rates),
        sources=told
        | {
            "bandwidth": f"measured by {who}: memcpy and memset of {size >> 20} MiB, median of 7, one core",
            "peak": f"measured by {who}, one core",
        },
    )


def check_profile_path(path: Path, name: str) -> None:
    """Raises InputError where a profile of that name, written there, could not be read back."""
    if path.suffix != ".toml" or path.stem != name or name == HOST:
        raise InputError(
            f"{path}: a profile's file is its name and .toml, and {HOST!r} is taken: expected a path such as "
            f"{path.with_name('my-board.toml' if name == HOST else f'{name}.toml')}"
        )
    check_writable(path)


def _peak(kernels: tuple[Kernel, ...], compiler: str | None, rates: dict[str, int]) -> Peak:
    blas = f"numpy's BLAS reaches {rates['sgemm'] / 1e9:.1f}e9 (sgemm of {rates['edge']} x {rates['edge']})"
    if not kernels:
        why = "no C compiler is here" if compiler is None else f"{compiler} could not build the kernel"
        how = f"fp32: a lower bound, {blas}, one thread; int8: not measured; {why}"
        return Peak(how, fp32_macs_per_s=rates["sgemm"])
    found = {kernel.name: kernel for kernel in kernels}
    parts = [f"{kernel.name}: {kernel.instruction}" for kernel in kernels]
    how = f"measured, chains of instructions on registers in C ({compiler}); {'; '.join(parts)}; {blas}"
    return Peak(
        how,
        fp32_macs_per_s=max(found["fp32"].macs_per_s, rates["sgemm"]),
        fp16_macs_per_s=found["fp16"].macs_per_s if "fp16" in found else None,
        int8_macs_per_s=found["int8"].macs_per_s if "int8" in found else None,
    )


def _copy_bytes(profile: DeviceProfile) -> int:
    """Far more than the last cache holds, and a small part of the memory."""
    last_cache = max(profile.caches.l3_bytes or 0, profile.caches.l2_bytes or 0)
    wanted = max(MIN_COPY_BYTES, 4 * last_cache)
    return min(wanted, profile.memory_bytes[0] // 8) if profile.memory_bytes else wanted


def _rates(copy_bytes: int) -> dict[str, int]:
    command = [sys.executable, "-P", "-m", "edgeml.probing.rates", str(copy_bytes)]
    rates: dict[str, int] = json.loads(_run(command, env={**os.environ, **_ONE_THREAD}))
    return rates


def _kernels() -> tuple[tuple[Kernel, ...], str | None]:
    """What the C kernel measures, and the compiler that built it; nothing without a compiler."""
    compiler = next((found for name in _COMPILERS if (found := shutil.which(name))), None)
    if compiler is None:
        return (), None
    with tempfile.TemporaryDirectory(prefix="edgeml-") as folder:
        program = Path(folder) / "peak"
        for tuning in _TUNINGS:
            described = " ".join((Path(compiler).name, *tuning))
            if _compiled(compiler, tuning, program) and (kernels := _measured(program)):
                return kernels, described
    return (), Path(compiler).name


def _compiled(compiler: str, tuning: tuple[str, ...], program: Path) -> bool:
    source = Path(__file__).with_name("peak.c")
    # Without -ffast-math no compiler uses NEON's floats on 32-bit Arm: they flush denormal numbers.
    flags = ["-std=gnu99", "-O2", "-ffast-math", "-ffp-contract=fast", *tuning]
    done = subprocess.run(  # noqa: S603  our own file, no shell
        [compiler, *flags, str(source), "-o", str(program)], capture_output=True, check=False
    )
    return done.returncode == 0


def _measured(program: Path) -> tuple[Kernel, ...]:
    """What the program prints; nothing where it dies, as on an instruction that the machine only claims."""
    try:
        done = subprocess.run(  # noqa: S603
            [str(program)], capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return ()
    if done.returncode != 0:
        return ()
    lines = [line.split(" ", 2) for line in done.stdout.splitlines()]
    return tuple(Kernel(name, int(rate), instruction) for name, rate, instruction in lines)


def _run(command: list[str], env: dict[str, str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False, env=env
        )
    except subprocess.TimeoutExpired as error:
        raise EngineError(f"measuring took over {TIMEOUT_SECONDS} s and was stopped") from error
    if done.returncode != 0:
        words = (done.stdout + done.stderr).strip().splitlines()[-3:]
        raise EngineError(f"measuring failed with exit code {done.returncode}: {' '.join(words)}")
    return done.stdout


def _version() -> str:
    try:
        return version("edgeml")
    except PackageNotFoundError:
        return "unknown"
