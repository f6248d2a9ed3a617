"""Tasks that other processes find: a worker imports this module from the folder of the tests."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from edgeml.job import Job
from edgeml.workers import Work
from edgeml_runtime.errors import UnknownNameError


class StubbornError(Exception):
    """Cannot be made again of what it pickles to."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first + second)


def do(job: Job, task: tuple[str, str]) -> tuple[str, int, int]:
    """Marks that it began, then does what it is told; gives its name, the job's seed and its process."""
    what, folder = task
    mark = Path(folder) / what
    first = not mark.exists()
    with mark.open("a") as file:
        file.write("x")
    if what == "dies always" or (what == "dies once" and first):
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "errs":
        raise UnknownNameError("scheme", "int7", ("int8-static",))
    if what == "errs stubbornly":
        raise StubbornError("a", "b")
    if what == "sleeps":
        time.sleep(60 if first else 0)
    return what, job.seed, os.getpid()


def runs(folder: Path) -> dict[str, int]:
    """How often each began."""
    return {mark.name: len(mark.read_text()) for mark in folder.iterdir()}


WORK: Work[tuple[str, str], object] = Work(do, lambda task: f"lost: {task[0]}", lambda _job, task: task[0])
