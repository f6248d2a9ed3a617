"""How an engine opens an artifact, and what was measured to be best for a class of devices.

A bundle carries tunings, one a device class: the engine and the options that were fastest there. On a device
of that class they are the defaults; on any other they mean nothing and are not used. What a caller asks for
wins over both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edgeml_runtime.codec import CodecError, decode, encode
from edgeml_runtime.errors import InputError

if TYPE_CHECKING:
    from edgeml_runtime.engines import Engine

MAX_THREADS = 256
GraphOptimization = Literal["all", "extended", "basic", "disabled"]


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """Options of an engine; each engine takes those that it lists and has no use for the others.

    graph_optimization, memory_arena, spinning: of ONNX Runtime (how far the graph is rewritten, whether freed
    tensors are kept for the next call, whether idle threads wait actively). xnnpack: whether LiteRT computes
    what it can with XNNPACK.
    """

    threads: int = 1
    graph_optimization: GraphOptimization = "all"
    memory_arena: bool = True
    spinning: bool = True
    xnnpack: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.threads <= MAX_THREADS:
            raise ValueError(f"threads must be 1 to {MAX_THREADS}, got {self.threads}")


DEFAULTS = SessionOptions()


@dataclass(frozen=True, slots=True)
class DeviceClass:
    """Devices on which the same options are best: the same cores, features and number of usable CPUs."""

    machine: str  # "x86_64", "aarch64", "armv7l": what Python was built for
    cores: tuple[str, ...]  # as `host_info` names them, each kind once, in the order of the CPUs
    cpu_features: tuple[str, ...]
    usable_cpus: int

    def __post_init__(self) -> None:
        if self.usable_cpus < 1:
            raise ValueError(f"usable_cpus must be at least 1, got {self.usable_cpus}")

    def describe(self) -> str:
        """`4 CPUs of Cortex-A72 (aarch64)`."""
        return f"{self.usable_cpus} CPUs of {' and '.join(self.cores) or 'unknown cores'} ({self.machine})"


@dataclass(frozen=True, slots=True)
class Tuning:
    """The engine and options that were measured to be best for one row a call on a class of devices."""

    device_class: DeviceClass
    engine: str
    engine_version: str
    options: SessionOptions


@dataclass(frozen=True, slots=True)
class Opening:
    """How a session is opened: `tuned` where the bundle's options for this class of devices are its base."""

    engine: Engine
    options: SessionOptions
    tuned: bool


def device_class(root: str = "/") -> DeviceClass:
    """The class of this machine; `root` is where its file system is mounted."""
    # Only bundles that are tuned ask, and only they wait for the import.
    from edgeml_runtime.host import cpu_info, usable_cpus, userland_machine

    cpu = cpu_info(Path(root))
    return DeviceClass(userland_machine(), tuple(dict.fromkeys(cpu.cores)), cpu.features, usable_cpus())


def opening(
    tunings: tuple[Tuning, ...],
    artifact_format: str,
    *,
    engine: str | None = None,
    options: Mapping[str, int | str | bool] | None = None,
    tuned: bool = True,
) -> Opening:
    """The engine and options for an artifact here: what is asked for, then the tuning, then the defaults.

    options: by name, of `SessionOptions`. tuned: whether tunings count. A tuning counts on a device of its
    class where its engine is installed and no other is asked for: options were measured with that engine.
    Raises InputError, UnknownNameError or MissingDependencyError.
    """
    from edgeml_runtime.engines import choose_engine, engines

    base = DEFAULTS
    found = _tuning_here(tunings) if tuned and tunings else None
    if found is not None and engine in (None, found.engine):
        known = engines().get(found.engine)
        if known is not None and artifact_format in known.formats and known.installed():
            base, engine = found.options, found.engine
        else:
            found = None
    else:
        found = None
    return Opening(choose_engine(artifact_format, engine), with_options(base, options), found is not None)


def with_options(base: SessionOptions, changes: Mapping[str, int | str | bool] | None) -> SessionOptions:
    """Those options with some replaced by name; raises InputError for what is not an option or its value."""
    if not changes:
        return base
    try:
        return decode(SessionOptions, encode(base) | dict(changes))
    except CodecError as error:
        raise InputError(f"session options: {str(error).removeprefix('document: ')}") from error


def heeded(how: Opening) -> dict[str, int | str | bool]:
    """Those options, by name, that the engine has."""
    return {name: getattr(how.options, name) for name in how.engine.options}


def describe_options(options: Mapping[str, int | str | bool]) -> str:
    """`threads 2, xnnpack off`."""
    words = {True: "on", False: "off"}
    return ", ".join(
        f"{name} {words[value] if isinstance(value, bool) else value}" for name, value in options.items()
    )


def read_option(text: str) -> tuple[str, int | str | bool]:
    """The name and value of `xnnpack=off` as a command line has it; raises ValueError."""
    name, separator, value = text.partition("=")
    if not (name and separator and value):
        raise ValueError(f"expected NAME=VALUE such as xnnpack=off, got {text!r}")
    if value in ("on", "off"):
        return name, value == "on"
    return name, int(value) if value.isdecimal() else value


def _tuning_here(tunings: tuple[Tuning, ...]) -> Tuning | None:
    here = device_class()
    return next((tuning for tuning in tunings if tuning.device_class == here), None)
