"""Will it fit, will it load? An artifact against a device, requirement by requirement, before it gets there.

`no` is certain: the device cannot. `yes` has a reason that one can check. The rest is `unproven`, which
refuses nothing: only the device, or its emulation, tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edgeml.cost import measure_apart
from edgeml.device_profile import linked_libraries
from edgeml.devices import DeviceProfile, formats, is_host, scheme_obstacle
from edgeml.requirements.loading import Loading, engine_loading, library_loading
from edgeml.requirements.memory import fits_memory
from edgeml.requirements.needs import Needs, needs_of
from edgeml.requirements.operators import acceptance
from edgeml.requirements.requirement import Answer, Requirement, worst
from edgeml_runtime.bundle import Bundle
from edgeml_runtime.engines import choose_engine, engines
from edgeml_runtime.errors import MissingDependencyError
from edgeml_runtime.manifest import Verdict

_BEST_FIRST: tuple[Answer, ...] = ("yes", "unproven", "no")
# Bytes of a weight, as a share of float32's.
_WEIGHT_SHARES = {"int8-static": 0.25, "int8-dynamic": 0.25, "int16x8-static": 0.25, "float16": 0.5}


@dataclass(frozen=True, slots=True)
class EngineFit:
    """One engine (or linked library) of a device, what is asked of it, and the worst of the answers."""

    engine: str
    version: str | None
    answer: Answer
    requirements: tuple[Requirement, ...]


@dataclass(frozen=True, slots=True)
class Fit:
    """An artifact on a device: the best answer of its engines, and what would fit where all say no."""

    device: str
    artifact_format: str
    scheme: str
    answer: Answer
    engines: tuple[EngineFit, ...]
    fallback: tuple[str, ...] = ()

    @property
    def best(self) -> EngineFit:
        """The engine that speaks most for it."""
        return min(self.engines, key=lambda e: _BEST_FIRST.index(e.answer))


def engine_fits(profile: DeviceProfile) -> tuple[EngineFit, ...]:
    """What of the device's engines loads there, whatever the artifact."""
    return tuple(_fit(loading) for loading in _loadings(profile, None))


def artifact_fit(
    content: bytes,
    artifact_format: str,
    scheme: str,
    profile: DeviceProfile,
    *,
    versions: Mapping[str, str],
    peak_bytes: int | None,
) -> Fit:
    """Every requirement of an artifact on a device.

    `versions`: of the packages that ran it on the build host. `peak_bytes`: resident memory of a process that
    ran it on this host. Raises InputError for bytes that are no such artifact.
    """
    missing, needs = "", None
    try:
        needs = needs_of(artifact_format, content)
    except MissingDependencyError as error:
        missing = str(error)
    found = []
    for loading in _loadings(profile, artifact_format):
        requirements = [*loading.requirements]
        obstacle = scheme_obstacle(profile, artifact_format, scheme)
        if obstacle is not None:
            requirements.append(Requirement("scheme", "no", obstacle))
        if needs is None:
            requirements.append(Requirement("operators", "unproven", missing))
        else:
            ran_with = versions.get(_package(loading.engine))
            requirements += acceptance(
                needs, loading.engine, loading.version, scheme=scheme, ran_with=ran_with
            )
            requirements += fits_memory(needs, profile, peak_bytes, here=is_host(profile))
        found.append(EngineFit(loading.engine, loading.version, worst(requirements), tuple(requirements)))
    if not found:
        reason = formats(profile).get(artifact_format) or f"no engine runs {artifact_format} there"
        found.append(EngineFit("no engine", None, "no", (Requirement("engine", "no", reason),)))
    answer = min((f.answer for f in found), key=_BEST_FIRST.index)
    fallback = () if answer != "no" else tuple(_fallback(profile, artifact_format, scheme, needs, found))
    return Fit(profile.name, artifact_format, scheme, answer, tuple(found), fallback)


def bundle_fit(bundle: Bundle, profile: DeviceProfile, peak_bytes: int | None) -> Fit:
    """`artifact_fit` of a bundle's artifact."""
    manifest = bundle.manifest
    return artifact_fit(
        bundle.artifact,
        manifest.artifact_format,
        manifest.scheme,
        profile,
        versions=manifest.provenance.versions,
        peak_bytes=peak_bytes,
    )


def peak_here(bundle: Bundle) -> int | None:
    """Peak resident bytes of a process that runs the bundle here; None where no engine of it is installed.

    Raises EngineFailedError where the engine refuses the artifact or crashes.
    """
    try:
        choose_engine(bundle.manifest.artifact_format)
    except MissingDependencyError:
        return None
    return measure_apart(bundle, seconds=0.05).peak_memory_bytes


def fit_verdict(fit: Fit) -> Verdict:
    """The answer as a verdict of the gate `fits`; what varies from run to run is not in its text."""
    open_questions = [r for r in fit.best.requirements if r.answer != "yes"]
    deciding = next((r for r in open_questions if r.answer == fit.answer), None)
    texts = [f"{r.name} {r.answer}" + ("" if r.measured else f": {r.reason}") for r in open_questions]
    status = {"yes": "passed", "no": "failed", "unproven": "unproven"}[fit.answer]
    numbers = deciding is not None and deciding.answer == "no" and not deciding.measured
    return Verdict(
        "fits",
        status,  # type: ignore[arg-type]
        deciding.need if numbers and deciding else None,
        deciding.have if numbers and deciding else None,
        deciding.unit if numbers and deciding else "",
        "any",
        "; ".join([f"{fit.best.engine} {fit.best.version or ''} on {fit.device}".replace("  ", " "), *texts]),
    )


def loadable_formats(profile: DeviceProfile) -> tuple[str, ...]:
    """Formats that some engine of the device loads."""
    return tuple(name for name, obstacle in formats(profile).items() if obstacle is None)


def _loadings(profile: DeviceProfile, artifact_format: str | None) -> Iterator[Loading]:
    if profile.kind == "microcontroller":
        for name, library in linked_libraries(profile).items():
            if artifact_format is None or artifact_format in library.formats:
                yield library_loading(profile, name)
        return
    for engine in engines().values():
        if artifact_format is None or artifact_format in engine.formats:
            yield engine_loading(profile, engine.name)


def _fit(loading: Loading) -> EngineFit:
    return EngineFit(loading.engine, loading.version, worst(loading.requirements), loading.requirements)


def _package(engine: str) -> str:
    known = engines().get(engine)
    return known.distribution if known else engine


def _fallback(
    profile: DeviceProfile, artifact_format: str, scheme: str, needs: Needs | None, found: Sequence[EngineFit]
) -> Iterator[str]:
    """What would fit instead: another scheme, another version of the format, another format."""
    broken = {r.name: r for engine in found for r in engine.requirements if r.answer == "no"}
    if "scheme" in broken:
        usable = [s for s in ("int8-static", "float32") if not scheme_obstacle(profile, artifact_format, s)]
        yield from (f"the scheme {s}: compile with --schemes {s}" for s in usable)
    if needs is not None and scheme == "float32" and {"flash", "memory"} & set(broken):
        limit = broken.get("flash", broken.get("memory"))
        for other, share in _WEIGHT_SHARES.items():
            size = needs.file_bytes - needs.weights_bytes * (1 - share)
            room = limit.have if limit else None
            if room is not None and size <= room and not scheme_obstacle(profile, artifact_format, other):
                yield f"the scheme {other}, about {size / 1e3:,.0f} kB (estimated): --schemes {other}"
    if "opset" in broken and broken["opset"].have is not None:
        limit = broken["opset"]
        yield f"the same model exported with {limit.unit} {limit.have:.0f} or older"
    for other in loadable_formats(profile):
        if other != artifact_format:
            names = ", ".join(e.engine for e in map(_fit, _loadings(profile, other)) if e.answer != "no")
            yield f"the format {other}, which {names} loads there: compile with --formats {other}"


def engine_lines(fits: Sequence[EngineFit], *, indent: str = "  ") -> Iterator[str]:
    """A line for each engine, and one below it for each requirement."""
    for engine in fits:
        yield f"{indent}{engine.engine} {engine.version or ''}".rstrip() + f": {engine.answer}"
        for r in engine.requirements:
            yield f"{indent}  {r.name:12} {r.answer:8} {r.reason}"


def fit_lines(fit: Fit) -> Iterator[str]:
    """The whole answer for people."""
    yield f"{fit.artifact_format} {fit.scheme} on {fit.device}: {fit.answer}"
    yield from engine_lines(fit.engines)
    if fit.answer == "unproven":
        yield "unproven refuses nothing (exit code 0): the device, or edgeml verify --on, will tell"
    for text in fit.fallback:
        yield f"would fit: {text}"
    if fit.answer == "no" and not fit.fallback:
        yield "nothing known here would fit instead"


def fit_line(fit: Fit) -> str:
    """The answer in one line, for a list of devices: the engine, and what speaks against it."""
    against = next((r for r in fit.best.requirements if r.answer == fit.answer != "yes"), None)
    reason = f"  {against.name}: {against.reason}" if against else ""
    engine = f"{fit.best.engine} {fit.best.version or ''}".rstrip()
    return f"{fit.device:24} {fit.answer:8} {engine:22}{reason}".rstrip()
