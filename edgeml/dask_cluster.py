"""Dask: a cluster's executor, checked before it is used, and what is particular to it.

Its scheduler runs a task again whose worker was lost, and after four lost workers gives it up (KilledWorker).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

from edgeml.crossing import difference, versions_here
from edgeml_runtime.errors import InputError, MissingDependencyError

CONNECT_SECONDS = 5
WORKERS_SECONDS = 10


@contextmanager
def dask_executor(address: str) -> Iterator[Executor]:
    """The executor of the cluster whose scheduler is at `address`, such as tcp://10.0.0.5:8786.

    Raises InputError where nothing answers there, no worker comes or one has other versions than this
    process, MissingDependencyError without Dask.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingDependencyError(
            "a Dask cluster needs distributed: pip install 'edgeml[dask]'"
        ) from error
    how = f"start `dask scheduler` and, on every machine, `dask worker {address} --nthreads 1`"
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError, ImportError) as error:
        raise InputError(
            f"no Dask scheduler answers at {address} within {CONNECT_SECONDS} s ({error}); {how}"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=WORKERS_SECONDS)
        except TimeoutError as error:
            raise InputError(
                f"the Dask cluster at {address} has no worker after {WORKERS_SECONDS} s; {how}"
            ) from error
        _check_versions(client, address)
        yield client.get_executor(pure=False)


def client_of(executor: Executor) -> Any:
    """The client behind a Dask executor, which names it nowhere in public; None for any other executor."""
    if not type(executor).__module__.startswith("distributed."):
        return None
    return getattr(executor, "_client", None)


def keep(client: Any, content: bytes) -> Any:
    """A future of those bytes on the cluster: a task's result, which a lost worker does not take along."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that this is large, which it has to be
        return client.submit(bytes, content, pure=False)


def is_at_work(client: Any) -> bool:
    """Whether the scheduler answers and has given anybody's task to a worker."""
    try:
        return any(client.processing().values())
    except Exception:  # noqa: BLE001  a closed connection has many names
        return False


def is_killed_worker(error: BaseException) -> bool:
    """Whether it says that the workers died which a task was given to."""
    return type(error).__name__ == "KilledWorker" and type(error).__module__.startswith("distributed.")


def _check_versions(client: Any, address: str) -> None:
    ours = versions_here()
    wrong = []
    for worker, found in sorted(client.run(versions_here, on_error="return").items()):
        differs = str(found) if isinstance(found, BaseException) else difference(found, ours)
        if differs:
            wrong.append(f"{worker}: {differs}")
    if wrong:
        raise InputError(
            f"workers of the Dask cluster at {address} do not have what this process has, so their outcomes "
            f"would not be the same: {'; '.join(wrong)}; install the same versions there"
        )
