"""Targets: where a bundle runs, this machine or an emulated one, and how a command line names them.

host                 this machine
raspberry-pi-4       a device: natively where this machine is one, else on its fastest core, emulated
./gateway.toml       a device's file
cortex-a53, armv7    a core or a class of cores, emulated
emulated:NAME        any of these, emulated in any case
all                  this machine and every class of `platforms.CLASSES`
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgeml.emulation.cpuinfo import display_name
from edgeml.emulation.platforms import CLASSES, Core, core_of, emulated_names, find_core, platform_of
from edgeml_runtime.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from edgeml.devices import DeviceProfile
    from edgeml.emulation.roots import Root

HOST = "host"
ALL = "all"
EMULATED = "emulated:"
_CLASS_CORES = 4  # of a machine that is named by its kind of core alone


@dataclass(frozen=True, slots=True)
class Target:
    """A machine that runs bundles: `core` is None for the one we are on, `count` equal cores otherwise.

    `profile` says which engines exist there: the device's, or that of a core's reference device; None: here.
    `required`: named by itself, so that a bundle that nothing loads there is a failure; not one of `all`.
    """

    name: str
    core: Core | None = None
    count: int = 1
    clock_max_hz: int | None = None
    profile: DeviceProfile | None = None
    required: bool = True

    @property
    def emulated(self) -> bool:
        """Whether it is not this machine."""
        return self.core is not None

    def describe(self) -> str:
        """`raspberry-pi-4 (emulated Cortex-A72)`, or the name alone of what is no emulation."""
        return self.name if self.core is None else f"{self.name} (emulated {display_name(self.core)})"

    def root(self) -> Root:
        """The file tree that its programs run in.

        Raises InputError with the line that sets it up, MissingDependencyError without QEMU.
        """
        from edgeml.emulation.roots import find_root

        if self.core is None:
            raise InputError(f"{self.name} is this machine; nothing is emulated for it")
        return find_root(platform_of(self.core))


def resolve_target(text: str) -> Target:
    """One target of its name; raises UnknownNameError, DeviceProfileError, or InputError with the reason."""
    from edgeml.devices import device_names, is_host, load_device

    forced = text.startswith(EMULATED)
    name = text.removeprefix(EMULATED)
    if name == HOST and not forced:
        return Target(HOST)
    if name in (ALL, HOST, "") or "," in name:
        raise InputError(
            f"expected one target, a device or one of {', '.join(emulated_names())}, got {text!r}; "
            f"`edgeml verify` takes several"
        )
    if name in device_names() or _is_file(name):
        profile = load_device(name)
        if not forced and is_host(profile):
            return Target(profile.name, profile=profile)
        return _emulated(profile)
    if name in emulated_names():
        core = find_core(name)
        profile = load_device(platform_of(core).reference_device)
        return Target(name, core, _CLASS_CORES, None, profile)
    raise UnknownNameError("target", name, {*device_names(), *emulated_names(), ALL})


def resolve_targets(names: str | Sequence[str]) -> tuple[Target, ...]:
    """Targets of names, or of a text with commas, each once; `all`: this machine and every class."""
    parts = names.split(",") if isinstance(names, str) else names
    wanted = [part.strip() for part in parts]
    if not wanted or not all(wanted):
        raise InputError(f"expected targets separated by commas, got {','.join(wanted)!r}")
    targets = [resolve_target(name) for name in wanted if name != ALL]
    if ALL in wanted:
        targets += [replace(resolve_target(name), required=False) for name in (HOST, *CLASSES)]
    first: dict[str, Target] = {}
    for target in targets:
        first.setdefault(target.name, target)
    return tuple(first.values())


def _is_file(name: str) -> bool:
    return name.endswith(".toml") or len(Path(name).parts) > 1


def _emulated(profile: DeviceProfile) -> Target:
    try:
        core, cluster = core_of(profile)
    except InputError as error:
        raise InputError(f"{error}; classes of cores that are: {', '.join(CLASSES)}") from error
    return Target(profile.name, core, cluster.count, cluster.clock_max_hz, profile)
