"""Instructions of exactly one inference on an emulated ARM core, by a QEMU plugin: a cost, not a time."""

from edgeml.emulation.counting.command import count_command
from edgeml.emulation.counting.counts import Cost, InstructionCount
from edgeml.emulation.counting.inference import count_inference

__all__ = ["Cost", "InstructionCount", "count_command", "count_inference"]
