"""Plan: which artifacts are worth building for this model and this device, and why the others are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edgeml.devices import DeviceProfile, formats, scheme_obstacle
from edgeml_converters.intake import missing_modules, with_pip_line
from edgeml_converters.model import Artifact, TrainedModel
from edgeml_converters.recipe import PLAIN, Recipe
from edgeml_converters.registry import Route, routes
from edgeml_converters.schemes import CALIBRATED, SCHEMES
from edgeml_runtime.engines import choose_engine
from edgeml_runtime.errors import (
    ConversionError,
    InputError,
    MissingDependencyError,
    NothingFitsError,
    UnknownNameError,
    UnsupportedModelError,
)

FORMATS = ("onnx", "tflite")
_VNNI = frozenset({"avx_vnni", "avx512_vnni"})


@dataclass(frozen=True, slots=True)
class Candidate:
    """An artifact that could be built: format x scheme, and the converters that lead there."""

    format: str
    scheme: str
    route: tuple[str, ...]
    recipe: Recipe = PLAIN

    @property
    def name(self) -> str:
        """`tflite/int8-static`; with a recipe, `tflite/int8-static (equalized)`."""
        recipe = self.recipe.describe()
        return f"{self.format}/{self.scheme}" + (f" ({recipe})" if recipe else "")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A format or a scheme of it that is not built, and why."""

    format: str
    scheme: str | None  # None: the whole format
    reason: str

    @property
    def name(self) -> str:
        """`tflite/int8-static`, or `tflite` for all of it."""
        return self.format if self.scheme is None else f"{self.format}/{self.scheme}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Candidates, what was left out, and the float32 hub artifacts that routes share (by route prefix)."""

    candidates: tuple[Candidate, ...]
    left_out: tuple[LeftOut, ...]
    hubs: Mapping[tuple[str, ...], Artifact] = field(repr=False, default_factory=dict)


def check_names(wanted_formats: Sequence[str] | None, wanted_schemes: Sequence[str] | None) -> None:
    """Raises UnknownNameError for a format or scheme that does not exist, InputError for text."""
    for what, names, known in (
        ("format", wanted_formats, FORMATS),
        ("scheme", wanted_schemes, tuple(SCHEMES)),
    ):
        if isinstance(names, str):
            raise InputError(f"{what}s must be a list of names, got the text {names!r}")
        for name in names or ():
            if name not in known:
                raise UnknownNameError(what, name, known)


def plan(
    model: TrainedModel,
    device: DeviceProfile,
    *,
    wanted_formats: Sequence[str] | None = None,
    wanted_schemes: Sequence[str] | None = None,
    with_data: bool = True,
    hubs: dict[tuple[str, ...], Artifact] | None = None,
) -> Plan:
    """The candidates that the device can run and a route honours in full.

    hubs: float32 artifacts of the model that were made for another device; those made here are added.
    Raises UnknownNameError for a format or scheme that does not exist, UnsupportedModelError where no format
    takes the model, MissingDependencyError where only an extra is missing, NothingFitsError where the device
    runs none, InputError where only data is missing.
    """
    check_names(wanted_formats, wanted_schemes)
    candidates: list[Candidate] = []
    left_out: list[LeftOut] = []
    hubs = {} if hubs is None else hubs
    obstacles = formats(device)
    unsupported: list[str] = []
    missing: list[str] = []
    for name in dict.fromkeys(wanted_formats or FORMATS):
        if obstacles.get(name, "no engine runs it there") is not None:
            left_out.append(LeftOut(name, None, f"{device.name}: {obstacles.get(name)}"))
            continue
        try:
            choose_engine(name)
            offers = _offers(model, name, hubs)
        except MissingDependencyError as error:
            missing.append(str(error))
            left_out.append(LeftOut(name, None, str(error)))
            continue
        except ConversionError as error:
            unsupported.append(str(error))
            left_out.append(LeftOut(name, None, str(error)))
            continue
        if offers and all(isinstance(offer, str) for offer in offers.values()):
            reason = str(next(iter(offers.values())))
            unsupported.append(reason)
            left_out.append(LeftOut(name, None, reason))
            continue
        for scheme in SCHEMES:
            offer = offers.get(scheme, f"no converter makes {name} with {scheme}")
            obstacle = scheme_obstacle(device, name, scheme)
            if wanted_schemes and scheme not in wanted_schemes:
                continue
            if isinstance(offer, str):
                left_out.append(LeftOut(name, scheme, offer))
            elif obstacle is not None:
                left_out.append(LeftOut(name, scheme, f"{device.name}: {obstacle}"))
            elif scheme in CALIBRATED and not with_data:
                left_out.append(LeftOut(name, scheme, "needs data to calibrate on; pass data"))
            else:
                recipe = _recipe(device, name, scheme)
                candidates.append(Candidate(name, scheme, tuple(c.name for c in offer), recipe))
    if not candidates:
        _explain_emptiness(model, device, left_out, unsupported, missing, obstacles)
    return Plan(tuple(candidates), tuple(left_out), dict(hubs))


def _recipe(device: DeviceProfile, target: str, scheme: str) -> Recipe:
    """What the device's instruction set asks for.

    onnxruntime's kernels for AVX2 and AVX-512 without VNNI add pairs of u8 x s8 products in 16 bits
    (`vpmaddubsw`), where large weights saturate and the answers become others than everywhere else. Weights
    of 7 bits cannot. Those for SSE, and LiteRT's, widen to 16 bits before they multiply, ARM's add in 32.
    """
    features = set(device.isa.features)
    saturates = device.isa.architecture == "x86_64" and "avx2" in features and not features & _VNNI
    reduced = saturates and target == "onnx" and scheme in ("int8-static", "int8-dynamic")
    return Recipe(reduced_range=reduced)


def _offers(
    model: TrainedModel, target: str, hubs: dict[tuple[str, ...], Artifact]
) -> dict[str, Route | str]:
    """For every scheme the shortest route that honours it, or why none does."""
    found: dict[str, Route | str] = {}
    needed: list[str] = []
    for route in routes(model.kind, target):
        if all(isinstance(found.get(scheme), tuple) for scheme in SCHEMES):
            break  # a longer way could only build a hub for nothing
        missing = missing_modules(tuple(m for c in route for m in c.requires))
        if missing:
            needed.append(with_pip_line(missing, *(c.extra for c in route)))
            continue
        for scheme, reason in _route_offers(model, route, hubs).items():
            if reason is None and not isinstance(found.get(scheme), tuple):
                found[scheme] = route
            elif reason is not None:
                found.setdefault(scheme, reason)
    if not found and needed:
        raise MissingDependencyError(f"{target} from {model.kind} needs {needed[0]}")
    return found


def _route_offers(
    model: TrainedModel, route: Route, hubs: dict[tuple[str, ...], Artifact]
) -> Mapping[str, str | None]:
    *inner, last = route
    subject: TrainedModel | Artifact = model
    prefix: tuple[str, ...] = ()
    for converter in inner:
        reason = converter.offers(subject).get("float32", "float32 is not offered")
        if reason is not None:
            return dict.fromkeys(SCHEMES, reason)
        prefix = (*prefix, converter.name)
        if prefix not in hubs:
            hubs[prefix] = converter.convert(subject, "float32", None)
        subject = hubs[prefix]
    return last.offers(subject)


def _explain_emptiness(
    model: TrainedModel,
    device: DeviceProfile,
    left_out: Sequence[LeftOut],
    unsupported: Sequence[str],
    missing: Sequence[str],
    obstacles: Mapping[str, str | None],
) -> None:
    if unsupported:
        raise UnsupportedModelError("; ".join(dict.fromkeys(unsupported)))
    if missing:
        raise MissingDependencyError("; ".join(dict.fromkeys(missing)))
    reasons = "; ".join(f"{o.name}: {o.reason}" for o in left_out)
    message = f"nothing to build for {model.name} on {device.name}: {reasons}"
    if all(o.reason.startswith(f"{device.name}: ") for o in left_out):
        loadable = [name for name, why_not in obstacles.items() if why_not is None]
        fallback = f"would fit: the formats {', '.join(loadable)}" if loadable else "no format would fit"
        raise NothingFitsError(f"{message}; {fallback}")
    raise InputError(message)
