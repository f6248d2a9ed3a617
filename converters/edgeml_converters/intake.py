"""The door for trained models: a live object or a file in, a described model out."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from edgeml_converters.model import TrainedModel
from edgeml_converters.registry import Source, sources
from edgeml_runtime.errors import InputError, MissingDependencyError, UnsupportedModelError

PICKLE_SUFFIXES = (".joblib", ".pkl", ".pickle")


def load_model(path: str | Path, *, trust_pickle: bool = False) -> object:
    """The framework's own object from a model file or SavedModel folder.

    Raises InputError for a file that is missing, damaged, not a model, or a pickle that was not declared
    trusted; MissingDependencyError where its framework is not installed.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"model {path} does not exist")
    suffix = "" if path.is_dir() else path.suffix.lower()
    if suffix in PICKLE_SUFFIXES and not trust_pickle:
        raise InputError(
            f"{path} is a pickle, and loading a pickle runs the code in it; if you made this file or trust "
            "who did, pass --trust-pickle (trust_pickle=True), or save the model as .skops"
        )
    for source in sources().values():
        if suffix in source.suffixes and source.holds(path):
            _require(source)
            return (source.load_trusted if trust_pickle and source.load_trusted else source.load)(path)
    known = ", ".join(
        sorted({s or "a SavedModel folder" for src in sources().values() for s in src.suffixes})
    )
    raise InputError(f"{path} is not a kind of model file that edgeml knows; known: {known}")


def describe(model: object, name: str = "model") -> TrainedModel:
    """Describe a live model; raises UnsupportedModelError where no source recognises it."""
    for source in sources().values():
        if source.recognises(model):
            _require(source)
            return source.describe(model, name)
    kind = f"{type(model).__module__}.{type(model).__qualname__}"
    raise UnsupportedModelError(
        f"{kind} is not a trained model that edgeml knows; known kinds: {', '.join(sources())}. "
        "Pass the fitted estimator or network itself, or the path of its file"
    )


def source_of(model: TrainedModel) -> Source:
    """The source that described the model; its `predict` is the oracle."""
    return sources()[model.kind]


def _require(source: Source) -> None:
    missing = missing_modules(source.requires)
    if missing:
        raise MissingDependencyError(f"{source.kind} models need {with_pip_line(missing, source.extra)}")


def missing_modules(modules: tuple[str, ...]) -> list[str]:
    """Those that are not installed; nothing is imported to find out."""
    return [m for m in modules if importlib.util.find_spec(m) is None]


def with_pip_line(missing: Sequence[str], *extras: str) -> str:
    """For messages: the missing modules and the pip line of the extras that bring them."""
    wanted = ",".join(sorted(set(extras)))
    return f"{', '.join(missing)}: pip install 'edgeml-converters[{wanted}]'"
