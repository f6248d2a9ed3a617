"""One requirement of an artifact on a device, and the answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Answer = Literal["yes", "no", "unproven"]


@dataclass(frozen=True, slots=True)
class Requirement:
    """What is asked of a device, whether it has it, and why that is the answer.

    `need` and `have` are in `unit`, None where the question has no number. `measured`: the answer rests on a
    measurement of this host, so that another run may give other numbers.
    """

    name: str  # "wheel", "instructions", "library", "opset", "operators", "memory", "flash", "sram"
    answer: Answer
    reason: str
    need: float | None = None
    have: float | None = None
    unit: str = ""
    measured: bool = False


def worst(requirements: Iterable[Requirement]) -> Answer:
    """The answer to all of them together: one `no` is no, else one `unproven` is unproven."""
    answers = {r.answer for r in requirements}
    return "no" if "no" in answers else "unproven" if "unproven" in answers else "yes"
