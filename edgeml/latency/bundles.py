"""Estimates of bundles and of candidates' artifacts: which engine of the device, and what its file costs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from edgeml.device_profile import DeviceProfile
from edgeml.latency.artifacts import ArtifactCost, artifact_cost
from edgeml.latency.calibration import Measured
from edgeml.latency.estimate import Estimate, NoEstimate, estimate
from edgeml.latency.published import load_networks
from edgeml.libraries import LIBRARIES
from edgeml_runtime.bench import Measurement, percentile_ns
from edgeml_runtime.bundle import Bundle
from edgeml_runtime.codec import CodecError, decode
from edgeml_runtime.engines import engines
from edgeml_runtime.errors import InputError, UnknownNameError
from edgeml_runtime.files import read_file


def estimate_bundle(bundle: Bundle, device: DeviceProfile, *, threads: int = 1) -> Estimate | NoEstimate:
    """The latency of one row of the bundle on the device, in the engine that the device would run it in."""
    manifest = bundle.manifest
    return estimate_artifact(
        manifest.artifact_format, bundle.files[manifest.artifact], device, threads=threads
    )


def estimate_artifact(
    artifact_format: str, content: bytes, device: DeviceProfile, *, threads: int = 1
) -> Estimate | NoEstimate:
    """As `estimate_bundle`, of an artifact's bytes; raises InputError for bytes of no such artifact."""
    engine = device_engine(artifact_format, device)
    if engine is None:
        reason = f"no engine of {device.name} runs {artifact_format}"
        return NoEstimate(device.name, "", threads, reason)
    if artifact_format not in ("onnx", "tflite"):
        reason = f"nobody publishes latencies of {artifact_format} artifacts"
        return NoEstimate(device.name, engine, threads, reason)
    cost = artifact_cost(artifact_format, content)
    if obstacle := cost.obstacle():
        return NoEstimate(device.name, engine, threads, obstacle)
    found = estimate(cost.features, device, engine=engine, dtype=cost.dtype or "", threads=threads)
    return _named(found, device)


def device_engine(artifact_format: str, device: DeviceProfile) -> str | None:
    """The first engine, or linked library, of the device that runs the format; None where there is none."""
    if device.kind == "microcontroller":
        return next((name for name in device.libraries if artifact_format in LIBRARIES[name].formats), None)
    for engine in engines().values():
        wheel = device.engines.get(engine.name)
        if artifact_format in engine.formats and wheel is not None and wheel.available:
            return engine.name
    return None


def _named(found: Estimate | NoEstimate, device: DeviceProfile) -> Estimate | NoEstimate:
    """A class of machines is estimated as its reference member, which must be said."""
    if (
        isinstance(found, Estimate)
        and device.kind == "linux"
        and not device.boards
        and found.basis != "calibration"
    ):
        note = f"{device.name} is a class of machines: this is of its {found.core}"
        return replace(found, notes=(*found.notes, note))
    return found


def read_measured(path: Path, bundles: dict[str, Bundle], device: DeviceProfile) -> list[Measured]:
    """Measured networks of a file: what `edgeml bench --json` printed, or numbers of published networks.

    `bundles`: by digest, those that were measured. The latter kind is `{"published": [{"network", "engine",
    "dtype", "threads", "latency_ms"}]}`, the network by its name in devices/latency/networks.csv. Raises
    InputError for a file that is neither, for a measurement on another core or in an emulator, or of a
    bundle that is not given.
    """
    import json

    try:
        document: Any = json.loads(read_file(path, "measurement"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON: {error}") from error
    if isinstance(document, dict) and isinstance(document.get("published"), list):
        return [_published(path, row, device) for row in document["published"]]
    if not isinstance(document, dict) or not isinstance(document.get("measurements"), list):
        raise InputError(f'{path}: expected what `edgeml bench --json` prints, or {{"published": [...]}}')
    try:
        found = [decode(Measurement, one) for one in document["measurements"]]
    except CodecError as error:
        raise InputError(f"{path}: not a measurement: {error}") from error
    return [_measured(path, one, bundles, device) for one in found]


def _measured(path: Path, one: Measurement, bundles: dict[str, Bundle], device: DeviceProfile) -> Measured:
    cores = [cluster.core for cluster in one.host.cores] or [one.host.cpu_model]
    if "emulated" in (one.host.board or ""):
        raise InputError(f"{path}: measured in an emulator ({one.host.board}), whose time is no latency")
    if device.cores[0].core not in cores:
        raise InputError(
            f"{path}: measured on {', '.join(cores)}; {device.name} has {device.cores[0].core}: measure there"
        )
    if one.batch != 1:
        raise InputError(f"{path}: measured with {one.batch} rows a call; calibrate with one: --batch 1")
    bundle = bundles.get(one.bundle_digest)
    if bundle is None:
        raise InputError(
            f"{path}: of the bundle {one.bundle} ({one.bundle_digest[:12]}), which is not among those given"
        )
    cost = artifact_cost(bundle.manifest.artifact_format, bundle.files[bundle.manifest.artifact])
    _check(path, one.bundle, cost)
    latency_ms = percentile_ns(one.samples_ns, 50) / 1e6
    return Measured(cost.features, one.engine, cost.dtype or "", one.threads, latency_ms)


def _check(path: Path, name: str, cost: ArtifactCost) -> None:
    if obstacle := cost.obstacle():
        raise InputError(f"{path}: {name} cannot calibrate: {obstacle}")


def _published(path: Path, row: Any, device: DeviceProfile) -> Measured:
    networks = load_networks()
    try:
        name, engine, dtype = str(row["network"]), str(row["engine"]), str(row["dtype"])
        threads, latency_ms = int(row["threads"]), float(row["latency_ms"])
    except (KeyError, TypeError, ValueError) as error:
        wanted = "network, engine, dtype, threads, latency_ms"
        raise InputError(f"{path}: expected {wanted} of every published number: {error!r}") from error
    if name not in networks:
        raise UnknownNameError("network", name, tuple(sorted(networks)))
    usable = (*device.engines, *device.libraries)
    if engine not in usable:
        raise UnknownNameError("engine", engine, usable)
    if dtype not in ("float32", "int8") or threads < 1 or not 0 < latency_ms < 1e7:
        raise InputError(
            f"{path}: {name}: expected dtype float32 or int8, threads from 1, latency_ms above 0"
        )
    return Measured(networks[name], engine, dtype, threads, latency_ms)
