"""sha256 over an estimator's parameters and structure, the same in every process.

pickle's bytes are no use for that: they depend on which equal objects are the same object, and the nodes of a
tree are structured arrays with uninitialised padding. So values are walked: of each its type's name and its
contents are hashed, mappings in the order of their keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from edgeml_converters.sources.boosted_content import content
from edgeml_converters.sources.sklearn_files import FITTED_BY

# Measured times, the version that saved it and an address in memory, not parameters.
_LEFT_OUT = frozenset({"cv_results_", "refit_time_", "fit_time_", "_stop_words_id", FITTED_BY})

# Their functions are known by name.
_LIBRARIES = ("numpy", "scipy", "sklearn")


def digest(model: Any) -> str:
    """64 hex digits; equal for two models with equal parameters."""
    sha = hashlib.sha256()
    _update(sha, model, ())
    return sha.hexdigest()


def _update(sha: Any, value: Any, above: tuple[int, ...]) -> None:
    sha.update(f"<{type(value).__module__}.{type(value).__qualname__}".encode())
    if id(value) in above:
        sha.update(b" cycle>")
        return
    above = (*above, id(value))
    if isinstance(value, (np.random.RandomState, np.random.Generator)):
        pass  # Gaussian processes keep the one that fitting drew from: by default that of the process
    elif value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        sha.update(repr(value).encode())
    elif isinstance(value, (np.ndarray, np.generic)):
        _update_array(sha, np.asarray(value), above)
    elif isinstance(value, Mapping):
        for key, item in sorted(value.items(), key=lambda pair: repr(pair[0])):
            _update(sha, key, above)
            _update(sha, item, above)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _update(sha, item, above)
    elif isinstance(value, (set, frozenset)):
        for item in sorted(value, key=repr):
            _update(sha, item, above)
    elif isinstance(value, FunctionType) and value.__module__.partition(".")[0] not in _LIBRARIES:
        _update(sha, _code_of(value), above)
    elif isinstance(value, CodeType):
        _update(sha, (value.co_code, value.co_consts, value.co_names), above)
    elif isinstance(value, ModuleType):
        sha.update(value.__name__.encode())
    elif isinstance(value, type) or hasattr(value, "__qualname__"):
        sha.update(f"{getattr(value, '__module__', None)}.{value.__qualname__}".encode())
    else:
        _update(sha, _state(value), above)
    sha.update(b">")


def _code_of(function: FunctionType) -> Any:
    """What a function of the user's own computes with: its code and the values that it names."""
    cells = (cell for cell in function.__closure__ or () if cell != CellType())
    named = {
        name: function.__globals__[name] for name in _names(function.__code__) if name in function.__globals__
    }
    return function.__code__, function.__defaults__, [cell.cell_contents for cell in cells], named


def _names(code: CodeType) -> set[str]:
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*(_names(constant) for constant in inner))


def _update_array(sha: Any, array: np.ndarray[Any, Any], above: tuple[int, ...]) -> None:
    sha.update(f"{array.shape}".encode())
    if array.dtype.names:
        for field in array.dtype.names:
            sha.update(field.encode())
            _update_array(sha, array[field], above)
    elif array.dtype.hasobject:
        for item in array.ravel().tolist():
            _update(sha, item, above)
    else:
        sha.update(array.dtype.str.encode())
        sha.update(np.ascontiguousarray(array).tobytes())


def _state(value: Any) -> Any:
    """What an object would pickle, as plain values."""
    compiled = content(value)
    if compiled is not None:
        return compiled
    attributes = getattr(value, "__dict__", None)
    if attributes:
        # Not __getstate__: estimators add scikit-learn's version to it, which is not the model's.
        return {name: item for name, item in attributes.items() if name not in _LEFT_OUT}
    reduced = value.__reduce_ex__(2)
    return reduced if isinstance(reduced, str) else reduced[1:3]
