"""Files that hold a fitted estimator: .skops, and pickles, which run code of their own when they are read."""

from __future__ import annotations

import importlib
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path

from edgeml_runtime.errors import InputError, MissingDependencyError

PICKLE_SUFFIXES = (".joblib", ".pkl", ".pickle")
"""Suffixes whose files run code when they are read: the caller asks for consent before `load`."""

FITTED_BY = "_sklearn_version"
"""The attribute in which scikit-learn's files keep its version; `load` leaves it where it is another one."""

_TRUSTED_CLASSES = ("sklearn.", "scipy.sparse.", "scipy.interpolate.")
_TRUSTED_FUNCTIONS = ("sklearn.feature_selection.", "sklearn.metrics.", "sklearn.utils.validation.")
_TRUSTED_NAMES = ("functools.partial", "numpy.dtype")


def load(path: Path) -> object:
    """The estimator in a .skops file or a pickle.

    Raises InputError where the file is absent, truncated, no estimator or would run code that is not
    scikit-learn's; MissingDependencyError without skops. What another scikit-learn version saved has that
    version as its attribute FITTED_BY.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    read = _load_pickle if path.suffix.lower() in PICKLE_SUFFIXES else _load_skops
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = read(path)
    versions = _versions(caught)
    if not hasattr(model, "get_params") or isinstance(model, type):
        keys = f" with keys {', '.join(map(repr, list(model)[:5]))}" if isinstance(model, dict) else ""
        raise InputError(
            f"{path}: holds a {type(model).__name__}{keys}, not a scikit-learn estimator; "
            "save the fitted estimator or pipeline itself"
        )
    if versions:
        setattr(model, FITTED_BY, " and ".join(versions))
    return model


def _versions(caught: Sequence[warnings.WarningMessage]) -> list[str]:
    """The other versions that scikit-learn warned of, oldest first; all other warnings are given again."""
    from sklearn.exceptions import InconsistentVersionWarning

    found = set()
    for warning in caught:
        if isinstance(warning.message, InconsistentVersionWarning):
            found.add(str(warning.message.original_sklearn_version))
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return sorted(found)


def _load_pickle(path: Path) -> object:
    import joblib

    try:
        return joblib.load(path)
    except ImportError as exc:
        raise InputError(
            f"{path}: was saved with {exc.name or 'a module'} and cannot be read without it: {exc}"
        ) from exc
    except Exception as exc:  # a damaged pickle can raise anything
        raise InputError(
            f"{path}: is truncated or not a pickled model ({type(exc).__name__}: {exc})"
        ) from exc


def _load_skops(path: Path) -> object:
    try:
        from skops import io
    except ImportError as exc:
        raise MissingDependencyError(
            f"{path}: reading .skops needs skops: pip install 'edgeml[sklearn]'"
        ) from exc
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path}: is truncated or not a .skops file (no zip archive)")
    try:
        types = io.get_untrusted_types(file=path)
    except Exception as exc:  # skops has no error of its own for a damaged file
        raise InputError(f"{path}: is truncated or not a .skops file ({type(exc).__name__}: {exc})") from exc
    foreign = sorted(name for name in types if not _is_trusted(name))
    if foreign:
        raise InputError(
            f"{path}: holds types that no scikit-learn estimator needs: {', '.join(foreign)}. "
            "Reading such a file can run any code. If you trust the file, load it yourself with "
            "skops.io.load(path, trusted=[...]) and pass the object to edgeml.compile"
        )
    try:
        loaded: object = io.load(path, trusted=types)
    except Exception as exc:  # the constructors that a damaged file reaches raise anything
        raise InputError(
            f"{path}: cannot be loaded ({type(exc).__name__}: {exc}); was it saved by another "
            "scikit-learn or skops version?"
        ) from exc
    return loaded


def _is_trusted(name: str) -> bool:
    """True for what scikit-learn's own estimators hold: its classes, and functions that only compute.

    A class of theirs does nothing but keep its parameters; a function, or a class such as numpy.memmap, could
    be put where an estimator calls it.
    """
    if name in _TRUSTED_NAMES or name.startswith(_TRUSTED_FUNCTIONS):
        return True
    module, _, attribute = name.rpartition(".")
    if not module.startswith(_TRUSTED_CLASSES) or ".tests" in module:
        return False
    try:
        return isinstance(getattr(importlib.import_module(module), attribute, None), type)
    except ImportError:
        return False
