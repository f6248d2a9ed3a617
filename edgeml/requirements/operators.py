"""Whether a version of an engine accepts an artifact: its IR version, its opsets, its operators."""

from __future__ import annotations

from edgeml.requirements.needs import Needs, OperatorUse
from edgeml.requirements.onnx_needs import STANDARD_DOMAINS
from edgeml.requirements.releases import EngineReleases, Release, engine_releases
from edgeml.requirements.requirement import Requirement
from edgeml.requirements.tflite_needs import CUSTOM_DOMAIN

SHOWN = 4
OLDEST_OPSET = 7
# Of a library that is linked: what it is known to have kernels for in every operator of its list.
_FULLY_KNOWN = ("int8-static",)


def acceptance(
    needs: Needs, engine: str, version: str | None, *, scheme: str, ran_with: str | None
) -> tuple[Requirement, ...]:
    """What that version of the engine says to the artifact. `ran_with`: a version that ran it already."""
    if version is not None and version == ran_with:
        reason = f"{engine} {version} ran this very artifact on the build host"
        return (Requirement("operators", "yes", reason),)
    known = engine_releases(engine)
    release = known.find(version) if known and version else None
    if known is None or release is None or version is None:
        reason = f"what {engine} {version or 'of that device'} reads is not known here"
        return (Requirement("operators", "unproven", reason),)
    if needs.artifact_format == "onnx":
        return _opset(needs, known, version, release), _onnx_operators(needs, known, version, release)
    return (_tflite_operators(needs, known, version, scheme),)


def _opset(needs: Needs, known: EngineReleases, version: str, release: Release) -> Requirement:
    name = f"{known.package} {version}"
    if release.ir_version is not None and (needs.ir_version or 0) > release.ir_version:
        reason = f"the file has IR version {needs.ir_version}; {name} reads up to {release.ir_version}"
        reason += _later(known, release, ir_version=needs.ir_version or 0)
        return Requirement("opset", "no", reason, needs.ir_version, release.ir_version, "IR version")
    for domain, opset in needs.opsets.items():
        newest = release.opsets.get(domain)
        if newest is not None and opset > newest:
            reason = f"the file has opset {opset} of {domain}; {name} reads up to {newest}"
            reason += _later(known, release, opset=opset, domain=domain)
            return Requirement("opset", "no", reason, opset, newest, f"opset of {domain}")
        if domain == "ai.onnx" and known.oldest_opset is not None and opset < known.oldest_opset:
            reason = f"the file has opset {opset}; {name} promises {known.oldest_opset} and newer"
            return Requirement("opset", "unproven", reason, opset, known.oldest_opset, f"opset of {domain}")
    listed = {d: o for d, o in needs.opsets.items() if d in release.opsets}
    text = ", ".join(f"opset {o} of {d} (reads up to {release.opsets[d]})" for d, o in listed.items())
    reason = f"{name} reads {text}, IR version {needs.ir_version} (up to {release.ir_version})"
    need, have = needs.opsets.get("ai.onnx"), release.opsets.get("ai.onnx")
    return Requirement("opset", "yes", reason, need, have, "opset of ai.onnx")


def _later(
    known: EngineReleases, release: Release, *, ir_version: int = 0, opset: int = 0, domain: str = ""
) -> str:
    """The first newer release that would read it, as the end of a sentence."""
    for later in known.releases[known.releases.index(known.find(release.version) or release) + 1 :]:
        if (later.ir_version or 0) >= ir_version and later.opsets.get(domain, 0) >= opset:
            return f"; {later.version} would"
    return "; no release known here would"


def _onnx_operators(needs: Needs, known: EngineReleases, version: str, release: Release) -> Requirement:
    name = f"{known.package} {version}"
    foreign = [op for op in needs.operators if op.domain not in STANDARD_DOMAINS]
    if foreign:
        reason = f"{_names(foreign)}: not of the standard; whether {name} has them is not known here"
        return Requirement("operators", "unproven", reason)
    newest = {d: o for d, o in release.opsets.items() if needs.opsets.get(d) == o}
    fresh = [op for op in needs.operators if op.version is not None and op.version == newest.get(op.domain)]
    if fresh:
        reason = f"{_names(fresh)}: changed in the newest opset of {name}, which may lack the kernel"
        return Requirement("operators", "unproven", reason)
    reason = f"{name} has every operator of older opsets: {_names(needs.operators)}"
    return Requirement("operators", "yes", reason)


def _tflite_operators(needs: Needs, known: EngineReleases, version: str, scheme: str) -> Requirement:
    name = f"{known.package} {version}"
    versions = known.newest_versions(version)
    if not versions:
        return Requirement("operators", "unproven", f"what {name} reads is not known here")
    custom = [op for op in needs.operators if op.domain == CUSTOM_DOMAIN]
    if custom:
        return Requirement("operators", "no", f"{name} has no kernels for {_names(custom)}")
    linked = set(versions.values()) == {0}  # a library that looks at no version
    absent = [op for op in needs.operators if op.name not in versions]
    if absent:
        reason = f"{name} has no {_names(absent)}" + ("; a newer revision may" if linked else "")
        return Requirement("operators", "unproven" if linked else "no", reason)
    newer = [op for op in needs.operators if not linked and (op.version or 0) > versions[op.name]]
    if newer:
        worst = newer[0]
        reason = f"the file has {worst.name} version {worst.version}; {name} takes {versions[worst.name]}"
        return Requirement("operators", "no", reason, worst.version, versions[worst.name], worst.name)
    if linked and scheme not in _FULLY_KNOWN:
        reason = f"{name} has {_names(needs.operators)}; for {scheme} not every kernel of them is certain"
        return Requirement("operators", "unproven", reason)
    return Requirement("operators", "yes", f"{name} has {_names(needs.operators)}, in the file's versions")


def _names(operators: tuple[OperatorUse, ...] | list[OperatorUse]) -> str:
    names = [
        op.name if op.domain in ("", *STANDARD_DOMAINS) else f"{op.domain}:{op.name}" for op in operators
    ]
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + rest
