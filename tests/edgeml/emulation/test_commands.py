"""`edgeml devices setup` and `remove` on the command line: names, refusals, documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgeml.cli import main
from edgeml.emulation.platforms import PLATFORMS
from edgeml.emulation.roots import filled, platform_folder, write_record


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEML_CACHE", str(tmp_path))


@pytest.fixture
def half_set_up() -> Path:
    """A tree without engines."""
    folder = platform_folder(PLATFORMS["armv7l"])
    with filled(folder / "root") as part:
        (part / "file").write_bytes(bytes(2_000_000))
        write_record(part, packages=["libc6_2.36_armhf.deb"])
    return folder


def document_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> Any:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["setup", "raspbery-pi-4"], "unknown target 'raspbery-pi-4'; did you mean raspberry-pi-4"),
        (["setup", "host"], "nothing to set up for host: "),
        (["setup", "rp2040"], "nothing to set up for rp2040: device rp2040: armv6-m is not emulated"),
        (
            ["setup", "x86-64-avx2"],
            "nothing to set up for x86-64-avx2: device x86-64-avx2: x86_64 is not emu",
        ),
        (
            ["setup", "armv7", "--engine-version", "1.21.0"],
            "expected ENGINE=VERSION, such as onnxruntime=1.2",
        ),
        (["remove"], "give a NAME or --all (see edgeml devices remove --help)"),
        (["remove", "armv7", "--all"], "give a NAME or --all (see edgeml devices remove --help)"),
    ],
)
def test_what_cannot_be_set_up_or_removed_is_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["devices", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_missing_emulator_is_an_error_document(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert main(["devices", "setup", "cortex-a76", "--json"]) == 4
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["type"] == "MissingDependencyError"
    assert error["message"].endswith("sudo apt-get install qemu-user")


def test_the_list_of_devices_ends_with_what_is_set_up(
    half_set_up: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (entry,) = document_of(["devices"], capsys)["emulated"]
    assert entry["platform"] == "armv7l"
    assert entry["ready"] is False
    assert entry["folder"] == str(half_set_up)
    assert 2_000_000 <= entry["size_bytes"] < 2_100_000
    assert main(["devices", "list"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"emulated armv7l: half set up, 2 MB in {half_set_up}; edgeml devices setup generic-armv7 goes on"
    )


@pytest.mark.parametrize("name", ["beaglebone-black", "armv7", "emulated:cortex-a9", "--all"])
def test_any_device_of_a_platform_removes_it(
    name: str, half_set_up: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    freed = document_of(["devices", "remove", name], capsys)["platforms"]
    assert {entry["platform"]: entry["freed_bytes"] for entry in freed}["armv7l"] > 2_000_000
    assert not half_set_up.exists()
    assert main(["devices", "remove", name]) == 0
    assert "emulated armv7l: was not set up" in capsys.readouterr().out
