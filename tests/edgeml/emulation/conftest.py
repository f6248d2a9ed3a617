"""Real roots to run guests in: this machine's own, set up first where EDGEML_REQUIRE asks for them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conftest import is_required, require, require_program

from edgeml.emulation.platforms import PLATFORMS
from edgeml.emulation.roots import Root, read_root, setup_line
from edgeml.emulation.setup import setup


@pytest.fixture(scope="session")
def root_of() -> Callable[[str], Root]:
    """The root of a platform; skips where it is not set up: nobody's tests download 100 MB unasked."""

    def find(name: str) -> Root:
        platform = PLATFORMS[name]
        require_program(platform.qemu, "apt-get", "dpkg")
        if is_required("emulation"):
            return setup(platform).root  # at once, where all is there
        root = read_root(platform)
        ready = root is not None and bool(root.versions)
        require("emulation", available=ready, reason=f"not set up: {setup_line(platform.reference_device)}")
        assert root is not None
        return root

    return find
