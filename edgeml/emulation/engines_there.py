"""Which engines a target has for an artifact: those its profile knows a wheel of, or those installed here."""

from __future__ import annotations

from edgeml.emulation.roots import GuestEngine, Root
from edgeml.emulation.targets import Target
from edgeml.requirements.releases import comparable
from edgeml_runtime.engines import choose_engine, engines
from edgeml_runtime.errors import MissingDependencyError, UnknownNameError


def engine_names(target: Target, artifact_format: str) -> tuple[str, ...]:
    """Names of the engines that run that format there, preferred ones first.

    Raises MissingDependencyError with the reason where there is none.
    """
    fitting = [engine for engine in engines().values() if artifact_format in engine.formats]
    if not target.emulated:
        choose_engine(artifact_format)  # raises with the pip line
        return tuple(engine.name for engine in fitting if engine.installed())
    wheels = {} if target.profile is None else target.profile.engines
    names = tuple(e.name for e in fitting if e.name in wheels and wheels[e.name].available)
    if not names:
        raise MissingDependencyError(
            f"no engine for {artifact_format} on {target.name}: {_why_not(target, artifact_format)}"
        )
    return names


def guest_engine(target: Target, artifact_format: str, wanted: str | None = None) -> GuestEngine:
    """The engine set up for an emulated target: `wanted` (`NAME` or `NAME=VERSION`), or the preferred one.

    Without a version: the newest that the device can install. Raises UnknownNameError, MissingDependencyError
    where the target has none, InputError with the line that sets it up.
    """
    name, _, version = (wanted or "").partition("=")
    there = engine_names(target, artifact_format)
    if name:
        check_engine_name(artifact_format, name)
        if name not in there:
            raise MissingDependencyError(f"no {name} on {target.name}: {_note(target, name)}")
    root = target.root()
    present = [n for n in there if n in root.engines]
    name = name or (present or list(there))[0]
    return root.engine(name, version or _newest_there(target, root, name))


def check_engine_name(artifact_format: str, wanted: str) -> None:
    """Raises UnknownNameError for a `NAME` or `NAME=VERSION` that is no engine for that format."""
    fitting = [e.name for e in engines().values() if artifact_format in e.formats]
    name = wanted.partition("=")[0]
    if name not in fitting:
        raise UnknownNameError(f"engine for {artifact_format}", name, fitting)


def _newest_there(target: Target, root: Root, name: str) -> str | None:
    """The last version with a wheel for that device where its platform has a newer one, else None."""
    last = None if target.profile is None else target.profile.engines[name].last_version
    newest = root.engines.get(name)
    if last is None or newest is None or comparable(newest.version) <= comparable(last):
        return None
    return last


def _why_not(target: Target, artifact_format: str) -> str:
    from edgeml.devices import formats

    if target.profile is None:
        return "nothing is known of it"
    return formats(target.profile).get(artifact_format) or f"no engine runs {artifact_format!a}"


def _note(target: Target, name: str) -> str:
    wheel = None if target.profile is None else target.profile.engines.get(name)
    return f"the profile of {target.name} says nothing of it" if wheel is None else wheel.note
