"""A pool of processes of this machine that can be broken and begun again."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from typing import Any, ParamSpec, TypeVar

from edgeml_runtime.errors import InputError

P = ParamSpec("P")
T = TypeVar("T")


class NoProcessError(BrokenExecutor):
    """Not even an empty task survives in a process of this pool."""


class LocalPool(Executor):
    """Spawned processes, started at the first task; Ctrl-C is this process' to handle."""

    def __init__(self, processes: int) -> None:
        """Raises InputError for fewer than one process."""
        if processes < 1:
            raise InputError(f"jobs must be 1 or more, got {processes}")
        self.processes = processes
        self._pool: ProcessPoolExecutor | None = None

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Raises NoProcessError where processes cannot be spawned, BrokenExecutor where one has died."""
        if self._pool is None:
            # Spawned: a fork of a process with TensorFlow's threads may never come to life.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.processes, context, _start)
            try:
                self._pool.submit(os.getpid).result()
            except BrokenExecutor as error:
                self.renew()
                raise NoProcessError(
                    "processes end as soon as they are started; a script that calls edgeml needs "
                    '`if __name__ == "__main__":`'
                ) from error
        return self._pool.submit(fn, *args, **kwargs)

    def renew(self) -> None:
        """End all processes at once; the next task starts new ones."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        # Until Python 3.14's kill_workers(), a pool does not name its processes otherwise.
        processes = list((getattr(pool, "_processes", None) or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.kill()
        pool.shutdown()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the tasks that were begun end, unless it is not waited for."""
        if wait and self._pool is not None:
            self._pool.shutdown(cancel_futures=cancel_futures)
            self._pool = None
        else:
            self.renew()


def _start() -> None:
    """In a new process: Ctrl-C is the parent's, and without a parent there is nothing to do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent: Any = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
