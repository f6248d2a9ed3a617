"""`--jobs` and `--dask`: where a command builds and judges. Only click is imported to show them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

import click


def executor_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds both; their values come as `jobs` and `dask`."""
    for option in (
        click.option(
            "--dask", metavar="ADDRESS", help="Build and judge on this Dask cluster (tcp://HOST:PORT)."
        ),
        click.option(
            "--jobs",
            default=1,
            show_default=True,
            help="Build and judge in so many processes here; 1: in this one.",
        ),
    ):
        command = option(command)
    return command


@contextmanager
def executor_of(jobs: int, dask: str | None) -> Iterator[Executor | None]:
    """The executor asked for; None, which is this process itself, for one job.

    Raises InputError for both options, fewer than one job or a cluster that cannot be used.
    """
    from edgeml.dask_cluster import dask_executor
    from edgeml.local_pool import LocalPool
    from edgeml_runtime.errors import InputError

    if dask is not None:
        if jobs != 1:
            raise InputError("--jobs is of this machine, --dask of a cluster: give one of them")
        with dask_executor(dask) as executor:
            yield executor
    elif jobs == 1:
        yield None
    else:
        with LocalPool(jobs) as pool:
            yield pool
