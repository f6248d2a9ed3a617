"""A line on stderr that says what is being done; rich draws it, and only where somebody watches."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


class ProgressLine:
    """Shows (what, steps done, steps in all) while the block runs; nothing where stderr is no terminal."""

    def __init__(self, *, quiet: bool) -> None:
        self._status: Any = None
        self._quiet = quiet or not sys.stderr.isatty()

    def __enter__(self) -> Callable[[str, int, int], None]:
        if not self._quiet:
            from rich.console import Console

            self._status = Console(stderr=True).status("")
            self._status.start()
        return self._show

    def _show(self, what: str, done: int, total: int) -> None:
        if self._status is not None:
            self._status.update(f"{what} ({done + 1} of {total})" if total else what)

    def __exit__(self, *_exception: object) -> None:
        if self._status is not None:
            self._status.stop()
