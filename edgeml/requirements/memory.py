"""Whether an artifact fits a device's memories: flash and SRAM of a microcontroller, RAM under Linux."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeml.requirements.needs import Needs
from edgeml.requirements.requirement import Requirement

if TYPE_CHECKING:
    from edgeml.device_profile import DeviceProfile

# Room that makes a measured peak of another machine an answer: allocators and kernels differ, and the
# system itself takes some.
MARGIN = 1.5
# What must stay free beside the artifact for a yes. TensorFlow Lite Micro's own code and kernels take 20 to
# 150 kB, by how many operators are linked; the application comes on top.
FLASH_RESERVE_BYTES = 256 * 1024
# The arena also holds the interpreter's records of tensors and operators and the kernels' scratch buffers.
ARENA_MARGIN = 2.0


def fits_memory(
    needs: Needs, profile: DeviceProfile, peak_bytes: int | None, *, here: bool
) -> tuple[Requirement, ...]:
    """`peak_bytes`: resident memory of a process with engine and artifact, measured on this host.

    `here`: this host is that device.
    """
    if profile.kind == "microcontroller":
        return flash(needs, profile), sram(needs, profile)
    return (memory(needs, profile, peak_bytes, here=here),)


def memory(
    needs: Needs, profile: DeviceProfile, peak_bytes: int | None, *, here: bool = False
) -> Requirement:
    """RAM of a device with Linux; its storage is a card or disk, which profiles say nothing of."""
    least = needs.file_bytes + (needs.peak_bytes or 0)
    if not profile.memory_bytes:
        reason = f"the profile of {profile.name} does not say how much memory it has"
        return Requirement("memory", "unproven", reason, peak_bytes or least, None, "bytes")
    have = profile.memory_bytes[0]
    smallest = f"{_mb(have)} of memory" + (", of the smallest model" if len(profile.memory_bytes) > 1 else "")
    if least > have:
        reason = f"the file and the tensors alive at once take {_mb(least)}; the device has {smallest}"
        return Requirement("memory", "no", reason, least, have, "bytes")
    if peak_bytes is None:
        reason = (
            f"the file and the tensors alive at once take {_mb(least)} of {smallest}; engine and Python come "
            "on top, and were not measured"
        )
        return Requirement("memory", "unproven", reason, least, have, "bytes")
    if here and peak_bytes <= have:
        reason = f"it ran here, a process of {_mb(peak_bytes)} in {smallest}"
        return Requirement("memory", "yes", reason, peak_bytes, have, "bytes", measured=True)
    if peak_bytes * MARGIN <= have:
        reason = f"a process here peaks at {_mb(peak_bytes)}, {MARGIN} times that is within {smallest}"
        return Requirement("memory", "yes", reason, peak_bytes, have, "bytes", measured=True)
    reason = f"a process here peaks at {_mb(peak_bytes)}, too close to {smallest} to tell from here"
    return Requirement("memory", "unproven", reason, peak_bytes, have, "bytes", measured=True)


def flash(needs: Needs, profile: DeviceProfile) -> Requirement:
    """Flash of a microcontroller, which holds the artifact beside the program."""
    need, have = needs.file_bytes, profile.flash_bytes
    if have is None:
        reason = f"the profile of {profile.name} does not say how much flash it has"
        return Requirement("flash", "unproven", reason, need, None, "bytes")
    if need > have:
        return Requirement(
            "flash", "no", f"the file has {_kb(need)}, the flash {_kb(have)}", need, have, "bytes"
        )
    left = have - need
    reason = f"the file takes {_kb(need)} of {_kb(have)}; {_kb(left)} are left for library and program"
    answer = "yes" if left >= FLASH_RESERVE_BYTES else "unproven"
    return Requirement("flash", answer, reason, need, have, "bytes")  # type: ignore[arg-type]


def sram(needs: Needs, profile: DeviceProfile) -> Requirement:
    """SRAM of a microcontroller, which holds the tensors; constants stay in flash."""
    have = profile.sram_bytes
    if needs.arena_bytes is None or needs.peak_bytes is None:
        reason = f"the file does not tell the sizes of tensors {', '.join(needs.unsized[:4])}"
        return Requirement("sram", "unproven", reason, None, have, "bytes")
    if have is None:
        reason = f"the profile of {profile.name} does not say how much SRAM it has"
        return Requirement("sram", "unproven", reason, needs.arena_bytes, None, "bytes")
    if needs.peak_bytes > have:
        reason = f"tensors of {_kb(needs.peak_bytes)} are alive at once; the SRAM has {_kb(have)}"
        return Requirement("sram", "no", reason, needs.peak_bytes, have, "bytes")
    reason = f"an arena of about {_kb(needs.arena_bytes)} (estimated from the file) of {_kb(have)} of SRAM"
    if needs.arena_bytes * ARENA_MARGIN <= have:
        return Requirement("sram", "yes", reason, needs.arena_bytes, have, "bytes")
    reason += "; the library's records and scratch buffers and the program come on top"
    return Requirement("sram", "unproven", reason, needs.arena_bytes, have, "bytes")


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _kb(size: int) -> str:
    return f"{size / 1e3:,.1f} kB"
