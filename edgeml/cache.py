"""Where edgeml keeps between runs what it can make again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(subject: str) -> Path:
    """A subject's folder: in EDGEML_CACHE, or in the user's cache folder."""
    if own := os.environ.get("EDGEML_CACHE"):
        return Path(own).absolute() / subject
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).absolute() / "edgeml" / subject
